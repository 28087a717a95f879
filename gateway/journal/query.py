"""Reading the journal beside the gateway that writes it, from any process (design §5.7)."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from gateway.journal import database
from gateway.journal.journal import FILE_NAME
from gateway.journal.record import Entry, JournalError
from gateway.journal.store import POS_BITS
from gateway.journal.units import Unit

_CHUNK = 1000


class JournalMissing(JournalError):
    """There is no journal in this folder."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What an entry must equal; None asks nothing. ``kind`` tells calls from settlements, admin and gap entries."""

    kind: str | None = None
    service: str | None = None
    operation: str | None = None
    outcome: str | None = None
    finess_et: str | None = None
    tenant: str | None = None
    settles: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries as dicts of their canonical JSON, the latest first; ``cursor`` leads to the next page, None at the end."""

    entries: list[dict[str, Any]]
    cursor: str | None


class JournalReader:
    """A read-only connection. Each call sees one consistent state; ``snapshot`` makes several calls see the same one."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is the gateway's. Raises JournalMissing, or JournalError when the file is not a journal."""
        if not (folder / FILE_NAME).exists():
            raise JournalMissing(f"no journal in {folder}")
        self._db = database.open_for_reading(folder / FILE_NAME)

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one moment. Keep it short: the writer's WAL grows meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    def entries(self, filters: Filters = Filters(), cursor: str | None = None, limit: int = 50) -> Page:
        """One page, the latest entries first. Raises ValueError for a cursor that no page gave."""
        sql, bound = page_query(filters, cursor, limit)
        found = list(self._db.execute(sql, bound))
        return Page([orjson.loads(body) for _, body in found], str(found[-1][0]) if len(found) == limit else None)

    def entry(self, entry_id: str) -> dict[str, Any] | None:
        row = self._db.execute("SELECT body FROM entries WHERE id = ?", (entry_id,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def last_admin(self, action: str) -> dict[str, Any] | None:
        """The latest admin entry of this action, or None."""
        sql = "SELECT body FROM entries WHERE kind = 'admin' ORDER BY pos DESC"
        found = (orjson.loads(body) for (body,) in self._db.execute(sql))
        return next((entry for entry in found if entry["detail"].get("action") == action), None)

    def walk(self) -> Iterator[Entry]:
        """Every entry in (log, seq) order, in constant memory; entries written meanwhile come too."""
        last = -1
        while True:
            rows = list(self._db.execute("SELECT pos, id, body FROM entries WHERE pos > ? ORDER BY pos LIMIT ?", (last, _CHUNK)))
            for pos, entry_id, body in rows:
                yield Entry(pos >> POS_BITS, pos & (1 << POS_BITS) - 1, entry_id, body)
            if len(rows) < _CHUNK:
                return
            last = rows[-1][0]

    def units(self) -> Iterator[Unit]:
        """The rows of usage_units, in (log, seq) order."""
        sql = "SELECT environment, indicator, finess_et, unit_ref, event_time, log, seq FROM usage_units ORDER BY log, seq"
        for row in self._db.execute(sql):
            yield Unit(*row)

    def intents(self) -> int:
        """Calls with a side effect that are under way, or that a dead process left for the next one."""
        number: int = self._db.execute("SELECT count(*) FROM intents").get
        return number

    def counts(self) -> dict[str, dict[str, Any]]:
        """Per operation id, over kind=call: ``journal`` entries, ``forwarded`` (at least one exchange), ``in_doubt`` (not
        settled yet), ``recovered`` (the process died with the intent: forwarded or not, nobody knows), ``outcomes`` as
        first written, and ``settled`` {outcome: n} of later settlements."""
        counts: dict[str, dict[str, Any]] = {}
        for operation, outcome, number, forwarded, recovered in self._db.execute(_COUNTS):
            row = counts.setdefault(operation, _no_counts())
            row["journal"] += number
            row["forwarded"] += forwarded
            row["recovered"] += recovered
            row["outcomes"][outcome] = number
        for operation, number in self._db.execute("SELECT operation, count(*) FROM doubts GROUP BY operation"):
            counts[operation]["in_doubt"] = number
        for operation, outcome, number in self._db.execute(_SETTLED):
            counts[operation]["settled"][outcome] = number
        return counts


def page_query(filters: Filters, cursor: str | None, limit: int) -> tuple[str, list[str | int]]:
    """The statement of one page and its values. Column names come from ``Filters``, never from a caller."""
    wanted = {item.name: getattr(filters, item.name) for item in fields(filters)}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(["pos < ?", *(f"{name} = ?" for name in wanted)])
    sql = f"SELECT pos, body FROM entries WHERE {where} ORDER BY pos DESC LIMIT ?"  # noqa: S608
    return sql, [_position(cursor), *wanted.values(), limit]


_COUNTS = """
SELECT operation, outcome, count(*), sum(exchanges > 0), sum(recovered) FROM entries
WHERE kind = 'call' AND operation IS NOT NULL GROUP BY operation, outcome
"""
_SETTLED = """
SELECT operation, outcome, count(*) FROM entries WHERE settles IS NOT NULL AND operation IS NOT NULL
GROUP BY operation, outcome
"""


def _no_counts() -> dict[str, Any]:
    return {"journal": 0, "forwarded": 0, "in_doubt": 0, "recovered": 0, "outcomes": {}, "settled": {}}


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 1 << 62
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise ValueError(f"not a cursor: {cursor!r}")
    return int(cursor)
