"""Submissions through the SMTP door: what the DUI hears, what the operator holds, what the journal says."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.nomenclatures.mssante import TEST_MAILBOX
from gateway.journal.record import JournalFull, JournalStopped
from mocks.mssante.behaviour import SIZE_LIMIT
from mocks.sandbox.faults import Fault
from tests.gateway.doors.smtp_bench import LES_CARMES, MARSEILLE, SmtpBench, smtp_bench
from tests.mocks.mssante.bench import COLLEAGUE, PERSONAL, SHARED, USAGER, dialogue, message, serving, xoauth2


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SmtpBench]:
    async with smtp_bench(tmp_path) as bench:
        yield bench


async def test_a_message_to_professionals_and_a_usager_counts_once(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        [answer] = await smtp.send(message(), "250 2.0.0", COLLEAGUE, USAGER, PERSONAL)
        assert "queued as" in answer  # the operator's own words
        [call] = bench.entries()  # already there when the answer is
    assert (call["outcome"], call["service_code"], call["flags"]) == ("ok", "250 2.0.0", [])
    assert (call["tenant"], call["finess_et"], call["finess_ej"]) == ("editeur-a", LES_CARMES, MARSEILLE)
    assert call["attribution"] == "bal"
    assert call["recipients"] == {"pro": 1, "citoyen": 1, "interne": 1, "refused": 0}
    assert (call["channel"], call["dui"]) == ("mss_pro", {"nil": "TEST0001", "product": "DUI Test", "version": "1.0"})
    assert [exchange["code"] for exchange in call["exchanges"]] == [
        "250 2.1.0", "250 2.1.5", "250 2.1.5", "250 2.1.5", "354", "250 2.0.0",
    ]  # fmt: skip
    assert call["time_basis"] == "acknowledged" and call["message_ref"] and not call["bodies"]
    assert [count["indicator"] for count in call["counts_for"]] == ["IND-MSS-01"]
    assert (bench.units(), bench.held(), bench.received(), bench.intents()) == (1, 1, 1, 0)
    assert bench.mock.store.inbox(USAGER)[0].endswith(message().encode())


async def test_a_message_to_usagers_only_is_on_the_citizen_channel(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message(), 250, USAGER)
    assert bench.entries()[0]["channel"] == "mss_citoyenne"


async def test_nothing_of_a_message_is_in_clear_in_the_journal(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message(), 250, USAGER)
        await smtp.says("QUIT", 221)
    text = str(bench.entries(None))
    assert not [word for word in (SHARED, USAGER[:15], "m1@", "Bonjour", "nadia", "Texte") if word in text]


@pytest.mark.parametrize(
    "address, code, flag",
    [
        ("inconnu@ch-test.mssante.fr", "550 5.1.1", "V-BAL-INCONNUE"),
        ("120010123456789@patient.mssante.fr", "550 5.1.1", "V-BAL-INCONNUE"),
        ("quelqu.un@example.org", "550 5.7.1", "V-DOMAINE"),
    ],
)
async def test_refused_recipients_make_a_refused_call(bench: SmtpBench, address: str, code: str, flag: str) -> None:
    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"RCPT TO:<{address}>", code)
        await smtp.says("DATA", "554 5.5.1")
        assert bench.entries() == []  # the DUI may still name another recipient
        await smtp.says("RSET", 250)
        [call] = bench.entries()
        await smtp.send(message(), 250)  # the twin
    assert (call["outcome"], call["service_code"], call["flags"], call["recipients"]["refused"]) == ("refused", code, [flag], 1)
    assert (call["counts_for"], bench.units(), bench.held()) == ([], 1, 1)
    assert [one["outcome"] for one in bench.entries()] == ["refused", "ok"]


async def test_one_good_recipient_is_enough(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says("RCPT TO:<inconnu@ch-test.mssante.fr>", 550)
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        await smtp.says(message() + ".", 250)
    [call] = bench.entries()
    assert (call["outcome"], call["flags"], call["recipients"]) == (
        "ok", ["V-BAL-INCONNUE"], {"pro": 1, "citoyen": 0, "interne": 0, "refused": 1},
    )  # fmt: skip


@pytest.mark.parametrize(
    "line, code, outcome, flag",
    [
        (f"MAIL FROM:<{COLLEAGUE}>", "553 5.7.1", "refused", "V-EXPEDITEUR"),
        (f"MAIL FROM:<{SHARED}> SIZE={SIZE_LIMIT + 1}", "552 5.3.4", "refused", "V-TAILLE"),
        (f"MAIL FROM:<{SHARED}> SMTPUTF8", "555 5.5.4", "invalid", "V-SYNTAXE"),
        ("MAIL FROM: pas-une-adresse", "501 5.5.4", "invalid", "V-SYNTAXE"),
    ],
)
async def test_a_refused_mail_is_one_call(bench: SmtpBench, line: str, code: str, outcome: str, flag: str) -> None:
    async with bench.dui() as smtp:
        await smtp.says(line, code)
        [call] = bench.entries()
        await smtp.send(message(), 250)
    assert (call["outcome"], call["service_code"], call["flags"], len(call["exchanges"])) == (outcome, code, [flag], 1)
    assert (bench.received(), len(bench.entries())) == (2, 2)


async def test_a_second_mail_inside_a_transaction_is_its_own_call(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"MAIL FROM:<{SHARED}>", "503 5.5.1")
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        await smtp.says(message() + ".", 250)
    assert [call["outcome"] for call in bench.entries()] == ["invalid", "ok"]
    assert bench.received() == 2


async def test_a_mail_before_tls_or_before_auth(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui.test", 250)
        await smtp.says(f"MAIL FROM:<{SHARED}>", "530 5.7.0")
        await smtp.starttls()
        await smtp.says(f"MAIL FROM:<{SHARED}>", "530 5.7.0")
    at_the_door, at_the_operator = bench.entries()
    assert (at_the_door["outcome"], at_the_door["flags"], at_the_door["exchanges"]) == ("unauthorised", ["V-TLS"], [])
    assert (at_the_operator["outcome"], at_the_operator["flags"]) == ("unauthorised", ["V-JETON"])
    assert len(at_the_operator["exchanges"]) == bench.received() == 1


async def test_a_from_header_of_another_is_refused_after_the_data(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message(sender=PERSONAL), "550 5.7.1")
        [call] = bench.entries()
        assert (call["outcome"], call["flags"], call["counts_for"]) == ("refused", ["V-EXPEDITEUR"], [])
        assert (bench.units(), bench.held(), bench.intents()) == (0, 0, 0)


@pytest.mark.parametrize("said, kept", [("TEST0001", "TEST0001"), ("275126322074974", None)])
async def test_only_the_deposited_nil_is_written_in_an_entry(bench: SmtpBench, said: str, kept: str | None) -> None:
    """Any other text of that header could be anybody's number (design §5.6)."""
    async with bench.dui() as smtp:
        await smtp.send(message(extra=f"X-MSS-NIL: {said}\r\n"), 250)
    [call] = bench.entries()
    assert (call["outcome"], call["dui"]["nil"], call["flags"]) == ("ok", kept, [])


