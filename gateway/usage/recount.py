"""Rebuild usage_units and usage_beside from the entries alone, and compare row by row (design §6, ``socle usage recount``).

The entries are the evidence; the tables only make them quick to count. Rows whose entries left (decision 0040) cannot be made
again: they stand as long as they are those that the act of retention took the digest of. The rebuilt tables live in a private
temporary file, so that memory does not grow with the journal.
"""
# ruff: noqa: S608 - constants only
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import apsw
import orjson

from gateway.journal.connection import Connection
from gateway.journal.departed import HOLDS
from gateway.journal.proof.removals import Removal
from gateway.journal.units import Unit, admit, beside_of, units_of
from gateway.usage import frozen_rows
from gateway.usage.frozen_rows import Altered
from gateway.usage.rebuilding import COLUMNS, KEY, UnitRows
from gateway.usage.recounted import Recounted, recounted
from gateway.usage.source import journal_of

_BESIDE = "environment, indicator, finess_et, event_time, log, seq, what"
_BESIDE_GAPS = f"""
SELECT (SELECT COUNT(*) FROM (SELECT * FROM rebuilt_beside EXCEPT SELECT {_BESIDE} FROM stored_beside))
     + (SELECT COUNT(*) FROM (SELECT {_BESIDE} FROM stored_beside EXCEPT SELECT * FROM rebuilt_beside))
"""
_SAME_KEY = " AND ".join(f"a.{column} = b.{column}" for column in KEY.split(", "))
_SAME_REST = "a.finess_et = b.finess_et AND a.event_time = b.event_time"


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
    """``gaps`` holds at most the number asked for; ``gap_count`` counts them all, ``beside_gaps``, ``altered`` and the closed
    numerators that the entries contradict included.

    beside, beside_gaps  rows of calls that are no unit: how many the entries make, and on how many the table disagrees
    frozen               rows of units among ``units`` whose entries left: no longer recounted, as the act of retention found them
    altered              acts whose rows are not those of then
    measures             each closed measure, in words
    """

    entries: int
    units: int  # rebuilt
    stored: int  # in the table
    environments: list[str]
    gap_count: int
    gaps: list[Gap]
    beside: int = 0
    beside_gaps: int = 0
    frozen: int = 0
    altered: Sequence[Altered] = ()
    measures: Sequence[Recounted] = ()


def recount(folder: Path, *, limit: int = 100) -> Recount:
    """Compare the table with the entries of the gateway's folder, both read in one transaction. Raises as ``journal_of``."""
    with journal_of(folder) as journal, _scratch() as scratch:
        with journal, scratch:
            known = frozen_rows.acts(journal)
            _copy(journal, scratch, known)
            altered = frozen_rows.altered(scratch, known)
            entries = _rebuild(journal, scratch)
            scratch.execute(f"CREATE TABLE gaps AS {_GAPS}")
            measures = recounted(journal, scratch, altered)
        return _compared(scratch, entries, limit, altered, measures)


def _side(prefix: str, alias: str | None) -> str:
    """The columns of a row, or of none, under names that start with ``prefix``."""
    return ", ".join(f"{f'{alias}.{column}' if alias else 'NULL'} AS {prefix}_{column}" for column in COLUMNS.split(", "))


#: Each row on which the two disagree: its kind, what the entries make of it, what the table has.
_GAPS = (
    f"SELECT 'manquante' AS kind, {_side('expected', 'a')}, {_side('found', None)} FROM rebuilt a"
    f" WHERE NOT EXISTS (SELECT 1 FROM stored b WHERE {_SAME_KEY})"
    f" UNION ALL SELECT 'en_trop', {_side('expected', None)}, {_side('found', 'b')} FROM stored b"
    f" WHERE NOT EXISTS (SELECT 1 FROM rebuilt a WHERE {_SAME_KEY})"
    f" UNION ALL SELECT 'differente', {_side('expected', 'a')}, {_side('found', 'b')} FROM rebuilt a"
    f" JOIN stored b ON {_SAME_KEY} WHERE NOT ({_SAME_REST})"
)


@contextmanager
def _scratch() -> Iterator[Connection]:
    """A private database in a temporary file of SQLite's own, which dies with its connection."""
    scratch = apsw.Connection("")
    try:
        for table, more in (("rebuilt", ""), ("stored", "act, ")):
            scratch.execute(f"CREATE TABLE {table} ({COLUMNS}, {more}PRIMARY KEY ({KEY})) WITHOUT ROWID")
            scratch.execute(f"CREATE TABLE {table}_beside ({_BESIDE}, {more}PRIMARY KEY ({_BESIDE})) WITHOUT ROWID")
        yield scratch
    finally:
        scratch.close()


def _rebuild(journal: Connection, scratch: Connection) -> int:
    """From the entries that are there, after the rows of those that left; how many were read."""
    for table, columns in (("", COLUMNS), ("_beside", _BESIDE)):
        scratch.execute(f"INSERT INTO rebuilt{table} SELECT {columns} FROM stored{table} WHERE act IS NOT NULL")
    rows, entries = UnitRows(scratch, "rebuilt"), 0
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


def _copy(journal: Connection, scratch: Connection, known: Mapping[str, Removal]) -> None:
    """The tables as they are; beside each row the act of retention that took its entry, if one says so."""
    for table, source, columns in (("stored", "usage_units", COLUMNS), ("stored_beside", "usage_beside", _BESIDE)):
        place = columns.split(", ").index("log")
        act = f"(SELECT min(d.act) FROM departed d WHERE {HOLDS})"
        stored = journal.execute(f"SELECT {columns}, {act} FROM {source} u")
        told = ((*row[:-1], frozen_rows.act_of(known, row[-1], row[place], row[place + 1])) for row in stored)
        scratch.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", told)


def _compared(
    scratch: Connection, entries: int, limit: int, altered: Sequence[Altered], measures: Sequence[Recounted]
) -> Recount:
    environments = scratch.execute("SELECT environment FROM rebuilt UNION SELECT environment FROM stored ORDER BY 1")
    beside_gaps: int = scratch.execute(_BESIDE_GAPS).get
    return Recount(
        entries=entries,
        units=scratch.execute("SELECT COUNT(*) FROM rebuilt").get,
        stored=scratch.execute("SELECT COUNT(*) FROM stored").get,
        environments=[environment for (environment,) in environments],
        gap_count=scratch.execute("SELECT COUNT(*) FROM gaps").get + beside_gaps + len(altered)
        + sum(len(one.unlike) for one in measures),
        gaps=[_gap(row) for row in scratch.execute("SELECT * FROM gaps LIMIT ?", (limit,))],
        beside=scratch.execute("SELECT COUNT(*) FROM rebuilt_beside").get,
        beside_gaps=beside_gaps,
        frozen=scratch.execute("SELECT COUNT(*) FROM stored WHERE act IS NOT NULL").get,
        altered=altered,
        measures=measures,
    )


def _gap(row: tuple[Any, ...]) -> Gap:
    expected, found = row[1:8], row[8:15]
    return Gap(row[0], None if expected[0] is None else Unit(*expected), None if found[0] is None else Unit(*found))
