"""The operator's answer after the DUI heard 451 4.4.2 (design §5.3): one settlement, and nothing twice."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.doors.mail.upstream import Answer, Upstream
from gateway.journal.record import Record
from mocks.sandbox.faults import Fault
from tests.gateway.doors.smtp_bench import SmtpBench, smtp_bench
from tests.mocks.mssante.bench import SHARED, message


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SmtpBench]:
    """The DUI waits 0.3 s for the operator's word, the gateway 5 s."""
    async with smtp_bench(tmp_path, deadline_s=5.0) as bench:
        bench.door.patience_s = 0.3
        yield bench


def slow(seconds: float) -> Fault:
    return Fault("lent", "MSS.SOUMISSION", "timeout", delay_s=seconds)


async def settled(bench: SmtpBench) -> list[dict[str, Any]]:
    for _ in range(600):
        if not bench.door.in_flight:
            break
        await asyncio.sleep(0.01)
    return bench.entries()


async def test_the_late_acceptance_settles_the_message(bench: SmtpBench) -> None:
    bench.world.faults.arm(slow(0.8))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
        [doubt] = bench.entries()
        assert (doubt["outcome"], doubt["flags"], bench.units(), bench.door.in_flight) == ("in_doubt", ["G-DELAI"], 0, 1)
        await smtp.says(f"MAIL FROM:<{SHARED}>", "421 4.4.2")  # this session has lost its operator
        await smtp.gone()
    doubt, refused, settlement = await settled(bench)
    assert (refused["outcome"], settlement["kind"], settlement["outcome"]) == ("failed", "settlement", "succeeded")
    assert (settlement["settles"], settlement["detail"]) == (doubt["id"], {"how": "late", "by": "passerelle"})
    assert settlement["service_code"].startswith("250") and settlement["time_basis"] == "acknowledged"
    assert settlement["event_time"] > doubt["event_time"]
    assert (bench.units(), bench.held(), bench.intents(), bench.received()) == (1, 1, 0, 1)


async def test_the_accepted_resend_and_the_late_acceptance_count_once(bench: SmtpBench) -> None:
    bench.world.faults.arm(slow(2.5))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    async with bench.dui() as smtp:
        await smtp.send(message(), "250 2.0.0")
    entries = await settled(bench)
    assert [(entry["kind"], entry["outcome"]) for entry in entries] == [
        ("call", "in_doubt"), ("call", "ok"), ("settlement", "succeeded"),
    ]  # fmt: skip
    assert (entries[2]["detail"]["how"], bench.units(), bench.held()) == ("superseded", 1, 1)


async def test_the_late_refusal_settles_as_failed_and_counts_nothing(bench: SmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    end_data = Upstream.end_data

    async def thoughtful(self: Upstream) -> Answer:
        answer = await end_data(self)
        await asyncio.sleep(0.7)
        return answer

    monkeypatch.setattr(Upstream, "end_data", thoughtful)
    bench.world.faults.arm(Fault("plein", "MSS.SOUMISSION", "status", "452"))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    doubt, settlement = await settled(bench)
    assert (settlement["settles"], settlement["outcome"]) == (doubt["id"], "failed")
    assert settlement["service_code"].startswith("452") and settlement["flags"] == ["N-TEMPORAIRE", "F-INJECTION"]
    assert settlement["fault"] == "plein"
    assert (bench.units(), bench.held()) == (0, 0)


async def test_an_operator_that_never_answers_leaves_the_doubt(bench: SmtpBench) -> None:
    bench.door.deadline_s = 0.6
    bench.world.faults.arm(slow(3))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    assert [entry["outcome"] for entry in await settled(bench)] == ["in_doubt"]


async def test_a_person_who_was_faster_keeps_the_last_word(bench: SmtpBench) -> None:
    bench.world.faults.arm(slow(0.8))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    [doubt] = bench.entries()
    await bench.journal.write(Record("MSS.SOUMISSION", kind="settlement", outcome="failed", settles=doubt["id"]))
    assert [entry["outcome"] for entry in await settled(bench)] == ["in_doubt", "failed"]
    assert bench.units() == 0


async def test_a_door_that_stops_waits_for_the_late_answer(bench: SmtpBench) -> None:
    bench.world.faults.arm(slow(0.8))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    await bench.door.drain(3)
    assert [entry["outcome"] for entry in bench.entries()] == ["in_doubt", "succeeded"]


async def test_a_door_that_stops_does_not_wait_for_ever(bench: SmtpBench) -> None:
    bench.world.faults.arm(slow(2.5))
    async with bench.dui() as smtp:
        await smtp.send(message(), "451 4.4.2")
    await bench.door.drain(0.2)
    assert [entry["outcome"] for entry in bench.entries()] == ["in_doubt"]
