"""Room kept on the disk for the entries that are already owed (design §5.4; docs/decisions/0010)."""
from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from gateway.journal.connection import StoreFull
from gateway.journal.record import JournalFull

log = logging.getLogger(__name__)

BALLAST_BYTES = 64 * 1024 * 1024
BALLAST_NAME = "journal.ballast"
#: What one entry written alone may cost: the pages that it touches, each copied whole into the WAL.
CLOSE_BYTES = 64 * 1024
_MARGIN = 8  # an eighth of the ballast stays free as well, so that the ballast is not spent on another program's writes
_LOOK_EVERY_S = 0.25
_MAKE_EVERY_S = 1.0
_NO_MORE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
Done = TypeVar("Done")


class Room:
    """A file that takes up room until the disk is full: it is then removed, and what calls under way are owed fits.

    New calls are refused while there is no ballast, or too little room for one more; the ballast is made again, and calls
    are taken again, as soon as the disk allows. The file system is asked at most four times a second: at full speed an
    entry costs less than the question. For any thread.
    """

    def __init__(self, folder: Path, ballast_bytes: int = BALLAST_BYTES, now: Callable[[], float] = time.monotonic) -> None:
        self._path, self._bytes, self._now = folder / BALLAST_NAME, ballast_bytes, now
        self._lock = threading.Lock()
        self._free = 0
        self._looked_at = self._made_at = float("-inf")
        self._held = self._make()

    def short(self, owed: int) -> bool:
        """Whether one more call, beside the ``owed`` ones, might find no room for its entry."""
        with self._lock:
            now = self._now()
            if now - self._looked_at >= _LOOK_EVERY_S:
                self._looked_at, self._free = now, self._free_bytes()
            if not self._held and now - self._made_at >= _MAKE_EVERY_S:
                self._held = self._make()
            return not self._held or self._free < max(self._bytes // _MARGIN, (owed + 1) * CLOSE_BYTES - self._bytes)

    def give_up(self) -> bool:
        """The disk is full: remove the ballast, so that what is owed fits. False when that has been done already."""
        with self._lock:
            given, self._held = self._held, False
            self._made_at = self._now()
            self._remove()
        if given:
            log.warning("journal_ballast_released", extra={"bytes": self._bytes})
        return given

    def close(self) -> None:
        """Nothing is owed any more."""
        with self._lock:
            self._held = False
            self._remove()

    def _make(self) -> bool:
        self._made_at = self._now()
        try:
            if self._free_bytes() < self._bytes + self._bytes // _MARGIN - self._present_bytes():
                return False
            self._fill()
        except OSError as error:
            log.warning("journal_ballast_missing", extra={"error": str(error)})
            self._remove()
            return False
        return True

    # -- the disk

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def _present_bytes(self) -> int:
        try:
            return self._path.stat().st_blocks * 512  # what it takes up, not what it claims
        except FileNotFoundError:
            return 0

    def _fill(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._bytes)
        finally:
            os.close(fd)

    def _remove(self) -> None:
        self._path.unlink(missing_ok=True)


class FarRoom:
    """The disk is a server's, and no ballast can be kept there: one refusal for want of room, and new calls wait a little."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._refused_at = float("-inf")

    def short(self, owed: int) -> bool:
        """Whether the server refused to take more a moment ago. After that one call may try, and says whether it still does."""
        return self._now() - self._refused_at < _MAKE_EVERY_S

    def give_up(self) -> bool:
        """The server's disk is full. There is nothing to give."""
        self._refused_at = self._now()
        return False

    def close(self) -> None:
        """Nothing was kept."""


def with_room(room: Room | FarRoom, work: Callable[[], Done]) -> Done:
    """What ``work`` returns; tried again without the ballast when the disk is full. Raises JournalFull."""
    try:
        return work()
    except (apsw.FullError, StoreFull) as error:
        if not room.give_up():
            raise JournalFull(str(error)) from error
    try:
        return work()
    except (apsw.FullError, StoreFull) as error:
        raise JournalFull(str(error)) from error


def no_room(error: Exception, connection: Any) -> bool:
    """Whether the disk, a quota or the limit of a file's size refused to take more: nothing that was written is in doubt.

    SQLite itself knows ENOSPC only. A write that was refused has done nothing; a sync that failed is another matter.
    """
    refused = getattr(error, "extendedresult", 0) in (apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE)
    return isinstance(error, apsw.FullError | StoreFull) or (refused and connection.system_errno in _NO_MORE)
