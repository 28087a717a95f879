"""One measured figure, as `socle bench --json` prints it (design §9, « Figures »)."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

AtLeast = Literal["at least", "below"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must reach: its value, or its ratio to the limit."""

    of: Literal["value", "ratio"]
    sense: AtLeast
    number: float

    def __str__(self) -> str:
        what = "ratio " if self.of == "ratio" else ""
        return f"{what}{'≥' if self.sense == 'at least' else '<'} {self.number:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """``limit`` is what the same work costs at best, measured in the same run with the same transport; None: not measured.

    limit_is   what was measured for it, in French
    transport, body_bytes, connections  what carried the work, the mean size of its bodies, how many callers at once
    """

    name: str
    unit: str
    value: float
    limit: float | None
    limit_is: str | None
    target: Target | None
    transport: str
    body_bytes: int
    connections: int

    @property
    def ratio(self) -> float | None:
        return round(self.value / self.limit, 3) if self.limit else None

    @property
    def holds(self) -> bool | None:
        """None without a target, or when its limit could not be measured."""
        measured = None if self.target is None else self.value if self.target.of == "value" else self.ratio
        if self.target is None or measured is None:
            return None
        return measured >= self.target.number if self.target.sense == "at least" else measured < self.target.number

    def as_json(self) -> dict[str, Any]:
        target = None if self.target is None else str(self.target)
        return asdict(self) | {"ratio": self.ratio, "target": target, "holds": self.holds}
