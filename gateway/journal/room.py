"""Room kept on the disk for the entries that are already owed (design §5.4)."""
from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

RESERVE_BYTES = 64 * 1024 * 1024
_LOOK_EVERY_S = 0.25


class Room:
    """Whether the disk has less than ``reserve_bytes`` left: new calls are then refused, so that those under way can end.

    The file system is asked at most four times a second: at full speed an entry costs less than the question.
    """

    def __init__(self, folder: Path, reserve_bytes: int = RESERVE_BYTES, now: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._reserve_bytes, self._now = folder, reserve_bytes, now
        self._looked_at = float("-inf")
        self._short = False

    @property
    def short(self) -> bool:
        now = self._now()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._short = shutil.disk_usage(self._folder).free < self._reserve_bytes
            self._looked_at = now
        return self._short
