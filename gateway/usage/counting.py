"""What the journal says of one environment: distinct units, and what stands beside them (programme-indicateurs §6.1).

Numerators come from usage_units by SQL; failures, doubts and unattributed calls come from the entries, in one pass.
"""
from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import apsw
import orjson

from gateway.grappes.finess import zone_of
from gateway.journal.canonical import moment_of, text_of
from gateway.operations import OPERATIONS
from gateway.usage.periods import Window

#: Operation id → the indicator it feeds.
FEEDS = {row.id: row.indicator for row in OPERATIONS.values() if row.indicator is not None}
_OPERATIONS = ", ".join(f"'{operation}'" for operation in FEEDS)
_WINDOW = "environment = ? AND indicator = ? AND finess_et = ? AND event_time >= ? AND event_time < ?"


@dataclass(frozen=True, slots=True)
class Slot:
    """One cell of the table of rates: an indicator, an ESSMS, a window."""

    indicator: str
    finess_et: str
    window: Window

    def key(self, environment: str) -> tuple[str, str, str, str, str]:
        start, end = self.window.bounds(zone_of(self.finess_et))
        return environment, self.indicator, self.finess_et, text_of(start), text_of(end)


@dataclass(slots=True)
class Beside:
    """What is printed beside the numerators, never in them."""

    failures: Counter[Slot] = field(default_factory=Counter)
    doubts: dict[Slot, set[str]] = field(default_factory=dict)  # unit refs that no settlement has decided
    unattributed: Counter[tuple[str, Window]] = field(default_factory=Counter)


class Counting:
    """Counts over one open journal, for one environment."""

    def __init__(self, connection: apsw.Connection, environment: str) -> None:
        self._db, self._environment = connection, environment

    def numerator(self, slot: Slot) -> int:
        """Distinct units of the slot."""
        sql = f"SELECT COUNT(DISTINCT unit_ref) FROM usage_units WHERE {_WINDOW}"  # noqa: S608 - constants only
        count: int = self._db.execute(sql, slot.key(self._environment)).get
        return count

    def detail_sha256(self, slot: Slot) -> str:
        """Hex digest of the counted rows: whoever holds the detail can show that it is the one that was counted."""
        sql = f"SELECT unit_ref, event_time, log, seq FROM usage_units WHERE {_WINDOW}"  # noqa: S608 - constants only
        digest = hashlib.sha256()
        for row in self._db.execute(f"{sql} ORDER BY event_time, unit_ref, log, seq", slot.key(self._environment)):
            digest.update("{} {} {} {}\n".format(*row).encode())
        return digest.hexdigest()

    def added_if_succeeded(self, slot: Slot, refs: set[str]) -> int:
        """How many of these units the slot does not already count."""
        sql = f"SELECT 1 FROM usage_units WHERE {_WINDOW} AND unit_ref = ? LIMIT 1"  # noqa: S608 - constants only
        key = slot.key(self._environment)
        return sum(self._db.execute(sql, (*key, ref)).get is None for ref in refs)

    def first_unit(self, numbers: Sequence[str]) -> datetime | None:
        """When the first unit of any of these ESSMS happened; None when nothing was counted."""
        sql = "SELECT MIN(event_time) FROM usage_units WHERE environment = ? AND indicator = ? AND finess_et = ?"
        found = [self._db.execute(sql, (self._environment, one, number)).get for one in FEEDS.values() for number in numbers]
        return min((moment_of(text) for text in found if text is not None), default=None)

    def last_event(self) -> datetime | None:
        """The latest time among the last entries: how far business time went, as far as the journal knows."""
        last = self._db.execute("SELECT body FROM entries ORDER BY pos DESC LIMIT 100")
        return max((moment_of(orjson.loads(body)["event_time"]) for (body,) in last), default=None)

    def beside(self, windows: Sequence[Window]) -> Beside:
        """One pass over the calls of the indicators' operations that are not ordinary successes."""
        found = Beside()
        for entry, settled in self._exceptions():
            indicator, finess_et = FEEDS[entry["operation"]], entry["finess_et"]
            window = _window_of(windows, finess_et or "", moment_of(entry["event_time"]))
            if window is None:
                continue
            if entry["outcome"] == "ok":
                found.unattributed[indicator, window] += 1
            elif finess_et is not None and entry["outcome"] == "in_doubt" and settled != "failed":
                if settled != "succeeded":
                    refs = {count["unit_ref"] for count in entry["counts_for"] if count["indicator"] == indicator}
                    found.doubts.setdefault(Slot(indicator, finess_et, window), set()).update(refs)
            elif finess_et is not None:
                found.failures[Slot(indicator, finess_et, window)] += 1
        return found

    def _exceptions(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        """Entries that failed, are in doubt (with how they were settled), or succeeded for no ESSMS."""
        failed = (
            "SELECT e.body, s.outcome FROM entries e LEFT JOIN entries s ON s.settles = e.id"  # noqa: S608 - constants only
            f" WHERE e.outcome <> 'ok' AND e.kind = 'call' AND e.operation IN ({_OPERATIONS})"
        )
        apart = (
            "SELECT body, NULL FROM entries WHERE finess_et IS NULL AND outcome = 'ok'"  # noqa: S608 - constants only
            f" AND kind = 'call' AND operation IN ({_OPERATIONS})"
        )
        for sql in (failed, apart):
            for body, settled in self._db.execute(sql):
                entry = orjson.loads(body)
                if entry["environment"] == self._environment:
                    yield entry, settled


def _window_of(windows: Sequence[Window], finess_et: str, at: datetime) -> Window | None:
    zone = zone_of(finess_et)
    day = at.astimezone(zone).date()
    return next((window for window in windows if window.start <= day < window.end), None)
