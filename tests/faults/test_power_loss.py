"""Power goes in the middle of writing: every acknowledged intent and entry is still there (design §5.2).

The journal runs unchanged on a disk that forgets what was not synced. The same check must find losses on three mutants
of the journal: a store that does not sync, one that syncs too rarely, and a writer that acknowledges before the commit.
"""
from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest

from gateway.journal.database import Pragmas
from gateway.journal.jobs import Job, deliver
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Body, Entry, Intent, JournalStopped, Named, Record
from gateway.journal.store import Store
from gateway.journal.units import UnitSet, units_of
from gateway.journal.writer import Writer
from tests.faults.powercut import Disk, hush
from tests.gateway.journal.world import feed, message, open_journal

pytestmark = pytest.mark.faults

_SEED = 20260302
_CALLERS, _CALLS_EACH = 4, 6
_CUTS = 32


def _pragmas(**changed: tuple[str, int]) -> Pragmas:
    rows = {name: (asked, expected) for name, asked, expected in Store.PRAGMAS} | changed
    return tuple((name, asked, expected) for name, (asked, expected) in rows.items())


class BusyStore(Store):
    """The store itself, which copies its WAL into the file every few commits so that cuts fall there too."""

    PRAGMAS = _pragmas(wal_autocheckpoint=("24", 24))


class UnsyncedStore(Store):
    """Mutant: leaves the moment of writing to the system."""

    PRAGMAS = _pragmas(synchronous=("off", 0))


class CheckpointSyncedStore(Store):
    """Mutant: syncs at checkpoints only, as SQLite does in WAL mode when synchronous is NORMAL."""

    PRAGMAS = _pragmas(synchronous=("normal", 1))


class HastyWriter(Writer):
    """Mutant: acknowledges before the commit."""

    def _commit(self, batch: list[Job]) -> list[Any]:
        with self._store.transaction():
            results = [job.work(self._store) for job in batch]
            deliver(list(zip(batch, results, strict=True)))
        return results


class BusyJournal(Journal):
    store_class = BusyStore


class UnsyncedJournal(Journal):
    store_class = UnsyncedStore


class CheckpointSyncedJournal(Journal):
    store_class = CheckpointSyncedStore


class HastyJournal(Journal):
    writer_class = HastyWriter


@pytest.fixture(autouse=True)
def _hush(monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)


@dataclass
class Acknowledged:
    """What callers were told is durable."""

    intents: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def copy(self) -> Acknowledged:
        return Acknowledged(list(self.intents), list(self.entries))


async def _caller(journal: Journal, number: int, told: Acknowledged) -> None:
    for n in range(_CALLS_EACH):
        record = feed(person=Named("person", f"{number:013d}{n:02d}"), bodies=[Body("request", 900, bytes(32))])
        await journal.intend(record, Intent(Named("submission", record.id), 30.0, b"documents", b"question"))
        told.intents.append(record.id)
        record.outcome = "in_doubt" if n % 2 else "ok"
        told.entries += await journal.write(record)
        if record.outcome == "in_doubt":
            settlement = Record(record.operation, kind="settlement", settles=record.id, outcome="succeeded")
            told.entries += await journal.write(settlement, Record("INS.RECHERCHE_TRAITS", outcome="ok"))
        else:
            gap = Record(None, kind="gap", detail={"listener": "dmp", "why": "G-PLEIN", "count": n + 1})
            told.entries += await journal.write(gap)
            told.entries += await journal.write(message("ok", f"<{number}-{n}@ehpad.test>"))


async def _run(folder: Path, journal_class: type[Journal], cut_at: int | None) -> tuple[Disk, Acknowledged]:
    """Work until it is done or power goes; the disk, and what had been acknowledged at that moment."""
    told = Acknowledged()
    at_the_cut: list[Acknowledged] = []
    loop = asyncio.get_running_loop()

    def before_dark() -> None:
        for _ in range(5):  # every acknowledgement already given reaches its caller
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(timeout=10)
        at_the_cut.append(told.copy())

    disk = Disk(cut_at, before_dark)
    try:
        journal = await asyncio.to_thread(open_journal, folder, journal_class=journal_class, vfs=disk.vfs)
        results = await asyncio.gather(*(_caller(journal, n, told) for n in range(_CALLERS)), return_exceptions=True)
        assert all(result is None or isinstance(result, JournalStopped) for result in results), results
        disk.dark = True
        await journal.close()
    except apsw.IOError:  # power went while the journal was being opened or closed
        assert disk.dark
    disk.unregister()
    return disk, at_the_cut[0] if at_the_cut else told  # grouped otherwise, a run may end before the cut


