"""The leaves of every log but log 0: the entries' bodies as the journal committed them, read beside the writer."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.journal import database
from gateway.journal.journal import FILE_NAME
from gateway.journal.proof.merkle import leaf_hash
from gateway.journal.record import JournalError
from gateway.journal.store import POS_BITS

_ROWS = "SELECT pos, body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos LIMIT ?"
_LAST = "SELECT pos FROM entries WHERE pos < ? ORDER BY pos DESC LIMIT 1"


class HoleInLog(JournalError):
    """A place of a log holds no entry although a later one does."""


class Leaves:
    """A reading connection; used by one thread at a time."""

    def __init__(self, folder: Path, *, older: bool = False) -> None:
        """``folder`` is the gateway's; ``older``: one of an earlier schema will do. Raises JournalError."""
        self._db = database.open_for_reading(folder / FILE_NAME, older=older)

    def close(self) -> None:
        self._db.close()

    def sizes(self) -> dict[int, int]:
        """How many entries each log has, logs in order."""
        logs = [row[0] for row in self._db.execute("SELECT log_id FROM log_heads ORDER BY log_id")]
        return {log: self._size(log) for log in logs}

    def hashes(self, log: int, first: int, limit: int) -> list[bytes]:
        """The leaf hashes of at most ``limit`` entries from seq ``first`` on. Raises HoleInLog."""
        return [leaf_hash(body) for body in self.bodies(log, first, limit)]

    def bodies(self, log: int, first: int, limit: int) -> list[bytes]:
        """Raises HoleInLog."""
        start = log << POS_BITS | first
        rows: list[Any] = self._db.execute(_ROWS, (start, (log + 1) << POS_BITS, limit)).fetchall()
        if rows and rows[-1][0] != start + len(rows) - 1:
            missing = next(n for n, (pos, _) in enumerate(rows, start=start) if pos != n)
            raise HoleInLog(f"l'entrée {log}/{missing - (log << POS_BITS)} manque : restaurez une copie du journal")
        return [body for _, body in rows]

    def _size(self, log: int) -> int:
        last = self._db.execute(_LAST, ((log + 1) << POS_BITS,)).get
        return 0 if last is None or last < log << POS_BITS else (last - (log << POS_BITS)) + 1
