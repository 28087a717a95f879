"""Reading the journal beside the gateway that writes it, from any process (design §5.7)."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import orjson

from gateway.journal import database
from gateway.journal.connection import is_sqlite
from gateway.journal.filters import EVERYTHING
from gateway.journal.filters import Filters as Filters
from gateway.journal.fitting import insist_on_keys
from gateway.journal.location import FILE_NAME, present
from gateway.journal.record import Entry, JournalError
from gateway.journal.search import Index, chosen
from gateway.journal.sifting import NEAREST, RUN, THERE, Found, sift
from gateway.journal.store import POS_BITS
from gateway.journal.units import Unit
from gateway.journal.vault import Vault

BEGINNING = "0"  # as ``after``: from the first entry on
_CHUNK = 1000
_BEYOND = 1 << 62  # after every place
_DIGITS = 19  # a place has fewer
_SHORTEST_PREFIX = 8
_MOST_WITH_PREFIX = 10_000


class PrefixTooShort(ValueError):
    """Too many ids begin so."""


class JournalMissing(JournalError):
    """There is no journal in this folder."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries as dicts of their canonical JSON, the latest first.

    cursor  leads to older entries; None at the end. A page of a bounded search may hold few entries, or none, and still
            have one: the search stopped there and goes on from it
    newer   leads to what came after this page, now or later
    """

    entries: list[dict[str, Any]]
    cursor: str | None
    newer: str | None = None


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """One copy of a message; ``Vault.unseal_alone(name, key, sealed)`` opens it."""

    role: str
    name: str
    key: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    salt: bytes = field(repr=False)


class JournalReader:
    """A read-only connection. Each call sees one consistent state; ``snapshot`` makes several calls see the same one."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is the gateway's. Raises JournalMissing, or JournalError when the file is not a journal."""
        if not present(folder):
            raise JournalMissing(f"no journal in {folder}")
        self._db = database.open_for_reading(folder / FILE_NAME)
        self._index = Index(folder / FILE_NAME, self._db)

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._index.close()
        self._db.close()

    @property
    def late(self) -> int:
        """How many entries the search index does not know yet: each may have to be looked at."""
        return self._index.late

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one moment. Keep it short: the writer's WAL grows meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    def entries(
        self, filters: Filters = EVERYTHING, cursor: str | None = None, limit: int = 50, *,
        after: str | None = None, effort: int | None = None,
    ) -> Page:  # fmt: skip
        """One page: the latest entries, or those before ``cursor``, or the first ones from ``after`` on.

        after   the ``newer`` of a page, or BEGINNING
        effort  at most about so many look-ups; None searches on until the page is full or the journal ends
        Raises ValueError for a cursor that no page gave, and PrefixTooShort.
        """
        end = self._end()
        if after is None:
            start = min(_position(cursor), end) - 1
            found = self._search(filters, start, down=True, limit=limit, effort=effort)
            newer = found.rows[0][0] + 1 if found.rows else start + 1
            older = None if found.resume is None else str(found.resume + 1)
            return Page([row[2] for row in found.rows], older, str(newer))
        start = _position(after)
        found = self._search(filters, start, down=False, limit=limit, effort=effort)
        older = str(found.rows[0][0]) if found.rows else after
        newer = found.resume if found.resume is not None else max(start, end, *(row[0] + 1 for row in found.rows))
        return Page([row[2] for row in reversed(found.rows)], older, str(newer))

    def select(self, filters: Filters = EVERYTHING, after: str = BEGINNING) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Every entry asked for, the oldest first, in constant memory: its canonical JSON, and the same read.

        Those written after this call do not come.
        """
        return self._select(filters, _position(after), self._end())

    def _select(self, filters: Filters, start: int, end: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
        while start < end:
            found = self._search(filters, start, down=False, limit=_CHUNK, effort=None)
            for pos, body, entry in found.rows:
                if pos >= end:
                    return
                yield body, entry
            if found.resume is None:
                return
            start = found.resume

    def _end(self) -> int:
        """The place after the last entry."""
        newest = self._db.execute("SELECT pos FROM entries ORDER BY pos DESC LIMIT 1").get
        return 0 if newest is None else newest + 1

    def _search(self, filters: Filters, start: int, *, down: bool, limit: int, effort: int | None) -> Found:
        try:
            with self._index.seeks(filters, down=down) as seeks:
                if filters.id_prefix is not None:
                    seeks = [chosen(self._with_prefix(filters.id_prefix), down=down), *seeks]
                return sift(self._db, filters, seeks, start, down=down, limit=limit, effort=effort)
        except (apsw.CorruptError, apsw.NotADBError):
            self._index.give_up()
            return self._search(filters, start, down=down, limit=limit, effort=effort)

    def _with_prefix(self, prefix: str) -> list[int]:
        rows = self._db.execute(_WITH_PREFIX, (prefix, prefix + "~", _MOST_WITH_PREFIX + 1))
        places = sorted(row[0] for row in rows)
        if len(places) > _MOST_WITH_PREFIX:
            raise PrefixTooShort(prefix)
        return places

    def find(self, name: str) -> list[dict[str, Any]]:
        """Entries that ``name`` may mean: an id, the beginning of one (two at most come), or ``log/seq``."""
        log_id, slash, seq = name.partition("/")
        if slash:
            known = all(part.isascii() and part.isdecimal() and len(part) < _DIGITS for part in (log_id, seq))
            row = known and self._db.execute("SELECT body FROM entries WHERE pos = ?", (int(log_id) << POS_BITS | int(seq),)).get
            return [orjson.loads(row)] if row else []
        if len(name) < _SHORTEST_PREFIX or not name.isascii():
            return []
        rows = self._db.execute("SELECT body FROM entries WHERE id >= ? AND id < ? LIMIT 2", (name, name + "~"))
        return [orjson.loads(body) for (body,) in rows]

    def settlements_of(self, entry_id: str) -> list[dict[str, Any]]:
        """What was known of an entry later. By the journal's own index: the search index may not know the last ones yet."""
        return [orjson.loads(body) for (body,) in self._db.execute(_SETTLEMENTS, (entry_id,))]

    def has_entries_of(self, tenant: str) -> bool:
        """Reads every entry when there is none."""
        return self._db.execute("SELECT 1 FROM entries WHERE tenant = ? LIMIT 1", (tenant,)).fetchone() is not None

    def environments(self) -> set[str]:
        """Those of the first and of the last entry: one deployment seldom changes, and then these two differ."""
        ends = [self._db.execute(NEAREST[down], (place,)).fetchone() for down, place in ((False, 0), (True, _BEYOND))]
        return {orjson.loads(row[1])["environment"] for row in ends if row is not None}

    def counted(self, unit: Unit) -> bool:
        """Whether the usage table has exactly this row."""
        row = self._db.execute(
            "SELECT 1 FROM usage_units WHERE environment = ? AND indicator = ? AND unit_ref = ? AND log = ? AND seq = ?",
            (unit.environment, unit.indicator, unit.unit_ref, unit.log, unit.seq),
        ).get
        return row is not None

    def names_of(self, entry: dict[str, Any]) -> dict[str, bytes]:
        """The sealed values that the refs of an entry stand for, of those that can be opened: ref to sealed."""
        refs = {entry["professional_ref"], entry["message_ref"], *entry["document_refs"]} - {None}
        rows = self._db.execute("SELECT ref, sealed FROM refs WHERE ref IN (SELECT value FROM json_each(?))", (_texts(refs),))
        return {ref: sealed for ref, sealed in rows if sealed is not None}

    def kept_of(self, entry: dict[str, Any]) -> list[KeptMessage]:
        """The redacted copies kept beside an entry, sealed."""
        place = entry["log"] << POS_BITS | entry["seq"]
        rows = self._db.execute(_KEPT, (place,))
        return [KeptMessage(role, f"{entry['id']}|{n}", key, sealed, salt) for n, role, key, sealed, salt in rows]

    def insist_on_keys(self, vault: Vault) -> None:
        """Raises JournalUnsafe when these keys are not this journal's: whoever is looked for by them would not be found."""
        insist_on_keys(self._db, vault)

    def refs_of(self, lookups: Iterable[bytes]) -> tuple[str, ...]:
        """The refs made for these keyed digests (``Vault.lookup``)."""
        found = (self._db.execute("SELECT ref FROM refs WHERE lookup = ?", (lookup,)).get for lookup in lookups)
        return tuple(ref for ref in found if ref is not None)

    def entry(self, entry_id: str) -> dict[str, Any] | None:
        row = self._db.execute("SELECT body FROM entries WHERE id = ?", (entry_id,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def last_admin(self, action: str) -> dict[str, Any] | None:
        """The latest admin entry of this action, or None."""
        if not is_sqlite(self._db):
            return next((entry for entry in self._acts("DESC") if entry["detail"].get("action") == action), None)
        cursor, page = None, Page([], None)
        while True:
            page = self.entries(Filters(kind="admin"), cursor)
            found = next((entry for entry in page.entries if entry["detail"].get("action") == action), None)
            if found is not None or page.cursor is None:
                return found
            cursor = page.cursor

    def acts(self) -> Iterator[dict[str, Any]]:
        """Every admin entry, in the order in which they became true; that of places says nothing across several logs."""
        if is_sqlite(self._db):
            return (entry for _, entry in self.select(Filters(kind="admin")))
        return self._acts("ASC")

    def _acts(self, way: str) -> Iterator[dict[str, Any]]:
        for (body,) in self._db.execute(f"SELECT body FROM acts JOIN entries USING (pos) ORDER BY n {way}"):  # noqa: S608
            yield orjson.loads(body)

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
        """Per operation id, over kind=call: ``journal`` entries, ``forwarded`` (requests that the service saw: each
        exchange is one, and in mail all those of a submission or session together), ``in_doubt`` (not
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


_SETTLEMENTS = "SELECT body FROM entries WHERE settles = ? ORDER BY pos"
_WITH_PREFIX = "SELECT pos FROM entries WHERE id >= ? AND id < ? LIMIT ?"
_KEPT = """
SELECT blobs.n, role, sealed_key, sealed, salt FROM blobs JOIN bodies ON bodies.pos = blobs.pos AND bodies.n = blobs.n
WHERE blobs.pos = ? ORDER BY blobs.n
"""
#: What a page may execute on the journal itself. The test of the query plans reads this list.
STATEMENTS = (*NEAREST.values(), *RUN.values(), *THERE.values(), _WITH_PREFIX, _SETTLEMENTS)
_COUNTS = """
SELECT operation, outcome, count(*),
    CAST(sum(CASE WHEN service = 'MSS' AND exchanges > 0 THEN 1 ELSE exchanges END) AS bigint), CAST(sum(recovered) AS bigint)
FROM entries
WHERE kind = 'call' AND operation IS NOT NULL GROUP BY operation, outcome
"""
_SETTLED = """
SELECT operation, outcome, count(*) FROM entries WHERE settles IS NOT NULL AND operation IS NOT NULL
GROUP BY operation, outcome
"""


def _no_counts() -> dict[str, Any]:
    return {"journal": 0, "forwarded": 0, "in_doubt": 0, "recovered": 0, "outcomes": {}, "settled": {}}


def _texts(values: Iterable[str]) -> str:
    return orjson.dumps(sorted(values)).decode()


def _position(cursor: str | None) -> int:
    if cursor is None:
        return _BEYOND
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) >= _DIGITS:
        raise ValueError(f"not a cursor: {cursor!r}")
    return int(cursor)
