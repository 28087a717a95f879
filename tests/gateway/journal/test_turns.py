"""Many callers are written as two groups in turn (decision 0058): who is told when, and what fails alone."""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from gateway.journal.connection import StoreBusy
from gateway.journal.journal import Journal
from gateway.journal.record import Entry, JournalStopped
from gateway.journal.store import Store
from gateway.journal.writer import _TRIES
from tests.gateway.journal.world import feed, open_journal, rows

_CALLERS, _HALF = 64, 32

Writing = asyncio.Task[list[Entry]]


class GatedStore(Store):
    """Commits only when the test lets it, one commit at a time; then fails if the test wants it to."""

    ready: threading.Semaphore
    allowed: threading.Semaphore
    failing: bool

    @contextmanager
    def transaction(self, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
        def gate() -> None:
            meanwhile()
            self.ready.release()
            assert self.allowed.acquire(timeout=20)
            if self.failing:
                raise apsw.IOError("disk I/O error")

        with super().transaction(gate):
            yield


class GatedJournal(Journal):
    store_class = GatedStore


@pytest.fixture(autouse=True)
def _gates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GatedStore, "ready", threading.Semaphore(0), raising=False)
    monkeypatch.setattr(GatedStore, "allowed", threading.Semaphore(1), raising=False)  # of what an opening commits
    monkeypatch.setattr(GatedStore, "failing", False, raising=False)


async def _at_the_gate() -> None:
    assert await asyncio.to_thread(GatedStore.ready.acquire, timeout=20)


async def _opened(folder: Path) -> tuple[Journal, Writing]:
    """A journal whose writer is about to commit a first call, so that what comes now waits for it."""
    journal = await asyncio.to_thread(open_journal, folder, GatedJournal)
    while GatedStore.ready.acquire(blocking=False):
        pass
    GatedStore.allowed = threading.Semaphore(0)
    first = asyncio.create_task(journal.write(feed("ok")))
    await _at_the_gate()
    return journal, first


def _calls(journal: Journal, count: int) -> list[Writing]:
    return [asyncio.create_task(journal.write(feed("ok"))) for _ in range(count)]


async def _commit() -> None:
    """The commit at the gate goes through, and the next one has come to the gate."""
    GatedStore.allowed.release()
    await _at_the_gate()


async def _half_at_the_gate(folder: Path) -> tuple[Journal, list[Writing]]:
    """A journal that is about to commit the first half of those who wait."""
    journal, _ = await _opened(folder)
    calls = _calls(journal, _CALLERS)
    await asyncio.sleep(0)
    await _commit()
    return journal, calls


async def _close(journal: Journal) -> None:
    GatedStore.allowed.release(100)
    await journal.close()


async def _ends(calls: list[Writing]) -> list[type[object]]:
    """What each of them is told, when nothing holds up commits any more."""
    GatedStore.allowed.release(100)
    told = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 20)
    return [type(one) for one in told]


def _told(calls: list[Writing]) -> int:
    return sum(call.done() for call in calls)


def _on_disk(folder: Path) -> int:
    count: int = rows(folder, "SELECT count(*) FROM entries")[0][0]
    return count


@pytest.mark.sqlite("a commit on a server may wait for other writers")
async def test_a_group_is_told_while_the_next_is_committed_and_not_before_its_own_commit(tmp_path: Path) -> None:
    journal, first = await _opened(tmp_path)
    calls = _calls(journal, _CALLERS)
    await asyncio.sleep(0)
    await _commit()  # of the first call
    await asyncio.wait_for(first, 20)
    await asyncio.sleep(0.05)  # whoever would be told too early is told by now
    assert (_told(calls), _on_disk(tmp_path)) == (0, 1)

    await _commit()  # of half of them: they are told while the others' commit goes on
    await asyncio.wait_for(asyncio.gather(*calls[:_HALF]), 20)
    await asyncio.sleep(0.05)
    assert (_told(calls), _on_disk(tmp_path)) == (_HALF, 1 + _HALF)

    more = _calls(journal, _HALF)  # they come back
    await asyncio.sleep(0)
    await _commit()
    await asyncio.wait_for(asyncio.gather(*calls[_HALF:]), 20)
    assert (_told(more), _on_disk(tmp_path)) == (0, 1 + _CALLERS)
    GatedStore.allowed.release(100)
    await asyncio.wait_for(asyncio.gather(*more), 20)  # nobody comes after them: they wait for nobody
    await _close(journal)
    assert _on_disk(tmp_path) == 1 + _CALLERS + _HALF


