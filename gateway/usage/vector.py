"""What part of the journal a measure rests on: so many entries of each log (design §5.5, §6).

The logs only grow, so a vector names one state of the journal for ever: the same vector gives the same counts.
"""
from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from gateway.journal.canonical import moment_of
from gateway.journal.connection import Connection
from gateway.journal.filters import Filters
from gateway.journal.proof.leaving import LAST_KEPT
from gateway.journal.query import JournalReader
from gateway.journal.store import POS_BITS
from gateway.usage.parts import Vector


def current(journal: Connection) -> Vector:
    """All that is committed now."""
    return tuple(journal.execute("SELECT log_id, next_seq FROM log_heads WHERE next_seq > 0 ORDER BY log_id"))


def inside(vector: Vector) -> str:
    """SQL true for a row with columns log and seq that the vector covers."""
    known = [f"(log = {int(log)} AND seq < {int(size)})" for log, size in vector]
    return f"({' OR '.join(known)})" if known else "1 = 0"


def log_and_seq(place: int) -> tuple[int, int]:
    """Of a place: both in one integer, as the journal's ``pos``."""
    return place >> POS_BITS, place & (1 << POS_BITS) - 1


def covers(vector: Vector, place: int) -> bool:
    """Whether the entry at ``place`` is in it."""
    log, seq = log_and_seq(place)
    return seq < dict(vector).get(log, 0)


def selected(reader: JournalReader, filters: Filters, vector: Vector) -> Iterator[dict[str, Any]]:
    """The entries that are asked for, of those that the vector covers; the oldest first."""
    sizes = dict(vector)
    return (entry for _, entry in reader.select(filters) if entry["seq"] < sizes.get(entry["log"], 0))


def last_event(journal: Connection, vector: Vector, environment: str, among: int = LAST_KEPT) -> datetime | None:
    """The latest time among the last entries of each log: how far business time went, as far as the vector knows. It is that of
    one environment, as the clock of a sandbox runs ahead; of all of them when no such entry is of it."""
    sql = "SELECT body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos DESC LIMIT ?"
    bodies = [
        body
        for log, size in vector
        for (body,) in journal.execute(sql, (log << POS_BITS, (log << POS_BITS) + size, among))
    ]
    found = [orjson.loads(body) for body in bodies]
    own = [entry for entry in found if entry["environment"] == environment] or found
    return max((moment_of(entry["event_time"]) for entry in own), default=None)


def text_of(vector: Vector) -> str:
    """``1:4532``, one log after the other."""
    return " ".join(f"{log}:{size}" for log, size in vector)
