"""Random bytes, a few at a time, at the price of a copy.

``os.urandom`` lets go of the interpreter, which a busy writer is slow to give back: called for each salt and each name, it
took longer than the rest of an entry (docs/performance.md). Each thread draws a block and hands it out, every byte once.
"""
from __future__ import annotations

import os
import threading

_BLOCK = 8192


class _Block(threading.local):
    def __init__(self) -> None:
        self.left = b""
        self.given = 0


_block = _Block()


def random_bytes(size: int) -> bytes:
    """``size`` bytes from the system's generator; never handed out before, nor again. At most 8192."""
    start = _block.given
    if start + size > len(_block.left):
        _block.left, start = os.urandom(_BLOCK), 0
    _block.given = start + size
    return _block.left[start : start + size]
