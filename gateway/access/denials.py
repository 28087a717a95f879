"""Attempts to read what a key may not: one admin entry a minute for each key, however many attempts (design §5.1, §5.7)."""
from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.wire.clock import Clock
from gateway.journal.canonical import text_of
from gateway.journal.journal import Journal
from gateway.journal.record import JournalError

log = logging.getLogger(__name__)

ACTION = "access_denied"
UNKNOWN = "inconnue"  # the one name of every secret that is no key of ours
_EVERY = timedelta(minutes=1)
_TICK_S = 5.0


@dataclass(slots=True)
class _Window:
    """Of one key: since when attempts are held back, and those held back, by reason."""

    since: datetime
    held: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Denials:
    """The first attempt is written at once, so that a gateway which dies has said it; those of the minute after, together."""

    journal: Journal
    clock: Clock
    _windows: dict[str, _Window] = field(default_factory=dict)

    async def note(self, key: str, why: str, count: int = 1) -> None:
        """``key`` is the name of a key of ours, or UNKNOWN; ``why`` a code; ``count`` attempts."""
        window = self._windows.get(key)
        if window is not None:
            window.held[why] += count
            return
        self._windows[key] = _Window(self.clock.real())
        await self._write(key, Counter({why: count}), self.clock.real())

    async def run(self) -> None:
        """Write what is held back when its minute is over, until cancelled; call ``flush`` once more at the end."""
        while True:
            await asyncio.sleep(_TICK_S)
            await self.flush()

    async def flush(self, *, ending: bool = False) -> None:
        """Close the windows whose minute is over, all of them when ``ending``."""
        now = self.clock.real()
        for key, window in list(self._windows.items()):
            if not ending and now - window.since < _EVERY:
                continue
            if not window.held:
                del self._windows[key]
                continue
            held, since = window.held, window.since
            self._windows[key] = _Window(now)
            await self._write(key, held, since)

    async def _write(self, key: str, held: Counter[str], since: datetime) -> None:
        detail = {
            "action": ACTION, "by": key, "count": held.total(), "why": dict(sorted(held.items())),
            "from": text_of(since), "to": text_of(self.clock.real()),
        }  # fmt: skip
        try:
            await self.journal.write(self.journal.admin(detail))
        except JournalError as error:
            log.warning("denial_held", extra={"error": type(error).__name__})
            self._windows[key].held.update(held)
