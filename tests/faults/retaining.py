"""A process that lets entries go, in the folder of argument 1, and dies at a named point, argument 2."""
from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.journal import departed, retention
from gateway.journal.proof import leaving
from tests.gateway.usage.aged import Aged

POINTS = ("before-act", "leaves-kept", "entries-gone", "act-durable", "all-gone", "half-given-back")


def dying(point: str, armed: str) -> Callable[[], None]:
    """Dies when it is called, if this is the point."""

    def at() -> None:
        if point == armed:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def patch(armed: str) -> None:
    act, put, root, give_back, shrink = leaving._act, departed.put, leaving._root, retention.give_back, retention._shrink
    before, kept, gone, durable, all_gone, half = (dying(one, armed) for one in POINTS)

    async def killable_act(*rest: Any) -> int:
        before()
        number = await act(*rest)
        durable()
        return number

    def killable_put(*rest: Any) -> None:
        put(*rest)
        kept()

    seen = [0]

    def killable_root(*rest: Any) -> str:
        seen[0] += 1
        if not seen[0] % 2:  # the second of each act: inside its transaction
            gone()
        return root(*rest)

    async def killable_back(*rest: Any) -> None:
        all_gone()
        await give_back(*rest)

    def killable_shrink(*rest: Any) -> bool:
        more = shrink(*rest)
        half()
        return more

    leaving._act, leaving._root, retention.give_back = killable_act, killable_root, killable_back
    departed.put, retention._shrink = killable_put, killable_shrink


if __name__ == "__main__":
    patch(sys.argv[2])
    Aged(Path(sys.argv[1])).retain()
