"""`socle bench journal`: what the journal costs a call, against what its disk allows (design §5.2, §9; docs/performance.md)."""
from __future__ import annotations

import asyncio
import gc
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.wire.clock import SystemClock
from gateway.bench.calls import calls, intent_of
from gateway.bench.figure import Figure, Target
from gateway.bench.limit import Limit, bare_commits_ms, batches_of, write_prepared
from gateway.bench.timing import p99
from gateway.collector import look_less_often
from gateway.journal.jobs import Job
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import Record
from gateway.journal.writer import Writer

_CALLERS = {1: 1_000, 16: 4_000, 64: 12_000, 256: 12_000}  # and how many entries at most
_RATES = (50, 200, 500)
_SECONDS = 5.0  # at most, for each of them
_SAMPLES = 200
_PREPARED = "les mêmes lignes, prêtes d'avance, dans les mêmes tables, par transactions de même taille moyenne"
_COMMIT = "p99 d'une transaction d'une ligne, seule"
_TRANSPORT = "en processus"


class _CountingWriter(Writer):
    commits = 0

    def _commit(self, batch: list[Job]) -> list[Any]:
        self.commits += 1
        return super()._commit(batch)


class _MeasuredJournal(Journal):
    writer_class = _CountingWriter


@dataclass(frozen=True, slots=True)
class _Run:
    entries: int
    seconds: float
    cpu_seconds: float
    commits: int
    body_bytes: int


def figures(folder: Path, scale: float = 1.0) -> list[Figure]:
    """Measure in a new folder inside ``folder``, which must be on the disk that a journal would use.

    ``scale`` multiplies counts and times; a whole run lasts about a minute. Values tell the journal with its callers, all in
    one process: the CPU of the callers is in them.
    """
    work = Path(tempfile.mkdtemp(prefix="banc-", dir=folder))
    try:
        return [*_throughput(work, scale), *_latencies(work, scale)]
    finally:
        shutil.rmtree(work)


def _throughput(work: Path, scale: float) -> Iterator[Figure]:
    for callers, count in _CALLERS.items():
        place = work / f"{callers}"
        run = asyncio.run(_closed_loop(place, callers, max(callers * 2, int(count * scale)), _SECONDS * scale, intents=False))
        batches = batches_of(place / FILE_NAME, run.commits)
        limit = write_prepared(work / f"{callers}.limit", batches, run.entries)
        yield from _of_run(run, limit, callers)
    place = work / "calls"
    run = asyncio.run(_closed_loop(place, 64, max(128, int(_CALLERS[64] * scale)), _SECONDS * scale, intents=True))
    yield Figure("journal.appels_avec_intention.64", "appels/s CPU", round(run.entries / run.cpu_seconds, 1), None, None, None,
                 _TRANSPORT, run.body_bytes, 64)  # fmt: skip


def _of_run(run: _Run, limit: Limit, callers: int) -> Iterator[Figure]:
    targets: dict[str, Target | None] = {"CPU": None, "": None}
    if callers == 64:
        targets = {"CPU": Target("ratio", "at least", 0.35), "": Target("value", "at least", 10_000)}
    for kind, mine, best in (("CPU", run.cpu_seconds, limit.cpu_seconds), ("", run.seconds, limit.seconds)):
        name = f"journal.entrees{'_cpu' if kind else ''}.{callers}"
        unit = "entrées/s CPU" if kind else "entrées/s"
        yield Figure(name, unit, round(run.entries / mine, 1), round(limit.entries / best, 1), _PREPARED, targets[kind],
                     _TRANSPORT, run.body_bytes, callers)  # fmt: skip
    yield Figure(f"journal.groupe.{callers}", "entrées/transaction", round(run.entries / run.commits, 1), None, None, None,
                 _TRANSPORT, run.body_bytes, callers)  # fmt: skip


async def _closed_loop(place: Path, callers: int, count: int, seconds: float, *, intents: bool) -> _Run:
    """``callers`` that each write the next call as soon as the last one is durable."""
    journal = _MeasuredJournal.open(place, environment="charge", clock=SystemClock())
    records = calls(0, count)
    left = iter(records)
    usual = gc.get_threshold()
    look_less_often()  # as a gateway does, which never holds thousands of calls at once
    until = time.perf_counter() + seconds
    written: list[int] = []

    async def caller() -> None:
        for record in left:
            written.append(await _carry(journal, record, intents=intents))
            if time.perf_counter() > until:
                return

    started, cpu_started = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    writer = journal._writer
    assert isinstance(writer, _CountingWriter)
    await journal.close()
    gc.unfreeze()
    gc.set_threshold(*usual)
    return _Run(len(written), seconds, cpu_seconds, writer.commits, sum(written) // len(written))


async def _carry(journal: Journal, record: Record, *, intents: bool) -> int:
    intent = intent_of(record) if intents else None
    if intent is not None:
        await journal.intend(record, intent)
    [entry] = await journal.write(record)
    return len(entry.body)


def _latencies(work: Path, scale: float) -> Iterator[Figure]:
    bare_p99 = p99(bare_commits_ms(work / "bare.sqlite3", max(20, int(_SAMPLES * scale))))
    for rate in _RATES:
        count = max(20, int(min(rate * _SECONDS, rate * 2 + _SAMPLES) * scale))
        added, body_bytes = asyncio.run(_open_loop(work / f"rate-{rate}", rate, count))
        target = Target("value", "below", 10) if rate == 200 else None
        yield Figure(f"journal.p99_ajoute.{rate}", "ms", round(p99(added), 2), round(bare_p99, 2), _COMMIT, target,
                     _TRANSPORT, body_bytes, rate)  # fmt: skip


async def _open_loop(place: Path, rate: int, count: int) -> tuple[list[float], int]:
    """Calls that start at fixed times whatever became of the others; how long the journal held each, intent included, in ms."""
    journal = Journal.open(place, environment="charge", clock=SystemClock())
    added: list[float] = []
    sizes: list[int] = []

    async def one(record: Record, due: float) -> None:
        await asyncio.sleep(due - time.perf_counter())
        started = time.perf_counter()
        sizes.append(await _carry(journal, record, intents=True))
        added.append((time.perf_counter() - started) * 1000)

    first = time.perf_counter() + 0.05
    await asyncio.gather(*(one(record, first + n / rate) for n, record in enumerate(calls(0, count))))
    await journal.close()
    return added, sum(sizes) // len(sizes)
