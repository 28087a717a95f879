"""A mailbox opened for reading at the simulated operator, or refused: TLS first, tokens, certificates."""
from __future__ import annotations

import asyncio
import base64
import imaplib
from collections.abc import AsyncIterator

import pytest

from connectors.wire.serving import StreamService
from connectors.wire.tls import client_context
from mocks.mssante.app import MssanteMock
from mocks.sandbox.world import World
from tests.mocks.mssante.bench import APPLICATION, COLLEAGUE, PERSONAL, SHARED, certified, message, pki, plain, serving, xoauth2
from tests.mocks.mssante.imap_bench import Imap, deliver, dial, reading

CHALLENGE = b"+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0="
OPEN = {b"UIDPLUS", b"MOVE", b"SPECIAL-USE", b"NAMESPACE", b"QUOTA", b"IDLE", b"SASL-IR", b"ID", b"ENABLE", b"LITERAL+"}


@pytest.fixture
def mock(world: World) -> MssanteMock:
    return MssanteMock(world)


@pytest.fixture
async def imap(mock: MssanteMock) -> AsyncIterator[Imap]:
    async with reading(mock) as talk:
        yield talk


async def capabilities(imap: Imap) -> set[bytes]:
    return set((await imap.says("CAPABILITY"))[0].split()[2:])


async def test_the_service_is_served_beside_submission(mock: MssanteMock) -> None:
    names = {service.name: service for service in mock.services()}
    assert set(names) == {"mock-smtp", "mock-imap"}
    service = names["mock-imap"]
    assert isinstance(service, StreamService)
    async with serving(service.connected) as port, dial(port, greeting="* OK [CAPABILITY ") as imap:
        await imap.says("NOOP")


async def test_the_greeting_says_that_it_is_a_simulation(mock: MssanteMock) -> None:
    listed = "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED AUTH=XOAUTH2"
    async with reading(mock, greeting=f"* OK [CAPABILITY {listed}] MSSante - simulation Socle") as imap:
        assert b"simulation" in (await imap.says("ID NIL"))[0]
    async with reading(mock) as imap:
        assert b"Socle" in (await imap.says('ID ("name" "dui")'))[0]


async def test_starttls_comes_first_and_changes_the_list(imap: Imap) -> None:
    assert {b"STARTTLS", b"LOGINDISABLED"} < await capabilities(imap)
    await imap.says(f"AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'nadia')}", "NO [PRIVACYREQUIRED]")
    await imap.says("LOGIN a b", "NO [PRIVACYREQUIRED]")
    await imap.says("SELECT INBOX", "BAD Not authenticated")
    await imap.starttls()
    assert b"STARTTLS" not in await capabilities(imap) >= {b"LOGINDISABLED", b"AUTH=XOAUTH2"}
    await imap.says("STARTTLS", "BAD")
    await imap.says("LOGIN a b", "NO LOGIN is disabled")
    heard = await imap.says(f"AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'nadia')}")
    assert heard[0].startswith(b"* CAPABILITY ") and set(heard[0].split()) >= OPEN and b"LOGINDISABLED" not in heard[0]
    assert await capabilities(imap) == set(heard[0].split()[2:])
    await imap.says(f"AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'nadia')}", "BAD Already")


async def test_bytes_behind_starttls_are_an_injection(imap: Imap) -> None:
    await imap.raw(b"a STARTTLS\r\nb NOOP\r\n")
    assert (await imap.hears()).startswith(b"* BYE")
    await imap.gone()


async def test_xoauth2_without_initial_response(imap: Imap) -> None:
    await imap.starttls()
    await imap.raw(b"x authenticate xoauth2\r\n")
    assert await imap.hears() == b"+ "
    await imap.raw(xoauth2(PERSONAL.upper(), "nadia").encode() + b"\r\n")
    await imap.until(b"x", "OK Logged in")


@pytest.mark.parametrize(("mailbox", "token"), [(SHARED, "forged"), (SHARED, "hoda"), (COLLEAGUE, "nadia")])
async def test_a_refused_token_is_a_challenge_then_no(imap: Imap, mailbox: str, token: str) -> None:
    await imap.starttls()
    await imap.raw(f"x AUTHENTICATE XOAUTH2 {xoauth2(mailbox, token)}\r\n".encode())
    assert await imap.hears() == CHALLENGE
    await imap.raw(b"\r\n")
    await imap.until(b"x", "NO [AUTHENTICATIONFAILED]")
    await imap.says("SELECT INBOX", "BAD Not authenticated")
    await imap.says(f"AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'nadia')}")


