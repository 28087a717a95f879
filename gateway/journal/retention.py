"""Letting go of what has served (design §5, « Stores »): salts, kept messages, facts, refs and entries, after a delay per tenant.

A ref goes when no entry of the delay names it, nor anything under way; the entries that held it keep a name that leads
nowhere. Entries go last, once no measure rests on them (``proof.leaving``). What is freed leaves the file.
"""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import apsw
import orjson

from connectors.wire.clock import Clock
from gateway.journal import database
from gateway.journal.apart import in_thread
from gateway.journal.canonical import text_of
from gateway.journal.connection import Connection, is_sqlite, spoken
from gateway.journal.erasure import BESIDE, empty_wal, forget_beside
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.location import address_of
from gateway.journal.proof.leaving import Delays, Gone, Resting, let_go
from gateway.journal.record import JournalError
from gateway.journal.rows import listed
from gateway.journal.store import Store

log = logging.getLogger(__name__)

ACTION = "retention"
EVERYBODY = "*"
BODIES_DAYS, REFS_DAYS = 90, 1826
#: A ref that goes earlier would let one person be two units of one window, or one Message-ID count twice.
SHORTEST_REFS_DAYS = 400
#: Idempotency-Keys of our own doors; a DUI that was down for a month still sends nothing twice (decision 0025).
KEYS_DAYS, SHORTEST_KEYS_DAYS = 400, 30
#: Entries, as long as the conventions may be audited; never less than what they hold, which they date.
ENTRIES_DAYS = 1826
#: A tenant's entries recorded before this text are past the delay.
CutoffOf = Callable[[str], str]
#: What measures rest on at a business time; nothing may leave when it cannot be known (None).
RestingAt = Callable[[datetime], Resting | None]
Key = tuple[str, str, str, int, int]
_CHUNK = 500
_ONE_AT_A_TIME = 0x50C1F  # of the advisory lock: two passes would each end what the other watches
_PAGES = 512  # given back at a time: the writer waits no longer than that


class AlreadyRetaining(JournalError):
    """One at a time: the first goes on. The text is French."""

    def __init__(self) -> None:
        super().__init__("une autre passerelle de cette base applique déjà la conservation : laissez-la finir, puis recommencez")


@dataclass(frozen=True, slots=True)
class Retention:
    """Days by tenant, ``*`` for the others. ``bodies``: salts and kept messages; ``refs``: refs, facts and business keys;
    ``keys``: Idempotency-Keys and the answers kept under them; ``entries``: the entries, not before any of the others.

    Raises ValueError, in French, for a delay that the measures could not bear.
    """

    bodies: Mapping[str, int] = field(default_factory=dict)
    refs: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, int] = field(default_factory=dict)
    entries: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tenant, days in self.bodies.items():
            if days < 1:
                raise ValueError(f"« {tenant} » : un jour au moins")
        for tenant, days in self.refs.items():
            if days < SHORTEST_REFS_DAYS:
                raise ValueError(f"« {tenant} » : {SHORTEST_REFS_DAYS} jours au moins, sinon une personne compterait deux fois")
        for tenant, days in self.keys.items():
            if days < SHORTEST_KEYS_DAYS:
                raise ValueError(f"« {tenant} » : {SHORTEST_KEYS_DAYS} jours au moins, sinon un renvoi tardif agirait deux fois")
        for tenant in sorted(self.tenants) if self.entries else ():
            if _days(self.entries, tenant, ENTRIES_DAYS) < (least := self._longest_of_the_others(tenant)):
                raise ValueError(f"« {tenant} » : {least} jours au moins, le temps gardé à ce que les entrées datent")

    @property
    def tenants(self) -> set[str]:
        """Those that have a delay of their own, and ``*``."""
        return {EVERYBODY, *self.bodies, *self.refs, *self.keys, *self.entries}

    def entries_days(self, tenant: str) -> int:
        """Five years, or as long as anything else of the tenant when that is more, unless it is said."""
        return _days(self.entries, tenant, max(ENTRIES_DAYS, self._longest_of_the_others(tenant)))

    def _longest_of_the_others(self, tenant: str) -> int:
        delays = ((self.bodies, BODIES_DAYS), (self.refs, REFS_DAYS), (self.keys, KEYS_DAYS))
        return max(_days(days, tenant, default) for days, default in delays)


