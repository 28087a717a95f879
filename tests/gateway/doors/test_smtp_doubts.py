"""Lost answers after the final dot (design §5.3): in doubt, told so, and settled by the resend that is accepted."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.doors.mail.submission import Submission
from gateway.doors.mail.upstream import Upstream
from gateway.journal.connection import StoreBusy
from mocks.sandbox.faults import Fault
from tests.gateway.doors.smtp_bench import SmtpBench, smtp_bench
from tests.mocks.mssante.bench import COLLEAGUE, SHARED, message

SILENT = Fault("muet", "MSS.SOUMISSION", "timeout")
RESET = Fault("coupe", "MSS.SOUMISSION", "reset")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SmtpBench]:
    async with smtp_bench(tmp_path, deadline_s=0.5) as bench:
        yield bench


@pytest.mark.parametrize("fault, flag", [(SILENT, "G-DELAI"), (RESET, "E-RESEAU")])
async def test_a_lost_answer_is_in_doubt_and_counts_nothing(bench: SmtpBench, fault: Fault, flag: str) -> None:
    bench.world.faults.arm(fault)
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
        [call] = bench.entries()
        await smtp.says("QUIT", 221)
    assert (call["outcome"], call["flags"], call["service_code"], call["time_basis"]) == ("in_doubt", [flag], None, "estimated")
    assert call["exchanges"][-1]["code"] is None
    assert len(call["counts_for"]) == 1
    assert (bench.units(), bench.held(), bench.intents()) == (0, 1, 0)


async def test_the_session_of_a_lost_operator_ends(bench: SmtpBench) -> None:
    bench.world.faults.arm(SILENT)
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
        await smtp.says(f"MAIL FROM:<{SHARED}>", "421 4.4.2")
        await smtp.gone()
    _, refused = bench.entries()
    assert (refused["outcome"], refused["flags"], refused["exchanges"]) == ("failed", ["E-RESEAU"], [])
    [session] = bench.entries("MSS.SESSION_SMTP")
    assert (session["outcome"], session["flags"]) == ("failed", ["G-DELAI"])
    assert bench.received() == 1


async def test_the_resend_settles_the_first_and_counts_once(bench: SmtpBench) -> None:
    bench.world.faults.arm(SILENT)
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    async with bench.dui() as smtp:
        await smtp.send(message(), "250 2.0.0")
        first, second, settlement = bench.entries()
    assert [entry["kind"] for entry in (first, second, settlement)] == ["call", "call", "settlement"]
    assert (settlement["settles"], settlement["outcome"]) == (first["id"], "succeeded")
    assert settlement["detail"] == {"how": "superseded", "by": second["id"]}
    assert settlement["event_time"] == second["event_time"] > first["event_time"]
    assert second["replays"] == first["id"]
    assert (bench.units(), bench.held()) == (1, 1)
    assert len(bench.mock.store.inbox(COLLEAGUE)) == 2


async def test_another_message_settles_nothing(bench: SmtpBench) -> None:
    bench.world.faults.arm(SILENT)
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    async with bench.dui() as smtp:
        await smtp.send(message(message_id="<m2@ehpad-test.mssante.fr>"), "250 2.0.0")
    assert [entry["kind"] for entry in bench.entries()] == ["call", "call"]
    assert (bench.units(), bench.held()) == (1, 2)


async def test_a_refused_resend_settles_nothing(bench: SmtpBench) -> None:
    bench.world.faults.arm(RESET)
    bench.world.faults.arm(Fault("plein", "MSS.SOUMISSION", "status", "452"))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    async with bench.dui() as smtp:
        await smtp.send(message(), "452")
        assert [entry["outcome"] for entry in bench.entries()] == ["in_doubt", "failed"]
        await smtp.send(message(), 250)
    assert [entry["kind"] for entry in bench.entries()] == ["call", "call", "call", "settlement"]


async def test_a_resend_with_another_content_is_flagged(bench: SmtpBench) -> None:
    bench.world.faults.arm(SILENT)
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    async with bench.dui() as smtp:
        await smtp.send(message() + "Ajout.\r\n", 250)
    first, second, settlement = bench.entries()
    assert (second["flags"], settlement["settles"]) == (["V-MESSAGE-ID-REUTILISE"], first["id"])
    assert bench.units() == 1


async def test_silence_at_the_opening_is_a_failure_not_a_doubt(bench: SmtpBench) -> None:
    bench.world.faults.arm(Fault("muet", "MSS.SESSION_SMTP", "timeout", delay_s=2))
    async with bench.dui(login=False) as smtp:
        await smtp.says("EHLO dui.test", "421 4.4.1")
    [session] = bench.entries(None)
    assert (session["outcome"], session["flags"]) == ("failed", ["E-RESEAU"])


async def test_an_accepted_message_is_counted_whatever_fails_in_the_search_for_what_it_proves(
    bench: SmtpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_key: Any) -> Any:
        raise StoreBusy("two transactions wanted the same rows")

    monkeypatch.setattr(bench.journal, "doubts", busy)
    async with bench.dui() as smtp:
        await smtp.send(message(), "250 2.0.0")
    [call] = bench.entries()
    assert (call["outcome"], call["flags"], bench.units(), bench.held(), bench.intents()) == ("ok", [], 1, 1, 0)


@pytest.mark.parametrize("where", ["while the answer is awaited", "once it is read"])
async def test_an_error_of_ours_after_the_final_dot_is_a_doubt(
    bench: SmtpBench, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    end_data, concluded = Upstream.end_data, Submission.concluded

    async def broken_end(operator: Upstream) -> Any:
        await end_data(operator)
        raise RuntimeError("a fault of the gateway")

    def broken_conclusion(submission: Submission, *said: Any) -> Any:
        concluded(submission, *said)
        raise RuntimeError("a fault of the gateway")

    if where == "once it is read":
        monkeypatch.setattr(Submission, "concluded", broken_conclusion)
    else:
        monkeypatch.setattr(Upstream, "end_data", broken_end)
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
        await smtp.says(f"MAIL FROM:<{SHARED}>", "421 4.4.2")
    call = bench.entries()[0]
    assert (call["outcome"], call["flags"], call["service_code"]) == ("in_doubt", ["G-INTERNE"], None)
    assert call["time_basis"] == "estimated"
    assert (bench.units(), bench.held(), bench.intents()) == (0, 1, 0)
    [session] = bench.entries("MSS.SESSION_SMTP")
    assert (session["outcome"], session["flags"]) == ("failed", ["G-INTERNE"])
