"""Deviations as they happen, with the value at fault: in memory, for a few minutes, for the tenant who sent it (design §4).

Nothing of this is ever written: an entry, a fact and a report only know the class of a value.
"""
from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.conformance.model import Finding

MAX_KEPT = 200  # of one tenant
MAX_TENANTS = 200
MAX_AGE_S = 600.0


@dataclass(frozen=True, slots=True)
class Deviation:
    """One finding of one call. ``values``: what stands at its place in the message, in order; empty when nothing may be shown."""

    number: int  # grows with each one, whosever it is
    at: float = field(repr=False)  # monotonic seconds
    tenant: str
    call: str
    operation: str
    check: str
    place: str
    expected: str
    found: str
    values: tuple[str, ...] = field(default=(), repr=False)

    def item(self) -> dict[str, Any]:
        """As it is shown, by the French names of every report."""
        return {
            "n": self.number, "entree": self.call, "operation": self.operation, "controle": self.check, "lieu": self.place,
            "attendu": self.expected, "trouve": self.found, "valeurs": list(self.values),
        }  # fmt: skip


class Direct:
    """The latest deviations of each tenant. ``now``: monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[str, deque[Deviation]] = {}
        self._more = asyncio.Event()
        self.number = 0  # of the last deviation, whosever it is
        self.closed = False

    def note(
        self, tenant: str, call: str, operation: str, found: Mapping[str, Iterable[Finding]], shown: Mapping[str, Sequence[str]]
    ) -> None:
        """Keep what does not conform. ``found`` by check; ``shown``: values by place."""
        for check, findings in found.items():
            for one in findings:
                if one.state == "non_conforme":
                    self.number += 1
                    values = tuple(shown.get(one.place, ()))
                    self._of(tenant).append(Deviation(
                        self.number, self._now(), tenant, call, operation, check, one.place, one.expected, one.found, values,
                    ))  # fmt: skip
                    self._wake()

    def after(self, tenant: str, number: int = 0) -> list[Deviation]:
        """Those of one tenant that are still kept, oldest first, from the one behind ``number``."""
        oldest = self._now() - MAX_AGE_S
        kept = self._kept.get(tenant, deque())
        while kept and kept[0].at < oldest:
            kept.popleft()
        return [one for one in kept if one.number > number]

    def of_call(self, tenant: str, call: str) -> list[Deviation]:
        return [one for one in self.after(tenant) if one.call == call]

    async def more(self, seen: int, timeout_s: float) -> None:
        """Wait until there is a deviation behind ``seen``, of anybody, or the end; at most so long."""
        if self.number > seen or self.closed:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._more.wait()

    def close(self) -> None:
        """The gateway stops: whoever waits is let go."""
        self.closed = True
        self._wake()

    def forget(self) -> None:
        """A person was erased: nobody knows here whom a value speaks of, so all go."""
        self._kept.clear()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    def _of(self, tenant: str) -> deque[Deviation]:
        kept = self._kept.pop(tenant, None) or deque(maxlen=MAX_KEPT)
        self._kept[tenant] = kept  # the last one to have sent something comes last
        while len(self._kept) > MAX_TENANTS:
            del self._kept[next(iter(self._kept))]
        return kept
