"""The SMTP door between real clients (curl, msmtp) and a real operator (Dovecot submission): journaled like any other."""
from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.mssante.client import Operator, SubmissionClient
from connectors.mssante.errors import TokenRefused
from connectors.mssante.messages import Draft, build_message
from connectors.wire.tls import client_context
from tests.gateway.doors.smtp_bench import SmtpBench, smtp_bench
from tests.mocks.mssante.bench import APPLICATION, SHARED, certified, pki
from tests.peers.conftest import program
from tests.peers.dovecot import Operator as RealOperator
from tests.peers.dovecot import operator

CHALLENGE = "334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0="
UNKNOWN = "inconnue@ch-test.mssante.fr"
PEER = "hoda.fictif@ch-test.mssante.fr"


@contextlib.asynccontextmanager
async def between(tmp_path: Path) -> AsyncIterator[tuple[SmtpBench, RealOperator]]:
    dovecot = program("dovecot")
    if os.geteuid() != 0:
        pytest.skip("Dovecot changes user: this test needs root")
    (tmp_path / "operator").mkdir()
    (tmp_path / "door").mkdir()
    os.chmod(tmp_path, 0o755)  # noqa: PTH101
    async with (
        operator(dovecot, tmp_path / "operator", SHARED) as real,
        smtp_bench(tmp_path / "door", operator=real.connected) as bench,
    ):
        yield bench, real


async def run(*command: str, stdin: bytes = b"") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(stdin), 60)
    assert process.returncode is not None
    return process.returncode, out.decode("utf-8", "replace")


def message(number: int, to: str) -> bytes:
    named = [f"From: Infirmerie <{SHARED}>", f"To: <{to}>", f"Message-ID: <peer-{number}@ehpad-test.mssante.fr>"]
    return "\r\n".join([*named, "X-MSS-NIL: TEST0001", "Subject: essai", "", "Bonjour", ""]).encode()


def curl(bench: SmtpBench, token: str, to: str) -> list[str]:
    return [
        program("curl"), "-v", "--url", f"smtp://localhost:{bench.port}/dui.test", "--ssl-reqd", "--cacert", str(pki()["ca"]),
        "--user", SHARED, "--oauth2-bearer", token, "--mail-from", SHARED, "--mail-rcpt", to, "-T", "-",
    ]  # fmt: skip


async def test_curl_sends_through_the_door_to_dovecot(tmp_path: Path) -> None:
    async with between(tmp_path) as (bench, real):
        code, said = await run(*curl(bench, "jeton", PEER), stdin=message(1, PEER))
        assert code == 0, said
        [kept] = real.sink.kept
        assert b"Message-ID: <peer-1@ehpad-test.mssante.fr>" in kept.content
        [entry] = bench.entries()
        assert (entry["outcome"], entry["recipients"]["pro"], entry["finess_et"]) == ("ok", 1, "130790199")
        assert bench.units() == 1
        offered = {line.split()[1][4:] for line in said.splitlines() if line.startswith("< 250")}
        assert {"SIZE", "8BITMIME", "AUTH"} <= offered, said
        assert offered.isdisjoint({"CHUNKING", "BURL", "SMTPUTF8", "VRFY"}), said


async def test_a_token_that_dovecot_refuses_is_refused_the_same_way(tmp_path: Path) -> None:
    async with between(tmp_path) as (bench, real):
        code, said = await run(*curl(bench, "autre", PEER), stdin=message(1, PEER))
        assert code != 0 and CHALLENGE in said, said  # curl leaves at the challenge, without the empty line that ends it
        await bench.door.drain(5)
        [session] = bench.entries("MSS.SESSION_SMTP")
        assert (session["outcome"], session["flags"], real.sink.kept) == ("unauthorised", ["V-JETON"], [])


async def test_an_unknown_mailbox_is_refused_by_the_real_relay(tmp_path: Path) -> None:
    async with between(tmp_path) as (bench, real):
        code, said = await run(*curl(bench, "jeton", UNKNOWN), stdin=message(1, UNKNOWN))
        assert code != 0 and "< 550 5.0.0" in said, said  # Dovecot's own words for what its relay refused
        [entry] = bench.entries()
        assert (entry["outcome"], entry["flags"], entry["recipients"]["refused"]) == ("refused", ["V-BAL-INCONNUE"], 1)
        assert (bench.units(), real.sink.kept) == (0, [])


async def test_dovecot_is_shown_the_certificate_that_the_dui_proved(tmp_path: Path) -> None:
    async with between(tmp_path) as (bench, real):
        draft = Draft(APPLICATION, "EHPAD", (PEER,), "essai", "Bonjour", "TEST0001", "peer-3", bench.world.clock.business())
        operator = Operator("localhost", bench.port, certified(), timeout_s=20)
        async with SubmissionClient(operator, APPLICATION, mechanism="EXTERNAL") as client:
            assert (await client.submit(build_message(draft))).accepted
        with pytest.raises(TokenRefused) as refused:
            bare = Operator("localhost", bench.port, client_context(pki()["ca"]), timeout_s=20)
            async with SubmissionClient(bare, APPLICATION, mechanism="EXTERNAL"):
                pass
        assert "Socle" in refused.value.reply.lines[0]
        [entry] = bench.entries()
        assert (entry["outcome"], len(real.sink.kept), bench.units()) == ("ok", 1, 1)


async def test_msmtp_sends_too(tmp_path: Path) -> None:
    async with between(tmp_path) as (bench, real):
        server = ["--host=localhost", f"--port={bench.port}", "--tls=on", "--tls-starttls=on", f"--tls-trust-file={pki()['ca']}"]
        login = ["--auth=xoauth2", f"--user={SHARED}", "--passwordeval=printf jeton", f"--from={SHARED}"]
        code, said = await run(program("msmtp"), *server, *login, PEER, stdin=message(2, PEER))
        assert code == 0, said
        [entry] = bench.entries()
        assert (entry["outcome"], len(real.sink.kept), bench.units()) == ("ok", 1, 1)
