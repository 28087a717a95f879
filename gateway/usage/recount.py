"""Rebuild usage_units and usage_beside from the entries alone, and compare row by row (design §6, ``socle usage recount``).

The entries are the evidence; the tables only make them quick to count. The rebuilt ones live in a private temporary
file, so that memory does not grow with the journal.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import apsw
import orjson

from gateway.journal.connection import Connection
from gateway.journal.store import POS_BITS
from gateway.journal.units import Unit, admit, beside_of, units_of
from gateway.usage.parts import Vector
from gateway.usage.source import journal_of

_COLUMNS = "environment, indicator, finess_et, unit_ref, event_time, log, seq"
_KEY = "environment, indicator, unit_ref, log, seq"
_BESIDE = "environment, indicator, finess_et, event_time, log, seq, what"
_BESIDE_GAPS = """
SELECT (SELECT COUNT(*) FROM (SELECT * FROM rebuilt_beside EXCEPT SELECT * FROM stored_beside))
     + (SELECT COUNT(*) FROM (SELECT * FROM stored_beside EXCEPT SELECT * FROM rebuilt_beside))
"""
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
            "expected": None if self.expected is None else self.expected._asdict(),
            "found": None if self.found is None else self.found._asdict(),
        }


@dataclass(frozen=True, slots=True)
class Recount:
    """``gaps`` holds at most the number asked for; ``gap_count`` counts them all, those of ``beside_gaps`` included.

    beside, beside_gaps  rows of calls that are no unit: how many the entries make, and on how many the table disagrees
    """

    entries: int
    units: int  # rebuilt
    stored: int  # in the table
    environments: list[str]
    gap_count: int
    gaps: list[Gap]
    beside: int = 0
    beside_gaps: int = 0


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

    def __init__(self, connection: Connection, table: str) -> None:
        self._db = connection
        key = "environment = ? AND indicator = ? AND unit_ref = ?"
        self._first = f"SELECT {_COLUMNS} FROM {table} WHERE {key} ORDER BY log, seq LIMIT 1"  # noqa: S608 - constants only
        self._put = f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants only
        self._drop = f"DELETE FROM {table} WHERE {key} AND log = ? AND seq = ?"  # noqa: S608 - constants only

    def first(self, environment: str, indicator: str, unit_ref: str) -> Unit | None:
        row = self._db.execute(self._first, (environment, indicator, unit_ref)).fetchone()
        return None if row is None else Unit(*row)

    def put(self, unit: Unit) -> None:
        self._db.execute(self._put, _values(unit))

    def drop(self, unit: Unit) -> None:
        self._db.execute(self._drop, (unit.environment, unit.indicator, unit.unit_ref, unit.log, unit.seq))


def rebuilt(journal: Connection, vector: Vector) -> str:
    """A table of the connection's own with the units of one vector, made from its entries; its name.

    For a past vector over several logs only: a row of then may have given its place to an earlier log's since (``admit``).
    """
    name = "at_" + "_".join(f"{int(log)}_{int(size)}" for log, size in vector)
    if journal.execute("SELECT 1 FROM temp.sqlite_schema WHERE name = ?", (name,)).get is not None:
        return f"temp.{name}"
    journal.execute(f"CREATE TEMP TABLE {name} ({_COLUMNS}, PRIMARY KEY ({_KEY}))")
    rows = _Rows(journal, f"temp.{name}")
    for log, size in vector:
        places = log << POS_BITS, (log << POS_BITS) + size
        for (body,) in journal.execute("SELECT body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos", places):
            for unit in units_of(orjson.loads(body)):
                admit(unit, rows)
    return f"temp.{name}"


@contextmanager
def _scratch() -> Iterator[Connection]:
    """A private database in a temporary file of SQLite's own, which dies with its connection."""
    scratch = apsw.Connection("")
    try:
        for table in ("rebuilt", "stored"):
            scratch.execute(f"CREATE TABLE {table} ({_COLUMNS}, PRIMARY KEY ({_KEY})) WITHOUT ROWID")
            scratch.execute(f"CREATE TABLE {table}_beside ({_BESIDE}, PRIMARY KEY ({_BESIDE})) WITHOUT ROWID")
        yield scratch
    finally:
        scratch.close()


def _rebuild(journal: Connection, scratch: Connection) -> int:
    rows, entries = _Rows(scratch, "rebuilt"), 0
    for (body,) in journal.execute("SELECT body FROM entries ORDER BY pos"):
        entries += 1
        entry = orjson.loads(body)
        units = units_of(entry)
        for unit in units:
            admit(unit, rows)
        beside = beside_of(entry, units)
        if beside is not None:
            scratch.execute("INSERT INTO rebuilt_beside VALUES (?, ?, ?, ?, ?, ?, ?)", beside)
    return entries


def _copy(journal: Connection, scratch: Connection) -> None:
    for table, source, columns in (("stored", "usage_units", _COLUMNS), ("stored_beside", "usage_beside", _BESIDE)):
        stored = journal.execute(f"SELECT {columns} FROM {source}")  # noqa: S608 - constants only
        scratch.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", stored)  # noqa: S608 - constants only


def _compared(scratch: Connection, entries: int, limit: int) -> Recount:
    environments = scratch.execute("SELECT environment FROM rebuilt UNION SELECT environment FROM stored ORDER BY 1")
    beside_gaps: int = scratch.execute(_BESIDE_GAPS).get
    return Recount(
        entries=entries,
        units=scratch.execute("SELECT COUNT(*) FROM rebuilt").get,
        stored=scratch.execute("SELECT COUNT(*) FROM stored").get,
        environments=[environment for (environment,) in environments],
        gap_count=scratch.execute(f"SELECT COUNT(*) FROM ({_GAPS})").get + beside_gaps,  # noqa: S608 - constants only
        gaps=[_gap(row) for row in scratch.execute(f"{_GAPS} LIMIT ?", (limit,))],
        beside=scratch.execute("SELECT COUNT(*) FROM rebuilt_beside").get,
        beside_gaps=beside_gaps,
    )


def _gap(row: tuple[Any, ...]) -> Gap:
    expected, found = row[1:8], row[8:15]
    return Gap(row[0], None if expected[0] is None else Unit(*expected), None if found[0] is None else Unit(*found))
