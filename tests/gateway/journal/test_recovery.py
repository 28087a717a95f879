"""Lost answers: what a dead process leaves, and what asking later makes of it (design §5.3)."""
from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from gateway.journal.connection import StoreBusy
from gateway.journal.journal import Journal
from gateway.journal.query import Filters, JournalReader
from gateway.journal.record import Body, Intent, Named, Record
from gateway.journal.recovery import SettlementWorker
from tests.gateway.journal.world import HandClock, feed, open_journal, rows

Answer = Literal["found", "not_found", "unknown"]
PERSON = Named("person", "279035121518989")
KEY = Named("submission", "1.2.3")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Dmp:
    """Answers what the test says, and remembers what it was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[bytes] = []

    async def ask(self, blob: bytes) -> Answer:
        self.asked.append(blob)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def left_by_a_dead_process(folder: Path, clock: HandClock, *, blob: bytes | None = b"question") -> Record:
    """A feed whose intent is durable and whose entry never came. Only the lock is given back, as the kernel would."""
    dead = open_journal(folder, clock=clock)
    record = feed(person=PERSON, bodies=[Body("request", 3, bytes(32))])
    record.exchanges.clear()
    await dead.intend(record, Intent(KEY, 30.0, b"documents", blob))
    await dead.close()
    return record


async def test_an_intent_left_behind_becomes_one_entry_in_doubt(tmp_path: Path) -> None:
    clock = HandClock()
    record = await left_by_a_dead_process(tmp_path, clock)
    journal = open_journal(tmp_path, clock=clock)
    assert journal.recovered == 1
    [doubt] = await journal.doubts(KEY)
    assert (doubt.entry_id, doubt.deadline) == (record.id, clock.now + timedelta(seconds=30))
    assert await journal.same_as(doubt, PERSON, b"documents")
    await journal.close()
    await open_journal(tmp_path, clock=clock).close()
    with JournalReader(tmp_path) as reader:
        [entry] = reader.entries().entries
        assert (reader.intents(), reader.counts()["DMP.TD2.1"]["recovered"]) == (0, 1)
    assert (entry["outcome"], entry["flags"], entry["time_basis"]) == ("in_doubt", ["G-ARRET"], "estimated")
    assert (entry["finess_et"], entry["exchanges"]) == ("130784507", [{"code": None, "upstream_us": 0}])
    assert list(entry["bodies"][0]) == ["commitment", "role", "size_bytes"]
    assert rows(tmp_path, "SELECT count(*) FROM bodies") == [(1,)]


async def test_an_intent_under_way_is_not_recovered(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    record = feed()
    await journal.intend(record, Intent(KEY, 30.0))
    record.outcome = "ok"
    await journal.write(record)
    await journal.close()
    assert open_and_count_recovered(tmp_path) == 0


def open_and_count_recovered(folder: Path) -> int:
    journal = open_journal(folder)
    journal._writer.stop()
    journal._writer.join()
    journal._store.close()
    journal._lock.release()
    return journal.recovered


async def settled(folder: Path) -> list[str]:
    with JournalReader(folder) as reader:
        return [entry["outcome"] for entry in reader.entries(Filters(kind="settlement")).entries]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def journal(tmp_path: Path, clock: HandClock) -> Journal:
    await left_by_a_dead_process(tmp_path, clock)
    return open_journal(tmp_path, clock=clock)


async def test_found_settles_and_counts_at_the_time_of_the_call(tmp_path: Path, journal: Journal, clock: HandClock) -> None:
    dmp = Dmp("found")
    worker = SettlementWorker(journal, {"DMP.TD2.1": dmp}, clock)
    assert await worker.settle_due() == 0
    assert dmp.asked == [], "asked before five minutes"
    clock.now += 5 * MINUTE
    assert await worker.settle_due() == 1
    assert dmp.asked == [b"question"]
    assert await worker.settle_due() == 0
    await journal.close()
    [unit] = rows(tmp_path, "SELECT indicator, event_time FROM usage_units")
    assert unit == ("IND-DMP-01", "2026-03-02T09:00:00.000000Z")
    [body] = rows(tmp_path, "SELECT body FROM entries WHERE kind = 'settlement'")
    assert orjson.loads(body[0])["detail"] == {"how": "ask", "answer": "found", "by": "settlement-worker"}
    assert rows(tmp_path, "SELECT count(*) FROM doubts") == [(0,)], "the blob must die at settlement"


async def test_no_question_before_the_service_deadline_however_short_the_wait(journal: Journal, clock: HandClock) -> None:
    dmp = Dmp("found")
    worker = SettlementWorker(journal, {"DMP.TD2.1": dmp}, clock, waits_s=(1.0, 1.0))
    clock.now += timedelta(seconds=29)
    assert (await worker.settle_due(), dmp.asked) == (0, [])
    clock.now += timedelta(seconds=1)
    assert await worker.settle_due() == 1
    await journal.close()


async def test_not_found_must_be_heard_twice_an_hour_apart(tmp_path: Path, journal: Journal, clock: HandClock) -> None:
    dmp = Dmp("not_found", "not_found")
    worker = SettlementWorker(journal, {"DMP.TD2.1": dmp}, clock)
    clock.now += 5 * HOUR  # the worker slept through both delays: the two questions are an hour apart all the same
    assert [await worker.settle_due() for _ in range(3)] == [0, 0, 0]
    assert len(dmp.asked) == 1
    clock.now += HOUR
    assert await worker.settle_due() == 1
    await journal.close()
    assert await settled(tmp_path) == ["failed"]
    assert rows(tmp_path, "SELECT count(*) FROM usage_units") == [(0,)]


async def test_not_found_then_found_is_success(tmp_path: Path, journal: Journal, clock: HandClock) -> None:
    worker = SettlementWorker(journal, {"DMP.TD2.1": Dmp("not_found", "found")}, clock)
    clock.now += 5 * MINUTE
    await worker.settle_due()
    clock.now += HOUR
    assert await worker.settle_due() == 1
    await journal.close()
    assert await settled(tmp_path) == ["succeeded"]


@pytest.mark.parametrize("answer", ["unknown", RuntimeError("refused"), TimeoutError()])
async def test_no_answer_is_no_proof(tmp_path: Path, journal: Journal, clock: HandClock, answer: Answer | Exception) -> None:
    dmp = Dmp(answer, answer, "found")
    worker = SettlementWorker(journal, {"DMP.TD2.1": dmp}, clock)
    for _ in range(2):
        clock.now += 5 * MINUTE
        assert await worker.settle_due() == 0
    clock.now += 5 * MINUTE
    assert await worker.settle_due() == 1
    await journal.close()
    assert await settled(tmp_path) == ["succeeded"]


async def test_without_asker_an_entry_stays_in_doubt(tmp_path: Path, journal: Journal, clock: HandClock) -> None:
    clock.now += 5 * HOUR
    assert await SettlementWorker(journal, {"MSS.SOUMISSION": Dmp()}, clock).settle_due() == 0
    assert len(await journal.doubts(KEY)) == 1
    await journal.close()


async def test_without_blob_an_entry_stays_in_doubt(tmp_path: Path, clock: HandClock) -> None:
    await left_by_a_dead_process(tmp_path, clock, blob=None)
    journal = open_journal(tmp_path, clock=clock)
    clock.now += 5 * HOUR
    assert await SettlementWorker(journal, {"DMP.TD2.1": Dmp()}, clock).settle_due() == 0
    assert len(await journal.doubts(KEY)) == 1
    await journal.close()


class Knowing:
    """Knows what became of one call only: the structures of the others have left no identity."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def ask(self, blob: bytes) -> Answer:
        self.asked.append(blob)
        return "found" if blob == b"60" else "unknown"


