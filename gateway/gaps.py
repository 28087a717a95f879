"""Calls that could not be recorded one by one become gap entries: how many, from when to when, why (design §5.1, §5.4)."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connectors.wire.clock import Clock
from gateway.journal.canonical import text_of
from gateway.journal.journal import Journal
from gateway.journal.record import JournalError, Record

log = logging.getLogger(__name__)

#: (listener, reason) → how many since the last time it was taken.
Taken = Mapping[tuple[str, str], int]


@dataclass(slots=True)
class Gaps:
    """Writes one gap entry a minute for each listener and reason that has something to say.

    sources  each is called once a minute and gives back what it counted since, forgetting it
    """

    journal: Journal
    clock: Clock
    sources: list[Callable[[], Taken]]
    every_s: float = 60.0
    _owed: dict[tuple[str, str], int] = field(default_factory=dict)
    _since: datetime | None = None

    async def run(self) -> None:
        """Minute after minute, until cancelled; call ``flush`` once more at the end."""
        self._since = self.clock.real()
        while True:
            await asyncio.sleep(self.every_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what has been counted; what finds no room is kept for the next time."""
        since, now = self._since or self.clock.real(), self.clock.real()
        for source in self.sources:
            for key, count in source().items():
                self._owed[key] = self._owed.get(key, 0) + count
        for (listener, reason), count in list(self._owed.items()):
            detail = {"listener": listener, "why": reason, "count": count, "from": text_of(since), "to": text_of(now)}
            gap = Record(None, kind="gap", tenant="passerelle", event_time=self.clock.business(),
                         clock_version=self.clock.version, detail=detail)  # fmt: skip
            try:
                await self.journal.write(gap)
            except JournalError as error:
                log.warning("gap_held", extra={"error": type(error).__name__})
                return
            del self._owed[listener, reason]
        self._since = now