@pytest.mark.parametrize("extra, flags", [("", ["V-NIL"]), ("X-MSS-NIL: un mot de trop\r\n", ["V-NIL"])])
async def test_an_absent_nil_is_flagged_and_relayed(bench: SmtpBench, extra: str, flags: list[str]) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message(extra=extra), 250)
    [call] = bench.entries()
    assert (call["outcome"], call["flags"], call["dui"]["nil"]) == ("ok", flags, None)


async def test_without_message_id_each_message_is_its_own_unit(bench: SmtpBench) -> None:
    text = message().replace("Message-ID: <m1@ehpad-test.mssante.fr>\r\n", "")
    async with bench.dui() as smtp:
        await smtp.send(text, 250)
        await smtp.send(text, 250)
    assert [(call["flags"], call["message_ref"]) for call in bench.entries()] == [(["V-MESSAGE-ID"], None)] * 2
    assert bench.units() == bench.held() == 2


async def test_one_message_id_sent_twice_counts_once(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message(), 250)
        await smtp.send(message(), 250)
        await smtp.send(message(message_id="<m2@ehpad-test.mssante.fr>"), 250)
    assert (len(bench.entries()), bench.units(), bench.held()) == (3, 2, 2)


REPORT = "Content-Type: multipart/report;\r\n report-type=disposition-notification; boundary=b\r\n"
ANSWER = "Auto-Submitted: auto-replied; by=absence\r\n"
FAILED = "Subject: =?utf-8?b?W0tPIEludMOpZ3JhdGlvbiBzeXN0w6htZSAhXVtFMV0gWERNLzEuMC9ERE0rbGV0dHJl?=\r\n"


@pytest.mark.parametrize("sender, extra", [("", ""), (SHARED, REPORT), (SHARED, ANSWER), (SHARED, FAILED)])
async def test_receipts_and_automatic_answers_count_nothing(bench: SmtpBench, sender: str, extra: str) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message(extra="X-MSS-NIL: TEST0001\r\n" + extra), 250, sender=sender)
    [call] = bench.entries()
    assert (call["outcome"], call["counts_for"], bench.units(), bench.held()) == ("ok", [], 0, 0)


