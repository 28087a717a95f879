"""The journal (design §5): every call is on disk before its answer is complete."""
from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from connectors.wire.clock import Clock
from gateway.journal.canonical import draft_of, intended_draft
from gateway.journal.lock import FolderLock
from gateway.journal.record import Doubt, Entry, Intent, JournalFull, Named, Record
from gateway.journal.recovery import recover
from gateway.journal.room import Room
from gateway.journal.store import Store
from gateway.journal.vault import Vault, sync_folder
from gateway.journal.writer import Writer

log = logging.getLogger(__name__)

FILE_NAME = "journal.sqlite3"
LOCK_NAME = "journal.lock"


class Journal:
    """One open journal; built by ``open``. Its coroutines may be awaited from any event loop of the process.

    Every record gets the journal's own environment: two environments never share a measure (design §6).
    """

    store_class = Store
    writer_class = Writer
    room_class = Room
    capacity = 20_000  # records that may wait for the disk before new calls are refused

    def __init__(self, folder: Path, store: Store, lock: FolderLock, environment: str, clock: Clock, recovered: int) -> None:
        self.boot_id, self.log_id = store.boot_id, store.log_id
        self.recovered = recovered  # entries that open() wrote for intents of dead processes
        self._store, self._lock, self._environment, self._clock = store, lock, environment, clock
        self._owed: set[str] = set()
        self._room = self.room_class(folder)
        self._writer = self.writer_class(store, self.capacity)
        self._writer.start()

    @classmethod
    def open(cls, folder: Path, *, environment: str, clock: Clock, log_id: int = 1, vfs: str | None = None) -> Journal:
        """Open or create the journal of ``folder`` (keys in ``folder/keys``) and recover what a dead process left.

        Raises JournalLocked when another process has it, JournalUnsafe when entries could be lost.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FolderLock(folder / LOCK_NAME)
        try:
            path = folder / FILE_NAME
            vault = Vault.open(folder / "keys", environment, create=not path.exists())
            store = cls.store_class(path, vault, clock, boot_id=uuid4().hex, log_id=log_id, vfs=vfs)
            sync_folder(folder)
            sync_folder(folder.parent)
            recovered = recover(store)
        except BaseException:
            lock.release()
            raise
        log.info("journal_open", extra={"boot": store.boot_id, "log": log_id, "recovered": recovered})
        return cls(folder, store, lock, environment, clock, recovered)

    @property
    def in_flight_intents(self) -> int:
        """Intents that a ``call`` record of this process must still close."""
        return len(self._owed)

    @property
    def stopped(self) -> bool:
        """Whether the disk failed: the process must end, and recovery speak at the next start."""
        return self._writer.stopped

    @property
    def full(self) -> bool:
        """Whether a new call would be refused: too many records wait, or the disk has no more room than is owed (§5.4)."""
        return self._writer.full or self._room.short

    async def intend(self, record: Record, intent: Intent) -> None:
        """Durable when it returns: the last byte may go. What ``record`` says now is what recovery will say of the call,
        so fill ``counts_for`` and the attribution before. Raises JournalFull, JournalStopped."""
        if self._room.short:
            raise JournalFull("the room left on the disk is kept for calls under way")
        draft = intended_draft(record, self._environment, self._clock)
        self._owed.add(record.id)
        try:
            await self._writer.run_job(lambda store: store.add_intent(draft, intent))
        except Exception:  # not when cancelled: the intent may then be on disk, and still has to be closed
            self._owed.discard(record.id)
            raise

    async def write(self, *records: Record) -> list[Entry]:
        """Durable when it returns, all or none; the intent of the same call id goes in the same transaction.

        A settlement takes from the entry it settles whatever it does not say itself (counts_for, finess_et …); without
        an event_time it takes that too, as estimated. Raises NotInDoubt, JournalFull (never for a call with an intent),
        JournalStopped, ValueError for a record that cannot be an entry.
        """
        drafts = [draft_of(record, self._environment, self._clock) for record in records]
        ids = {record.id for record in records}
        entries: list[Entry] = await self._writer.run_job(
            lambda store: [store.append(draft) for draft in drafts],
            owed=not self._owed.isdisjoint(ids),
            then=lambda: self._owed.difference_update(ids),
        )
        return entries

    async def doubts(self, key: Named) -> list[Doubt]:
        """Entries in doubt with this business key that nothing has settled, the oldest first."""
        found: list[Doubt] = await self._writer.run_job(lambda store: store.doubts(key))
        return found

    async def same_as(self, doubt: Doubt, person: Named | None, commitment: bytes | None) -> bool:
        """Whether a call with this person and these documents is the one in doubt (design §5.3, duplicates)."""
        if commitment is None or doubt.commitment != self._store.keyed(commitment):
            return False
        return doubt.person_ref == (None if person is None else await self.ref(person))

    async def ref(self, named: Named) -> str | None:
        """The ref of a value that some record has named, or None: asking makes none."""
        ref: str | None = await self._writer.run_job(lambda store: store.refs.find(named))
        return ref

    async def doubts_to_ask(self, operations: list[str], *, not_found: int, since: datetime, limit: int = 50) -> list[Doubt]:
        """For the settlement worker: doubts with a blob, past their deadline, untouched since ``since``."""
        found: list[Doubt] = await self._writer.run_job(lambda store: store.doubts_to_ask(operations, not_found, since, limit))
        return found

    async def note_asked(self, doubt: Doubt, *, not_found: bool) -> None:
        await self._writer.run_job(lambda store: store.note_asked(doubt.entry_id, not_found=not_found))

    async def close(self) -> None:
        """Write what is queued, then leave the folder to others."""
        self._writer.stop()
        await asyncio.to_thread(self._writer.join)
        try:
            self._store.close()
        finally:
            self._lock.release()
