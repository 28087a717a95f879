"""Sessions through the SMTP door: TLS on each side, capabilities, tokens, and what a session leaves in the journal."""
from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import aiosmtplib
import pytest

from connectors.wire.tls import client_context, server_context
from gateway.journal.journal import Journal
from mocks.mssante.app import MssanteMock
from mocks.mssante.behaviour import SIZE_LIMIT
from mocks.sandbox.faults import Fault
from tests.gateway.doors.smtp_bench import SmtpBench, smtp_bench
from tests.mocks.mssante.bench import COLLEAGUE, NADIA, SHARED, dialogue, make_world, message, pki, serving, xoauth2

SESSION = "MSS.SESSION_SMTP"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SmtpBench]:
    async with smtp_bench(tmp_path) as bench:
        yield bench


async def test_a_session_is_one_entry_written_before_its_last_word(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        assert bench.entries(None) == []
        await smtp.says("QUIT", 221)
        [session] = bench.entries(None)
    assert (session["operation"], session["outcome"], session["service_code"]) == (SESSION, "ok", "221 2.0.0")
    assert (session["tenant"], session["flags"], session["message_ref"]) == ("editeur-a", [], None)
    assert [exchange["code"] for exchange in session["exchanges"]] == ["220", "235 2.7.0"]
    assert bench.received(SESSION) == 1


async def test_a_session_without_quit_is_cut(bench: SmtpBench) -> None:
    async with bench.dui():
        pass
    await bench.door.drain(5)
    assert [session["outcome"] for session in bench.entries(SESSION)] == ["cut"]


async def test_a_connection_that_says_nothing_is_no_call(bench: SmtpBench) -> None:
    async with bench.dui(login=False):
        pass
    await bench.door.drain(5)
    assert (bench.entries(None), bench.received(SESSION)) == ([], 0)


async def test_capabilities_are_the_operator_s_less_what_the_door_does_not_know(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        before = {line[4:] for line in (await smtp.says("EHLO dui.test", 250))[1:]}
        common = {"PIPELINING", f"SIZE {SIZE_LIMIT}", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"}
        assert before == common | {"STARTTLS"}
        assert {line[4:] for line in (await smtp.starttls())[1:]} == common | {"AUTH XOAUTH2"}


async def scripted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An operator that offers everything; only its EHLO matters."""
    files = pki()
    writer.write(b"220 operateur.test ESMTP\r\n")
    while line := await reader.readline():
        if line.startswith(b"EHLO"):
            offers = ["operateur.test", "AUTH PLAIN XOAUTH2 OAUTHBEARER", "CHUNKING", "BURL", "SMTPUTF8", "DSN", "XCLIENT"]
            writer.write("".join(f"250-{offer}\r\n" for offer in offers).encode() + b"250 STARTTLS\r\n")
        elif line.startswith(b"STARTTLS"):
            # An attacker on the way adds an answer in clear behind the operator's 220.
            writer.write(b"220 go\r\n250-injected.test\r\n250 AUTH XOAUTH2\r\n")
            await writer.start_tls(server_context(files["cert"], files["key"]))
        else:
            writer.write(b"221 bye\r\n")
    writer.close()


async def test_what_the_operator_says_in_clear_behind_starttls_is_thrown_away(tmp_path: Path) -> None:
    async with smtp_bench(tmp_path, operator=scripted) as bench, bench.dui(login=False) as smtp:
        assert not [line for line in await smtp.says("EHLO dui.test", 250) if "injected" in line]
        await smtp.says("QUIT", 221)


async def test_the_door_offers_no_capability_it_does_not_understand(tmp_path: Path) -> None:
    async with smtp_bench(tmp_path, operator=scripted) as bench, bench.dui(login=False) as smtp:
        assert await smtp.starttls() == ["250-operateur.test", "250-AUTH XOAUTH2", "250 DSN"]
        for line in ("BDAT 10 LAST", "VRFY nadia", "EXPN x", "XCLIENT NAME=a", "BURL imap"):
            await smtp.says(line, "502 5.5.1")
        await smtp.says("QUIT", 221)


async def test_bytes_behind_starttls_are_refused_and_never_executed(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui.test", 250)
        await smtp.raw(f"STARTTLS\r\nAUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}\r\n")
        await smtp.hears("554 5.5.0")
        await smtp.gone()
    [session] = bench.entries(None)
    assert (session["outcome"], session["flags"], session["service_code"]) == ("invalid", ["V-STARTTLS"], "554 5.5.0")
    assert [exchange["code"] for exchange in session["exchanges"]] == ["220"]


async def test_tls_erases_what_was_said_before(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui.test", 250)
        await smtp.says("STARTTLS now", "501 5.5.4")
        await smtp.says("STARTTLS", 220)
        await smtp.tls()
        await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", "503 5.5.1")
        await smtp.says("EHLO dui.test", 250)
        await smtp.says("STARTTLS", "503 5.5.1")
        await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", "235 2.7.0")


async def test_auth_before_tls_stays_at_the_door(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui.test", 250)
        await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", "530 5.7.0")
        await smtp.login()


async def test_an_expired_token_belongs_to_the_session(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.starttls()
        [challenge] = await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'expired')}", 334)
        assert base64.b64decode(challenge[4:]).startswith(b'{"status":"401"')
        await smtp.says("", "535 5.7.8")
        await smtp.says("QUIT", 221)
    [session] = bench.entries(None)
    assert (session["outcome"], session["service_code"], session["flags"]) == ("unauthorised", "535 5.7.8", ["V-JETON"])
    assert session["tenant"] == "editeur-a"


async def test_a_second_token_saves_the_session(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.starttls()
        await smtp.says("AUTH XOAUTH2", "334 ")  # the form without initial response
        await smtp.says(xoauth2(SHARED, "expired"), 334)
        await smtp.says("", "535 5.7.8")
        await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'nadia')}", 235)
        await smtp.send(message(), 250)
        await smtp.says("QUIT", 221)
    [session] = bench.entries(SESSION)
    assert (session["outcome"], session["flags"], bench.units()) == ("ok", ["V-JETON"], 1)


async def test_an_operator_that_leaves_after_its_challenge(tmp_path: Path) -> None:
    other = make_world(tmp_path / "other")
    async with smtp_bench(tmp_path, operator=MssanteMock(other, drop_after_challenge=True).connected) as bench:
        async with bench.dui(login=False) as smtp:
            await smtp.starttls()
            await smtp.says(f"AUTH XOAUTH2 {xoauth2(SHARED, 'expired')}", 334)
            await smtp.raw("\r\n")
            await smtp.gone()
        await bench.door.drain(5)
        [session] = bench.entries(None)
        assert (session["outcome"], session["flags"]) == ("unauthorised", ["V-JETON"])
    other.trace.close()


async def test_the_bearer_of_an_accepted_token_is_named_by_a_ref(bench: SmtpBench) -> None:
    claims = base64.urlsafe_b64encode(b'{"SubjectNameID":"%s"}' % NADIA.encode()).decode().rstrip("=")
    token = f"e30.{claims}.c2ln"
    bench.world.psc_claims = {token: {"SubjectNameID": NADIA}}.get
    async with bench.dui(login=False) as smtp:
        await smtp.login(token=token)
        await smtp.send(message(), 250)
        await smtp.says("QUIT", 221)
    session, call = sorted(bench.entries(None), key=lambda entry: entry["operation"])
    assert session["professional_ref"] == call["professional_ref"] is not None
    assert NADIA not in str(bench.entries(None))


@pytest.mark.parametrize("line", ["EHLO dui.test\n", "EHLO\rdui.test\r\n"])
async def test_bare_newlines_in_commands_close_the_session(bench: SmtpBench, line: str) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.raw(line)
        await smtp.hears("521 5.5.2")
        await smtp.gone()
    [session] = bench.entries(None)
    assert (session["outcome"], session["flags"], session["exchanges"]) == ("invalid", ["V-CRLF"], [])
    assert bench.received(SESSION) == 0


async def test_a_bare_newline_later_on_is_the_session_s(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.raw(f"RCPT TO:<{COLLEAGUE}>\nDATA\r\n")
        await smtp.hears("521 5.5.2")
        await smtp.gone()
    call, session = bench.entries(None)
    assert (session["outcome"], session["flags"], call["outcome"]) == ("invalid", ["V-CRLF"], "cut")


async def test_a_line_without_end_is_refused(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.raw("NOOP " + "x" * 13_000)
        await smtp.hears("500 5.5.6")
    [session] = bench.entries(None)
    assert (session["outcome"], session["flags"]) == ("invalid", ["V-SYNTAXE"])


async def test_an_operator_that_cannot_be_reached(tmp_path: Path) -> None:
    async with smtp_bench(tmp_path) as bench:
        async with serving(scripted) as closed:
            pass
        bench.door.upstream = ("127.0.0.1", closed)
        async with bench.dui(login=False) as smtp:
            await smtp.says("EHLO dui.test", "421 4.4.1")
            await smtp.gone()
        [session] = bench.entries(None)
    assert (session["outcome"], session["flags"], session["service_code"], session["exchanges"]) == (
        "failed", ["E-RESEAU"], "421 4.4.1", [],
    )  # fmt: skip


async def test_an_operator_whose_certificate_is_not_the_one_expected(bench: SmtpBench, tmp_path: Path) -> None:
    own = client_context(pki()["ca"])
    pki.cache_clear()  # another authority: the door trusts it, the operator's certificate comes from the first
    bench.door.client_tls = client_context(pki()["ca"])
    async with dialogue(bench.port) as smtp:
        await smtp.says("EHLO dui.test", 250)
        await smtp.says("STARTTLS", 220)
        await smtp.tls(own)
        await smtp.says("EHLO dui.test", "421 4.4.1")
        await smtp.gone()
    [session] = bench.entries(None)
    assert (session["outcome"], session["flags"]) == ("failed", ["E-RESEAU"])


async def test_an_operator_that_refuses_the_connection_is_heard(bench: SmtpBench) -> None:
    bench.world.faults.arm(Fault("panne-9", SESSION, "status", "500"))
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui.test", "421 4.3.2")
        await smtp.gone()
    [session] = bench.entries(None)
    assert (session["outcome"], session["flags"], session["fault"]) == ("failed", ["N-TEMPORAIRE", "F-INJECTION"], "panne-9")
    assert bench.received(SESSION) == len([one for one in bench.entries(SESSION) if one["exchanges"]]) == 1


async def test_an_idle_dui_is_sent_away(tmp_path: Path) -> None:
    async with smtp_bench(tmp_path, idle_s=0.2) as bench, bench.dui() as smtp:
        await smtp.hears("421 4.4.2")
        await smtp.gone()
        assert [session["outcome"] for session in bench.entries(SESSION)] == ["cut"]


async def test_draining_dismisses_idle_sessions_and_lets_submissions_end(bench: SmtpBench) -> None:
    bench.world.faults.arm(Fault("lent", "MSS.SOUMISSION", "timeout", delay_s=0.4))
    async with bench.dui() as idle, bench.dui() as busy:
        await busy.says(f"MAIL FROM:<{SHARED}>", 250)
        await busy.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await busy.says("DATA", 354)
        await busy.raw(message() + ".\r\n")
        draining = asyncio.create_task(bench.door.drain(3))
        await idle.hears("421 4.3.2")
        await busy.hears("250 2.0.0")
        await busy.says("QUIT", 221)
        await draining
    assert [call["outcome"] for call in bench.entries()] == ["ok"]
    assert len(bench.entries(SESSION)) == 2


async def test_a_full_journal_refuses_the_session(bench: SmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "full", property(lambda _: True))
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui.test", "421 4.3.1")
        await smtp.gone()
    assert (bench.entries(None), bench.door.refused_full, bench.received(SESSION)) == ([], 1, 0)


async def test_connections_that_never_speak_are_counted_and_have_no_entry(bench: SmtpBench) -> None:
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.close()
        await writer.wait_closed()
    async with bench.dui(login=False) as smtp:
        await smtp.says("QUIT", 221)
        await smtp.gone()
    await asyncio.wait_for(_silent(bench, 3), 5)
    assert bench.door.take_refused() == {("smtp", "smtp_silent"): 3}
    assert bench.door.take_refused() == {}
    assert len(bench.entries(None)) == 1


async def _silent(bench: SmtpBench, count: int) -> None:
    while bench.door.silent < count:
        await asyncio.sleep(0.01)


async def test_a_real_client_submits_through_the_door(bench: SmtpBench) -> None:
    client = aiosmtplib.SMTP(
        hostname="localhost", port=bench.port, start_tls=True, tls_context=client_context(pki()["ca"]), local_hostname="dui.test"
    )
    async with asyncio.timeout(10), client:
        await client.auth_xoauth2(SHARED, "nadia")
        await client.sendmail(SHARED, [COLLEAGUE], message().encode(), mail_options=["RET=HDRS"], rcpt_options=["NOTIFY=SUCCESS"])
    assert [entry["outcome"] for entry in bench.entries(None)] == ["ok", "ok"]
