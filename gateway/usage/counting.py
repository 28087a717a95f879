"""What the journal says of one environment, at one vector: distinct units, and what stands beside them.

Everything comes from rows that were written with the entries (usage_units, usage_beside) and are found by their window: the
price of a rate is that of its own window, whatever the size of the journal (decision 0032).
"""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from gateway.grappes.finess import zone_of
from gateway.journal import departed
from gateway.journal.canonical import moment_of, text_of
from gateway.journal.connection import Connection, Cursor
from gateway.journal.store import POS_BITS
from gateway.usage import statements
from gateway.usage import vector as vectors
from gateway.usage.indicators import SOCLE
from gateway.usage.parts import Frozen, Vector
from gateway.usage.periods import Window
from gateway.usage.rebuilding import rebuilt

#: An estimated time so close to a border could as well be on its other side (design §6, « à la frontière »).
NEAR = timedelta(days=1)
#: Outcomes of calls that the service or the gateway did not accept; in_doubt is none of them until it is settled.
FAILURES = frozenset({"refused", "invalid", "unauthorised", "failed", "cut"})


@dataclass(frozen=True, slots=True)
class Slot:
    """One cell of the table of rates: an indicator, an ESSMS ('' for those that belong to none), a window."""

    indicator: str
    finess_et: str
    window: Window

    def key(self, environment: str) -> dict[str, str]:
        asked = {"environment": environment, "indicator": self.indicator, "finess_et": self.finess_et}
        return asked | _sides(self.window, zone_of(self.finess_et))


@lru_cache(maxsize=1_000)
def _sides(window: Window, zone: ZoneInfo) -> dict[str, str]:
    start, end = window.bounds(zone)
    return {"start": text_of(start), "end": text_of(end), "after": text_of(start + NEAR), "before": text_of(end - NEAR)}


@dataclass(frozen=True, slots=True)
class Row:
    """One counted event."""

    unit_ref: str
    event_time: str
    log: int
    seq: int

    @property
    def place(self) -> int:
        return self.log << POS_BITS | self.seq


@dataclass(frozen=True, slots=True)
class DoubtIn:
    """A call in doubt of a slot. ``settled``: what a settlement inside the vector said; None while nobody knows."""

    place: int
    settled: str | None
    settled_at: int | None  # place of that settlement


@dataclass(frozen=True, slots=True)
class NotCounted:
    """Of one slot.

    failures  calls that were not accepted, those included whose doubt was settled so
    in_doubt  units that would be added if every call still in doubt turned out to have succeeded
    border    settlements that count near a border of the window, at a time that nobody read
    """

    failures: int
    in_doubt: int
    border: int


class EntryLeft(LookupError):
    """What an entry said beside its rows is asked, and retention let it go. The message is French, for whoever asked."""

    def __init__(self, place: int, at: str) -> None:
        log, seq = vectors.log_and_seq(place)
        super().__init__(
            f"l'entrée {log}/{seq} a été retirée par la conservation le {at[:10]} : ce détail ne s'ouvre plus ; les taux clos, "
            "eux, se lisent toujours. Reprenez le document produit à l'époque."
        )


