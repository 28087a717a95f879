"""Faults armed on the mocks (design §7): for N calls of an operation or T seconds, seeded, self-disarming."""
from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["timeout", "reset", "status", "soap"]

#: Header in which a mock names the injected fault that touched its reply, where there is a reply.
FAULT_HEADER = "X-Socle-Injected-Fault"

_MAX_CALLS, _MAX_DELAY_S, _MAX_ARMED_S = 1_000_000, 3600, 86_400


class InvalidFault(ValueError):
    """The fault as asked for cannot be armed; the message is French, for whoever arms it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a mock does instead of answering as usual.

    kind      timeout: act, then wait ``delay_s`` before the answer · reset: act, then close without an answer ·
              status: HTTP status ``value``, nothing done · soap: business fault code ``value``, nothing done
    for_next  how many calls it touches before it disarms itself
    for_s     after how many seconds it disarms itself, None for never
    rate      share of calls touched, 0 < rate <= 1, drawn from a generator seeded by the sandbox's seed and the id
    """

    id: str
    operation: str
    kind: Kind
    value: str = ""
    for_next: int = 1
    delay_s: float = 0.0
    rate: float = 1.0
    for_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "operation": self.operation, "kind": self.kind, "value": self.value,
            "for_next": self.for_next, "delay_s": self.delay_s, "rate": self.rate, "for_s": self.for_s,
        }  # fmt: skip


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int
    until: float  # on the monotonic clock
    draw: random.Random


class Faults:
    """The armed faults, oldest first. A call is touched by one fault at most."""

    def __init__(self, seed: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._seed = seed
        self._now = now
        self._armed: dict[str, _Armed] = {}
        self._made = 0

    def arm(self, fault: Fault) -> None:
        """Arm, replacing the fault of the same id."""
        until = math.inf if fault.for_s is None else self._now() + fault.for_s
        self._armed[fault.id] = _Armed(fault, fault.for_next, until, random.Random(f"{self._seed}:{fault.id}"))

    def arm_json(self, wanted: Any) -> Fault:
        """Arm what the control API received; raises InvalidFault."""
        self._made += 1
        fault = parse_fault(wanted, default_id=f"fault-{self._made}")
        self.arm(fault)
        return fault

    def take(self, operation: str) -> Fault | None:
        """The fault that touches this call, if any; it is disarmed when it has touched its last call."""
        self._expire()
        for armed in list(self._armed.values()):
            if armed.fault.operation != operation or armed.draw.random() >= armed.fault.rate:
                continue
            armed.left -= 1
            if armed.left == 0:
                del self._armed[armed.fault.id]
            return armed.fault
        return None

    def disarm(self, fault_id: str | None = None) -> None:
        """Disarm one, or all."""
        if fault_id is None:
            self._armed.clear()
        else:
            self._armed.pop(fault_id, None)

    def to_json(self) -> list[dict[str, Any]]:
        """The armed faults with the calls each still has to touch, as ``left``."""
        self._expire()
        return [{**armed.fault.to_json(), "left": armed.left} for armed in self._armed.values()]

    def _expire(self) -> None:
        for fault_id in [fault_id for fault_id, armed in self._armed.items() if armed.until <= self._now()]:
            del self._armed[fault_id]


def parse_fault(wanted: Any, *, default_id: str) -> Fault:
    """Check the JSON of a fault; raises InvalidFault."""
    if not isinstance(wanted, dict):
        raise InvalidFault("Panne illisible : un objet JSON est attendu.")
    unknown = sorted(set(wanted) - {"id", "operation", "kind", "value", "for_next", "delay_s", "rate", "for_s"})
    if unknown:
        raise InvalidFault(f"Panne refusée : champ inconnu « {unknown[0]} ».")
    try:
        fault = Fault(
            id=str(wanted.get("id") or default_id),
            operation=str(wanted["operation"]),
            kind=wanted["kind"],
            value=str(wanted.get("value", "")),
            # Armed for a time only: as many calls as come.
            for_next=int(wanted.get("for_next", 1 if wanted.get("for_s") is None else _MAX_CALLS)),
            delay_s=float(wanted.get("delay_s", 0)),
            rate=float(wanted.get("rate", 1)),
            for_s=None if wanted.get("for_s") is None else float(wanted["for_s"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidFault(f"Panne refusée : champ absent ou illisible ({error}).") from error
    _check(fault)
    return fault


def _check(fault: Fault) -> None:
    if fault.kind not in get_args(Kind):
        raise InvalidFault(f"Panne refusée : « kind » vaut timeout, reset, status ou soap, pas « {fault.kind} ».")
    if not (1 <= fault.for_next <= _MAX_CALLS and 0 <= fault.delay_s <= _MAX_DELAY_S and 0 < fault.rate <= 1):
        raise InvalidFault("Panne refusée : « for_next » va de 1 à 1000000, « delay_s » de 0 à 3600, « rate » de 0 exclu à 1.")
    if fault.for_s is not None and not 0 < fault.for_s <= _MAX_ARMED_S:
        raise InvalidFault("Panne refusée : « for_s » est un nombre de secondes, de 0 exclu à 86400.")
    if fault.kind == "status" and not (fault.value.isdecimal() and 400 <= int(fault.value) <= 599):
        raise InvalidFault("Panne refusée : pour « status », « value » est un statut HTTP de 400 à 599.")
    if fault.kind == "soap" and not fault.value:
        raise InvalidFault("Panne refusée : pour « soap », « value » est le code de la faute.")
