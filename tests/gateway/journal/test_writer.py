"""Back-pressure, disk failures, and starts that would not be safe (design §5.4, « Stores »)."""
from __future__ import annotations

import asyncio
import errno
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from gateway.journal import database
from gateway.journal.connection import StoreBusy
from gateway.journal.jobs import Job
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import Intent, JournalError, JournalFull, JournalStopped, JournalUnsafe, Named, Record
from gateway.journal.room import BALLAST_NAME, no_room
from gateway.journal.store import Store
from gateway.journal.writer import Writer
from tests.gateway.journal.world import feed, open_journal, rows


class SlowDisk(Writer):
    """Commits only when the test lets it."""

    allowed = threading.Event()

    def _commit(self, batch: list[Job]) -> list[Any]:
        assert self.allowed.wait(timeout=10)
        return super()._commit(batch)


class SlowJournal(Journal):
    writer_class = SlowDisk


class SmallJournal(SlowJournal):
    capacity = 3


async def test_new_calls_are_refused_at_capacity_and_owed_entries_never(tmp_path: Path) -> None:
    SlowDisk.allowed.set()
    journal = open_journal(tmp_path, SmallJournal)
    owed = [feed() for _ in range(3)]
    await journal.intend(owed[0], Intent(None, 30.0))
    for call in owed[1:]:
        journal.reserve(call)
    assert journal.full
    with pytest.raises(JournalFull, match="kept for calls under way"):
        journal.reserve(feed())
    with pytest.raises(JournalFull):
        await journal.intend(feed(), Intent(None, 30.0))
    SlowDisk.allowed.clear()
    held = asyncio.create_task(journal.ref(Named("person", "279035121518989")))
    await asyncio.sleep(0.05)  # the thread holds this one; the others wait
    gap = Record(None, kind="gap", detail={"count": 1})
    waiting = [asyncio.create_task(journal.write(replace(gap, id=f"gap-{n}"))) for n in range(4)]
    closing = [asyncio.create_task(journal.write(replace(call, outcome="ok"))) for call in owed]
    await asyncio.sleep(0)
    SlowDisk.allowed.set()
    done = await asyncio.gather(*waiting, *closing, return_exceptions=True)
    assert [isinstance(result, JournalFull) for result in done] == [False] * 3 + [True] + [False] * 3
    assert "3 records wait for the disk" in str(done[3])
    assert (await held, journal.in_flight_intents, journal.full) == (None, 0, False)
    await journal.write(feed("ok"))
    await journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM entries") == [(3 + 3 + 1,)]


async def test_a_lone_caller_does_not_wait_for_those_of_a_large_group(tmp_path: Path) -> None:
    SlowDisk.allowed.clear()
    journal = open_journal(tmp_path, SlowJournal)
    first = asyncio.create_task(journal.write(feed("ok")))
    await asyncio.sleep(0.05)  # the thread holds this one
    group = [asyncio.create_task(journal.write(feed("ok"))) for _ in range(40)]
    await asyncio.sleep(0)
    SlowDisk.allowed.set()
    await asyncio.gather(first, *group)
    for _ in range(3):
        await asyncio.wait_for(journal.write(feed("ok")), 5)
    await journal.close()


class Counting(Writer):
    groups: list[int]

    def _commit(self, batch: list[Job]) -> list[Any]:
        self.groups.append(len(batch))
        return super()._commit(batch)


class CountingJournal(Journal):
    writer_class = Counting


