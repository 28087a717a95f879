"""The last requests that the mocks answered, for a vendor's own tests: what was asked, what came back. No body, no secret.

In memory and bounded: how many came in all is the trace's to say (mocks/sandbox/trace.py).
"""
from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.wire.clock import Clock
from mocks.sandbox.fault import Fault

KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Answered:
    """One request and its answer.

    number  grows by one with each request since the process began or the sandbox was reset
    status  of HTTP or SMTP; None when a fault may have left the request without an answer
    code    the service's own, as precise as it answered: CR01, insi_102, XDSUnknownPatientId, invalid_grant; "" for none
    fault   id of the fault that touched it, None for none
    """

    number: int
    at: str
    business: str
    mock: str
    operation: str
    status: int | None
    code: str
    fault: str | None


class Requests:
    """The last answers, oldest first, and a way to wait for the next one."""

    def __init__(self, clock: Clock, kept: int = KEPT) -> None:
        self._clock = clock
        self._answered: deque[Answered] = deque(maxlen=kept)
        self._number = 0
        self._waiting: set[asyncio.Event] = set()

    def note(self, mock: str, operation: str, status: int, code: str = "", fault: Fault | None = None) -> None:
        """One request was answered, or will be as ``fault`` wants it; whoever waits looks again."""
        self._number += 1
        real = self._clock.real().isoformat(timespec="milliseconds")
        business = self._clock.business().isoformat(timespec="milliseconds")
        touched, read = None if fault is None else fault.id, fault is None or fault.lost is None
        self._answered.append(
            Answered(self._number, real, business, mock, operation, status if read else None, code if read else "", touched)
        )
        for waiting in self._waiting:
            waiting.set()

    def __iter__(self) -> Iterator[Answered]:
        return iter(tuple(self._answered))

    async def until(self, held: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until ``held()``, looked at after each answer; False when the time is over first."""
        happened = asyncio.Event()
        self._waiting.add(happened)
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            while not held():
                happened.clear()
                left = deadline - asyncio.get_running_loop().time()
                try:
                    await asyncio.wait_for(happened.wait(), max(left, 0))
                except TimeoutError:
                    return held()
            return True
        finally:
            self._waiting.discard(happened)

    def reset(self) -> None:
        self._answered.clear()
        self._number = 0