def _losses(folder: Path, told: Acknowledged) -> list[str]:
    """What is wrong with the journal that a restart finds in ``folder``; empty when every promise was kept."""
    try:
        connection = apsw.Connection(str(folder / FILE_NAME))
        damage = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        connection.close()
        journal = open_journal(folder)
        journal._writer.stop()
        journal._writer.join()
        journal._room.close()
        journal._lock.release()
        with JournalReader(folder) as reader:
            entries = list(reader.walk())
            units = set(reader.units())
            doubts = {row[0] for row in reader._db.execute("SELECT entry_id FROM doubts")}
    except Exception as error:
        return [f"unreadable: {error}"]
    stored = {entry.id: entry for entry in entries}
    lost = [f"entry {entry.id}" for entry in told.entries if stored.get(entry.id) != entry]
    lost += [f"intent {call}" for call in told.intents if call not in stored]
    contents = [orjson.loads(entry.body) for entry in entries]
    unsettled = {content["id"] for content in contents if content["outcome"] == "in_doubt"}
    if doubts != unsettled - {content["settles"] for content in contents}:
        lost.append("doubts that are not the entries'")
    if [entry.seq for entry in entries] != list(range(len(entries))):
        lost.append("a gap in seq")
    if units != UnitSet(unit for content in contents for unit in units_of(content)).rows:
        lost.append("units that are not the entries'")
    return damage + lost


async def _losses_at(tmp_path: Path, journal_class: type[Journal], cut_at: int, chance: random.Random | None) -> list[str]:
    alive, after = tmp_path / f"alive-{cut_at}", tmp_path / f"after-{cut_at}"
    disk, told = await _run(alive, journal_class, cut_at)
    after.mkdir()
    if (alive / "keys").exists():
        shutil.copytree(alive / "keys", after / "keys")
    disk.platter(after, chance)
    return _losses(after, told)


async def _operations(tmp_path: Path, journal_class: type[Journal]) -> int:
    disk, told = await _run(tmp_path / "whole", journal_class, None)
    assert len(told.entries) == 3 * _CALLERS * _CALLS_EACH
    return disk.operations


def _cuts(operations: int) -> list[int]:
    return sorted(random.Random(_SEED).sample(range(1, operations), _CUTS))


@pytest.mark.parametrize(("unsynced", "in_turn"), [("dropped", False), ("partly written", False), ("partly written", True)])
async def test_everything_acknowledged_survives_a_power_cut(
    tmp_path: Path, unsynced: str, in_turn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_turn:  # even so few callers are written as two groups
        monkeypatch.setattr("gateway.journal.writer._WORTH_HALVING", 2)
        monkeypatch.setattr("gateway.journal.writer._WORTH_WAITING", 1)
    cuts = _cuts(await _operations(tmp_path, BusyJournal))
    for cut_at in cuts:
        chance = random.Random(cut_at) if unsynced == "partly written" else None
        assert await _losses_at(tmp_path, BusyJournal, cut_at, chance) == [], f"power cut at operation {cut_at}"


@pytest.mark.parametrize("mutant", [UnsyncedJournal, CheckpointSyncedJournal, HastyJournal])
async def test_the_same_check_finds_what_a_mutant_loses(tmp_path: Path, mutant: type[Journal]) -> None:
    cuts = _cuts(await _operations(tmp_path, mutant))
    losses = [await _losses_at(tmp_path, mutant, cut_at, None) for cut_at in cuts]
    assert sum(bool(found) for found in losses) > _CUTS // 4, "the check is blind"