@dataclass(frozen=True, slots=True)
class Removed:
    """Rows let go, and the size of the journal's files before and after. So many entries are ``waiting``: past their delay, and a
    measure that is not closed rests on them, or the tables of usage do not agree with them."""

    bodies: int
    facts: int
    refs: int
    keys: int
    entries: int
    waiting: int
    bytes_before: int
    bytes_after: int


async def retain(
    journal: Journal, retention: Retention, now: datetime, *, by: str, resting: RestingAt | None = None
) -> Removed:
    """Let go of what is older than its delay at ``now`` (real time, aware), by short transactions; note it as one entry.

    ``resting``: without it every entry stays. Raises AlreadyRetaining, before anything is done; JournalError, apsw.Error: what
    is done stays done, the next call goes on.
    """
    path = journal.folder / FILE_NAME
    before = _size(path)
    connection = await in_thread(partial(database.open_for_reading, path, boot=journal.boot_id))
    try:
        _insist_alone(connection)
        gone = {table: await _retain_beside(journal, connection, table, retention, now) for table in BESIDE}
        keys = await _retain_own_keys(journal, connection, _cutoffs(retention.keys, KEYS_DAYS, now))
        refs = await _retain_refs(journal, connection, _cutoffs(retention.refs, REFS_DAYS, now))
        left = await _retain_entries(journal, connection, retention, now, resting, by)
    finally:
        connection.close()
    counts = {"bodies": gone["bodies"], "facts": gone["facts"], "refs": refs, "keys": keys, **left._asdict()}
    note = journal.admin({"action": ACTION, "by": by})
    await journal.act(note, lambda _: counts)
    await give_back(path)
    return Removed(**counts, bytes_before=before, bytes_after=_size(path))


def _insist_alone(connection: Connection) -> None:
    """A server lets go of the lock with the connection, whatever becomes of this process. A file has one gateway."""
    free = "SELECT pg_try_advisory_lock(?)"
    if not is_sqlite(connection) and not connection.execute(free, (_ONE_AT_A_TIME,)).get:
        raise AlreadyRetaining


def _cutoffs(days: Mapping[str, int], default: int, now: datetime) -> CutoffOf:
    @cache
    def cutoff_of(tenant: str) -> str:
        return text_of(now - timedelta(days=_days(days, tenant, default)))

    return cutoff_of


def _days(days: Mapping[str, int], tenant: str, default: int) -> int:
    return days.get(tenant, days.get(EVERYBODY, default))


async def _retain_entries(
    journal: Journal, connection: Connection, retention: Retention, now: datetime, resting: RestingAt | None, by: str
) -> Gone:
    needed = None if resting is None else await in_thread(resting, journal.clock.business())
    if needed is None:
        return Gone(0, 0)
    cutoffs = {tenant: text_of(now - timedelta(days=retention.entries_days(tenant))) for tenant in retention.tenants}
    delays = Delays(lambda tenant: cutoffs.get(tenant, cutoffs[EVERYBODY]), max(cutoffs.values()))
    return await let_go(journal, connection, delays, needed, by=by)


async def retain_daily(
    journal: Journal, retention: Retention, clock: Clock, *, resting: RestingAt | None = None, first_s: float = 3600.0,
    every_s: float = 86_400.0,
) -> None:  # fmt: skip
    """Let go an hour after the start, then once a day, until cancelled; what finds no room today is tried tomorrow."""
    await asyncio.sleep(first_s)
    while True:
        try:
            removed = await retain(journal, retention, clock.real(), by="passerelle", resting=resting)
            log.info("retention_done", extra=asdict(removed))
        except (JournalError, apsw.Error) as error:
            log.warning("retention_put_off", extra={"error": type(error).__name__})
        await asyncio.sleep(every_s)


async def give_back(path: Path) -> None:
    """Return the free pages to the disk, a few at a time. A journal made before schema 2 keeps them for its own use."""
    more = address_of(path.parent) is None
    while more:
        more = await in_thread(_shrink, path)
        await asyncio.sleep(0.01)  # the writer's turn
    await empty_wal(path)


