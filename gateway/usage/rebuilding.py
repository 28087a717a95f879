"""Units made again from entries into a table on disk, as the journal's own table was made of them."""
# ruff: noqa: S608 - constants only
from __future__ import annotations

from operator import attrgetter

import orjson

from gateway.journal.connection import Connection
from gateway.journal.departed import HOLDS
from gateway.journal.store import POS_BITS
from gateway.journal.units import Unit, admit, units_of
from gateway.usage.parts import Vector
from gateway.usage.vector import inside

COLUMNS = "environment, indicator, finess_et, unit_ref, event_time, log, seq"
KEY = "environment, indicator, unit_ref, log, seq"
_values = attrgetter(*COLUMNS.split(", "))


class UnitRows:
    """A table of units on disk, as ``admit`` wants it."""

    def __init__(self, connection: Connection, table: str) -> None:
        self._db = connection
        key = "environment = ? AND indicator = ? AND unit_ref = ?"
        self._first = f"SELECT {COLUMNS} FROM {table} WHERE {key} ORDER BY log, seq LIMIT 1"
        self._put = f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._drop = f"DELETE FROM {table} WHERE {key} AND log = ? AND seq = ?"

    def first(self, environment: str, indicator: str, unit_ref: str) -> Unit | None:
        row = self._db.execute(self._first, (environment, indicator, unit_ref)).fetchone()
        return None if row is None else Unit(*row)

    def put(self, unit: Unit) -> None:
        self._db.execute(self._put, _values(unit))

    def drop(self, unit: Unit) -> None:
        self._db.execute(self._drop, (unit.environment, unit.indicator, unit.unit_ref, unit.log, unit.seq))


def rebuilt(journal: Connection, vector: Vector) -> str:
    """A table of the connection's own with the units of one vector, made from its entries; its name.

    For a past vector over several logs only: a row of then may have given its place to an earlier log's since (``admit``). What
    left has its rows in the table of now: an entry whose row has given its place does not leave.
    """
    name = "at_" + "_".join(f"{int(log)}_{int(size)}" for log, size in vector)
    if journal.execute("SELECT 1 FROM temp.sqlite_schema WHERE name = ?", (name,)).get is not None:
        return f"temp.{name}"
    journal.execute(f"CREATE TEMP TABLE {name} ({COLUMNS}, PRIMARY KEY ({KEY}))")
    left = f"SELECT {COLUMNS} FROM usage_units u WHERE {inside(vector)} AND EXISTS (SELECT 1 FROM departed d WHERE {HOLDS})"
    journal.execute(f"INSERT INTO temp.{name} {left}")
    rows = UnitRows(journal, f"temp.{name}")
    for log, size in vector:
        places = log << POS_BITS, (log << POS_BITS) + size
        for (body,) in journal.execute("SELECT body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos", places):
            for unit in units_of(orjson.loads(body)):
                admit(unit, rows)
    return f"temp.{name}"
