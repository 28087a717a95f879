"""Versions that were closed: an admin entry of the journal each, with the integers and what they rest on (decision 0032)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from gateway.journal.canonical import moment_of
from gateway.journal.connection import Connection
from gateway.usage.measure import Measure
from gateway.usage.parts import Cause, Closing, Vector
from gateway.usage.periods import Window
from gateway.usage.vector import covers, log_and_seq

#: Of the admin entry: not in the operation table, as nobody calls it; entries are found by it.
OPERATION = "USAGE.CLOTURE"
ACTION = "usage_close"
#: The operation is a literal: only so does SQLite take the index of closings (migration 0007).
CLOSINGS = "SELECT pos, body FROM entries WHERE operation = 'USAGE.CLOTURE' ORDER BY pos"
Key = tuple[str, str, str]  # level, FINESS number or '', indicator


@dataclass(frozen=True, slots=True)
class Recorded:
    """The integers of one measure as they were closed."""

    numerator: int
    in_doubt: int
    denominator: int | None
    failures: int
    status: str
    detail_sha256: str

    @property
    def judged(self) -> tuple[object, ...]:
        """What makes another version when it changes. The digest alone does not: the same number, on more evidence."""
        return self.numerator, self.in_doubt, self.denominator, self.failures, self.status


@dataclass(frozen=True, slots=True)
class Closed:
    """One version of the measures of a grappe in a window. ``rows`` by level, number and indicator."""

    grappe: str
    window: Window
    version: int
    vector: Vector
    registry_version: int
    definition_version: str
    rows: dict[Key, Recorded]
    causes: tuple[Cause, ...]
    place: Closing
    snapshot_root: str | None
    series_start: date  # first day of the grappe's first period then


class Closings:
    """Every version closed inside a vector, in one environment."""

    def __init__(self, journal: Connection, environment: str, vector: Vector) -> None:
        self._known: dict[tuple[str, Window], list[Closed]] = {}
        for pos, body in journal.execute(CLOSINGS):
            entry = orjson.loads(body)
            if entry["environment"] == environment and covers(vector, pos):
                closed = _closed(entry, pos)
                self._known.setdefault((closed.grappe, closed.window), []).append(closed)

    def of(self, grappe: str, window: Window) -> list[Closed]:
        """The versions of one window, the first one first."""
        return self._known.get((grappe, window), [])

    @property
    def keys(self) -> list[tuple[str, Window]]:
        """Every grappe and window that has one, by grappe, then by the window's last day."""
        return sorted(self._known, key=lambda key: (key[0], key[1].end, key[1].start))

    def windows(self, grappe: str) -> list[Window]:
        """Those that have a closed version, by their last day."""
        return sorted((window for name, window in self._known if name == grappe), key=lambda one: (one.end, one.start))

    def series_start(self, grappe: str) -> date | None:
        """Where the windows of the last closing started: it fixes those that follow."""
        found = [known[-1] for (name, _), known in self._known.items() if name == grappe]
        return max(found, key=lambda one: one.place.at).series_start if found else None


def vectors_closed(journal: Connection) -> set[Vector]:
    """What any closed version rests on, in every environment."""
    details = (orjson.loads(body)["detail"] for _, body in journal.execute(CLOSINGS))
    return {tuple((log, size) for log, size in detail["vector"]) for detail in details}


def key_of(measure: Measure) -> Key:
    number = measure.finess_et if measure.level == "essms" else measure.finess_ej if measure.level == "og" else ""
    return measure.level, number or "", measure.indicator


def recorded(measure: Measure) -> Recorded:
    return Recorded(
        measure.numerator, measure.in_doubt, measure.denominator, measure.failures, measure.status, measure.detail_sha256
    )


def same(measures: Sequence[Measure], closed: Closed) -> bool:
    """Whether these measures are the ones that were closed."""
    if closed.definition_version != measures[0].definition_version:
        return False
    asked = {one.indicator for one in measures}
    then = {key: row.judged for key, row in closed.rows.items() if key[2] in asked}
    return {key_of(one): recorded(one).judged for one in measures} == then


def detail_of(measures: Sequence[Measure], series_start: date) -> dict[str, Any]:
    """The detail of the entry that closes these measures: all those of one grappe and window."""
    first = measures[0]
    why = dict.fromkeys(cause for one in measures for cause in one.causes)
    return {
        "action": ACTION, "grappe": first.grappe, "version": first.version, "series_start": series_start.isoformat(),
        "window": {"kind": first.window.kind, "start": first.window.start.isoformat(), "end": first.window.end.isoformat()},
        "vector": [list(size) for size in first.vector], "snapshot_root": first.snapshot_root,
        "registry_version": first.registry_version, "definition_version": first.definition_version,
        "options": first.options.item(), "causes": [cause.item() for cause in why],
        "rows": [
            {
                "level": level, "number": number, "indicator": indicator, "numerator": one.numerator, "in_doubt": one.in_doubt,
                "denominator": one.denominator, "failures": one.failures, "status": one.status,
                "detail_sha256": one.detail_sha256,
            }
            for one, (level, number, indicator) in ((row, key_of(row)) for row in measures)
        ],
    }  # fmt: skip


def _closed(entry: dict[str, Any], pos: int) -> Closed:
    detail, window = entry["detail"], entry["detail"]["window"]
    at: datetime = moment_of(entry["event_time"])
    return Closed(
        detail["grappe"], Window(window["kind"], *(date.fromisoformat(window[side]) for side in ("start", "end"))),
        detail["version"], tuple((log, size) for log, size in detail["vector"]), detail["registry_version"],
        detail["definition_version"],
        {
            (row["level"], row["number"], row["indicator"]): Recorded(
                row["numerator"], row["in_doubt"], row["denominator"], row["failures"], row["status"], row["detail_sha256"]
            )
            for row in detail["rows"]
        },
        tuple(Cause.of(item) for item in detail["causes"]),
        Closing(*log_and_seq(pos), at), detail["snapshot_root"],
        date.fromisoformat(detail["series_start"]),
    )  # fmt: skip
