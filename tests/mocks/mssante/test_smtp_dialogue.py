"""The simulated operator on a real socket: each refusal with its accepted twin, and what it keeps."""
from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from email import message_from_bytes

import aiosmtplib
import pytest

from connectors.nomenclatures.mssante import TEST_MAILBOX
from connectors.wire.serving import StreamService
from connectors.wire.tls import client_context
from mocks.mssante.app import MssanteMock
from mocks.mssante.behaviour import SIZE_LIMIT
from mocks.sandbox.faults import Fault
from mocks.sandbox.world import World
from tests.mocks.mssante.bench import (
    CLOSED,
    COLLEAGUE,
    NIL,
    PERSONAL,
    SHARED,
    USAGER,
    Dialogue,
    dialogue,
    message,
    pki,
    serving,
    xoauth2,
)


@pytest.fixture
def mock(world: World) -> MssanteMock:
    return MssanteMock(world)


@pytest.fixture
async def port(mock: MssanteMock) -> AsyncIterator[int]:
    service, _ = mock.services()
    assert isinstance(service, StreamService) and service.name == "mock-smtp"
    async with serving(service.connected) as port:
        yield port


@pytest.fixture
async def smtp(port: int) -> AsyncIterator[Dialogue]:
    async with dialogue(port) as talk:
        yield talk


def held(world: World) -> int:
    return world.trace.counts()["held"].get("MSS.SOUMISSION", 0)


async def test_a_message_is_kept_with_its_trace_headers(smtp: Dialogue, mock: MssanteMock, world: World) -> None:
    await smtp.login()
    [answer] = await smtp.send(message(), "250 2.0.0", COLLEAGUE, USAGER)
    await smtp.says("QUIT", 221)
    queue_id = answer.rsplit(" ", 1)[1]
    for box in (COLLEAGUE, USAGER):
        [kept] = mock.store.inbox(box)
        assert kept.endswith(message().encode())
        headers = message_from_bytes(kept)
        assert (headers["Return-Path"], headers["Delivered-To"]) == (f"<{SHARED}>", box)
        assert queue_id in headers["Received"]
    [last] = mock.state()["last"]
    assert (last["queue_id"], last["nil"], last["report"]) == (queue_id, "present", False)
    assert world.trace.counts() == {
        "received": {"MSS.SESSION_SMTP": 1, "MSS.SOUMISSION": 1}, "held": {"MSS.SOUMISSION": 1},
    }  # fmt: skip


async def test_the_greeting_says_that_it_is_a_simulation(port: int) -> None:
    async with dialogue(port, greeting=None) as smtp:
        [greeting] = await smtp.hears(220)
        assert "simulation" in greeting


async def test_starttls_comes_first_and_changes_the_list(smtp: Dialogue) -> None:
    before = await smtp.says("EHLO dui.test", 250)
    assert "250 STARTTLS" in before and not [line for line in before if "AUTH" in line]
    await smtp.says(f"MAIL FROM:<{SHARED}>", "530 5.7.0")
    await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", "530 5.7.0")
    after = await smtp.starttls()
    assert "250 AUTH XOAUTH2" in after and not [line for line in after if "STARTTLS" in line]
    assert {line[4:] for line in after} >= {"DSN", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", f"SIZE {SIZE_LIMIT}"}
    await smtp.says("STARTTLS", 503)


async def test_bytes_behind_starttls_are_an_injection(smtp: Dialogue) -> None:
    await smtp.says("EHLO dui.test", 250)
    await smtp.raw("STARTTLS\r\nEHLO injected.test\r\n")
    await smtp.hears(554)
    await smtp.gone()


async def test_what_was_said_before_tls_is_forgotten(smtp: Dialogue) -> None:
    await smtp.says("EHLO dui.test", 250)
    await smtp.says("STARTTLS", 220)
    await smtp.tls()
    await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", "503 5.5.1")
    await smtp.says("EHLO dui.test", 250)
    await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", "235 2.7.0")


@pytest.mark.parametrize("mailbox, token", [(SHARED, "expired"), (SHARED, "hoda"), (COLLEAGUE, "nadia"), ("x@y.fr", "nadia")])
async def test_a_refused_token_is_a_challenge_then_535(smtp: Dialogue, mailbox: str, token: str) -> None:
    await smtp.starttls()
    [challenge] = await smtp.says(f"AUTH XOAUTH2 {xoauth2(mailbox, token)}", 334)
    assert base64.b64decode(challenge[4:]) == b'{"status":"401","schemes":"bearer","scope":"mail"}'
    await smtp.says("", "535 5.7.8")
    await smtp.says(f"MAIL FROM:<{SHARED}>", "530 5.7.0")
    await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", "235 2.7.0")  # the twin, same connection


async def test_the_operator_may_drop_after_the_challenge(world: World) -> None:
    async with serving(MssanteMock(world, drop_after_challenge=True).connected) as port, dialogue(port) as smtp:
        await smtp.starttls()
        await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'expired')}", 334)
        await smtp.gone()


