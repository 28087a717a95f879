"""Units made again from entries into a table on disk, as the journal's own table was made of them."""
# ruff: noqa: S608 - constants only
from __future__ import annotations

from operator import attrgetter

import orjson

from gateway.journal.connection import Connection, spoken
from gateway.journal.departed import HOLDS
from gateway.journal.store import POS_BITS
from gateway.journal.units import Unit, admit, units_of
from gateway.usage.parts import Vector
from gateway.usage.vector import inside

COLUMNS = "environment, indicator, finess_et, unit_ref, event_time, log, seq"
KEY = "environment, indicator, unit_ref, log, seq"
_MADE = "SELECT 1 FROM temp.sqlite_schema WHERE name = ?"
_MADE_ON_A_SERVER = "SELECT 1 FROM pg_class WHERE relname = ? AND relnamespace = pg_my_temp_schema()"
_values = attrgetter(*COLUMNS.split(", "))


class UnitRows:
    """A table of units on disk, as ``admit`` wants it."""

    def __init__(self, connection: Connection, table: str) -> None:
        self._db = connection
        key = "environment = ? AND indicator = ? AND unit_ref = ?"
        self._first = f"SELECT {COLUMNS} FROM {table} WHERE {key} ORDER BY event_time, log, seq LIMIT 1"
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

    For a past vector over several logs only: a row of then may have given its place to an earlier event since (``admit``). What
    left has its rows in the table of now: an entry whose row has given its place does not leave.
    """
    name = "at_" + "_".join(f"{int(log)}_{int(size)}" for log, size in vector)
    table = spoken(journal, sqlite=f"temp.{name}", postgres=f"pg_temp.{name}")
    if journal.execute(spoken(journal, sqlite=_MADE, postgres=_MADE_ON_A_SERVER), (name,)).get is not None:
        return table
    journal.execute(f"CREATE TEMP TABLE {name} AS SELECT {COLUMNS} FROM usage_units WHERE 1 = 0")
    index = spoken(journal, sqlite=f"temp.{name}_key ON {name}", postgres=f"{name}_key ON {table}")
    journal.execute(f"CREATE UNIQUE INDEX {index} ({KEY})")
    left = f"SELECT {COLUMNS} FROM usage_units u WHERE {inside(vector)} AND EXISTS (SELECT 1 FROM departed d WHERE {HOLDS})"
    journal.execute(f"INSERT INTO {table} {left}")
    rows = UnitRows(journal, table)
    for log, size in vector:
        places = log << POS_BITS, (log << POS_BITS) + size
        for (body,) in journal.execute("SELECT body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos", places):
            for unit in units_of(orjson.loads(body)):
                admit(unit, rows)
    return table
