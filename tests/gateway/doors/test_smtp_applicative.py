"""Applicative mailboxes by the SMTP door: what the DUI proves to the door is what the operator is shown, or nothing is sent."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.mssante.client import Mechanism, Operator, SubmissionClient
from connectors.mssante.messages import Draft, build_message
from gateway.conformance.live import Observer, eyes_of
from tests.gateway.doors.smtp_bench import LES_CARMES, SmtpBench, smtp_bench
from tests.mocks.mssante.bench import APPLICATION, COLLEAGUE, SHARED, certified, message, plain

SESSION = "MSS.SESSION_SMTP"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SmtpBench]:
    async with smtp_bench(tmp_path) as bench:
        bench.door.observer = Observer(eyes_of(bench.journal.vault, None))
        yield bench


async def test_the_mechanisms_are_offered_behind_a_deposited_certificate_only(bench: SmtpBench) -> None:
    for who, offered in (("client", "AUTH XOAUTH2 EXTERNAL PLAIN"), ("stranger", "AUTH XOAUTH2"), (None, "AUTH XOAUTH2")):
        async with bench.dui(login=False) as smtp:
            lines = await smtp.starttls(None if who is None else certified(who))
            assert [line[4:] for line in lines if "AUTH" in line] == [offered], who


@pytest.mark.parametrize("line", [f"AUTH PLAIN {plain(APPLICATION, 'secret')}", "AUTH EXTERNAL ="])
async def test_a_message_is_sent_counted_and_conforms(bench: SmtpBench, line: str) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.starttls(certified())
        await smtp.says(line, "235 2.7.0")
        await smtp.send(message(APPLICATION), "250 2.0.0", sender=APPLICATION)
        await smtp.says("QUIT", 221)
    [sent], [session] = bench.entries(), bench.entries(SESSION)
    assert (sent["outcome"], sent["tenant"], sent["finess_et"]) == ("ok", "editeur-a", LES_CARMES)
    assert (sent["professional_ref"], bench.units()) == (None, 1)
    assert (session["outcome"], session["tenant"], session["flags"]) == ("ok", "editeur-a", [])
    assert session["verdict"]["non_conforme"] == []
    assert (bench.received(SESSION), bench.received(), bench.held()) == (1, 1, 1)


async def test_without_a_certificate_the_door_forwards_nothing(bench: SmtpBench) -> None:
    for who in (None, "stranger"):
        async with bench.dui(login=False) as smtp:
            await smtp.starttls(None if who is None else certified(who))
            await smtp.says(f"AUTH PLAIN {plain(APPLICATION, 'secret')}", "535 5.7.8 Socle")
            await smtp.says("AUTH EXTERNAL", "535 5.7.8 Socle")
            await smtp.says(f"MAIL FROM:<{APPLICATION}>", 530)
            await smtp.says("QUIT", 221)
    # A structure's certificate that nobody deposited is well presented all the same: the check is about the DUI.
    for session, wrong in zip(bench.entries(SESSION), (["CHK-MSS-10"], []), strict=True):
        assert (session["outcome"], session["flags"]) == ("unauthorised", ["V-IDENTITE"])
        assert [one["code"] for one in session["exchanges"]] == ["220"]
        assert session["verdict"]["non_conforme"] == wrong


async def test_the_operators_refusal_is_relayed_and_the_next_login_saves_the_session(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.starttls(certified())
        await smtp.says(f"AUTH PLAIN {plain(SHARED)}", "535 5.7.8 Authentication")
        await smtp.says(f"AUTH PLAIN {plain(APPLICATION)}", 235)
        await smtp.says("QUIT", 221)
    [session] = bench.entries(SESSION)
    assert (session["outcome"], session["flags"]) == ("ok", ["V-JETON"])


async def test_a_certificate_does_not_hinder_a_professional(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.starttls(certified())
        await smtp.says("AUTH XOAUTH2", "334 ")
        await smtp.says("*", "501 5.7.0")
        await smtp.says("QUIT", 221)


async def test_nothing_that_the_dui_types_leaves_in_clear(tmp_path: Path) -> None:
    heard = bytearray()

    async def operator(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 op\r\n")
        while line := await reader.readline():
            heard.extend(line)
            writer.write(b"250-op\r\n250 STARTTLS\r\n" if line.startswith(b"EHLO") else b"221 ok\r\n")
        writer.close()

    async with smtp_bench(tmp_path, operator=operator) as bench, bench.dui(login=False) as smtp:
        await smtp.says("EHLO poste-de-nadia", 250)
        await smtp.says("NOOP nadia", 221)
        await smtp.says("QUIT nadia", 221)
    assert heard == b"EHLO passerelle.socle.invalid\r\nNOOP\r\nQUIT\r\n"


@pytest.mark.parametrize("mechanism", ["EXTERNAL", "PLAIN"])
async def test_a_real_client_submits_from_an_applicative_mailbox(bench: SmtpBench, mechanism: Mechanism) -> None:
    operator = Operator("localhost", bench.port, certified(), timeout_s=5)
    draft = Draft(
        APPLICATION, "EHPAD Test", (COLLEAGUE,), "Objet", "Texte", "TEST0001", "r1", bench.world.clock.business(), reply_to=SHARED
    )
    async with SubmissionClient(operator, APPLICATION, mechanism=mechanism) as client:
        assert (await client.submit(build_message(draft))).accepted
    [sent] = bench.entries()
    assert (sent["outcome"], bench.units()) == ("ok", 1)
    assert sent["verdict"]["non_conforme"] == []
