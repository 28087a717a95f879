"""Builds the journal that `socle bench usage` reads, by the journal's own store: whatever it writes beside an entry is there.

Nothing is durable before the end: transactions hold thousands of entries and nothing is synced, so a load that is cut leaves
a folder to throw away. No gateway may run on the folder; its lock is held.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import uuid4

from gateway.bench.calls import intent_of
from gateway.bench.usage_calls import calls
from gateway.bench.usage_grappe import bench_grappe
from gateway.grappes.reading import write_grappe
from gateway.journal.connection import Connection, is_sqlite
from gateway.journal.database import is_new, open_for_writing
from gateway.journal.drafts import draft_of, intended_draft
from gateway.journal.journal import FILE_NAME, LOCK_NAME
from gateway.journal.location import choose
from gateway.journal.lock import FolderLock
from gateway.journal.record import Named, Record
from gateway.journal.store import Store
from gateway.journal.vault import Vault

ENVIRONMENT = "charge"
_TOGETHER = 5_000
_CACHE_KIB = 2 << 20


class _HastyStore(Store):
    """The store without what makes it durable."""

    PRAGMAS = (("journal_mode", "memory", "memory"), ("synchronous", "off", 0))


class _EntryClock:
    """Real time as the journal of a year would have known it: that of the entry being written."""

    version = 0
    now = datetime(2025, 1, 1, tzinfo=UTC)

    def real(self) -> datetime:
        return self.now

    def business(self) -> datetime:
        return self.now


def load(
    folder: Path, entries: int, *, seed: int = 1, address: str | None = None, told: Callable[[int], None] = lambda _done: None
) -> None:
    """Make a gateway's folder (journal, keys, registry) of that many entries. ``told`` hears how many are written.

    address  of an empty database, where the journal is then made
    Raises FileExistsError when there is a journal already, JournalLocked when a gateway has it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / FILE_NAME
    if address is not None:
        choose(folder, address)
    if not is_new(path):
        raise FileExistsError(path if address is None else "the database")
    grappe = bench_grappe()
    (folder / "grappes").mkdir(exist_ok=True)
    (folder / "grappes" / f"{grappe.id}.json").write_bytes(write_grappe(grappe))
    lock = FolderLock(folder / LOCK_NAME)
    try:
        vault = Vault.open(folder / "keys", ENVIRONMENT, create=True)
        append(path, vault, calls(grappe, entries, seed), told)
        open_for_writing(path).close()  # a durable file again, in the form in which a gateway leaves it
    finally:
        lock.release()


def append(path: Path, vault: Vault, records: Iterator[Record], told: Callable[[int], None] = lambda _done: None) -> None:
    """Write the records, each with its intent, as the journal would."""
    clock = _EntryClock()
    store = _HastyStore(path, vault, clock, boot_id=uuid4().hex, log_id=1)
    with store.transaction():
        _hurry(store.connection())
    try:
        done = 0
        while some := list(islice(records, _TOGETHER)):
            clock.now = max(clock.now, some[0].event_time or clock.now)
            with store.transaction():
                store.refs.expect(map(store.refs.lookups, map(_named, some)))
                for record in some:
                    _write(store, record, clock)
            done += len(some)
            told(done)
    finally:
        store.close()


def _hurry(connection: Connection) -> None:
    if is_sqlite(connection):
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    else:
        connection.execute("SELECT set_config('synchronous_commit', 'off', false)").fetchone()


def _named(record: Record) -> list[Named]:
    """What the transaction will name of this record, so that the whole group is looked up at once."""
    intent = intent_of(record)
    key = [] if intent is None or intent.key is None else [intent.key]
    return [*draft_of(record, ENVIRONMENT, _EntryClock()).named, *key]


def _write(store: Store, record: Record, clock: _EntryClock) -> None:
    intent = intent_of(record)
    if intent is not None:
        store.add_intent(intended_draft(record, ENVIRONMENT, clock), intent)
    store.append(draft_of(record, ENVIRONMENT, clock))
