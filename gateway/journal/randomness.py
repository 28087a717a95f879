"""Random bytes, a few at a time, at the price of a copy.

``os.urandom`` lets go of the interpreter, which a busy writer is slow to give back: called for each salt and each name, it
took longer than the rest of an entry (docs/performance.md). Each thread draws a block and hands it out, every byte once.
"""
from __future__ import annotations

import os
import threading

_BLOCK = 8192


class _Block:
    __slots__ = ("given", "left")

    def __init__(self) -> None:
        self.left = b""
        self.given = 0


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.block = _Block()


_of_thread = _OfThread()


def random_bytes(size: int) -> bytes:
    """``size`` bytes from the system's generator; never handed out before, nor again. At most 8192."""
    block = _of_thread.block
    start = block.given
    end = start + size
    if end > len(block.left):
        block.left, start, end = os.urandom(_BLOCK), 0, size
    block.given = end
    return block.left[start:end]