@pytest.mark.parametrize(("under_way", "groups"), [(8, [8]), (7, [1] * 7)])
async def test_the_last_of_many_calls_under_way_are_written_together(
    tmp_path: Path, under_way: int, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one as they come when there are few, without waiting; the wait ends when none is still to come."""
    monkeypatch.setattr("gateway.journal.writer._PATIENCE_S", 3600)
    monkeypatch.setattr(Counting, "groups", [], raising=False)
    journal = open_journal(tmp_path, CountingJournal)
    calls = [feed("ok") for _ in range(under_way)]
    for call in calls:
        journal.reserve(call)
    written = []
    for call in calls:
        written.append(asyncio.create_task(journal.write(call)))
        if len(groups) > 1:
            await asyncio.wait_for(written[-1], 10)
        else:
            await asyncio.sleep(0.01)  # the thread looks
    await asyncio.wait_for(asyncio.gather(*written), 10)
    await journal.close()
    assert Counting.groups == groups


async def test_a_call_that_lets_go_leaves_its_room_to_another(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, SmallJournal)
    calls = [feed() for _ in range(3)]
    for call in calls:
        journal.reserve(call)
    journal.reserve(calls[0])  # owed already: nothing more
    journal.let_go(calls[0])
    journal.reserve(feed())
    await journal.close()


class FailingStore(Store):
    """Raises what the test arms, where a full or failing disk would make SQLite raise it."""

    armed: list[Exception] = []  # noqa: RUF012 - shared with the test on purpose

    def _insert(self, *arguments: object) -> None:
        if self.armed:
            raise self.armed.pop()
        super()._insert(*arguments)  # type: ignore[arg-type]


class FailingJournal(Journal):
    store_class = FailingStore


@pytest.mark.sqlite("the room of its own disk")
async def test_a_full_disk_releases_the_ballast_to_what_is_owed_and_refuses_the_rest(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, FailingJournal)
    ballast = tmp_path / BALLAST_NAME
    assert ballast.stat().st_blocks * 512 >= 1 << 18
    FailingStore.armed.append(apsw.FullError("database or disk is full"))
    with pytest.raises(JournalFull, match="disk is full"):
        await journal.write(Record(None, kind="gap", detail={"count": 1}))
    assert (ballast.exists(), journal.full) == (False, True)
    await journal.write(feed("ok"))  # it has left: it uses the room
    FailingStore.armed.append(apsw.FullError("database or disk is full"))
    with pytest.raises(JournalFull, match="disk is full"):
        await journal.write(feed("ok"))
    await journal.close()
    assert rows(tmp_path, "SELECT pos & 0xffff FROM entries") == [(0,)]


@pytest.mark.parametrize("reserved", [True, False])
async def test_an_intent_that_fails_leaves_owed_what_was_owed_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reserved: bool
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise JournalFull("no room")

    journal = open_journal(tmp_path)
    call = feed("ok")
    if reserved:
        journal.reserve(call)
    with monkeypatch.context() as disk:
        disk.setattr(journal._writer, "run_job", full)
        with pytest.raises(JournalFull):
            await journal.intend(call, Intent(None, 30.0))
    assert journal.in_flight_intents == reserved  # a MAIL was seen by the operator: its entry is still to be written
    await journal.write(call)
    assert journal.in_flight_intents == 0
    await journal.close()


class SlowFailingJournal(FailingJournal):
    writer_class = SlowDisk


async def test_on_a_full_disk_what_is_owed_is_tried_without_what_is_not(tmp_path: Path) -> None:
    SlowDisk.allowed.clear()
    journal = open_journal(tmp_path, SlowFailingJournal)
    journal._room.give_up()  # long ago: nothing more can be freed
    held = asyncio.create_task(journal.ref(Named("person", "279035121518989")))
    await asyncio.sleep(0.05)  # the thread holds this one; the next two go together
    gap = asyncio.create_task(journal.write(Record(None, kind="gap", detail={"count": 1})))
    call = asyncio.create_task(journal.write(feed("ok")))
    await asyncio.sleep(0)
    FailingStore.armed.append(apsw.FullError("database or disk is full"))
    SlowDisk.allowed.set()
    found, refused, written = await asyncio.gather(held, gap, call, return_exceptions=True)
    assert (found, isinstance(refused, JournalFull), isinstance(written, list)) == (None, True, True)
    await journal.close()


async def test_a_disk_failure_is_said_to_each_of_its_group(tmp_path: Path) -> None:
    SlowDisk.allowed.clear()
    journal = open_journal(tmp_path, SlowFailingJournal)
    held = asyncio.create_task(journal.ref(Named("person", "279035121518989")))
    await asyncio.sleep(0.05)  # the thread holds this one; the next three go together
    calls = [asyncio.create_task(journal.write(feed("ok"))) for _ in range(3)]
    await asyncio.sleep(0)
    FailingStore.armed.append(apsw.IOError("disk I/O error"))
    SlowDisk.allowed.set()
    told = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(error) for error in told] == ["the journal stopped: disk I/O error"] * 3
    assert len({id(error) for error in told}) == 3, "one error raised in three tasks would carry the traces of all"
    assert (await held, journal.stopped) == (None, True)
    await journal.close()


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EFBIG])
@pytest.mark.sqlite("the room of its own disk")
async def test_a_quota_is_a_full_disk_and_not_a_broken_one(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = open_journal(tmp_path, FailingJournal)
    error = apsw.IOError("disk I/O error")
    error.extendedresult = apsw.SQLITE_IOERR_WRITE
    monkeypatch.setattr(FailingStore, "lacks_room", lambda _self, found: no_room(found, SimpleNamespace(system_errno=number)))  # type: ignore[arg-type]
    FailingStore.armed.append(error)
    await journal.write(feed("ok"))
    assert not journal.stopped
    await journal.close()


async def test_after_a_disk_failure_nothing_more_is_promised(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, FailingJournal)
    FailingStore.armed.append(apsw.IOError("disk I/O error"))
    with pytest.raises(JournalStopped, match="disk I/O error"):
        await journal.write(feed("ok"))
    with pytest.raises(JournalStopped, match="the disk failed"):
        await journal.write(feed("ok"))
    await journal.close()
    reopened = open_journal(tmp_path)
    await reopened.write(feed("ok"))
    await reopened.close()


async def test_a_process_whose_log_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(feed("ok"))
    rows(tmp_path, "UPDATE log_heads SET lease_owner = 'another process'")
    with pytest.raises(JournalStopped, match="another process writes log 1"):
        await journal.write(feed("ok"))
    await journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM entries") == [(1,)]


@pytest.mark.sqlite("a file that another program locks")
async def test_a_file_that_another_program_holds_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_MS", 1)
    await open_journal(tmp_path).close()
    other = apsw.Connection(str(tmp_path / FILE_NAME))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="un autre programme tient le fichier"):
        open_journal(tmp_path)
    other.close()
    await open_journal(tmp_path).close()  # the folder's lock was given back


@pytest.mark.parametrize(("version", "safe"), [
    ("3.40.1", False), ("3.51.2", False), ("3.52.0", False), ("3.51.3", True), ("3.53.0", True), ("3.54.1", True),
])  # fmt: skip
def test_a_sqlite_that_may_corrupt_a_wal_is_refused(version: str, safe: bool) -> None:
    if safe:
        database.check_version(version)
    else:
        with pytest.raises(JournalUnsafe, match=version):
            database.check_version(version)


def test_a_pragma_that_is_not_obtained_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    database.open_for_writing(path).close()
    with pytest.raises(JournalUnsafe, match="synchronous vaut 0 et non 2"):
        database.open_for_writing(path, pragmas=(("synchronous", "off", 2),))


def test_a_journal_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    database.open_for_writing(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(JournalUnsafe, match="schéma 99"):
        database.open_for_writing(path)
    with pytest.raises(JournalError, match="plus récente de Socle"):
        database.open_for_reading(path)