def _shrink(path: Path) -> bool:
    """One step; whether another is worth it."""
    connection = database.open_beside(path)
    try:
        free: int = connection.pragma("freelist_count")
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
        left: int = connection.pragma("freelist_count")
        return 0 < left < free
    except apsw.BusyError:
        return True
    finally:
        connection.close()


def _size(path: Path) -> int:
    if address_of(path.parent) is not None:
        return database.size_on_server(path)
    return sum(one.stat().st_size for one in (path, path.with_name(path.name + "-wal")) if one.exists())


# --- what lies beside an entry ----------------------------------------------------------------------------------------


async def _retain_beside(
    journal: Journal, connection: Connection, table: str, retention: Retention, now: datetime
) -> int:
    days, default = (retention.refs, REFS_DAYS) if table == "facts" else (retention.bodies, BODIES_DAYS)
    due = _due(connection, table, _cutoffs(days, default, now))
    gone = 0
    while positions := await in_thread(next, due, None):
        gone += await journal.change(lambda store: forget_beside(store.connection(), positions, (table,)))
    return gone


def _due(connection: Connection, table: str, cutoff_of: CutoffOf) -> Iterator[list[int]]:
    """Places of entries whose rows in ``table`` are past their delay, chunk by chunk."""
    sql = (
        f"SELECT DISTINCT t.pos, e.tenant, e.recorded_at FROM {table} t JOIN entries e ON e.pos = t.pos"  # noqa: S608
        " WHERE t.pos > ? ORDER BY t.pos LIMIT ?"
    )
    last = -1
    while rows := _fetch(connection, sql, (last, _CHUNK)):
        last = rows[-1][0]
        due = [pos for pos, tenant, recorded_at in rows if recorded_at < cutoff_of(tenant)]
        if due:
            yield due


# --- Idempotency-Keys -------------------------------------------------------------------------------------------------


async def _retain_own_keys(journal: Journal, connection: Connection, cutoff_of: CutoffOf) -> int:
    old = _old_own_keys(connection, cutoff_of)
    gone = 0
    while keys := await in_thread(next, old, None):
        gone += await journal.change(lambda store: _forget_own_keys(store, keys))
    return gone


def _old_own_keys(connection: Connection, cutoff_of: CutoffOf) -> Iterator[list[tuple[bytes, str]]]:
    """Keys with their calls, chunk by chunk; one whose call is under way or in doubt never expires."""
    last = b""
    while rows := _fetch(connection, _OWN_KEYS, (last, _CHUNK)):
        last = rows[-1][0]
        old = [(lookup, call) for lookup, call, tenant, recorded_at in rows if recorded_at < cutoff_of(tenant)]
        if old:
            yield old


def _forget_own_keys(store: Store, keys: Sequence[tuple[bytes, str]]) -> int:
    """Unless a later call has taken the key over since."""
    db = store.connection()
    gone = 0
    for key in keys:
        db.execute("DELETE FROM own_keys WHERE lookup = ? AND call_id = ?", key)
        gone += db.changes()
    return gone


# --- refs and business keys ---------------------------------------------------------------------------------------------


async def _retain_refs(journal: Journal, connection: Connection, cutoff_of: CutoffOf) -> int:
    """Refs that only old entries name. What any writer names from now on is watched, whatever the look at the entries finds."""
    await journal.change(lambda store: _watch(store, True))
    try:
        old_keys = _old_keys(connection, cutoff_of)
        while keys := await in_thread(next, old_keys, None):
            await journal.change(lambda store: _forget_keys(store, keys))
        await in_thread(_note_living, connection, cutoff_of)
        gone = 0
        dead = _dead(connection)
        while refs := await in_thread(next, dead, None):
            gone += await journal.change(lambda store: _forget_refs(store, set(refs)))
        return gone
    finally:
        await journal.change(lambda store: _watch(store, False))


def _watch(store: Store, on: bool) -> None:
    store.connection()  # whoever names refs without being watched has committed: the look finds what it wrote
    store.refs.watch(on)


