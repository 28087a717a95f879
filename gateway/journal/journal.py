"""The journal (design §5): every call is on disk before its answer is complete."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import apsw

from connectors.wire.clock import Clock
from gateway.journal import database
from gateway.journal.connection import busy
from gateway.journal.drafts import Draft, draft_of, intended_draft
from gateway.journal.durable import sync_folder
from gateway.journal.fitting import insist_on_keys
from gateway.journal.location import FILE_NAME as FILE_NAME
from gateway.journal.location import address_of
from gateway.journal.lock import FolderLock
from gateway.journal.record import Claim, Doubt, Entry, Intent, JournalFull, KeyUse, Named, Record
from gateway.journal.recovery import recover
from gateway.journal.room import BALLAST_BYTES, FarRoom, Room, with_room
from gateway.journal.store import Store
from gateway.journal.takeover import Taken, take_over
from gateway.journal.vault import Vault
from gateway.journal.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

LOCK_NAME = "journal.lock"


class Journal:
    """One open journal; built by ``open``. Its coroutines may be awaited from any event loop of the process.

    Every record gets the journal's own environment: two environments never share a measure (design §6).
    """

    store_class = Store
    writer_class = Writer
    room_class = Room
    capacity = 20_000  # records that may wait for the disk before new calls are refused

    def __init__(
        self, folder: Path, store: Store, lock: FolderLock, room: Room | FarRoom, environment: str, clock: Clock, recovered: int
    ) -> None:
        self.boot_id, self.log_id = store.boot_id, store.log_id
        self.recovered = recovered  # entries that open() wrote for intents of dead processes
        self._store, self._lock, self._environment, self._clock = store, lock, environment, clock
        self.folder, self.vault = folder, store.vault
        self.abreast: Callable[[], Awaitable[None]] = _alone  # waits until the other gateways know what this one wrote
        self._owed: set[str] = set()
        self._room = room
        self._writer = self.writer_class(store, self.capacity, room.give_up, self._owed.__len__)
        self._writer.start()

    @classmethod
    def open(
        cls, folder: Path, *, environment: str, clock: Clock, log_id: int = 1, vfs: str | None = None,
        ballast_bytes: int = BALLAST_BYTES,
    ) -> Journal:  # fmt: skip
        """Open or create the journal of ``folder`` (keys in ``folder/keys``) and recover what a dead process left.

        log_id  which log, in a file; on a server, which of the processes that share the folder: the server gives the log
        Raises JournalLocked when another process has it, JournalUnsafe when entries could be lost, JournalFull when what a
        dead process left finds no room, StoreBusy while a program that is no gateway holds the file.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)  # another part may have made it first
        shared = address_of(folder) is not None
        lock = FolderLock(folder / (f"{LOCK_NAME}.{log_id}" if shared and log_id > 1 else LOCK_NAME))
        try:
            path = folder / FILE_NAME
            vault = Vault.open(folder / "keys", environment, create=database.is_new(path))
            vault.shared = shared
            room = cls.room_class(folder, ballast_bytes) if not shared else FarRoom()
            store, recovered = with_room(
                room, lambda: _recovered(cls.store_class(path, vault, clock, boot_id=uuid4().hex, log_id=log_id, vfs=vfs))
            )
            sync_folder(folder)
            sync_folder(folder.parent)
        except BaseException as error:
            lock.release()
            if isinstance(error, apsw.BusyError):
                raise busy(error) from error
            raise
        log.info("journal_open", extra={"boot": store.boot_id, "log": log_id, "recovered": recovered})
        return cls(folder, store, lock, room, environment, clock, recovered)

    @property
    def in_flight_intents(self) -> int:
        """Calls of this process that are still owed their entry, with an intent or ``reserve``."""
        return len(self._owed)

    @property
    def stopped(self) -> bool:
        """Whether the disk failed: the process must end, and recovery speak at the next start."""
        return self._writer.stopped

    @property
    def broken(self) -> Exception | None:
        """Why nothing more can be written; None while something can."""
        return self._writer.broken

    @property
    def full(self) -> bool:
        """Whether a new call would be refused: too many records wait, or the disk has no more room than is owed (§5.4)."""
        return self._writer.full or len(self._owed) >= self.capacity or self._room.short(len(self._owed))

    @property
    def clock(self) -> Clock:
        """The clock that its entries are dated by."""
        return self._clock

    def admin(self, detail: dict[str, Any]) -> Record:
        """An admin entry of the gateway itself, to be written: ``{"action", "by", …}``, codes only, dated now."""
        return Record(
            None, kind="admin", tenant="passerelle", event_time=self._clock.business(), clock_version=self._clock.version,
            detail=detail,
        )  # fmt: skip

    def reserve(self, record: Record) -> None:
        """Owe ``record`` its entry from now on: it, and its intent if it has one, may use the room kept for calls under way.

        Every call is owed one before anything of it is forwarded. Nothing to do for one that is owed already. Raises
        JournalFull when there is no room for it: the call is then refused.
        """
        if record.id not in self._owed:
            if self.full:
                raise JournalFull("the room that is left is kept for calls under way")
            self._owed.add(record.id)

    def let_go(self, record: Record) -> None:
        """No entry will be written for this record after all."""
        self._owed.discard(record.id)

    async def intend(self, record: Record, intent: Intent) -> None:
        """Durable when it returns: the last byte may go. What ``record`` says now is what recovery will say of the call,
        so fill ``counts_for`` and the attribution before. Raises JournalFull, JournalStopped, and KeyTaken for a ``claim``."""
        reserved = record.id in self._owed
        self.reserve(record)
        draft = intended_draft(record, self._environment, self._clock)
        try:
            named = self._store.refs.lookups(draft.named if intent.key is None else [*draft.named, intent.key])
            await self._writer.run_job(lambda store: store.add_intent(draft, intent, record.claim), named=named, owed=True)
        except Exception:  # not when cancelled: the intent may then be on disk, and still has to be closed
            if not reserved:
                self._owed.discard(record.id)
            raise

    async def write(self, *records: Record) -> list[Entry]:
        """Durable when it returns, all or none; the intent of the same call id goes in the same transaction.

        A settlement takes from the entry it settles whatever it does not say itself (counts_for, finess_et …); without
        an event_time it takes that too, as estimated. Raises NotInDoubt, JournalFull (never for a call with an intent),
        JournalStopped, ValueError for a record that cannot be an entry.
        """
        drafts: list[tuple[Draft, Claim | None]] = []
        named: list[Named] = []
        owed = False
        for record in records:
            draft = draft_of(record, self._environment, self._clock)
            drafts.append((draft, record.claim and _told(record.claim, record)))
            named += draft.named
            owed = owed or record.kind == "call"
        entries: list[Entry] = await self._writer.run_job(
            lambda store: list(starmap(store.append, drafts)), named=self._store.refs.lookups(named), owed=owed,
            then=partial(self._owed.difference_update, [record.id for record in records]),
        )  # fmt: skip
        return entries

    async def change(self, work: Callable[[Store], T]) -> T:
        """Change rows beside the entries (retention), in one transaction."""
        done: T = await self._writer.run_job(work)
        return done

    async def act(self, record: Record, work: Callable[[Store], dict[str, Any]]) -> dict[str, Any]:
        """An administrative act and its entry, in one transaction: ``work`` changes rows, what it returns joins the detail."""
        draft = draft_of(record, self._environment, self._clock)

        def job(store: Store) -> dict[str, Any]:
            done = work(store)
            store.append(draft.changed(detail=draft.content["detail"] | done))
            return done

        done: dict[str, Any] = await self._writer.run_job(job)
        return done

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

    def keyed(self, kind: str, value: str) -> bytes:
        """32 bytes that name a value: always the same in this journal, and worth nothing without its key."""
        return self._store.named(kind, value)

    async def use_of(self, claim: Claim) -> KeyUse | None:
        """What an Idempotency-Key was used for; None when it is free."""
        use: KeyUse | None = await self._writer.run_job(lambda store: store.own_keys.use_of(claim))
        return use

    @property
    def shared(self) -> bool:
        """Whether other gateways may write beside this one."""
        return self._store.shared

    async def doubts_to_ask(
        self, operations: list[str], *, not_found: int, since: datetime, limit: int = 50, claimed_s: float = 90.0
    ) -> list[Doubt]:
        """For the settlement worker: doubts with a blob, past their deadline, untouched since ``since``. Beside other gateways
        none of them is given the same ones for ``claimed_s``, or until ``note_asked``."""
        claimed = timedelta(seconds=claimed_s)
        found: list[Doubt] = await self._writer.run_job(
            lambda store: store.doubts_to_ask(operations, not_found, since, limit, claimed)
        )
        return found

    async def take_over(self) -> Taken | None:
        """Write what a gateway of this journal that died owes: one log, if there is one. Raises JournalFull, JournalStopped."""
        taken: Taken | None = await self._writer.run_job(take_over) if self.shared else None
        if taken is not None:
            log.warning("journal_taken_over", extra=asdict(taken))
        return taken

    async def tell(self, told: bytes) -> None:
        """Say something to every gateway of this journal that is no entry (``acts.py``). Raises JournalFull, JournalStopped."""
        await self._writer.run_job(lambda store: store.tell(told))

    async def note_asked(self, doubt: Doubt, *, not_found: bool) -> None:
        await self._writer.run_job(lambda store: store.note_asked(doubt.entry_id, not_found=not_found))

    async def close(self) -> None:
        """Write what is queued, then leave the folder to others."""
        self._writer.stop()
        await asyncio.to_thread(self._writer.join)
        try:
            self._store.close()
        finally:
            self._room.close()
            self._lock.release()


async def _alone() -> None:
    """There are no others."""


def _recovered(store: Store) -> tuple[Store, int]:
    try:
        insist_on_keys(store.connection(alone=False), store.vault)
        return store, recover(store)
    except BaseException:
        store.close()
        raise


def _told(claim: Claim, record: Record) -> Claim:
    if claim.tell is not None:
        claim.answer = claim.tell(record)
    return claim
