"""The last requests that the mocks answered, for a vendor's own tests: what was asked, what came back. No body, no secret.

In memory and bounded: how many came in all is the trace's to say (mocks/sandbox/trace.py).
"""
from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from connectors.wire.clock import Clock
from mocks.sandbox.fault import Fault
from mocks.sandbox.whose import whose

KEPT = 2_000


class Answered(NamedTuple):
    """One request and its answer.

    number  grows by one with each request since the process began or the sandbox was reset
    at, business  real and business time
    status  of HTTP or SMTP; None over IMAP, and when a fault may have left the request without an answer
    code    the service's own, as precise as it answered: CR01, insi_102, XDSUnknownPatientId, invalid_grant; over IMAP the
            command and its verdict, « MOVE NO SERVERBUG »; "" for none
    fault   id of the fault that touched it, None for none
    tenant  whose credential it showed, None for nobody's
    """

    number: int
    at: datetime
    business: datetime
    mock: str
    operation: str
    status: int | None
    code: str
    fault: str | None
    tenant: str | None = None


class Requests:
    """The last answers, oldest first, and a way to wait for the next one.

    Each tenant has its own last ones under its own numbers: what others do neither shows nor drives them out.
    """

    def __init__(self, clock: Clock, kept: int = KEPT) -> None:
        self._clock, self._kept = clock, kept
        #: With the number that its tenant sees.
        self._answered: defaultdict[str | None, deque[tuple[int, Answered]]] = defaultdict(lambda: deque(maxlen=kept))
        self._number = 0
        self._numbers: Counter[str | None] = Counter()
        self._codes: defaultdict[tuple[str | None, str], Counter[str]] = defaultdict(Counter)
        self._waiting: set[asyncio.Event] = set()

    def note(self, mock: str, operation: str, status: int | None, code: str = "", fault: Fault | None = None) -> None:
        """One request was answered, or will be as ``fault`` wants it; whoever waits looks again."""
        self._number += 1
        real, business = self._clock.real(), self._clock.business()
        touched, read = None if fault is None else fault.id, fault is None or fault.lost is None
        tenant, said = whose(), (status, code) if read else (None, "")
        one = Answered(self._number, real, business, mock, operation, *said, touched, tenant)
        self._numbers[tenant] += 1
        self._answered[tenant].append((self._numbers[tenant], one))
        self._codes[tenant, mock][code or str(status)] += 1
        for waiting in self._waiting:
            waiting.set()

    def __iter__(self) -> Iterator[Answered]:
        everybody = sorted((one for kept in self._answered.values() for _, one in kept), key=lambda one: one.number)
        return iter(everybody[-self._kept :])

    def of(self, tenant: str) -> list[Answered]:
        """Those of one tenant, under its own numbers."""
        return [one._replace(number=number) for number, one in self._answered.get(tenant, ())]

    def codes(self, tenant: str, mock: str) -> dict[str, int]:
        """How many answers of each code (the status where there is none) this service gave to a tenant."""
        return dict(self._codes.get((tenant, mock), {}))

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
        self._numbers.clear()
        self._codes.clear()
        self._number = 0

    def forget(self, tenant: str) -> None:
        """Those of one tenant, whose numbers begin again."""
        self._answered.pop(tenant, None)
        self._numbers.pop(tenant, None)
        for name in [name for name in self._codes if name[0] == tenant]:
            del self._codes[name]
