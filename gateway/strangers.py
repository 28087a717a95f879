"""Calls that the gateway refuses by itself to somebody whom it does not know (design §5.1, §5.4; decision 0024).

Each has its entry while they are few. Beyond, they are counted in one gap entry a minute for each listener and reason: who
has no credential must not be able to fill the disk, nor to make a call of anybody else wait for it. A call of a known caller,
and a call of which a service saw a byte, is never counted so.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.wire.clock import Clock
from gateway.access.callers import UNKNOWN_TENANT
from gateway.journal.record import Record

#: Strangers' calls of one listener and one minute that each have an entry.
ALONE = 20
_EVERY = timedelta(minutes=1)


@dataclass(slots=True)
class Strangers:
    """Counts them, by listener. ``take_refused`` is a source of ``Gaps``."""

    clock: Clock
    _since: dict[str, datetime] = field(default_factory=dict)
    _noted: Counter[str] = field(default_factory=Counter)
    _grouped: Counter[tuple[str, str]] = field(default_factory=Counter)

    def grouped(self, record: Record, listener: str, why: str, *, proved: bool | None = None) -> bool:
        """Whether this refused call goes into the next gap entry; its own entry must then not be written, nor named.

        proved  whether the caller has shown a credential; by default, whether the record names a tenant
        """
        if record.exchanges or (record.tenant != UNKNOWN_TENANT if proved is None else proved):
            return False
        now = self.clock.real()
        if not timedelta() <= now - self._since.get(listener, now - _EVERY) < _EVERY:  # the clock may step back
            self._since[listener], self._noted[listener] = now, 0
        if self._noted[listener] < ALONE:
            self._noted[listener] += 1
            return False
        self._grouped[listener, why] += 1
        return True

    def take_refused(self) -> dict[tuple[str, str], int]:
        """How many since the last time, by listener and flag; resets the count."""
        taken = dict(self._grouped)
        self._grouped.clear()
        return taken
