"""Injected faults of which nothing comes back to the gateway: which calls they touched (design §7).

A mock that answers names its fault in the answer. One that keeps silent, or hangs up, tells the gateway first; the call that
then finds no answer claims what was told. Two calls of one operation that are lost at once are told apart by nothing: each
claims one. A refused handshake cannot wait until it is told: the word comes just after, and is waited for.
"""
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["timeout", "reset"]

MAX_KEPT = 10_000
MAX_AGE_S = 120.0  # no exchange lasts longer
_WORD_S = 1.0  # how long the word of a refused handshake is waited for


@dataclass(frozen=True, slots=True)
class _Touch:
    fault: str
    operation: str
    kind: Kind
    at: float


@dataclass(slots=True)
class Touches:
    """What was told and not claimed yet, oldest first. ``now``: monotonic seconds."""

    now: Callable[[], float] = time.monotonic
    _held: list[_Touch] = field(default_factory=list)
    _word: asyncio.Event = field(default_factory=asyncio.Event)
    taken: Callable[[str, str], None] = lambda _fault, _operation: None  # called when one is: no other gateway is to claim it
    _handshakes: set[str] = field(default_factory=set)  # services whose handshakes an armed fault refuses

    def note(self, fault: str, operation: str, kind: Kind) -> None:
        self._held.append(_Touch(fault, operation, kind, self.now()))
        self._word.set()
        del self._held[:-MAX_KEPT]

    def claim(self, operation: str, *, timed_out: bool) -> str | None:
        """The fault that left a call of this operation without an answer, if one did: of the kind that fits, else any."""
        self._held = [one for one in self._held if one.at > self.now() - MAX_AGE_S]
        wanted: Kind = "timeout" if timed_out else "reset"
        same = (operation, f"{operation[:4]}*")  # a handshake is a whole service's
        mine = sorted((one for one in self._held if one.operation in same), key=lambda one: one.kind != wanted)
        if not mine:
            return None
        self._held.remove(mine[0])
        self.taken(mine[0].fault, mine[0].operation)
        return mine[0].fault

    def answered(self, operation: str, fault: str | None) -> None:
        """An answer came all the same, and named its fault: nobody is to claim that touch."""
        if fault is not None and self.drop(fault, operation):
            self.taken(fault, operation)

    def drop(self, fault: str, operation: str) -> bool:
        """Forget one touch; whether there was one."""
        for one in self._held:
            if (one.operation, one.fault) == (operation, fault):
                self._held.remove(one)
                return True
        return False

    def handshakes(self, operation: str, *, armed: bool) -> None:
        """A fault that refuses the handshakes of this service is armed, or disarmed by hand."""
        change = self._handshakes.add if armed else self._handshakes.discard
        change(operation[:4])

    async def claim_refused(self, operation: str) -> str | None:
        """The fault that refused the handshake of a call of this operation, if one may have."""
        if operation[:4] not in self._handshakes:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WORD_S):
                while (fault := self.claim(operation, timed_out=False)) is None:
                    self._word.clear()
                    await self._word.wait()
                return fault
        return None
