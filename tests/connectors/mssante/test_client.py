"""The submission client against aiosmtpd, a server that shares nothing with it, and against servers that misbehave."""
from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from connectors.mssante.client import Operator, SubmissionClient
from connectors.mssante.errors import InDoubt, Refused, TokenRefused, Unavailable
from connectors.mssante.messages import Draft, build_message
from connectors.wire.tls import client_context, server_context
from tests.mocks.mssante.bench import pki, serving

SENDER = "infirmerie@ehpad-test.mssante.fr"
GOOD, BAD = "hoda@ch-test.mssante.fr", "inconnu@ch-test.mssante.fr"
MESSAGE = build_message(
    Draft(SENDER, "EHPAD Test", (GOOD, BAD), "Objet", ".\nTexte\n", "TEST0001", "r1", datetime(2026, 11, 21, tzinfo=UTC))
)


class Handler:
    """What an operator decides, in aiosmtpd's terms."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.answer = "250 2.0.0 kept"

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        if base64.b64decode(args[1]) == f"user={SENDER}\x01auth=Bearer good\x01\x01".encode():
            return AuthResult(success=True)
        await server.push("334 eyJzdGF0dXMiOiI0MDEifQ==")
        await server._reader.readline()
        await server.push("535 5.7.8 no")
        return AuthResult(success=False, handled=True)

    async def handle_RCPT(self, _s: SMTP, _x: Session, envelope: Envelope, address: str, _o: list[str]) -> str:
        if address == BAD:
            return "550 5.1.1 unknown"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _s: SMTP, _x: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.kept.append(envelope.content)
        return self.answer


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
async def operator(handler: Handler) -> AsyncIterator[Operator]:
    files = pki()
    tls = server_context(files["cert"], files["key"])

    def session() -> SMTP:
        return SMTP(
            handler, tls_context=tls, require_starttls=True, auth_required=True, auth_exclude_mechanism=["LOGIN", "PLAIN"]
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    yield at(server.sockets[0].getsockname()[1])
    server.close()


def at(port: int, **options: Any) -> Operator:
    return Operator("localhost", port, client_context(pki()["ca"]), timeout_s=options.pop("timeout_s", 5), **options)


async def test_a_message_is_taken(operator: Operator, handler: Handler) -> None:
    async with SubmissionClient(operator, SENDER, "good") as client:
        done = await client.submit(MESSAGE)
    assert done.accepted and (done.stage, done.reply.service_code) == ("end", "250 2.0.0")
    assert {address: reply.service_code for address, reply in done.recipients.items()} == {GOOD: "250 2.1.5", BAD: "550 5.1.1"}
    assert handler.kept == [MESSAGE.content]


async def test_refusals_are_results(operator: Operator, handler: Handler) -> None:
    handler.answer = "451 4.3.0 later"
    async with SubmissionClient(operator, SENDER, "good") as client:
        nobody = await client.submit(build_message(Draft(
            SENDER, "EHPAD Test", (BAD,), "Objet", "x", "TEST0001", "r2", datetime(2026, 11, 21, tzinfo=UTC),
        )))  # fmt: skip
        later = await client.submit(MESSAGE)
    assert (nobody.accepted, nobody.stage, nobody.reply.enhanced) == (False, "rcpt", "5.1.1")
    assert (later.accepted, later.stage, later.reply.transient) == (False, "end", True)


async def test_a_refused_token_is_told_apart(operator: Operator) -> None:
    with pytest.raises(TokenRefused) as refused:
        async with SubmissionClient(operator, SENDER, "expired"):
            pass
    assert (refused.value.stage, refused.value.reply.service_code) == ("auth", "535 5.7.8")


async def test_nobody_listens() -> None:
    async with serving(silent) as port:
        pass
    with pytest.raises(Unavailable) as lost:
        await SubmissionClient(at(port), SENDER, "good").open()
    assert lost.value.reason == "connect"


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_a_server_that_says_nothing() -> None:
    async with serving(silent) as port:
        with pytest.raises(Unavailable) as lost:
            async with SubmissionClient(at(port, timeout_s=0.2), SENDER, "good"):
                pass
    assert lost.value.stage == "connect"


async def test_a_server_without_starttls_gets_no_token() -> None:
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 plain\r\n")
        while line := await reader.readline():
            heard.extend(line)
            writer.write(b"250-plain\r\n250 AUTH XOAUTH2\r\n")
        writer.close()

    async with serving(plain) as port:
        with pytest.raises(Unavailable) as lost:
            async with SubmissionClient(at(port), SENDER, "good"):
                pass
    assert lost.value.stage == "tls" and b"AUTH" not in heard


async def test_a_certificate_of_another_authority_is_refused(operator: Operator) -> None:
    stranger = Operator("localhost", operator.port, ssl.create_default_context(), timeout_s=5)
    with pytest.raises(Unavailable) as lost:
        async with SubmissionClient(stranger, SENDER, "good"):
            pass
    assert lost.value.stage == "tls"


@pytest.mark.parametrize("silence", [True, False])
async def test_no_answer_after_the_message_is_a_doubt(silence: bool) -> None:
    async def lossy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 lossy\r\n")
        content = False
        while line := await reader.readline():
            if line == b".\r\n":
                if silence:
                    await reader.read()
                break
            verb = line[:4].upper()
            if verb == b"STAR":
                writer.write(b"220 go\r\n")
                await writer.start_tls(server_context(pki()["cert"], pki()["key"]))
            elif verb == b"DATA":
                content = True
                writer.write(b"354 go\r\n")
            elif not content:
                writer.write(b"235 2.7.0 in\r\n" if verb == b"AUTH" else b"250-lossy\r\n250-AUTH XOAUTH2\r\n250 STARTTLS\r\n")
        writer.close()

    async with serving(lossy) as port:
        client = SubmissionClient(at(port, timeout_s=0.5), SENDER, "good")
        await client.open()
        with pytest.raises(InDoubt) as doubt:
            await client.submit(MESSAGE)
        await client.close()
    assert doubt.value.reason == ("timeout" if silence else "closed")


async def test_a_service_refused_at_the_greeting() -> None:
    async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 4.3.2 later\r\n")
        await reader.read()
        writer.close()

    async with serving(closed) as port:
        with pytest.raises(Refused) as refused:
            async with SubmissionClient(at(port), SENDER, "good"):
                pass
    assert (refused.value.stage, refused.value.reply.service_code) == ("connect", "421 4.3.2")
