"""Group commit: what queued while the previous commit ran goes together (design §5.2; reference/packages §10)."""
from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import apsw

from gateway.journal.connection import StoreBusy, StoreLost
from gateway.journal.jobs import Done, Job, deliver, refuse
from gateway.journal.record import JournalFull, JournalStopped
from gateway.journal.refs import Lookups
from gateway.journal.store import Store

log = logging.getLogger(__name__)

_BATCH = 500
_WORTH_WAITING = 8  # callers, or calls under way; below, a commit of its own costs less than the wait
_WORTH_HALVING = 32  # callers; fewer are written as one group
_PATIENCE_S = 0.004
_TRIES = 10  # of a transaction that met another writer's
_NOTHING: Lookups = {}


class Writer(threading.Thread):
    """The only thread that touches the store. Jobs wait in order; their futures resolve once the commit is on disk.

    Many callers are written as two groups in turn (decision 0058): those of one are told when the commit of the other begins,
    and prepare their next records while it goes on. Only in a file of our own: a commit on a server may wait for other writers.

    under_way  how many calls will still have their entry written, those that already wait included
    """

    def __init__(
        self, store: Store, capacity: int, give_up_ballast: Callable[[], bool] = lambda: False,
        under_way: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        super().__init__(name="journal-writer", daemon=True)
        self._under_way = under_way
        self._store, self._capacity, self._give_up_ballast = store, capacity, give_up_ballast
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._closing = False
        self._broken: Exception | None = None
        self._in_turn = not store.shared
        self._on_disk: Done = []  # a group that is not told yet
        self._enough = 1  # jobs that were left, and callers told since: most come back
        self._awaited = 1  # jobs, by the thread
        self._patience_s = 0.0

    @property
    def stopped(self) -> bool:
        """The disk failed: nothing more can be written before a restart."""
        return self._broken is not None

    @property
    def broken(self) -> Exception | None:
        return self._broken

    @property
    def full(self) -> bool:
        return len(self._jobs) >= self._capacity

    def run_job(
        self, work: Callable[[Store], Any], *, named: Lookups = _NOTHING, owed: bool = False,
        then: Callable[[], None] | None = None,
    ) -> asyncio.Future[Any]:  # fmt: skip
        """Run ``work(store)`` in a transaction; its result comes once it is committed durably. ``then`` runs in the caller's
        loop after that commit, also when the caller was cancelled meanwhile.

        Raises JournalFull at capacity unless ``owed``, JournalStopped once closed or after a disk failure.
        """
        job = Job(work, named, owed, asyncio.get_running_loop().create_future(), then)
        with self._lock:
            if self._broken or self._closing:
                raise JournalStopped("the journal is closed" if self._closing else "the journal stopped: the disk failed")
            before = len(self._jobs)
            if before >= self._capacity and not owed:
                raise JournalFull(f"{before} records wait for the disk")
            self._jobs.append(job)
            if before + 1 == self._awaited:
                self._wake.notify()
        return job.future

    def stop(self) -> None:
        """Ask the thread to end once everything queued is written."""
        with self._lock:
            self._closing = True
            self._wake.notify()

    def run(self) -> None:
        while not self._closing or self._jobs:
            batch = self._next_batch()
            started = time.perf_counter()
            if batch or not self._closing:  # nothing came for long: an empty transaction says that this writer lives
                self._write(batch)
            self._patience_s = min(time.perf_counter() - started, _PATIENCE_S)

    def _next_batch(self) -> list[Job]:
        """What waits. After a large group its callers come back one by one: they are waited for, as long as a commit takes.

        So are calls that come one by one while many others are under way: alone, each would pay for a whole commit.
        """
        with self._lock:
            if self._enough >= _WORTH_WAITING:
                self._await(self._enough, self._patience_s)
            self._await(1, self._store.renew_every_s)
            if len(self._jobs) < _WORTH_WAITING <= self._under_way():
                self._await(self._under_way(), _PATIENCE_S)
            batch = [self._jobs.popleft() for _ in range(self._share(len(self._jobs)))]
            self._enough = len(self._jobs)
            return batch

    def _share(self, waiting: int) -> int:
        """How many of those that wait go now: half of all there are, those on disk included, when that makes two groups."""
        everybody = waiting + len(self._on_disk)
        if self._in_turn and everybody >= _WORTH_HALVING:
            waiting = min(waiting, (everybody + 1) // 2)
        return min(_BATCH, waiting)

    def _await(self, count: int, timeout_s: float | None = None) -> None:
        self._awaited = count
        self._wake.wait_for(lambda: len(self._jobs) >= count or self._closing, timeout_s)

    def _write(self, batch: list[Job]) -> None:
        if self._broken:
            refuse(batch, lambda: JournalStopped("the journal stopped: the disk failed"))
            return
        if not all(job.owed for job in batch):  # an administrative act may take long
            self._tell()
        try:
            results = self._commit(batch)
        except Exception as error:
            self._tell()
            self._take_back(batch, error)
            return
        self._on_disk = list(zip(batch, results, strict=True))
        if not (self._in_turn and min(len(batch), len(self._jobs)) >= _WORTH_WAITING):
            self._tell()

    def _tell(self) -> None:
        """Tell those whose group is on disk."""
        done, self._on_disk = self._on_disk, []
        if done:
            self._enough += len(done)
            deliver(done)

    def _take_back(self, batch: list[Job], error: Exception) -> None:
        if self._store.lacks_room(error):
            self._make_do(batch, error)
        elif _fatal(error):
            log.critical("journal_stopped", extra={"reason": str(error)})
            self._broken = error
            refuse(batch, lambda: JournalStopped(f"the journal stopped: {error}"))
        elif len(batch) > 1 and not (self._in_turn and isinstance(error, StoreBusy)):
            self._halve(batch)  # one of them is at fault: the others must not fail with it
        else:
            refuse(batch, lambda: error)

    def _make_do(self, batch: list[Job], error: Exception) -> None:
        """The disk takes no more: the ballast goes, and only what is owed is tried again, in smaller and smaller groups."""
        freed = self._give_up_ballast()
        owed = [job for job in batch if job.owed]
        refuse([job for job in batch if not job.owed], lambda: JournalFull(str(error)))
        if owed and (freed or len(owed) < len(batch)):
            self._write(owed)
        elif len(owed) > 1:
            self._halve(owed)
        else:
            refuse(owed, lambda: JournalFull(str(error)))

    def _halve(self, batch: list[Job]) -> None:
        half = len(batch) // 2
        self._write(batch[:half])
        self._write(batch[half:])

    def _commit(self, batch: list[Job]) -> list[Any]:
        tries = 0
        while True:
            try:
                with self._store.transaction(self._tell):
                    self._store.refs.expect(job.named for job in batch)
                    return [job.work(self._store) for job in batch]
            except StoreBusy:  # nothing of it stays; in a file, another program holds it, whatever is to be written
                self._tell()
                tries += 1
                if tries == _TRIES:
                    raise


def _fatal(error: Exception) -> bool:
    # After a failed sync the kernel may forget the pages and report the next sync as good: only a restart tells the truth.
    return isinstance(error, apsw.IOError | apsw.CorruptError | apsw.NotADBError | StoreLost | JournalStopped)

