"""The leaves of every log but log 0: hashes of the entries' bodies as the journal committed them, read beside the writer.

An entry that retention let go left its hash behind: the tree is that of all that was ever written (decision 0040).
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from gateway.journal import database, departed
from gateway.journal.connection import Connection
from gateway.journal.journal import FILE_NAME
from gateway.journal.proof.merkle import leaf_hash
from gateway.journal.proof.removals import Removal
from gateway.journal.record import JournalError
from gateway.journal.store import POS_BITS

_ROWS = "SELECT pos, body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos"
_LAST = "SELECT pos FROM entries WHERE pos < ? ORDER BY pos DESC LIMIT 1"
#: The operation is a literal: only so does SQLite take the index of acts (migration 0008).
_ACTS = "SELECT pos, body FROM entries WHERE operation = 'JOURNAL.RETENTION' ORDER BY pos"


class HoleInLog(JournalError):
    """A place of a log holds no entry, nor the hash of one that left, although a later one does."""


class Leaves:
    """A reading connection; used by one thread at a time."""

    def __init__(self, folder: Path, *, older: bool = False) -> None:
        """``folder`` is the gateway's; ``older``: one of an earlier schema will do, for ``sizes``. Raises JournalError."""
        self._db = database.open_for_reading(folder / FILE_NAME, older=older, once=True)

    def close(self) -> None:
        self._db.close()

    def sizes(self) -> dict[int, int]:
        """How many entries each log has, those that left included, logs in order."""
        logs = [row[0] for row in self._db.execute("SELECT log_id FROM log_heads ORDER BY log_id")]
        return {log: size_of(self._db, log) for log in logs}

    def hashes(self, log: int, first: int, limit: int) -> list[bytes]:
        """The leaf hashes of at most ``limit`` entries from seq ``first`` on. Raises HoleInLog."""
        return hashes(self._db, log, first, limit)

    def acts(self) -> Iterator[tuple[int, int, bytes]]:
        """Every act of retention: log, seq and canonical JSON of its entry, in that order."""
        for pos, body in self._db.execute(_ACTS):
            yield pos >> POS_BITS, pos & (1 << POS_BITS) - 1, body

    def removals(self) -> dict[str, Removal]:
        """What the acts say, by the id of their entry."""
        told = (Removal.of(orjson.loads(body)) for _, _, body in self.acts())
        return {one.act: one for one in told if one is not None}

    def has(self, log: int, seq: int) -> bool:
        """Whether the entry itself is there."""
        return self._db.execute("SELECT 1 FROM entries WHERE pos = ?", (log << POS_BITS | seq,)).get is not None

    def departed(self) -> Iterator[departed.Left]:
        """What really left, row by row."""
        return departed.everything(self._db)


def hashes(db: Connection, log: int, first: int, limit: int) -> list[bytes]:
    """The same inside whatever transaction ``db`` has. Raises HoleInLog."""
    limit = min(limit, max(0, size_of(db, log) - first))  # first: what comes after this question is for the next call
    start = log << POS_BITS | first
    found = {pos - start + first: leaf_hash(body) for pos, body in db.execute(_ROWS, (start, start + limit))}
    if len(found) < limit:
        found = departed.leaves_between(db, log, first, first + limit) | found
    missing = next((seq for seq in range(first, first + limit) if seq not in found), None)
    if missing is not None:
        raise HoleInLog(f"l'entrée {log}/{missing} manque : restaurez une copie du journal")
    return [found[seq] for seq in range(first, first + limit)]


def size_of(db: Connection, log: int) -> int:
    """How many entries a log has, those that left included: the last one never leaves, the act that would say so comes after."""
    last = db.execute(_LAST, ((log + 1) << POS_BITS,)).get
    return 0 if last is None or last < log << POS_BITS else (last - (log << POS_BITS)) + 1