async def test_doubts_that_nobody_can_answer_do_not_keep_the_others_waiting(tmp_path: Path, clock: HandClock) -> None:
    journal = open_journal(tmp_path, clock=clock)
    for number in range(61):
        record = feed()
        await journal.intend(record, Intent(KEY, 30.0, b"documents", b"%d" % number))
        record.outcome = "in_doubt"
        await journal.write(record)
    clock.now += 5 * MINUTE
    dmp = Knowing()
    assert await SettlementWorker(journal, {"DMP.TD2.1": dmp}, clock).settle_due() == 1
    assert dmp.asked == [b"%d" % number for number in range(61)], "each once"
    await journal.close()


async def test_a_clock_that_steps_back_in_a_pass_does_not_make_it_ask_for_ever(
    journal: Journal, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SteppingBack(Knowing):
        async def ask(self, blob: bytes) -> Answer:
            clock.now -= 2 * HOUR
            return await super().ask(blob)

    clock.now += 5 * HOUR
    dmp = SteppingBack()
    assert await SettlementWorker(journal, {"DMP.TD2.1": dmp}, clock).settle_due() == 0
    assert len(dmp.asked) == 1
    await journal.close()


async def test_a_pass_that_fails_is_not_the_last_one(
    journal: Journal, clock: HandClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, due = [StoreBusy("held"), RuntimeError("a fault of ours")], journal.doubts_to_ask

    async def failing(*arguments: Any, **named: Any) -> Any:
        if asked:
            raise asked.pop()
        return await due(*arguments, **named)

    monkeypatch.setattr(journal, "doubts_to_ask", failing)
    clock.now += 5 * MINUTE
    working = asyncio.create_task(SettlementWorker(journal, {"DMP.TD2.1": Dmp("found")}, clock, every_s=0).run())
    async with asyncio.timeout(5):
        while not await settled(tmp_path):
            await asyncio.sleep(0.01)
    working.cancel()
    await journal.close()


async def test_a_damaged_question_keeps_no_other_from_being_asked(tmp_path: Path, journal: Journal, clock: HandClock) -> None:
    rows(tmp_path, f"UPDATE doubts SET blob = x'{'00' * 40}'")
    other = feed(person=PERSON)
    await journal.intend(other, Intent(Named("submission", "1.2.4"), 30.0, b"others", b"question"))
    other.outcome = "in_doubt"
    await journal.write(other)
    clock.now += 5 * MINUTE
    dmp = Dmp("found")
    worker = SettlementWorker(journal, {"DMP.TD2.1": dmp}, clock)
    assert [await worker.settle_due(), await worker.settle_due()] == [1, 0]
    assert dmp.asked == [b"question"]
    await journal.close()
