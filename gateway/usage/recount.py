"""Rebuild usage_units from the entries alone, and compare row by row (design §6, ``socle usage recount``).

The entries are the evidence; the table only makes them quick to count. The rebuilt table lives in a private temporary
file, so that memory does not grow with the journal.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import apsw
import orjson

from gateway.journal.units import Unit, admit, units_of
from gateway.usage.source import journal_of

_COLUMNS = "environment, indicator, finess_et, unit_ref, event_time, log, seq"
_KEY = "environment, indicator, unit_ref, log, seq"
_SAME_KEY = " AND ".join(f"a.{column} = b.{column}" for column in _KEY.split(", "))
_SAME_REST = "a.finess_et = b.finess_et AND a.event_time = b.event_time"
_values = attrgetter(*_COLUMNS.split(", "))
_A, _B = (", ".join(f"{side}.{column}" for column in _COLUMNS.split(", ")) for side in "ab")


@dataclass(frozen=True, slots=True)
class Gap:
    """One row on which the table and the entries disagree.

    manquante   the entries make it, the table lost it      en_trop     the table has it, no entry makes it
    differente  same unit and same entry, another ESSMS or another time
    """

    kind: Literal["manquante", "en_trop", "differente"]
    expected: Unit | None  # from the entries
    found: Unit | None  # in the table

    def item(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "expected": None if self.expected is None else asdict(self.expected),
            "found": None if self.found is None else asdict(self.found),
        }


@dataclass(frozen=True, slots=True)
class Recount:
    """``gaps`` holds at most the number asked for; ``gap_count`` counts them all."""

    entries: int
    units: int  # rebuilt
    stored: int  # in the table
    environments: list[str]
    gap_count: int
    gaps: list[Gap]


def recount(folder: Path, *, limit: int = 100) -> Recount:
    """Compare the table with the entries of the gateway's folder, both read in one transaction. Raises as ``journal_of``."""
    with journal_of(folder) as journal, _scratch() as scratch:
        with journal, scratch:
            entries = _rebuild(journal, scratch)
            _copy(journal, scratch)
        return _compared(scratch, entries, limit)


_GAPS = (
    f"SELECT 'manquante' AS kind, {_A}, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM rebuilt a"  # noqa: S608 - constants only
    f" WHERE NOT EXISTS (SELECT 1 FROM stored b WHERE {_SAME_KEY})"
    f" UNION ALL SELECT 'en_trop', NULL, NULL, NULL, NULL, NULL, NULL, NULL, {_B} FROM stored b"
    f" WHERE NOT EXISTS (SELECT 1 FROM rebuilt a WHERE {_SAME_KEY})"
    f" UNION ALL SELECT 'differente', {_A}, {_B} FROM rebuilt a JOIN stored b ON {_SAME_KEY} WHERE NOT ({_SAME_REST})"
)


class _Rows:
    """A table of units on disk, as ``admit`` wants it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def first(self, environment: str, indicator: str, unit_ref: str) -> Unit | None:
        sql = f"SELECT {_COLUMNS} FROM rebuilt WHERE environment = ? AND indicator = ? AND unit_ref = ? ORDER BY log, seq LIMIT 1"  # noqa: S608
        row = self._db.execute(sql, (environment, indicator, unit_ref)).fetchone()
        return None if row is None else Unit(*row)

    def put(self, unit: Unit) -> None:
        self._db.execute("INSERT INTO rebuilt VALUES (?, ?, ?, ?, ?, ?, ?)", _values(unit))

    def drop(self, unit: Unit) -> None:
        sql = "DELETE FROM rebuilt WHERE environment = ? AND indicator = ? AND unit_ref = ? AND log = ? AND seq = ?"
        self._db.execute(sql, (unit.environment, unit.indicator, unit.unit_ref, unit.log, unit.seq))


@contextmanager
def _scratch() -> Iterator[apsw.Connection]:
    """A private database in a temporary file of SQLite's own, which dies with its connection."""
    scratch = apsw.Connection("")
    try:
        for table in ("rebuilt", "stored"):
            scratch.execute(f"CREATE TABLE {table} ({_COLUMNS}, PRIMARY KEY ({_KEY})) WITHOUT ROWID")
        yield scratch
    finally:
        scratch.close()


def _rebuild(journal: apsw.Connection, scratch: apsw.Connection) -> int:
    rows, entries = _Rows(scratch), 0
    for (body,) in journal.execute("SELECT body FROM entries ORDER BY pos"):
        entries += 1
        for unit in units_of(orjson.loads(body)):
            admit(unit, rows)
    return entries


def _copy(journal: apsw.Connection, scratch: apsw.Connection) -> None:
    stored = journal.execute(f"SELECT {_COLUMNS} FROM usage_units")  # noqa: S608 - constants only
    scratch.executemany("INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?, ?)", stored)


def _compared(scratch: apsw.Connection, entries: int, limit: int) -> Recount:
    environments = scratch.execute("SELECT environment FROM rebuilt UNION SELECT environment FROM stored ORDER BY 1")
    return Recount(
        entries=entries,
        units=scratch.execute("SELECT COUNT(*) FROM rebuilt").get,
        stored=scratch.execute("SELECT COUNT(*) FROM stored").get,
        environments=[environment for (environment,) in environments],
        gap_count=scratch.execute(f"SELECT COUNT(*) FROM ({_GAPS})").get,  # noqa: S608 - constants only
        gaps=[_gap(row) for row in scratch.execute(f"{_GAPS} LIMIT ?", (limit,))],
    )


def _gap(row: tuple[Any, ...]) -> Gap:
    expected, found = row[1:8], row[8:15]
    return Gap(row[0], None if expected[0] is None else Unit(*expected), None if found[0] is None else Unit(*found))