@pytest.mark.parametrize(("recipients", "worth"), [((TEST_MAILBOX.upper(),), 0), ((TEST_MAILBOX, COLLEAGUE), 1)])
async def test_a_message_for_the_test_mailbox_alone_counts_nothing(
    bench: SmtpBench, recipients: tuple[str, ...], worth: int
) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message(), 250, *recipients)
    assert (bench.units(), bench.held()) == (worth, worth)


async def test_a_dui_that_leaves_before_the_end_is_cut(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        await smtp.raw(message())
    await bench.door.drain(5)
    [call] = bench.entries()
    assert (call["outcome"], call["service_code"], bench.mock.state()["messages"]) == ("cut", None, 0)


async def test_a_dui_that_leaves_after_the_final_dot_changes_nothing(bench: SmtpBench) -> None:
    bench.world.faults.arm(Fault("lent", "MSS.SOUMISSION", "timeout", delay_s=0.3))
    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        await smtp.raw(message() + ".\r\n")
    await bench.door.drain(5)
    [call] = bench.entries()
    assert (call["outcome"], bench.units(), bench.held()) == ("ok", 1, 1)


async def test_a_listener_that_stops_does_not_stop_an_exchange_under_way(bench: SmtpBench) -> None:
    bench.world.faults.arm(Fault("lent", "MSS.SOUMISSION", "timeout", delay_s=0.5))
    listeners: list[asyncio.Task[None] | None] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listeners.append(asyncio.current_task())
        await bench.door.connected(reader, writer)

    async with serving(accept) as port, dialogue(port) as smtp:
        await smtp.login()
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        await smtp.raw(message() + ".\r\n")
        async with asyncio.timeout(5):
            while not bench.held():
                await asyncio.sleep(0.01)
        [listener] = listeners
        assert listener is not None
        listener.cancel()
        await asyncio.wait([listener])
        assert bench.entries() == [] and bench.door.in_flight == 1
        await bench.door.drain(5)
    [call] = bench.entries()
    assert (call["outcome"], bench.units(), bench.intents()) == ("ok", 1, 0)


@pytest.mark.parametrize("smuggled", ["a\nb\r\n", "\n.\r\n", ".\n", "a\rb\r\n", "\r.\r\n"])
async def test_bare_newlines_are_refused_and_reach_no_mailbox(bench: SmtpBench, smuggled: str) -> None:
    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        await smtp.raw(message() + smuggled + f"MAIL FROM:<{SHARED}>\r\n.\r\n")
        await smtp.hears("521 5.5.2")
        await smtp.gone()
    [call] = bench.entries()
    assert (call["outcome"], call["flags"], call["service_code"]) == ("invalid", ["V-CRLF"], "521 5.5.2")
    assert (bench.mock.state()["messages"], bench.units(), bench.intents(), bench.received()) == (0, 0, 0, 1)


async def test_long_headers_are_refused(bench: SmtpBench) -> None:
    long = "".join(f"X-Filler-{number}: {'x' * 900}\r\n" for number in range(80))
    async with bench.dui() as smtp:
        await smtp.send(message(extra=long[: len(long) // 2]), 250)
        await smtp.send(message(extra=long), "554 5.6.0")
        await smtp.gone()
    assert [(call["outcome"], call["flags"]) for call in bench.entries()] == [("ok", ["V-NIL"]), ("invalid", ["V-ENTETES"])]
    assert bench.mock.state()["messages"] == 1


async def test_a_message_over_the_size_is_cut_at_the_door(bench: SmtpBench) -> None:
    line = "x" * 998 + "\r\n"
    async with bench.dui() as smtp:
        await smtp.send(message() + line * 1000, 250)
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        await smtp.raw(message() + line * (SIZE_LIMIT // 1000 + 1))
        await smtp.hears("552 5.3.4")
    assert [(call["outcome"], call["flags"]) for call in bench.entries()] == [("ok", []), ("invalid", ["V-TAILLE"])]
    assert len(bench.mock.store.inbox(COLLEAGUE)[0]) > 1_000_000


async def test_dots_pass_as_they_are(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.send(message() + "..\r\n...\r\n", 250)
    assert bench.mock.store.inbox(COLLEAGUE)[0].endswith(b"Texte.\r\n.\r\n..\r\n")


async def test_pipelined_commands_are_relayed_in_order(bench: SmtpBench) -> None:
    async with bench.dui() as smtp:
        await smtp.raw(f"MAIL FROM:<{SHARED}>\r\nRCPT TO:<{COLLEAGUE}>\r\nDATA\r\n")
        for code in ("250 2.1.0", "250 2.1.5", "354"):
            await smtp.hears(code)
        await smtp.raw(message() + ".\r\nNOOP\r\nQUIT\r\n")
        for code in ("250 2.0.0 Ok: queued", "250 2.0.0 Ok", "221"):
            await smtp.hears(code)
    assert [call["outcome"] for call in bench.entries()] == ["ok"]


async def test_an_injected_refusal_names_its_fault(bench: SmtpBench) -> None:
    bench.world.faults.arm(Fault("panne-7", "MSS.SOUMISSION", "status", "451"))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.3.0")
        [call] = bench.entries()
        assert (call["outcome"], call["flags"], call["fault"]) == ("failed", ["N-TEMPORAIRE", "F-INJECTION"], "panne-7")
        await smtp.send(message(), 250)
    assert bench.units() == bench.held() == 1


async def test_a_full_journal_refuses_mail_and_forwards_nothing(bench: SmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench.dui() as smtp:
        with monkeypatch.context() as full:
            full.setattr(type(bench.journal), "full", property(lambda _: True))
            await smtp.says(f"MAIL FROM:<{SHARED}>", "451 4.3.1")
        assert (bench.received(), bench.door.refused_full, bench.entries()) == (0, 1, [])
        await smtp.send(message(), 250)


async def test_a_journal_full_before_the_final_dot_stops_the_message(bench: SmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise JournalFull("no room")

    async with bench.dui() as smtp:
        with monkeypatch.context() as full:
            full.setattr(bench.journal, "intend", refuse)
            await smtp.send(message(), "451 4.3.1")
        await smtp.says("NOOP", "421 4.4.2")
        await smtp.gone()
    [call] = bench.entries()
    assert (bench.mock.state()["messages"], bench.door.refused_full) == (0, 0)
    assert (call["outcome"], call["service_code"], call["flags"][-1]) == ("failed", "451 4.3.1", "G-PLEIN")


async def test_room_is_owed_from_mail_on(bench: SmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that fills between MAIL and the final dot: the operator has seen the MAIL, so the message has its entry."""
    async with bench.dui() as sent, bench.dui() as dropped, bench.dui() as late:
        for smtp in (sent, dropped):
            await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        with monkeypatch.context() as full:
            full.setattr(type(bench.journal), "full", property(lambda _: True))
            await late.says(f"MAIL FROM:<{SHARED}>", "451 4.3.1")
            await sent.says(f"RCPT TO:<{COLLEAGUE}>", 250)
            await sent.says("DATA", 354)
            await sent.raw(message() + ".\r\n")
            await sent.hears(250)
            await dropped.says("RSET", 250)
    assert sorted(call["outcome"] for call in bench.entries()) == ["cut", "ok"]
    assert (bench.received(), len(bench.entries()), bench.units(), bench.door.refused_full) == (2, 2, 1, 1)


async def test_a_stopped_journal_never_answers(bench: SmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stopped(*_: object) -> None:
        raise JournalStopped("disk failed")

    async with bench.dui() as smtp:
        await smtp.says(f"MAIL FROM:<{SHARED}>", 250)
        await smtp.says(f"RCPT TO:<{COLLEAGUE}>", 250)
        await smtp.says("DATA", 354)
        with monkeypatch.context() as broken:
            broken.setattr(bench.journal, "write", stopped)
            await smtp.raw(message() + ".\r\n")
            await smtp.gone()
    assert (bench.entries(None), bench.intents(), bench.held()) == ([], 1, 1)  # recovery will say: in doubt


async def test_the_final_dot_waits_for_the_intent_and_the_answer_for_the_entry(
    bench: SmtpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int, int]] = []
    intend, write = bench.journal.intend, bench.journal.write

    async def note_intent(record: object, intent: object) -> None:
        await intend(record, intent)  # type: ignore[arg-type]
        seen.append(("intent", bench.intents(), bench.held()))

    async def note_write(*records: object) -> object:
        seen.append(("entry", bench.intents(), bench.held()))
        return await write(*records)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.journal, "intend", note_intent)
    monkeypatch.setattr(bench.journal, "write", note_write)
    async with bench.dui() as smtp:
        await smtp.send(message(), 250)
        assert seen == [("intent", 1, 0), ("entry", 1, 1)]
        assert bench.intents() == 0


async def test_a_mailbox_that_no_structure_declares_is_relayed_and_not_counted(bench: SmtpBench) -> None:
    async with dialogue(bench.port) as smtp:
        await smtp.starttls()
        await smtp.says(f"AUTH XOAUTH2 {xoauth2(COLLEAGUE, 'hoda')}", 235)
        await smtp.send(message(sender=COLLEAGUE), 250, SHARED, sender=COLLEAGUE)
    [call] = bench.entries()
    assert (call["outcome"], call["tenant"], call["finess_et"], call["attribution"]) == (
        "ok", "inconnu", None, "non_attribue:bal_inconnue",
    )  # fmt: skip
    assert (bench.units(), bench.held()) == (0, 1)
