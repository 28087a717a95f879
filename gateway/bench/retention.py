"""`socle bench retention`: the disk that leaving entries give back, and what calls wait for meanwhile (decision 0040)."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import apsw

from connectors.wire.clock import SystemClock
from gateway.bench.calls import calls, intent_of
from gateway.bench.figure import Figure, Target
from gateway.bench.loaded import TRANSPORT, Loaded, loading
from gateway.bench.timing import p99
from gateway.bench.usage_loader import ENVIRONMENT
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.proof.leaving import Resting
from gateway.journal.proof.notary import Notary
from gateway.journal.record import Record
from gateway.journal.retention import Removed, Retention, retain
from gateway.journal.search import FILE_NAME as INDEX_NAME

ENTRIES = 100_000
#: Bytes of disk for each entry while it is measured: the journal, and the WAL of its vacuum.
ROOM_PER_ENTRY = 4_000
_RATE = 50  # calls a second, beside it
_QUIET_S = 6.0
_LATER = datetime(2031, 10, 1, tzinfo=UTC)  # five years after the last entry that was loaded
_KEPT = "octets de la feuille de l'entrée, qui reste"
_BEFORE = "le même trafic avant, sans conservation"


def figures(folder: Path, sizes: list[int]) -> list[Figure]:
    """Load a journal of each size in a new folder inside ``folder``, let its entries go beside traffic, and remove it."""
    found: list[Figure] = []
    for size in sizes:
        with loading(folder, size, "conservation") as loaded:
            found += _of(loaded)
    return found


def _of(loaded: Loaded) -> Iterator[Figure]:
    notary = Notary.open(loaded.folder, SystemClock())
    notary.up_to_date("period")
    notary.close(sign=False)
    before = _room(loaded.folder)
    quiet, busy, removed, seconds = asyncio.run(_beside_traffic(loaded.folder))
    after = _room(loaded.folder)
    said = {"octets_par_entree_avant": before, "octets_par_entree_apres": after}
    for name, tables in said.items():
        for table in ("", *_shown(before)):
            size = sum(tables.values()) if not table else tables.get(table, 0)
            limit, why = (32, _KEPT) if (name, table) == ("octets_par_entree_apres", "departed") else (None, None)
            told = f"{name}{f'.{table}' if table else ''}"
            yield loaded.figure(told, "octets", round(size / loaded.entries, 1), limit, why)
    yield loaded.figure("entrees", "entrées/s", round(removed.entries / seconds, 1))
    given_back = removed.bytes_before - removed.bytes_after
    yield loaded.figure("rendu", "octets/entrée", round(given_back / removed.entries, 1))
    yield Figure(
        f"conservation.p99.{loaded.entries}", "ms", round(p99(busy), 2), round(p99(quiet), 2), _BEFORE,
        Target("value", "below", 250), TRANSPORT, loaded.leaf, _RATE,
    )  # fmt: skip
    yield loaded.figure("pire", "ms", round(max(busy), 2))


async def _beside_traffic(folder: Path) -> tuple[list[float], list[float], Removed, float]:
    """Times of calls before, then while entries leave; what left, and how long that took."""
    journal = Journal.open(folder, environment=ENVIRONMENT, clock=SystemClock())
    try:
        records = iter(calls(10_000_000, 200_000))
        quiet = await _traffic(journal, records, asyncio.create_task(asyncio.sleep(_QUIET_S)))
        started = time.perf_counter()
        leaving = asyncio.create_task(retain(journal, Retention(), _LATER, by="banc", resting=lambda _now: Resting()))
        busy = await _traffic(journal, records, leaving)
        return quiet, busy, await leaving, time.perf_counter() - started
    finally:
        await journal.close()


async def _traffic(journal: Journal, records: Iterator[Record], until: asyncio.Task[object]) -> list[float]:
    """Calls that start at fixed times whatever became of the others; how long the journal held each, in ms."""
    taken: list[float] = []

    async def one(record: Record) -> None:
        started, intent = time.perf_counter(), intent_of(record)
        if intent is not None:
            await journal.intend(record, intent)
        await journal.write(record)
        taken.append((time.perf_counter() - started) * 1000)

    running = []
    while not until.done():
        running.append(asyncio.create_task(one(next(records))))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(until), 1 / _RATE)
    await asyncio.gather(*running)
    return taken


def _room(folder: Path) -> dict[str, int]:
    """Bytes of each table with its indexes, the free pages, and the search index."""
    connection = apsw.Connection(str(folder / FILE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        sizes = dict(connection.execute(
            "SELECT s.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name GROUP BY 1"
        ))  # fmt: skip
        sizes["libre"] = connection.pragma("freelist_count") * connection.pragma("page_size")
    finally:
        connection.close()
    index = folder / INDEX_NAME
    return sizes | {"recherche": index.stat().st_size if index.exists() else 0}


def _shown(before: dict[str, int]) -> list[str]:
    """The tables that weigh."""
    total = sum(before.values())
    return [*(name for name, size in sorted(before.items(), key=lambda one: -one[1]) if size > total / 100), "departed"]
