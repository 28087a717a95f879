"""The disk is full: new calls are refused, what is owed is written, and work goes on when there is room (design §5.4)."""
from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import orjson
import pytest

from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Entry, Intent, JournalFull, Named, Record
from gateway.journal.room import BALLAST_NAME, CLOSE_BYTES, Room
from tests.faults.powercut import Disk, hush
from tests.gateway.journal.world import feed, open_journal, rows

pytestmark = pytest.mark.faults

_ROOT = Path(__file__).parents[2]
_TMPFS = 'mount -t tmpfs -o size=5m tmpfs "$0" && exec "$@"'


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


async def test_a_full_disk_costs_nothing_that_was_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.room._MAKE_EVERY_S", 0.0)
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


def _filled(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = orjson.loads(done.stdout)
    return said


def _on_tmpfs(folder: Path, *arguments: str) -> dict[str, Any]:
    folder.mkdir()
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", _TMPFS, folder, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no tmpfs may be mounted here: {probe.stderr.strip()}")
    filler = [sys.executable, "-m", "tests.faults.filler", str(folder), "disk", *arguments]
    return _filled(["unshare", "-rm", "sh", "-c", _TMPFS, str(folder), *filler])


def test_on_a_full_disk_the_ballast_lets_the_calls_under_way_end(tmp_path: Path) -> None:
    said = _on_tmpfs(tmp_path / "small")
    assert said.pop("new") >= said.pop("refused") > 0
    assert said == {"held": 0, "again": True, "owed": 0, "stopped": False, "intents": 0, "lost": 0, "twice": 0}


def test_the_same_check_sees_a_ballast_that_is_not_given_up(tmp_path: Path) -> None:
    said = _on_tmpfs(tmp_path / "small", "no-ballast")
    assert said["held"] > 0, "the check is blind"
    assert (said["lost"], said["again"]) == (0, True), "answers are held, not lost"


@pytest.mark.parametrize("full", ["file", "pages"])
def test_what_no_ballast_can_help_is_held_until_there_is_room(tmp_path: Path, full: str) -> None:
    said = _filled([sys.executable, "-m", "tests.faults.filler", str(tmp_path / "journal"), full])
    assert said["refused"] + said["held"] > 0, "the limit was never met"
    assert {name: said[name] for name in ("again", "owed", "stopped", "intents", "lost", "twice")} == {
        "again": True, "owed": 0, "stopped": False, "intents": 0, "lost": 0, "twice": 0,
    }  # fmt: skip


class SmallDisk:
    """What the room asks of the file system, with a number of free bytes that the test chooses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free, self.asked = free, 0
        monkeypatch.setattr(shutil, "disk_usage", self._usage)

    def _usage(self, _folder: Path) -> SimpleNamespace:
        self.asked += 1
        return SimpleNamespace(free=self.free)


_MIB = 1 << 20


def test_the_ballast_takes_real_room_goes_when_asked_and_comes_back_with_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, disk, ballast = [10.0], SmallDisk(monkeypatch, 100 * _MIB), tmp_path / BALLAST_NAME
    room = Room(tmp_path, _MIB, now=lambda: now[0])
    assert ballast.stat().st_blocks * 512 >= _MIB
    assert not room.short(0)
    assert [room.give_up(), room.give_up()] == [True, False]
    assert (ballast.exists(), room.short(0)) == (False, True)
    disk.free = _MIB  # not enough: an eighth more is wanted
    now[0] += 2
    assert (room.short(0), ballast.exists()) == (True, False)
    disk.free = 2 * _MIB
    now[0] += 2
    assert (room.short(0), ballast.exists()) == (False, True)
    room.close()
    assert not ballast.exists()


def test_a_ballast_left_by_a_dead_process_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SmallDisk(monkeypatch, 100 * _MIB)
    Room(tmp_path, _MIB)
    disk.free = _MIB // 8
    assert not Room(tmp_path, _MIB).short(0)


def test_more_calls_under_way_want_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SmallDisk(monkeypatch, 2 * _MIB)
    room = Room(tmp_path, _MIB)
    enough_for = 3 * _MIB // CLOSE_BYTES
    assert (room.short(enough_for - 1), room.short(enough_for)) == (False, True)


def test_the_disk_is_not_asked_at_each_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, disk = [10.0], SmallDisk(monkeypatch, 0)
    room = Room(tmp_path, _MIB, now=lambda: now[0])
    disk.asked = 0
    assert [room.short(0) for _ in range(5)] == [True] * 5
    assert disk.asked == 1
    now[0] += 2
    assert room.short(0)
    assert disk.asked == 3  # whether there is room, and whether there is room for a ballast


async def test_recovery_uses_the_ballast_of_the_process_that_died(tmp_path: Path) -> None:
    class Full(Journal.store_class):  # type: ignore[misc,valid-type]
        def append(self, *arguments: Any) -> Entry:
            if (tmp_path / BALLAST_NAME).exists():
                raise apsw.FullError("database or disk is full")
            return super().append(*arguments)  # type: ignore[no-any-return]

    class Reopened(Journal):
        store_class = Full

    journal = open_journal(tmp_path)
    await journal.intend(feed(), Intent(None, 30.0))
    await journal.close()
    journal = open_journal(tmp_path, Reopened)
    assert journal.recovered == 1
    await journal.close()


async def test_while_the_last_room_is_kept_only_calls_under_way_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.room._LOOK_EVERY_S", 0.0)
    disk = SmallDisk(monkeypatch, 100 * _MIB)
    journal = open_journal(tmp_path)
    sent, read = feed(), Record("INS.RECHERCHE_TRAITS", outcome="ok")
    await journal.intend(sent, Intent(None, 30.0))
    journal.reserve(read)
    disk.free = 0
    assert journal.full
    with pytest.raises(JournalFull, match="kept for calls under way"):
        await journal.intend(feed(), Intent(None, 30.0))
    with pytest.raises(JournalFull, match="kept for calls under way"):
        journal.reserve(Record("INS.RECHERCHE_TRAITS"))
    await journal.intend(read, Intent(None, 30.0))  # owed already, as a MAIL is before its message
    sent.outcome = "ok"
    await journal.write(sent)
    await journal.write(read)
    disk.free = 100 * _MIB
    assert not journal.full
    await journal.close()
    assert rows(tmp_path, "SELECT id FROM entries ORDER BY pos") == [(sent.id,), (read.id,)]
