"""The search index: which entries hold a term, in a file of its own beside the journal (decision 0016).

Everything here can be made again from the entries, so the writer never waits for it: a follower reads what was committed
and indexes it a moment later. What is not indexed yet counts as « may match »; the reader looks at those entries one by one.
"""
from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import apsw
import orjson

from gateway.journal import database
from gateway.journal.apart import in_thread
from gateway.journal.connection import Connection
from gateway.journal.filters import ALWAYS, Filters, Period, terms_of
from gateway.journal.record import JournalError
from gateway.journal.rows import Rows
from gateway.journal.store import POS_BITS

log = logging.getLogger(__name__)


FILE_NAME = "search.sqlite3"
_FORM = 1  # of the file; another one is thrown away and made again
BLOCK_BITS = 8  # entries whose times are summed up in one row: 256
_BATCH = 2_000
_BREATH_S = 0.1  # between full batches: half of a processor at most goes to catching up
_PAUSE_S = 1.0  # entries that wait are indexed together, which dirties fewer pages

_SCHEMA = """
CREATE TABLE heads (log INTEGER PRIMARY KEY, next INTEGER NOT NULL, last_id TEXT NOT NULL) STRICT;
CREATE TABLE postings (term INTEGER, pos INTEGER, PRIMARY KEY (term, pos)) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (
    block INTEGER PRIMARY KEY,
    event_first TEXT NOT NULL, event_last TEXT NOT NULL,
    recorded_first TEXT NOT NULL, recorded_last TEXT NOT NULL
) STRICT;
"""
_WIDEN = """
INSERT INTO blocks VALUES (?, ?, ?, ?, ?) ON CONFLICT (block) DO UPDATE SET
event_first = min(event_first, excluded.event_first), event_last = max(event_last, excluded.event_last),
recorded_first = min(recorded_first, excluded.recorded_first), recorded_last = max(recorded_last, excluded.recorded_last)
"""
_NEXT_ENTRIES = "SELECT pos, body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos LIMIT ?"
_LATEST = "￿"  # after every time the journal writes
#: Every statement that finds a place. The test of the query plans reads this table.
SEEKS = {
    ("term", True): "SELECT pos FROM postings WHERE term = ? AND pos <= ? ORDER BY pos DESC LIMIT 1",
    ("term", False): "SELECT pos FROM postings WHERE term = ? AND pos >= ? ORDER BY pos LIMIT 1",
    ("block", True): (
        "SELECT block FROM blocks WHERE block <= ? AND event_last >= ? AND event_first < ?"
        " AND recorded_last >= ? AND recorded_first < ? ORDER BY block DESC LIMIT 1"
    ),
    ("block", False): (
        "SELECT block FROM blocks WHERE block >= ? AND event_last >= ? AND event_first < ?"
        " AND recorded_last >= ? AND recorded_first < ? ORDER BY block LIMIT 1"
    ),
}

#: From a place, the nearest place in the direction of reading that may match, itself included; None: there is none.
Seek = Callable[[int], int | None]
_Times = tuple[int, str, str]  # of one entry: its place, event_time, recorded_at


