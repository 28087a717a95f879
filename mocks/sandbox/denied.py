"""Refusals that the gateway is to note in its journal, told without keeping anybody waiting, and bounded.

The first of a kind is told at once; those that come meanwhile are told together, once a moment at most: a flood costs one
small request of ours a second.
"""
from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

#: Who shows a control key that is nobody's: the name under which the gateway notes secrets that are none of ours.
UNKNOWN, NO_KEY = "inconnue", "cle_controle"

_EVERY_S = 1.0

Tell = Callable[[str, str, int], Awaitable[object]]


class Denied:
    """``tell(name, why, count)`` must not raise."""

    def __init__(self, tell: Tell, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._tell, self._sleep = tell, sleep
        self._held: Counter[tuple[str, str]] = Counter()
        self._telling: asyncio.Task[None] | None = None

    def note(self, name: str, why: str) -> None:
        """``name``: a tenant's, or UNKNOWN; ``why``: a code."""
        self._held[name, why] += 1
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._run())

    async def flush(self) -> None:
        """Tell what is held back."""
        while self._held:
            (name, why), count = self._held.popitem()
            await self._tell(name, why, count)

    async def stop(self) -> None:
        """What is still to be told is told; to be called once nobody is served any more."""
        if self._telling is not None:
            self._telling.cancel()
        await self.flush()

    async def _run(self) -> None:
        while self._held:
            await self.flush()
            await self._sleep(_EVERY_S)
