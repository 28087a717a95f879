"""Injected faults of which nothing comes back to the gateway: which calls they touched (design §7).

A mock that answers names its fault in the answer. One that keeps silent, or hangs up, tells the gateway first; the call that
then finds no answer claims what was told. Two calls of one operation that are lost at once are told apart by nothing: each
claims one.
"""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["timeout", "reset"]

MAX_KEPT = 10_000
MAX_AGE_S = 120.0  # no exchange lasts longer


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

    def note(self, fault: str, operation: str, kind: Kind) -> None:
        self._held.append(_Touch(fault, operation, kind, self.now()))
        del self._held[:-MAX_KEPT]

    def claim(self, operation: str, *, timed_out: bool) -> str | None:
        """The fault that left a call of this operation without an answer, if one did: of the kind that fits, else any."""
        self._held = [one for one in self._held if one.at > self.now() - MAX_AGE_S]
        wanted: Kind = "timeout" if timed_out else "reset"
        mine = sorted((one for one in self._held if one.operation == operation), key=lambda one: one.kind != wanted)
        if not mine:
            return None
        self._held.remove(mine[0])
        return mine[0].fault

    def answered(self, operation: str, fault: str | None) -> None:
        """An answer came all the same, and named its fault: nobody is to claim that touch."""
        for one in self._held:
            if (one.operation, one.fault) == (operation, fault):
                self._held.remove(one)
                return