@lru_cache(maxsize=20_000)
def term_number(term: str) -> int:
    """64 bits of a digest: short to store; two terms that share them cost a look at an entry, never a wrong answer."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "big", signed=True)


class Follower:
    """Indexes what the journal has committed, in batches. Several may run: each batch is one transaction."""

    def __init__(self, journal: Path) -> None:
        """``journal`` is the journal's file. Raises JournalError, and apsw.Error when the folder cannot be written."""
        self._path = journal.with_name(FILE_NAME)
        self._entries = database.open_for_reading(journal, once=True)
        self._busy = threading.Lock()
        self._db = self._opened()

    def close(self) -> None:
        with self._busy:
            self._db.close()
            self._entries.close()

    def catch_up(self) -> int:
        """Index one batch of each log; how many entries that was. 0: nothing was left."""
        with self._busy:
            logs = [row[0] for row in self._entries.execute("SELECT log_id FROM log_heads")]
            return sum(self._index(log_id) for log_id in logs)

    def _opened(self) -> apsw.Connection:
        try:
            return _open_for_writing(self._path)
        except (apsw.NotADBError, apsw.CorruptError):
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
            return _open_for_writing(self._path)

    def _index(self, log_id: int) -> int:
        with _transaction(self._db):
            head = self._db.execute("SELECT next, last_id FROM heads WHERE log = ?", (log_id,)).fetchone()
            if head is not None and not agrees(self._entries, *head):
                log.warning("search_index_of_another_journal", extra={"log": log_id})
                self._db.execute("DELETE FROM heads; DELETE FROM postings; DELETE FROM blocks")
                head = None
            first = log_id << POS_BITS if head is None else head[0]
            return self._add(log_id, self._entries.execute(_NEXT_ENTRIES, (first, (log_id + 1) << POS_BITS, _BATCH)))

    def _add(self, log_id: int, rows: Iterable[tuple[int, bytes]]) -> int:
        """Entries are read one at a time: a batch of them takes seven times what is kept of it."""
        postings, times, last_id = list[tuple[int, int]](), list[_Times](), ""
        for pos, body in rows:
            entry = orjson.loads(body)
            postings += [(term_number(term), pos) for term in terms_of(entry)]
            times.append((pos, entry["event_time"], entry["recorded_at"]))
            last_id = entry["id"]
        if times:
            waiting = Rows(self._db, "postings", 2, "ON CONFLICT DO NOTHING")  # twenty an entry
            for posting in sorted(postings):
                waiting.add(posting)
            waiting.flush()
            self._db.executemany(_WIDEN, _blocks(times))
            self._db.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", (log_id, times[-1][0] + 1, last_id))
        return len(times)


async def follow(journal: Path) -> None:
    """Index what the writer commits to this file, until cancelled. Without an index reading goes on, only slower."""
    try:
        follower = await in_thread(Follower, journal)
    except (JournalError, apsw.Error) as error:
        log.warning("search_index_absent", extra={"error": type(error).__name__})
        return
    try:
        while True:
            try:
                done = await in_thread(follower.catch_up)
            except (JournalError, apsw.Error) as error:
                log.warning("search_index_late", extra={"error": type(error).__name__})
                done = 0
            await asyncio.sleep(_PAUSE_S if done < _BATCH else _BREATH_S)
    finally:
        follower.close()


class Index:
    """Reading the index beside its follower. Without a usable file every entry « may match »."""

    def __init__(self, journal: Path, entries: Connection) -> None:
        """``entries`` is the reader's own connection to the journal."""
        self._entries = entries
        self._db = _open_for_reading(journal.with_name(FILE_NAME))

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def give_up(self) -> None:
        """The file is damaged: do without."""
        self.close()
        self._db = None

    @property
    def late(self) -> int:
        """How many entries are not indexed."""
        return sum(last - first + 1 for first, last in self._unindexed())

    @contextmanager
    def seeks(self, filters: Filters, *, down: bool) -> Iterator[list[Seek]]:
        """One seek for each thing asked, all of one state of the index; none without an index."""
        if self._db is None:
            yield []
            return
        self._db.execute("BEGIN")
        try:
            yield self._seeks(filters, _loose(self._unindexed(), down), down)
        finally:
            if self._db is not None:
                self._db.execute("COMMIT")

    def _seeks(self, filters: Filters, loose: Seek, down: bool) -> list[Seek]:
        seeks = [_either([self._term(term, down) for term in group], loose, down) for group in filters.groups()]
        if (filters.event, filters.recorded) != (ALWAYS, ALWAYS):
            seeks.append(_either([self._times(filters.event, filters.recorded, down)], loose, down))
        return seeks

    def _term(self, term: str, down: bool) -> Seek:
        number, sql = term_number(term), SEEKS["term", down]
        assert self._db is not None
        execute = self._db.execute
        return lambda place: execute(sql, (number, place)).get

    def _times(self, event: Period, recorded: Period, down: bool) -> Seek:
        sql = SEEKS["block", down]
        asked = (event.start or "", event.end or _LATEST, recorded.start or "", recorded.end or _LATEST)
        assert self._db is not None
        execute = self._db.execute

        def seek(place: int) -> int | None:
            block = execute(sql, (place >> BLOCK_BITS, *asked)).get
            if block is None or block == place >> BLOCK_BITS:
                return None if block is None else place
            first: int = block << BLOCK_BITS
            return first + (1 << BLOCK_BITS) - 1 if down else first

        return seek

    def _unindexed(self) -> list[tuple[int, int]]:
        """Stretches of the journal that the index does not cover, first and last place of each."""
        heads = {} if self._db is None else {row[0]: row[1:] for row in self._db.execute("SELECT log, next, last_id FROM heads")}
        stretches = []
        for log_id, next_seq in self._entries.execute("SELECT log_id, next_seq FROM log_heads ORDER BY log_id"):
            start = log_id << POS_BITS
            first = heads[log_id][0] if log_id in heads and agrees(self._entries, *heads[log_id]) else start
            if first < start + next_seq:
                stretches.append((first, start + next_seq - 1))
        return stretches