async def test_xoauth2_without_initial_response(smtp: Dialogue) -> None:
    await smtp.starttls()
    await smtp.says("auth xoauth2", "334 ")
    await smtp.says(xoauth2(PERSONAL, "nadia"), "235 2.7.0")


@pytest.mark.parametrize(
    "line, reason",
    [("AUTH PLAIN AGEAYg==", "504 5.5.4"), ("AUTH XOAUTH2 %%%", "501 5.5.2"), ("AUTH XOAUTH2 dXNlcj1h", "501 5.5.2")],
)
async def test_bad_auth_is_told_apart_from_a_refused_token(smtp: Dialogue, line: str, reason: str) -> None:
    await smtp.starttls()
    await smtp.says(line, reason)


async def test_only_the_authenticated_mailbox_sends(smtp: Dialogue, mock: MssanteMock, world: World) -> None:
    await smtp.login()
    await smtp.says(f"MAIL FROM:<{PERSONAL}>", "553 5.7.1")
    await smtp.send(message(sender=PERSONAL), "550 5.7.1")
    assert held(world) == 0
    await smtp.send(message(), "250 2.0.0")
    assert (held(world), world.trace.counts()["received"]["MSS.SOUMISSION"]) == (1, 3)


@pytest.mark.parametrize(
    "address, reason",
    [
        ("quelqu.un@example.org", "550 5.7.1"),
        ("inconnu@ehpad-test.mssante.fr", "550 5.1.1"),
        ("120010123456789@patient.mssante.fr", "550 5.1.1"),
        (f"{CLOSED[:13]}@patient.mssante.fr", "550 5.1.1"),
        ("pas-une-adresse", "501 5.5.4"),
    ],
)
async def test_recipients_refused_and_their_twin(smtp: Dialogue, address: str, reason: str) -> None:
    await smtp.login()
    await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
    await smtp.says(f"RCPT TO:<{address}>", reason)
    await smtp.says("DATA", "554 5.5.1")
    await smtp.says(f"RCPT TO:<{USAGER.upper()}>", "250 2.1.5")
    await smtp.says("DATA", 354)


async def test_dsn_parameters(smtp: Dialogue) -> None:
    await smtp.login()
    await smtp.says(f"MAIL FROM:<{SHARED}> RET=HDRS ENVID=abc+2B1 BODY=8BITMIME SIZE=1000", 250)
    await smtp.says(f"RCPT TO:<{COLLEAGUE}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@c.fr", 250)
    await smtp.says(f"RCPT TO:<{COLLEAGUE}> NOTIFY=SOMETIMES", "501 5.5.4")
    await smtp.says(f"RCPT TO:<{COLLEAGUE}> WHATEVER", "555 5.5.4")
    await smtp.says("RSET", 250)
    await smtp.says(f"MAIL FROM:<{SHARED}> SIZE={SIZE_LIMIT + 1}", "552 5.3.4")


