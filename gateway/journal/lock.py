"""One gateway process per journal (design §5, « Stores »)."""
from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.journal.record import JournalLocked


class FolderLock:
    """``journal.lock``, held by flock until release or death; its text is the holder's pid.

    The file is never removed: a process could otherwise lock a name that another one has just unlinked.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises JournalLocked with the holder's pid (None when it cannot be read)."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, 20, 0).strip()
            os.close(self._fd)
            raise JournalLocked(int(holder) if holder.isdigit() else None) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
