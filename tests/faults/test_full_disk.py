"""The disk is full: new calls are refused, nothing acknowledged is lost, and work goes on when there is room (design §5.4)."""
from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Entry, Intent, JournalFull, Named
from gateway.journal.room import RESERVE_BYTES, Room
from tests.faults.powercut import Disk, hush
from tests.gateway.journal.world import feed, open_journal, rows

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def _hush(monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)


@dataclass
class Calls:
    """Calls as a door makes them: refused before they leave, or closed, however long that takes."""

    journal: Journal
    disk: Disk
    told: list[Entry] = field(default_factory=list)
    refused: int = 0
    held: int = 0

    async def one(self) -> bool:
        """Whether the disk was large enough."""
        record = feed(person=Named("person", f"{len(self.told):015d}"))
        try:
            await self.journal.intend(record, Intent(Named("submission", record.id), 30.0))
        except JournalFull:
            self.refused += 1
            return False
        record.outcome = "ok"
        try:
            self.told += await self.journal.write(record)
        except JournalFull:
            self.held += 1
            self.disk.room_bytes = None  # someone makes room; the answer waited for it
            self.told += await self.journal.write(record)
            return False
        return True


async def test_a_full_disk_costs_nothing_that_was_promised(tmp_path: Path) -> None:
    disk = Disk()
    journal = await asyncio.to_thread(open_journal, tmp_path / "alive", vfs=disk.vfs)
    calls = Calls(journal, disk)
    for spare in range(12):
        disk.room_bytes = disk.used_bytes + 50_000 + spare * 9000
        for _ in range(100):
            if not await calls.one():
                break
        else:
            raise AssertionError("the disk was never full")
        disk.room_bytes = None
        assert await calls.one()
    disk.dark = True  # and then power goes
    with suppress(apsw.IOError):
        await journal.close()
    disk.unregister()
    after = tmp_path / "after"
    after.mkdir()
    shutil.copytree(tmp_path / "alive" / "keys", after / "keys")
    disk.platter(after)
    assert rows(after, "PRAGMA integrity_check") == [("ok",)]
    with JournalReader(after) as reader:
        assert list(reader.walk()) == calls.told
        assert reader.intents() == 0
    assert (calls.refused > 0, calls.held > 0) == (True, True), "both ends of a call must have met the full disk"


async def test_the_last_room_is_kept_for_calls_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = RESERVE_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    monkeypatch.setattr("gateway.journal.room._LOOK_EVERY_S", 0.0)
    journal = open_journal(tmp_path)
    record = feed()
    await journal.intend(record, Intent(None, 30.0))
    free -= 1
    assert journal.full
    with pytest.raises(JournalFull, match="kept for calls under way"):
        await journal.intend(feed(), Intent(None, 30.0))
    record.outcome = "ok"
    await journal.write(record)
    free += 1
    assert not journal.full
    await journal.close()
    assert rows(tmp_path, "SELECT id FROM entries") == [(record.id,)]


def test_the_disk_is_not_asked_at_each_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def disk_usage(folder: Path) -> SimpleNamespace:
        asked.append(folder)
        return SimpleNamespace(free=0)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    now = 10.0
    room = Room(tmp_path, now=lambda: now)
    assert [room.short for _ in range(5)] == [True] * 5
    now += 1
    assert room.short
    assert len(asked) == 2
