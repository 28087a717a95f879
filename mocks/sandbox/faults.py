"""Faults armed on the mocks (design §7): for N calls of an operation or T seconds, seeded, self-disarming.

They live in memory alone: a process of mocks that starts has none, whatever was armed before (decision 0044).
"""
from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mocks.sandbox.fault import FAULT_HEADER as FAULT_HEADER
from mocks.sandbox.fault import Fault as Fault
from mocks.sandbox.fault import Injected
from mocks.sandbox.fault_asking import parse_fault
from mocks.sandbox.fault_rules import InvalidFault as InvalidFault
from mocks.sandbox.who import NOBODY, Who

MAX_ARMED = 1000
MAX_INJECTED = 16 * 1024 * 1024  # bytes of all the answers that are armed


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int
    until: float  # on the monotonic clock
    draw: random.Random
    delays: random.Random
    touched: int = 0


class Faults:
    """The armed faults, oldest first. A call is touched by one fault at most; a mail dialogue, by one at each step."""

    def __init__(self, seed: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._seed = seed
        self._now = now
        self._armed: dict[str, _Armed] = {}
        self._made = 0
        self._watchers: list[Callable[[Fault], None]] = []

    def watch(self, armed: Callable[[Fault], None]) -> None:
        """Be called with each fault once it is armed."""
        self._watchers.append(armed)

    def arm(self, fault: Fault) -> None:
        """Arm, replacing the fault of the same id."""
        until = math.inf if fault.for_s is None else self._now() + fault.for_s
        seed = f"{self._seed}:{fault.id}" if fault.seed is None else str(fault.seed)
        self._armed[fault.id] = _Armed(fault, fault.for_next, until, random.Random(seed), random.Random(f"{seed}:delays"))
        for watcher in self._watchers:
            watcher(fault)

    def arm_json(self, wanted: Any, answer: Injected | None = None) -> Fault:
        """Arm what the control API received; raises InvalidFault. A fault without a name gets one, never twice the same."""
        self._made += 1
        fault = parse_fault(wanted, default_id=f"fault-{self._made}", answer=answer)
        if len(self) >= MAX_ARMED or self._injected_bytes() + (len(answer.body) if answer else 0) > MAX_INJECTED:
            raise InvalidFault(
                f"Panne refusée : {MAX_ARMED} pannes et {MAX_INJECTED} octets de réponses injectées au plus ; désarmez-en."
            )
        self.arm(fault)
        return fault

    def take(self, operation: str, who: Callable[[], Who] = lambda: NOBODY, *, step: str = "") -> Fault | None:
        """The fault that touches this call, if any; it is disarmed when it has touched its last call.

        step  where a mail dialogue is; a fault that names none acts on a session's first command, and on a message's end
        """
        self._expire()
        for armed in list(self._armed.values()):
            fault = armed.fault
            if not fault.covers(operation, step) or not fault.concerns(who) or armed.draw.random() >= fault.rate:
                continue
            armed.left -= 1
            armed.touched += 1
            if armed.left == 0:
                del self._armed[fault.id]
            return fault if fault.latency is None else replace(fault, delay_s=fault.latency.draw(armed.delays))
        return None

    def disarm(self, fault_id: str | None = None) -> None:
        """Disarm one, or all."""
        if fault_id is None:
            self._armed.clear()
        else:
            self._armed.pop(fault_id, None)

    def __len__(self) -> int:
        self._expire()
        return len(self._armed)

    def _injected_bytes(self) -> int:
        return sum(len(one.fault.answer.body) for one in self._armed.values() if one.fault.answer is not None)

    def to_json(self) -> list[dict[str, Any]]:
        """The armed faults: the calls that each touched (``touched``) and may still touch (``left``), the seconds that it has
        (``left_s``, None without end)."""
        self._expire()
        return [
            {**one.fault.to_json(), "left": one.left, "left_s": self._left_s(one), "touched": one.touched}
            for one in self._armed.values()
        ]

    def _left_s(self, armed: _Armed) -> float | None:
        return None if math.isinf(armed.until) else round(armed.until - self._now(), 1)

    def _expire(self) -> None:
        for fault_id in [fault_id for fault_id, armed in self._armed.items() if armed.until <= self._now()]:
            del self._armed[fault_id]
