"""From which heap the threads of a process take their memory (docs/performance.md)."""
from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # malloc.h of glibc


def keep_one_heap() -> None:
    """What one thread gives back, another takes; to be called before there are threads, of which most work one after the other.

    By default glibc gives each its own heap, and each heap keeps the most that it ever held. Another C library is left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