def _old_keys(connection: Connection, cutoff_of: CutoffOf) -> Iterator[list[Key]]:
    last: tuple[str, str, str] = ("", "", "")
    while rows := _fetch(connection, _KEYS, (*last, _CHUNK)):
        last = rows[-1][:3]
        old = [row[:5] for row in rows if row[5] < cutoff_of(row[0])]
        if old:
            yield old


def _forget_keys(store: Store, keys: Sequence[Key]) -> None:
    """Unless a later call has taken the key over: log and seq then are its own."""
    store.connection().executemany(
        "DELETE FROM keys WHERE tenant = ? AND operation = ? AND key_ref = ? AND log = ? AND seq = ?", keys
    )


def _note_living(connection: Connection, cutoff_of: CutoffOf) -> None:
    """Fill the temporary table ``living`` with the refs that something recent names."""
    living = "CREATE TEMP TABLE living (ref TEXT{} PRIMARY KEY)"
    connection.execute(spoken(connection, sqlite=living.format("") + " WITHOUT ROWID", postgres=living.format(' COLLATE "C"')))
    last = -1
    while rows := _fetch(connection, _ENTRIES, (last, _CHUNK)):
        last = rows[-1][0]
        for _, tenant, recorded_at, body in rows:
            if recorded_at >= cutoff_of(tenant):
                connection.execute(_LIVES, (listed(sorted(refs_in(orjson.loads(body)))),))
    connection.execute("INSERT INTO living SELECT key_ref FROM keys WHERE true ON CONFLICT DO NOTHING")
    for (draft,) in _fetch(connection, "SELECT draft FROM intents"):
        connection.execute(_LIVES, (listed(sorted(refs_in(orjson.loads(draft)))),))
    for row in _fetch(connection, _UNDER_WAY):
        connection.execute(_LIVES, (listed([ref for ref in row if ref]),))


def _dead(connection: Connection) -> Iterator[list[str]]:
    last = ""
    while rows := _fetch(connection, _DEAD, (last, _CHUNK)):
        last = rows[-1][0]
        yield [ref for (ref,) in rows]


def _forget_refs(store: Store, refs: set[str]) -> int:
    db = store.connection()
    db.execute("DELETE FROM refs WHERE ref IN (SELECT value FROM json_each(?))", (listed(sorted(store.refs.unnamed(refs))),))
    gone = db.changes()
    store.refs.forget()
    return gone


def refs_in(entry: dict[str, Any]) -> set[str]:
    """Every ref that an entry, or the draft of one, holds."""
    named = {entry["professional_ref"], entry["person_ref"], entry["message_ref"], *entry["document_refs"]}
    said = (entry["detail"] or {}).values()  # who decided, and why, are refs too
    return (named | {count["unit_ref"] for count in entry["counts_for"]} | {one for one in said if isinstance(one, str)}) - {None}


def _fetch(connection: Connection, sql: str, bound: tuple[Any, ...] = ()) -> list[Any]:
    return connection.execute(sql, bound).fetchall()


_ENTRIES = "SELECT pos, tenant, recorded_at, body FROM entries WHERE pos > ? ORDER BY pos LIMIT ?"
_LIVES = "INSERT INTO living SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING"
_DEAD = """
SELECT ref FROM refs WHERE ref > ? AND NOT EXISTS (SELECT 1 FROM living WHERE living.ref = refs.ref) ORDER BY ref LIMIT ?
"""
_UNDER_WAY = "SELECT key_ref, NULL FROM intents UNION ALL SELECT key_ref, person_ref FROM doubts"
_OWN_KEYS = """
SELECT o.lookup, o.call_id, e.tenant, e.recorded_at FROM own_keys o JOIN entries e ON e.id = o.call_id
WHERE o.lookup > ? AND o.call_id NOT IN (SELECT entry_id FROM doubts) ORDER BY o.lookup LIMIT ?
"""
_KEYS = """
SELECT k.tenant, k.operation, k.key_ref, k.log, k.seq, e.recorded_at
FROM keys k JOIN entries e ON e.pos = (k.log << 40) + k.seq
WHERE (k.tenant, k.operation, k.key_ref) > (?, ?, ?) ORDER BY k.tenant, k.operation, k.key_ref LIMIT ?
"""