async def test_too_large_a_message(smtp: Dialogue, mock: MssanteMock) -> None:
    await smtp.login()
    filler = ("x" * 998 + "\r\n") * (SIZE_LIMIT // 1000 + 1)
    await smtp.send(message() + filler, "552 5.3.4")
    assert mock.state()["messages"] == 0
    await smtp.send(message() + "x" * 998 + "\r\n", "250 2.0.0")


@pytest.mark.parametrize("smuggled", [".\n", "a\n.\r\n", "a\rb\r\n", "\n.\n"])
async def test_bare_newlines_close_the_connection(smtp: Dialogue, mock: MssanteMock, smuggled: str) -> None:
    await smtp.login()
    await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
    await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
    await smtp.says("DATA", 354)
    await smtp.raw(message() + smuggled + ".\r\n")
    await smtp.hears("521 5.5.2")
    await smtp.gone()
    assert mock.state()["messages"] == 0


async def test_stuffed_dots_are_undone(smtp: Dialogue, mock: MssanteMock) -> None:
    await smtp.login()
    await smtp.send(message() + "..\r\n..x\r\n.y\r\n", "250 2.0.0")
    [kept] = mock.store.inbox(COLLEAGUE)
    assert kept.endswith(b"Texte.\r\n.\r\n.x\r\ny\r\n")  # one dot goes, whatever follows it (RFC 5321 §4.5.2)


async def test_one_message_sent_twice_is_two_deliveries_and_one_side_effect(
    smtp: Dialogue, mock: MssanteMock, world: World
) -> None:
    await smtp.login()
    await smtp.send(message(), 250)
    await smtp.send(message(), 250)
    await smtp.send(message(message_id="<m2@ehpad-test.mssante.fr>"), 250)
    assert (len(mock.store.inbox(COLLEAGUE)), mock.state()["units"], held(world)) == (3, 2, 2)


async def test_a_receipt_is_delivered_and_is_no_submission(smtp: Dialogue, mock: MssanteMock, world: World) -> None:
    await smtp.login()
    await smtp.send(message(), 250, sender="")
    assert (mock.state()["messages"], mock.state()["units"], held(world)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("extra", "recipients"),
    [
        (NIL + "Auto-Submitted: auto-replied\r\n", (COLLEAGUE,)),
        (NIL.replace("\r\n", "\r\nSubject: =?utf-8?q?=5BKO_Int=C3=A9gration_syst=C3=A8me_!=5D=5BE1=5D?=\r\n"), (COLLEAGUE,)),
        (NIL, (TEST_MAILBOX,)),
    ],
)
async def test_what_nobody_wrote_or_reads_is_delivered_and_is_no_submission(
    smtp: Dialogue, mock: MssanteMock, world: World, extra: str, recipients: tuple[str, ...]
) -> None:
    await smtp.login()
    await smtp.send(message(extra=extra).replace("Subject: Bonjour\r\n", ""), 250, *recipients)
    assert (mock.state()["messages"], mock.state()["units"], held(world)) == (1, 0, 0)


async def test_absent_nil_is_taken_and_noted(smtp: Dialogue, mock: MssanteMock) -> None:
    await smtp.login()
    await smtp.send(message(extra=""), 250)
    assert mock.state()["last"][0]["nil"] == "absent"


@pytest.mark.parametrize(
    "text, reason",
    [
        ("To: <x@y.fr>\r\n\r\nx\r\n", "554 5.6.0"),
        (message().replace("Subject: ", f"From: <{SHARED}>\r\nSubject: "), "554 5.6.0"),
        (message().replace("Bonjour", "Réponse"), "554 5.6.7"),
        (message().replace("From: ", f"From: {'(' * 2000} "), "554 5.6.0"),
    ],
)
async def test_headers_refused(smtp: Dialogue, text: str, reason: str) -> None:
    await smtp.login()
    await smtp.send(text, reason)


async def test_messages_and_units_are_found_again_after_a_restart(smtp: Dialogue, mock: MssanteMock, world: World) -> None:
    await smtp.login()
    await smtp.send(message(), 250)
    again = MssanteMock(world)
    assert again.state() == mock.state()
    assert again.store.next_queue_id() not in {kept["queue_id"] for kept in mock.state()["last"]}
    again.reset()
    assert (again.state()["messages"], again.store.inbox(COLLEAGUE)) == (0, [])


async def test_an_armed_status_does_nothing_and_says_so(smtp: Dialogue, mock: MssanteMock, world: World) -> None:
    world.faults.arm(Fault("panne-1", "MSS.SOUMISSION", "status", "451"))
    await smtp.login()
    [answer] = await smtp.send(message(), "451 4.3.0")
    assert "panne-1" in answer and mock.state()["messages"] == 0
    await smtp.send(message(), "250 2.0.0")


@pytest.mark.parametrize("fault", [Fault("p", "MSS.SOUMISSION", "reset"), Fault("p", "MSS.SOUMISSION", "timeout", delay_s=0.2)])
async def test_an_armed_reset_or_timeout_acts_first(smtp: Dialogue, mock: MssanteMock, world: World, fault: Fault) -> None:
    world.faults.arm(fault)
    await smtp.login()
    await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
    await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
    await smtp.says("DATA", 354)
    await smtp.raw(message() + ".\r\n")
    if fault.kind == "reset":
        await smtp.gone()
    else:
        await smtp.hears("250 2.0.0")
    assert (held(world), mock.state()["messages"]) == (1, 1)


async def test_a_session_refused_at_its_first_command(port: int, world: World) -> None:
    world.faults.arm(Fault("panne-2", "MSS.SESSION_SMTP", "status", "500"))
    async with dialogue(port) as smtp:
        [refusal] = await smtp.says("EHLO dui.test", "421 4.3.2")
        assert "panne-2" in refusal
        await smtp.gone()
    async with dialogue(port) as smtp:
        await smtp.says("EHLO dui.test", 250)
    assert world.trace.counts()["received"]["MSS.SESSION_SMTP"] == 2


async def test_a_probe_that_says_nothing_is_no_session(port: int, world: World) -> None:
    world.faults.arm(Fault("panne-2", "MSS.SESSION_SMTP", "reset"))
    async with dialogue(port):
        pass
    assert world.trace.counts()["received"] == {} and len(world.faults.to_json()) == 1


async def test_a_real_client_submits(port: int, mock: MssanteMock) -> None:
    """aiosmtplib is the peer that shares nothing with this server."""
    client = aiosmtplib.SMTP(
        hostname="localhost", port=port, start_tls=True, tls_context=client_context(pki()["ca"]), local_hostname="dui.test"
    )
    async with asyncio.timeout(10), client:
        await client.auth_xoauth2(SHARED, "nadia")
        errors, answer = await client.sendmail(SHARED, [COLLEAGUE, "rien@ch-test.mssante.fr"], message().encode())
    assert answer.startswith("2.0.0 Ok")
    assert [(address, code) for address, (code, _) in errors.items()] == [("rien@ch-test.mssante.fr", 550)]
    assert len(mock.store.inbox(COLLEAGUE)) == 1