async def test_the_operator_may_drop_after_the_challenge(world: World) -> None:
    async with reading(MssanteMock(world, drop_after_challenge=True)) as imap:
        await imap.starttls()
        await imap.raw(f"x AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'forged')}\r\n".encode())
        assert await imap.hears() == CHALLENGE
        await imap.gone()


async def test_bad_auth_is_told_apart_from_a_refused_token(imap: Imap) -> None:
    await imap.starttls()
    await imap.says("AUTHENTICATE PLAIN AAAA", "NO [CANNOT]")
    await imap.says("AUTHENTICATE EXTERNAL =", "NO [CANNOT]")
    await imap.says("AUTHENTICATE XOAUTH2 pas-du-base64", "BAD Cannot decode")
    await imap.says(f"AUTHENTICATE XOAUTH2 {base64.b64encode(b'user=x').decode()}", "BAD Cannot decode")
    await imap.raw(b"x AUTHENTICATE XOAUTH2\r\n")
    assert await imap.hears() == b"+ "
    await imap.raw(b"*\r\n")
    await imap.until(b"x", "BAD Authentication cancelled")


@pytest.mark.parametrize(
    "line", ["AUTHENTICATE EXTERNAL =", f"AUTHENTICATE PLAIN {plain(APPLICATION)}",
             "AUTHENTICATE EXTERNAL " + base64.b64encode(APPLICATION.encode()).decode()]
)  # fmt: skip
async def test_a_structures_certificate_opens_its_own_mailbox_only(mock: MssanteMock, imap: Imap, line: str) -> None:
    deliver(mock, to=APPLICATION)
    await imap.starttls(certified())
    assert {b"AUTH=EXTERNAL", b"AUTH=PLAIN"} < await capabilities(imap)
    await imap.says(f"AUTHENTICATE PLAIN {plain(SHARED)}", "NO [AUTHENTICATIONFAILED]")
    await imap.says(line)
    assert b"* 1 EXISTS" in await imap.says("SELECT INBOX")
    async with reading(mock) as other:
        await other.starttls(certified("stranger"))
        await other.says(line, "NO [AUTHENTICATIONFAILED]")


async def test_a_session_is_counted_once_it_has_spoken(mock: MssanteMock, world: World, imap: Imap) -> None:
    assert world.trace.counts()["received"] == {}
    await imap.login()
    assert world.trace.counts()["received"] == {"MSS.SESSION_IMAP": 1}
    [noted] = world.requests
    assert (noted.operation, noted.status, noted.code) == ("MSS.SESSION_IMAP", None, "AUTHENTICATE OK")


def read_with_imaplib(port: int) -> tuple[bytes, list[bytes]]:
    with imaplib.IMAP4("localhost", port, timeout=10) as client:
        client.starttls(client_context(pki()["ca"]))
        client.authenticate("XOAUTH2", lambda challenge: b"" if challenge else base64.b64decode(xoauth2(SHARED, "nadia")))
        client.append("Sent", r"(\Seen)", None, b"Subject: copie\n\nligne\n")  # type: ignore[arg-type]
        client.select("INBOX")
        _, [numbers] = client.uid("SEARCH", "UNSEEN")
        _, fetched = client.uid("FETCH", numbers.decode(), "(BODY.PEEK[])")
        client.uid("MOVE", numbers.decode(), "Trash")
        _, statuses = client.status("Trash", "(MESSAGES)")
        return fetched[0][1], statuses


async def test_a_client_of_the_standard_library_reads_and_files(mock: MssanteMock) -> None:
    """imaplib shares nothing with this server."""
    kept = deliver(mock, message(COLLEAGUE))
    async with serving(mock.services()[1].connected) as port:  # type: ignore[union-attr]
        content, statuses = await asyncio.to_thread(read_with_imaplib, port)
    assert content == kept and statuses == [b'"Trash" (MESSAGES 1)']
    assert mock.state()["mailboxes"][SHARED]["Sent"] == {"messages": 1, "unseen": 0, "uid_next": 2}