class Counting:
    """Counts over one open journal, for one environment; ``vector`` is all of it when not given.

    Call it inside one read transaction: the tables and the vector must be of one moment.
    """

    def __init__(self, connection: Connection, environment: str, vector: Vector | None = None) -> None:
        self._db, self.environment = connection, environment
        present = vectors.current(connection)
        self.vector = present if vector is None else vector
        self._whole = self.vector == present
        # With one log a later entry never takes the place of an earlier one; with several, a row may have been replaced since.
        self.replaced = len(present) > 1 and not self._whole
        self._touched: dict[tuple[str, str], bool] = {}

    def numerator(self, slot: Slot) -> int:
        """Distinct units of the slot."""
        count: int = self._run(statements.NUMERATOR[slot.indicator], slot).get
        return count

    def rows(self, slot: Slot) -> list[Row]:
        """Each counted event, by time."""
        return [Row(*row) for row in self._run(statements.ROWS[slot.indicator], slot)]

    def detail_sha256(self, slot: Slot) -> str:
        """Hex digest of the counted rows: whoever holds the detail can show that it is the one that was counted."""
        digest = hashlib.sha256()
        for row in self._run(statements.ROWS[slot.indicator], slot):
            digest.update("{} {} {} {}\n".format(*row).encode())
        return digest.hexdigest()

    def beside(self, slot: Slot) -> dict[str, int]:
        """Calls of the window that are no unit, by reason."""
        return dict(self._run(statements.BESIDE, slot))

    def beside_rows(self, slot: Slot) -> list[tuple[int, str, str]]:
        """Their places, why they are no unit, and when, by time."""
        return list(self._run(statements.BESIDE_ROWS, slot))

    def not_counted(self, slot: Slot) -> NotCounted:
        """What stands beside the units of the slot."""
        beside = self.beside(slot)
        refused = sum(number for what, number in beside.items() if what in FAILURES)
        if not beside.get("in_doubt"):
            return NotCounted(refused, 0, 0)
        doubts = self.doubts(slot)
        failed = sum(doubt.settled == "failed" for doubt in doubts)
        near = len(self.border(slot)) if any(doubt.settled == "succeeded" for doubt in doubts) else 0
        return NotCounted(refused + failed, self._would_add(slot, doubts), near)

    def doubts(self, slot: Slot) -> list[DoubtIn]:
        """Calls in doubt of the window, the settled ones too."""
        return [
            DoubtIn(place, said, at) if at is not None and vectors.covers(self.vector, at) else DoubtIn(place, None, None)
            for place, said, at in self._run(statements.DOUBTS, slot)
        ]

    def _would_add(self, slot: Slot, doubts: Sequence[DoubtIn]) -> int:
        undecided = [doubt.place for doubt in doubts if doubt.settled in (None, "undecidable")]
        refs = {one["unit_ref"] for place in undecided for one in self.entry(place)["counts_for"]
                if one["indicator"] == slot.indicator}  # fmt: skip
        return sum(self.place_of(slot, ref) is None for ref in refs)

    def unattributed(self, indicator: str, window: Window) -> int:
        """Accepted calls of the environment that belong to no ESSMS."""
        nobody = Slot(indicator, "", window)
        beside = self.beside(nobody)
        return beside.get("non_attribue", 0) + (len(self.accepted_late(nobody)) if beside.get("in_doubt") else 0)

    def accepted_late(self, nobody: Slot) -> list[int]:
        """Places of the calls in doubt that a settlement said accepted and that belong to no ESSMS: no unit is made of them."""
        said = [doubt.place for doubt in self.doubts(nobody) if doubt.settled == "succeeded"]
        return [place for place in said if (entry := self.opened(place)) is None or entry["counts_for"]]

    def border(self, slot: Slot) -> list[dict[str, Any]]:
        """Settlements that count less than a day inside a border of the window, at a time that nobody read."""
        found = []
        for place, said, at in self._run(statements.DOUBTS_NEAR, slot):
            if said == "succeeded" and at is not None and vectors.covers(self.vector, at):
                entry = self.entry(at)
                if entry["time_basis"] == "estimated" and entry["event_time"] == self.entry(place)["event_time"]:
                    found.append(entry)
        return found

    def first_day(self, numbers: Sequence[str]) -> date | None:
        """The day of the first unit of any of these ESSMS, local to it; None when nothing was counted."""
        found = [
            moment_of(text).astimezone(zone_of(number)).date()
            for one in SOCLE for number in numbers
            if (text := self._execute(statements.FIRST_UNIT[one], {"environment": self.environment, "finess_et": number}).get)
        ]  # fmt: skip
        return min(found, default=None)

    def last_unit(self, indicator: str, finess_et: str) -> datetime | None:
        """When the last unit of an ESSMS happened."""
        text = self._execute(statements.LAST_UNIT[indicator], {"environment": self.environment, "finess_et": finess_et}).get
        return None if text is None else moment_of(text)

    def any_entry(self) -> bool:
        """Whether the journal knows this environment: one of its units, of its calls beside, or of its last entries."""
        asked = {"environment": self.environment}
        if any(self._db.execute(sql, asked).get is not None for sql in statements.ANY):
            return True
        bodies = self._db.execute(statements.ENDS)
        return any(orjson.loads(body)["environment"] == self.environment for (body,) in bodies)

    def entry(self, place: int) -> dict[str, Any]:
        """The entry at a place of the journal. Raises EntryLeft."""
        body = self._db.execute("SELECT body FROM entries WHERE pos = ?", (place,)).get
        if body is None:
            log, seq = vectors.log_and_seq(place)
            raise EntryLeft(place, self._db.execute(statements.LEFT_AT, {"log": log, "seq": seq}).get or "?")
        entry: dict[str, Any] = orjson.loads(body)
        return entry

    def opened(self, place: int) -> dict[str, Any] | None:
        """The same; None when it left."""
        try:
            return self.entry(place)
        except EntryLeft:
            return None

    def frozen(self, slot: Slot) -> Frozen | None:
        """What of this slot cannot be opened any more; None for one that nothing left."""
        if not self.touched(slot.window, slot.finess_et):
            return None
        found: list[Any] = [*self._run(statements.FROZEN[slot.indicator], slot), *self._run(statements.FROZEN_BESIDE, slot)]
        (events, at), (beside, also) = found
        return Frozen(max(filter(None, (at, also))), events, beside) if events or beside else None

    def touched(self, window: Window, finess_et: str) -> bool:
        """Whether entries may have left whose time is in this window, of whatever operation."""
        start, end = (text_of(side) for side in window.bounds(zone_of(finess_et)))
        if (start, end) not in self._touched:
            self._touched[start, end] = departed.any_between(self._db, start, end)
        return self._touched[start, end]

    def last_event(self) -> datetime | None:
        """How far business time went, as far as the vector knows."""
        return vectors.last_event(self._db, self.vector, self.environment)

    def place_of(self, slot: Slot, ref: str) -> tuple[int, int] | None:
        """Log and seq of the entry that counts for this unit, in whatever window when it counts once for good."""
        row: tuple[int, int] | None = self._run(statements.COUNTED[slot.indicator], slot, unit_ref=ref).fetchone()
        return row

    def _run(self, sql: str, slot: Slot, **more: str) -> Cursor:
        return self._execute(sql, slot.key(self.environment) | more)

    def _execute(self, sql: str, values: dict[str, str]) -> Cursor:
        inside = "" if self._whole else f" AND {vectors.inside(self.vector)}"
        return self._db.execute(sql.format(units=self._units, inside=inside), values)

    @cached_property
    def _units(self) -> str:
        """The table of units: the journal's own, or one made again from the entries of the vector."""
        return rebuilt(self._db, self.vector) if self.replaced else "usage_units"
