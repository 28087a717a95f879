"""A disk whose power can be cut: an SQLite VFS that keeps unsynced writes in memory and loses them at the cut.

Only what was synced is on the platter. At the cut, unsynced writes are dropped, or a seeded part of them reaches the
platter, some torn at a sector: a real disk promises nothing about their order. Overwriting a sector never harms its
neighbours (SQLITE_IOCAP_POWERSAFE_OVERWRITE), which is what SQLite assumes of disks by default.
"""
from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

POWER_IS_OFF = "power is off"
NO_ROOM = "no room left"
_SECTOR = 512
_numbers = count()


@dataclass(eq=False)
class File:
    seen: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (size, None): a truncation
    on_platter: bool = False

    def sync(self) -> None:
        self.platter[:] = self.seen
        self.pending.clear()
        self.on_platter = True


def _apply(image: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del image[offset:]
        return
    image.extend(bytes(max(0, offset - len(image))))
    image[offset : offset + len(data)] = data


def hush(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite rolls back on a dark or full disk and has no one to tell that this fails too; other errors are still reported."""
    report = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) not in (POWER_IS_OFF, NO_ROOM):
            report(unraisable)

    monkeypatch.setattr(sys, "unraisablehook", hook)


class Disk(apsw.VFS):
    """``cut_at`` is the number of the write, sync, truncation or deletion at which power goes; None never.

    ``before_dark`` runs just before, while the program still lives: what it has already sent may leave the house.
    """

    def __init__(self, cut_at: int | None = None, before_dark: Callable[[], None] = lambda: None) -> None:
        self.vfs = f"powercut-{next(_numbers)}"
        super().__init__(self.vfs, "")
        self.cut_at, self.before_dark = cut_at, before_dark
        self.operations = 0
        self.dark = False
        self.room_bytes: int | None = None  # how large all files may be together; None: no limit
        self._files: dict[str, File] = {}
        self._gone: dict[str, File] = {}  # deleted, and the folder not synced: they may come back

    def tick(self) -> None:
        if self.dark:
            raise apsw.IOError(POWER_IS_OFF)
        self.operations += 1
        if self.operations == self.cut_at:
            self.before_dark()
            self.dark = True
            raise apsw.IOError(POWER_IS_OFF)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> OpenFile:  # type: ignore[override]  # any object with these methods will do
        text = name.filename() if isinstance(name, apsw.URIFilename) else name or f"temporary-{next(_numbers)}"
        flags[1] = flags[0]
        # As SQLite does on Unix: the first sync of a new journal or WAL also syncs the folder.
        new_log = text not in self._files and bool(flags[0] & (apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL))
        return OpenFile(self, self._files.setdefault(text, File()), syncs_folder=new_log)

    def xAccess(self, pathname: str, flags: int) -> bool:
        return pathname in self._files

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.tick()
        gone = self._files.pop(filename)
        if gone.on_platter and not syncdir:
            self._gone[filename] = gone

    @property
    def used_bytes(self) -> int:
        return sum(len(file.seen) for file in self._files.values())

    def lacks_room_for(self, growth: int) -> bool:
        return growth > 0 and self.room_bytes is not None and self.used_bytes + growth > self.room_bytes

    def sync_folder(self) -> None:
        self._gone.clear()

    def platter(self, folder: Path, chance: random.Random | None = None) -> None:
        """Write into ``folder`` what a reader finds when power is back; with ``chance``, some unsynced writes too."""
        for name, file in (self._gone | self._files).items():
            if file.on_platter:
                (folder / Path(name).name).write_bytes(_survivor(file, chance))


def _survivor(file: File, chance: random.Random | None) -> bytes:
    image = bytearray(file.platter)
    for offset, data in file.pending if chance else ():
        fate = chance.random()  # type: ignore[union-attr]
        if fate < 0.4:
            _apply(image, offset, data)
        elif fate < 0.6 and data is not None:
            _apply(image, offset, data[: len(data) // 2 // _SECTOR * _SECTOR])
    return bytes(image)


class OpenFile:
    """One handle, by SQLite's own method names."""

    def __init__(self, disk: Disk, file: File, *, syncs_folder: bool) -> None:
        self._disk, self._file, self._syncs_folder = disk, file, syncs_folder

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        content = bytes(data)
        if self._disk.lacks_room_for(offset + len(content) - len(self._file.seen)):
            raise apsw.FullError(NO_ROOM)
        if not self._disk.dark:
            self._file.pending.append((offset, content))  # under way when power goes: it may reach the platter
        self._disk.tick()
        _apply(self._file.seen, offset, content)

    def xTruncate(self, newsize: int) -> None:
        self._disk.tick()
        self._file.pending.append((newsize, None))
        _apply(self._file.seen, newsize, None)

    def xSync(self, flags: int) -> None:
        self._disk.tick()
        self._file.sync()
        if self._syncs_folder:
            self._disk.sync_folder()
            self._syncs_folder = False

    def xFileSize(self) -> int:
        return len(self._file.seen)

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xSectorSize(self) -> int:
        return _SECTOR

    def xLock(self, level: int) -> None: ...

    def xUnlock(self, level: int) -> None: ...

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xClose(self) -> None: ...