def _blocks(times: list[_Times]) -> Iterator[tuple[int, str, str, str, str]]:
    for block, members in groupby(times, key=lambda one: one[0] >> BLOCK_BITS):
        _, events, recorded = zip(*members, strict=True)
        yield block, min(events), max(events), min(recorded), max(recorded)


def agrees(entries: Connection, next_pos: int, last_id: str) -> bool:
    """Whether the index was made from this journal: an older copy, put back, holds other entries at the same places."""
    return bool(entries.execute("SELECT id FROM entries WHERE pos = ?", (next_pos - 1,)).get == last_id)


def chosen(places: Sequence[int], *, down: bool) -> Seek:
    """A seek among a few places, sorted upwards."""

    def seek(place: int) -> int | None:
        at = bisect_right(places, place) - 1 if down else bisect_left(places, place)
        return places[at] if 0 <= at < len(places) else None

    return seek


def agreed(seeks: Sequence[Seek], place: int) -> tuple[int | None, int]:
    """The nearest place that no seek passes over, and how many seeks that took."""
    asked, content = 0, 0
    while content < len(seeks):
        found = seeks[asked % len(seeks)](place)
        asked += 1
        if found is None:
            return None, asked
        content = content + 1 if found == place else 1
        place = found
    return place, asked


def _either(seeks: list[Seek], loose: Seek, down: bool) -> Seek:
    nearest = max if down else min

    def seek(place: int) -> int | None:
        return nearest((found for one in (loose, *seeks) if (found := one(place)) is not None), default=None)

    return seek


def _loose(stretches: list[tuple[int, int]], down: bool) -> Seek:
    """The nearest place of these stretches."""

    def seek(place: int) -> int | None:
        if down:
            return max((min(place, last) for first, last in stretches if first <= place), default=None)
        return min((max(place, first) for first, last in stretches if place <= last), default=None)

    return seek


@contextmanager
def _transaction(connection: apsw.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _open_for_writing(path: Path) -> apsw.Connection:
    path.touch(mode=0o600)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5000)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "normal")  # a power loss may take the last batches: they are made again
    with _transaction(connection):
        if connection.pragma("user_version") != _FORM:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            for table in tables:
                connection.execute(f'DROP TABLE "{table}"')
            connection.execute(_SCHEMA)
            connection.pragma("user_version", _FORM)
    return connection


def _open_for_reading(path: Path) -> apsw.Connection | None:
    if not path.exists():
        return None
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        if connection.pragma("user_version") == _FORM:
            return connection
        connection.close()
    except apsw.Error:
        pass
    return None
