"""Back-pressure, disk failures, and starts that would not be safe (design §5.4, « Stores »)."""
from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import apsw
import pytest

from gateway.journal import database
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import Intent, JournalError, JournalFull, JournalStopped, JournalUnsafe
from gateway.journal.store import Store
from gateway.journal.writer import Done, Job, Writer
from tests.gateway.journal.world import feed, open_journal, rows


class SlowDisk(Writer):
    """Commits only when the test lets it."""

    allowed = threading.Event()

    def _commit(self, batch: list[Job]) -> list[Done]:
        assert self.allowed.wait(timeout=10)
        return super()._commit(batch)


class SmallJournal(Journal):
    writer_class = SlowDisk
    capacity = 3


async def test_new_calls_are_refused_when_the_queue_is_full_and_owed_entries_never(tmp_path: Path) -> None:
    SlowDisk.allowed.set()
    journal = open_journal(tmp_path, SmallJournal)
    owed = feed()
    await journal.intend(owed, Intent(None, 30.0))
    SlowDisk.allowed.clear()
    first = asyncio.create_task(journal.write(feed("ok")))
    await asyncio.sleep(0.05)  # the thread holds this one; three more may wait
    waiting = [asyncio.create_task(journal.write(feed("ok"))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(JournalFull, match="3 records wait"):
        await journal.write(feed("ok"))
    with pytest.raises(JournalFull):
        await journal.intend(feed(), Intent(None, 30.0))
    owed.outcome = "ok"
    closing = asyncio.create_task(journal.write(owed))
    await asyncio.sleep(0)
    SlowDisk.allowed.set()
    await asyncio.gather(first, *waiting, closing)
    assert journal.in_flight_intents == 0
    await journal.write(feed("ok"))
    await journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM entries") == [(6,)]


class FailingStore(Store):
    """Raises what the test arms, where a full or failing disk would make SQLite raise it."""

    armed: list[Exception] = []  # noqa: RUF012 - shared with the test on purpose

    def _insert(self, *arguments: object) -> None:
        if self.armed:
            raise self.armed.pop()
        super()._insert(*arguments)  # type: ignore[arg-type]


class FailingJournal(Journal):
    store_class = FailingStore


async def test_a_full_disk_refuses_and_the_journal_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, FailingJournal)
    FailingStore.armed.append(apsw.FullError("database or disk is full"))
    with pytest.raises(JournalFull, match="disk is full"):
        await journal.write(feed("ok"))
    await journal.write(feed("ok"))
    await journal.close()
    assert rows(tmp_path, "SELECT pos & 0xffff FROM entries") == [(0,)]


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
    with pytest.raises(JournalUnsafe, match="synchronous is 0 instead of 2"):
        database.open_for_writing(path, pragmas=(("synchronous", "off", 2),))


def test_a_journal_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    database.open_for_writing(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(JournalUnsafe, match="schema version 99"):
        database.open_for_writing(path)
    with pytest.raises(JournalError, match="schema version 99"):
        database.open_for_reading(path)
