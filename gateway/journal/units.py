"""Which usage units an entry is worth: the only place that says it (docs/architecture.md, « Who is counted »).

The writer calls it in the committing transaction, the recount calls it on stored entries; both get the same rows.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, cast

from gateway.journal.record import Outcome
from gateway.operations import OPERATIONS

#: Indicators where a unit counts once whatever its later events: a Message-ID resent next month counts in the first.
ONCE = frozenset({"IND-MSS-01"})
_NOT_COUNTED = "non_attribue"
#: Why a call of an indicator's operation is no unit: its outcome, or it succeeded for no ESSMS, or it is worth nothing.
What = Outcome | Literal["non_attribue", "exclu"]


class Unit(NamedTuple):
    """One row of usage_units. ``event_time`` is the entry's own text (RFC 3339, UTC)."""

    environment: str
    indicator: str
    finess_et: str
    unit_ref: str
    event_time: str
    log: int
    seq: int


def units_of(entry: dict[str, Any]) -> list[Unit]:
    """The units of one entry (its JSON, read), without regard to other entries; distinct, in the entry's order."""
    if (entry["kind"], entry["outcome"]) not in {("call", "ok"), ("settlement", "succeeded")}:
        return []
    finess_et, event_time = entry["finess_et"], entry["event_time"]
    if finess_et is None or event_time is None or (entry["attribution"] or "").startswith(_NOT_COUNTED):
        return []
    counted = {(count["indicator"], count["unit_ref"]): None for count in entry["counts_for"]}
    return [
        Unit(entry["environment"], indicator, finess_et, unit_ref, event_time, entry["log"], entry["seq"])
        for indicator, unit_ref in counted
    ]


class Beside(NamedTuple):
    """One row of usage_beside. ``finess_et`` is '' when the call belongs to no ESSMS."""

    environment: str
    indicator: str
    finess_et: str
    event_time: str
    log: int
    seq: int
    what: What


def beside_of(entry: dict[str, Any], units: Sequence[Unit]) -> Beside | None:
    """The row of a call that feeds an indicator and has no ``units``; None for every other entry."""
    if units or entry["kind"] != "call":
        return None
    outcome, operation = entry["outcome"], OPERATIONS.get(entry["operation"] or "")
    if operation is None or operation.indicator is None:
        return None
    finess_et, what = entry["finess_et"] or "", cast(What, outcome)
    if outcome == "ok":
        if not entry["counts_for"]:
            what = "exclu"
        else:
            finess_et, what = "", "non_attribue"
    place = entry["log"], entry["seq"]
    return Beside(entry["environment"], operation.indicator, finess_et, entry["event_time"], *place, what)


class UnitTable(Protocol):
    """Where admitted units are kept."""

    def first(self, environment: str, indicator: str, unit_ref: str) -> Unit | None: ...

    def put(self, unit: Unit) -> None: ...

    def drop(self, unit: Unit) -> None: ...


def admit(unit: Unit, table: UnitTable) -> None:
    """Put a unit in the table, unless an earlier event already counts it for good: whatever the order in which several logs
    are read, the same one stays."""
    if unit.indicator in ONCE:
        kept = table.first(unit.environment, unit.indicator, unit.unit_ref)
        if kept is not None:
            if (kept.event_time, kept.log, kept.seq) <= (unit.event_time, unit.log, unit.seq):
                return
            table.drop(kept)
    table.put(unit)


class UnitSet:
    """A table in memory, for a recount."""

    def __init__(self, units: Iterable[Unit] = ()) -> None:
        self.rows: set[Unit] = set()
        self._first: dict[tuple[str, str, str], Unit] = {}
        for unit in units:
            admit(unit, self)

    def first(self, environment: str, indicator: str, unit_ref: str) -> Unit | None:
        return self._first.get((environment, indicator, unit_ref))

    def put(self, unit: Unit) -> None:
        self.rows.add(unit)
        if unit.indicator in ONCE:
            self._first[unit.environment, unit.indicator, unit.unit_ref] = unit

    def drop(self, unit: Unit) -> None:
        self.rows.discard(unit)
        self._first.pop((unit.environment, unit.indicator, unit.unit_ref), None)
