"""How often Python looks for cycles (docs/performance.md)."""
from __future__ import annotations

import gc

_THRESHOLDS = (20_000, 20, 50)


def look_less_often() -> None:
    """Of a process that answers calls, once it is ready: what it holds now stays, and a call leaves no cycle behind.

    By default Python looks through all living objects of a busy gateway several times a second: a tenth of an entry's price.
    """
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
