"""The journal's rows, in one transaction at a time (design §5). Used by one thread: the writer's, or whoever opens it."""
from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag

from connectors.wire.clock import Clock
from gateway.journal import database
from gateway.journal.canonical import encode, moment_of, text_of
from gateway.journal.connection import Connection, is_sqlite
from gateway.journal.drafts import Draft, inheriting
from gateway.journal.facts import FactRows
from gateway.journal.heads import POS_BITS as POS_BITS
from gateway.journal.heads import FileHead, Head
from gateway.journal.intents import Intents, Kept
from gateway.journal.own_keys import OwnKeys
from gateway.journal.record import Claim, Doubt, Entry, Intent, Named, NotInDoubt
from gateway.journal.refs import Refs
from gateway.journal.room import no_room
from gateway.journal.rows import gathered
from gateway.journal.shared_head import SharedHead
from gateway.journal.shared_keys import agree
from gateway.journal.shared_refs import SharedRefs
from gateway.journal.units import Unit, admit, beside_of, units_of
from gateway.journal.vault import Vault

log = logging.getLogger(__name__)

CLOCK_WENT_BACK = "G-HORLOGE"
STOPPED_WITH_INTENT = "G-ARRET"


class Store:
    """Every method but ``transaction`` and ``close`` runs inside ``with store.transaction()``."""

    PRAGMAS = database.DURABLE

    def __init__(self, path: Path, vault: Vault, clock: Clock, *, boot_id: str, log_id: int, vfs: str | None = None) -> None:
        self.boot_id = boot_id
        self.vault, self._clock = vault, clock
        self._db = database.open_for_writing(path, vfs=vfs, pragmas=self.PRAGMAS)
        self.shared = not is_sqlite(self._db)  # other gateways may write beside this one
        self._now = clock.real()
        try:
            self.refs, self._head = self._on_server(path.parent, log_id) if self.shared else self._in_file(log_id)
            self._next_seq = self._head.take(self._now)
        except BaseException:
            self._db.close()
            raise
        self.log_id = self._head.log_id
        self.intents = Intents(self._db, boot_id, self.log_id)
        self.own_keys = OwnKeys(self._db, vault, self._flush)
        self._units = _UnitRows(self._db, self.refs)
        self._beside = gathered(self._db, "usage_beside", columns=7)
        self._facts = FactRows(self._db, vault)
        self._entries = gathered(self._db, _INTO_ENTRIES, columns=14)
        self._salts = gathered(self._db, "bodies (pos, n, role, salt)", columns=4)
        self._blobs = gathered(self._db, "blobs (pos, n, sealed_key, sealed)", columns=4)
        self._keys = gathered(
            self._db, "keys (tenant, operation, key_ref, log, seq, state)", 6, _UNLESS_SUCCEEDED, order=itemgetter(0, 1, 2)
        )
        self._recorded_at = text_of(self._now)
        mine = self.log_id << POS_BITS, (self.log_id + 1) << POS_BITS
        self._last_recorded: str = self._db.execute(_LAST_RECORDED, mine).get or ""

    @contextmanager
    def transaction(self, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Commits durably on leaving; on any error nothing of it stays, in the file or in memory.

        ``meanwhile`` is called once only the commit is left, which needs the disk and not the interpreter.
        """
        first = self._next_seq
        self._now = self._clock.real()
        self._recorded_at = text_of(self._now)
        try:
            self._head.begin(self._now, first)
            yield
            self._flush()
            self._head.move(first, self._next_seq, self._now)
            meanwhile()
            self._db.execute("COMMIT")
        except BaseException:
            self._next_seq = first
            self._settle(committed=False)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._settle(committed=True)
        if self._next_seq != first:
            self._last_recorded = self._recorded_at

    def close(self) -> None:
        self._head.release()
        self._db.close()

    @property
    def renew_every_s(self) -> float | None:
        """How long a writer may write nothing before an empty transaction must say that it lives; None: for ever."""
        return self._head.renew_every_s

    def lacks_room(self, error: Exception) -> bool:
        """Whether this error of the last transaction says that the disk takes no more."""
        return no_room(error, self._db)

    def connection(self, *, alone: bool = True) -> Connection:
        """The writing connection, for acts on whole tables inside the transaction; no row waits unwritten any more, and no
        other process writes until the end when ``alone``."""
        if alone:
            self._head.alone()
        self._flush()
        return self._db

    # -- intents

    def add_intent(self, draft: Draft, intent: Intent, claim: Claim | None = None) -> None:
        """Raises KeyTaken when another call has the key that ``claim`` wants."""
        entry = draft.resolved(self.refs.refs_of(draft.named))
        call_id = entry["id"]
        if claim is not None:
            self.own_keys.take(call_id, entry["person_ref"], claim)
        kept = Kept(
            None if intent.key is None else self.refs.ref_of(intent.key),
            text_of(self._now + timedelta(seconds=intent.deadline_s)),
            None if intent.commitment is None else self.keyed(intent.commitment),
            None if intent.blob is None else self.vault.seal(call_id, intent.blob),
        )
        self.intents.open(call_id, entry["operation"], kept, encode(entry))

    # -- entries

    def append(self, draft: Draft, claim: Claim | None = None) -> Entry:
        """Give the draft its place, write it with its keys, units, salts and doubt, and take its intent away.

        Raises NotInDoubt for a settlement of an entry that is unknown or already settled.
        """
        if draft.content["kind"] == "settlement":
            draft = self._settled(draft)
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        pos = self.log_id << POS_BITS | seq
        entry = draft.resolved(self.refs.refs_of(draft.named))
        entry["log"], entry["seq"] = self.log_id, seq
        entry["recorded_at"], entry["boot_id"] = self._recorded_at, self.boot_id
        if self._recorded_at < self._last_recorded:
            entry["flags"] = [*entry["flags"], CLOCK_WENT_BACK]
        body = encode(entry)
        self._insert(pos, entry, body)
        for n, (role, salt, kept) in enumerate(draft.salted):
            self._salts.add((pos, n, role, salt))
            if kept is not None:
                self._blobs.add((pos, n, *self.vault.seal_alone(f"{entry['id']}|{n}", kept)))
        if draft.facts is not None:
            self._facts.add(pos, draft.facts)
        if entry["kind"] == "call":
            self._close_intent(pos, entry)
        elif entry["kind"] == "admin":
            self._head.note_act(pos)
        if claim is not None:
            self.own_keys.close(entry["id"], entry["outcome"], claim)
        units = units_of(entry) if entry["counts_for"] else []
        for unit in units:
            admit(unit, self._units)
        beside = beside_of(entry, units)
        if beside is not None:
            self._beside.add(beside)
        return Entry(self.log_id, seq, entry["id"], body)

    # -- doubts

    def doubts(self, key: Named) -> list[Doubt]:
        """Unsettled entries in doubt with this business key, the oldest first."""
        key_ref = self.refs.find(key)
        if key_ref is None:
            return []
        return [_doubt(row) for row in self._db.execute(_DOUBTS_BY_KEY, (key_ref,))]

    def doubts_to_ask(
        self, operations: list[str], not_found: int, since: datetime, limit: int, claimed: timedelta
    ) -> list[Doubt]:
        """Those that can be asked about, past their deadline, and left alone since ``since``; blobs opened, None where one is
        damaged. Nobody else is given them while they are ``claimed``."""
        asked = (orjson.dumps(operations).decode(), not_found, text_of(since), text_of(self._now), limit)
        rows = self._db.execute(_CLAIM_DOUBTS, (claimed, *asked)) if self.shared else self._db.execute(_DOUBTS_TO_ASK, asked)
        return [_doubt(row, self._opened(row[0], row[7])) for row in rows]

    def note_asked(self, entry_id: str, *, not_found: bool) -> None:
        self._db.execute(
            "UPDATE doubts SET since = ?, not_found = not_found + ?, asked_until = NULL WHERE entry_id = ?",
            (text_of(self._now), int(not_found), entry_id),
        )

    def tell(self, told: bytes) -> None:
        """Something that every gateway of this journal has to know, and that is no entry."""
        self._head.note_act(None, told)

    def keyed(self, commitment: bytes) -> bytes:
        """How a digest of documents is stored: comparable, and worth nothing without K."""
        return self.vault.lookup("commitment", commitment)

    def named(self, kind: str, value: str) -> bytes:
        """The keyed digest of a value; from any thread."""
        return self.vault.lookup(kind, value)

    # -- inside

    def _in_file(self, log_id: int) -> tuple[Refs, Head]:
        return Refs(self._db, self.vault), FileHead(self._db, self.boot_id, log_id)

    def _on_server(self, folder: Path, process: int) -> tuple[Refs, Head]:
        agree(self._db, self.vault)
        refs = SharedRefs(self._db, self.vault)
        return refs, SharedHead(self._db, self.boot_id, folder, process, self._forget, refs.follow)

    def _opened(self, entry_id: str, sealed: bytes) -> bytes | None:
        try:
            return self.vault.unseal(entry_id, sealed)
        except InvalidTag:  # the others must be asked about all the same
            log.error("doubt_unreadable", extra={"entry": entry_id})
            return None

    def _forget(self) -> None:
        """Another gateway deleted rows that this one may remember."""
        self.refs.forget()
        self.intents.read_again()

    def _flush(self) -> None:
        """Write the rows that wait, so that a statement sees what the transaction has done so far."""
        self.refs.flush()
        self.intents.flush()
        for rows in (self._entries, self._salts, self._blobs, self._keys, self._units, self._beside, self._facts):
            rows.flush()

    def _settle(self, *, committed: bool) -> None:
        self.refs.settle(committed=committed)
        self.intents.settle(committed=committed)
        for rows in (self._entries, self._salts, self._blobs, self._keys, self._units, self._beside, self._facts):
            rows.forget()

    def _insert(self, pos: int, entry: dict[str, Any], body: bytes) -> None:
        self._entries.add(
            (
                pos, entry["id"], entry["kind"], entry["service"], entry["operation"], entry["outcome"], entry["tenant"],
                entry["finess_et"], len(entry["exchanges"]), STOPPED_WITH_INTENT in entry["flags"],
                entry["settles"], entry["person_ref"], entry["recorded_at"], body,
            )
        )  # fmt: skip

    def _close_intent(self, pos: int, entry: dict[str, Any]) -> None:
        intent = self.intents.close(entry["id"])
        if intent is None and entry["outcome"] != "in_doubt":
            return
        intent = intent or Kept(None, self._recorded_at, None, None)
        if entry["outcome"] == "in_doubt":
            self._db.execute(
                "INSERT INTO doubts (entry_id, pos, tenant, operation, key_ref, person_ref, deadline, commitment, blob, since)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    entry["id"], pos, entry["tenant"], entry["operation"], intent.key_ref, entry["person_ref"],
                    intent.deadline, intent.commitment, intent.blob, text_of(self._now),
                ),
            )  # fmt: skip
        if intent.key_ref is not None:
            self._note_key(entry["tenant"], entry["operation"], intent.key_ref, entry["seq"], entry["outcome"])

    def _note_key(self, tenant: str, operation: str, key_ref: str, seq: int, state: str) -> None:
        self._keys.add((tenant, operation, key_ref, self.log_id, seq, state))

    def _settled(self, draft: Draft) -> Draft:
        settles = draft.content["settles"]
        doubt = self._db.execute("DELETE FROM doubts WHERE entry_id = ? RETURNING pos, key_ref", (settles,)).fetchone()
        if doubt is None:
            raise NotInDoubt(f"entry {settles} is not in doubt")
        pos, key_ref = doubt
        self._flush()  # the entry in doubt may have come in this very transaction
        draft = inheriting(draft, orjson.loads(self._db.execute("SELECT body FROM entries WHERE pos = ?", (pos,)).get))
        if key_ref is not None:
            said = draft.content
            self._note_key(said["tenant"], said["operation"], key_ref, self._next_seq, said["outcome"])
        return draft


class _UnitRows:
    """The table usage_units, as ``admit`` wants it; ``_waiting`` holds this transaction's first row of each unit."""

    def __init__(self, connection: Connection, refs: Refs) -> None:
        self._db, self._refs = connection, refs
        self._rows = gathered(connection, "usage_units", columns=7, shared_tail=_UNLESS_EARLIER, order=itemgetter(0, 1, 3, 4))
        self._waiting: dict[tuple[str, str, str], Unit] = {}

    def first(self, environment: str, indicator: str, unit_ref: str) -> Unit | None:
        waiting = self._waiting.get((environment, indicator, unit_ref))
        if self._refs.is_new(unit_ref):  # no row can name it yet
            return waiting
        row = self._db.execute(
            "SELECT environment, indicator, finess_et, unit_ref, event_time, log, seq FROM usage_units"
            " WHERE environment = ? AND indicator = ? AND unit_ref = ? ORDER BY log, seq LIMIT 1",
            (environment, indicator, unit_ref),
        ).fetchone()
        return waiting if row is None else Unit(*row)

    def put(self, unit: Unit) -> None:
        self._waiting.setdefault((unit.environment, unit.indicator, unit.unit_ref), unit)
        self._rows.add(unit)

    def drop(self, unit: Unit) -> None:
        self.flush()
        self._waiting.pop((unit.environment, unit.indicator, unit.unit_ref), None)
        self._db.execute(
            "DELETE FROM usage_units WHERE environment = ? AND indicator = ? AND unit_ref = ? AND log = ? AND seq = ?",
            (unit.environment, unit.indicator, unit.unit_ref, unit.log, unit.seq),
        )

    def flush(self) -> None:
        self._rows.flush()

    def forget(self) -> None:
        self._rows.forget()
        self._waiting.clear()


_INTO_ENTRIES = """
entries (pos, id, kind, service, operation, outcome, tenant, finess_et, exchanges, recovered, settles, person_ref,
recorded_at, body)
"""
# A key that succeeded stays so: the refusal of its duplicate says nothing new about it.
_UNLESS_SUCCEEDED = """
ON CONFLICT (tenant, operation, key_ref) DO UPDATE SET log = excluded.log, seq = excluded.seq, state = excluded.state
WHERE keys.state NOT IN ('ok', 'succeeded')
"""
# Another writer may count the same message at the same moment: the earliest stays, whoever commits first (``units.admit``).
_UNLESS_EARLIER = """
ON CONFLICT (environment, unit_ref) WHERE indicator = 'IND-MSS-01' DO UPDATE
SET finess_et = excluded.finess_et, event_time = excluded.event_time, log = excluded.log, seq = excluded.seq
WHERE (excluded.event_time, excluded.log, excluded.seq) < (usage_units.event_time, usage_units.log, usage_units.seq)
"""
_DOUBTS_BY_KEY = """
SELECT entry_id, pos, tenant, operation, person_ref, commitment, deadline FROM doubts WHERE key_ref = ? ORDER BY pos
"""
_DOUBTS_TO_ASK = """
SELECT entry_id, pos, tenant, operation, person_ref, commitment, deadline, blob FROM doubts
WHERE operation IN (SELECT value FROM json_each(?)) AND blob IS NOT NULL AND not_found = ? AND since <= ? AND deadline <= ?
ORDER BY pos LIMIT ?
"""
_LAST_RECORDED = "SELECT recorded_at FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos DESC LIMIT 1"
# Several gateways ask at the same time, each about its own.
_CLAIM_DOUBTS = """
UPDATE doubts SET asked_until = clock_timestamp() + CAST(? AS interval) WHERE entry_id IN (
    SELECT entry_id FROM doubts
    WHERE operation IN (SELECT value FROM json_each(?)) AND blob IS NOT NULL AND not_found = ? AND since <= ? AND deadline <= ?
        AND (asked_until IS NULL OR asked_until < clock_timestamp())
    ORDER BY pos LIMIT ? FOR UPDATE SKIP LOCKED
) RETURNING entry_id, pos, tenant, operation, person_ref, commitment, deadline, blob
"""


def _doubt(row: tuple[Any, ...], blob: bytes | None = None) -> Doubt:
    entry_id, pos, tenant, operation, person_ref, commitment, deadline = row[:7]
    log, seq = pos >> POS_BITS, pos & (1 << POS_BITS) - 1
    return Doubt(entry_id, log, seq, tenant, operation, person_ref, commitment, moment_of(deadline), blob)