@pytest.mark.parametrize("callers", [_HALF - 1, _HALF])
async def test_few_callers_and_all_those_of_a_server_are_written_as_one_group(tmp_path: Path, callers: int) -> None:
    journal, _ = await _opened(tmp_path)
    calls = _calls(journal, callers)
    await asyncio.sleep(0)
    await _commit()
    GatedStore.allowed.release()
    if journal.shared or callers < _HALF:
        await asyncio.wait_for(asyncio.gather(*calls), 20)
    else:
        await _at_the_gate()
        assert _on_disk(tmp_path) == 1 + callers // 2
    await _close(journal)
    assert _told(calls) == callers


@pytest.mark.sqlite("a commit on a server may wait for other writers")
async def test_those_on_disk_are_told_so_when_the_next_commit_fails(tmp_path: Path) -> None:
    journal, calls = await _half_at_the_gate(tmp_path)
    await _commit()
    GatedStore.failing = True
    assert await _ends(calls) == [list] * _HALF + [JournalStopped] * _HALF
    assert _on_disk(tmp_path) == 1 + _HALF
    await _close(journal)


@pytest.mark.sqlite("a commit on a server may wait for other writers")
async def test_those_on_disk_are_told_so_when_the_next_records_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store raises before there is anything to commit: nobody reaches the point where the group before is told."""
    journal, calls = await _half_at_the_gate(tmp_path)

    def unwritable(*_: object) -> None:
        raise apsw.IOError("disk I/O error")

    monkeypatch.setattr(GatedStore, "append", unwritable)
    assert await _ends(calls) == [list] * _HALF + [JournalStopped] * _HALF
    await _close(journal)


@pytest.mark.sqlite("a file that another program locks")
async def test_a_locked_file_holds_up_nobody_whose_group_is_on_disk_and_is_asked_for_once_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, calls = await _half_at_the_gate(tmp_path)
    asked, met, goes_on = [0], threading.Event(), threading.Event()

    def held(*_: object) -> None:
        asked[0] += 1
        if asked[0] == 2:
            met.set()
            assert goes_on.wait(20)
        raise StoreBusy("held")

    monkeypatch.setattr(journal._store._head, "begin", held)
    GatedStore.allowed.release(100)
    assert await asyncio.to_thread(met.wait, 20)
    await asyncio.wait_for(asyncio.gather(*calls[:_HALF]), 20)
    assert _told(calls) == _HALF
    goes_on.set()
    assert await _ends(calls) == [list] * _HALF + [StoreBusy] * _HALF
    assert asked == [_TRIES]
    await _close(journal)


@pytest.mark.sqlite("a commit on a server may wait for other writers")
async def test_nobody_whose_group_is_on_disk_waits_for_an_administrative_act(tmp_path: Path) -> None:
    journal, _ = await _opened(tmp_path)
    calls, done = _calls(journal, _HALF), threading.Event()
    await asyncio.sleep(0)
    act = asyncio.create_task(journal.change(lambda _: done.wait(20)))
    await asyncio.sleep(0)
    others = _calls(journal, _HALF - 1)
    await asyncio.sleep(0)
    await _commit()  # of the first call
    GatedStore.allowed.release(100)
    await asyncio.wait_for(asyncio.gather(*calls), 10)
    assert (act.done(), _told(others)) == (False, 0)
    done.set()
    assert await asyncio.wait_for(act, 20)
    await asyncio.wait_for(asyncio.gather(*others), 20)
    await _close(journal)


async def test_all_are_told_by_a_journal_that_closes(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    calls = _calls(journal, 3 * _CALLERS)
    await asyncio.sleep(0)
    await journal.close()
    await asyncio.wait_for(asyncio.gather(*calls), 20)
    assert _on_disk(tmp_path) == 3 * _CALLERS
