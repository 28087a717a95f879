"""What the journal keeps of entries that retention let go: their leaf hashes, and the act that says so (decision 0040).

One row holds what one act let go of one stretch of places. The rows are evidence, as the entries are: nothing changes them.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.journal.connection import Connection

CHUNK_BITS = 10
CHUNK = 1 << CHUNK_BITS  # places of one row; the trigger of migration 0008 counts on it
HASH_BYTES = 32
#: SQL true when the row ``d`` of departed has the entry of the row ``u``, which has columns log and seq.
HOLDS = (
    f"d.log_id = u.log AND d.chunk = u.seq >> {CHUNK_BITS}"
    f" AND substr(d.places, CAST((u.seq & {CHUNK - 1}) + 1 AS integer), 1) = '1'"
)

_ROWS = "SELECT chunk, act, places, leaves FROM departed WHERE log_id = ? AND chunk >= ? AND chunk < ? ORDER BY chunk, act"
_PLACES = "SELECT log_id, chunk, act, places FROM departed ORDER BY log_id, chunk, act"
_PUT = "INSERT INTO departed (log_id, chunk, act, event_first, event_last, places, leaves) VALUES (?, ?, ?, ?, ?, ?, ?)"
_TOUCHED = "SELECT 1 FROM departed WHERE event_first < ? AND event_last >= ? LIMIT 1"


class Left(NamedTuple):
    """What one act let go of one stretch: the seqs, in order."""

    log: int
    act: str
    seqs: list[int]


def put(db: Connection, log: int, act: str, leaves: Mapping[int, bytes], events: tuple[str, str]) -> None:
    """Keep these leaf hashes, by seq, all of one stretch; ``events``: first and last event time of their entries."""
    chunk = min(leaves) >> CHUNK_BITS
    assert chunk == max(leaves) >> CHUNK_BITS, "one row is one stretch"
    places = "".join("1" if seq in leaves else "0" for seq in range(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS))
    db.execute(_PUT, (log, chunk, act, *events, places, b"".join(leaves[seq] for seq in sorted(leaves))))


def leaves_between(db: Connection, log: int, first: int, end: int) -> dict[int, bytes]:
    """The kept hashes of a log's seqs in [first, end)."""
    found: dict[int, bytes] = {}
    for chunk, _, places, leaves in db.execute(_ROWS, (log, first >> CHUNK_BITS, -(-end >> CHUNK_BITS))):
        for n, seq in enumerate(_seqs(chunk, places)):
            if first <= seq < end:
                found[seq] = leaves[n * HASH_BYTES : (n + 1) * HASH_BYTES]
    return found


def everything(db: Connection) -> Iterator[Left]:
    """Every row, in the order of its places."""
    for log, chunk, act, places in db.execute(_PLACES):
        yield Left(log, act, _seqs(chunk, places))


def any_between(db: Connection, start: str, end: str) -> bool:
    """Whether entries may have left whose event time is in [start, end): the stretch of one of them reaches into it."""
    return db.execute(_TOUCHED, (end, start)).get is not None


def _seqs(chunk: int, places: str) -> list[int]:
    first = chunk << CHUNK_BITS
    return [first + n for n, mark in enumerate(places) if mark == "1"]
