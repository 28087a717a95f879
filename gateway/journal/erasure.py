"""Erasing a person from the journal (design §5.6): what is left is a random name that no key can link to anybody.

The entries stay as they are, and with them every proof, measure and recount. What goes: the person's row of refs, the
salts, kept messages and facts of the person's entries, the questions that settlement would have asked; and, wherever a
client wrote the matricule into something that is only sealed (a Message-ID, a mailbox, a kept message), that too.
"""
from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag

from connectors.nomenclatures.identifiers import Matricule
from gateway.journal import bodies, database
from gateway.journal.connection import Connection
from gateway.journal.facts import positions_about
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.location import address_of
from gateway.journal.rows import LOOKED_UP, in_groups, listed
from gateway.journal.sifting import THERE
from gateway.journal.store import POS_BITS, Store
from gateway.journal.vault import Vault

ACTION = "erasure"
#: Tables beside the entries whose rows belong to one entry, by its ``pos``.
BESIDE = ("bodies", "blobs", "facts")
_WAL_TRIES, _WAL_PAUSE_S = 20, 0.25


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased. ``wal_emptied``: whether the write-ahead log could be emptied too; a reader may have held it."""

    known: bool
    entries: int
    messages: int
    sealed_values: int
    questions: int
    wal_emptied: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """What was found by reading everything beside the writer, which no index helps to find (decision 0057).

    refs, messages  where the matricule is in what is sealed: refs, then (pos, n) of kept messages
    entries         places of the person's entries, in each log up to ``heads``; what came later is the transaction's to find
    """

    refs: list[str]
    messages: list[tuple[int, int]]
    entries: list[int]
    heads: dict[int, int]


async def erase(journal: Journal, matricule: Matricule, *, by: str) -> Erased:
    """Erase a person and note it as one entry, in one transaction; then empty the write-ahead log.

    In every environment that the journal ever had: each names a person by a key of its own.
    ``by`` is who asked, for the entry; neither the matricule nor its ref is in it. Raises JournalFull, JournalStopped.
    """
    path = journal.folder / FILE_NAME
    vaults = await asyncio.to_thread(journal.vault.everywhere)
    trace = await asyncio.to_thread(find_trace, path, journal.vault, vaults, matricule)
    note = journal.admin({"action": ACTION, "by": by})
    done = await journal.act(note, lambda store: erase_rows(store, matricule, trace, vaults))
    emptied = await empty_wal(path)
    return Erased(wal_emptied=emptied, **(done | {"known": bool(done["known"])}))


def find_trace(path: Path, vault: Vault, vaults: Sequence[Vault], matricule: Matricule) -> Trace:
    """Open every sealed value and kept message, and note those that hold the number; then the person's entries, by the names
    of ``vaults``. Reads beside the writer."""
    wanted = matricule.number.encode()
    connection = database.open_for_reading(path)
    try:
        refs = [ref for ref, sealed in _sealed_refs(connection) if wanted in _opened(vault, ref, sealed).upper()]
        messages = [
            (pos, n)
            for pos, n, entry_id, key, blob in connection.execute(_MESSAGES)
            if wanted in _copy(vault, f"{entry_id}|{n}", key, blob).upper()
        ]
        heads = dict(connection.execute(_HEADS))  # before the refs: a name made after them has its entries after these
        entries = _entries_of(connection, _refs_of(connection, vaults, matricule), {})
    finally:
        connection.close()
    return Trace(refs, messages, entries, heads)


def erase_rows(store: Store, matricule: Matricule, trace: Trace, vaults: Sequence[Vault]) -> dict[str, int]:
    """The rows, in the running transaction; the counts for the entry. ``vaults``: whose lookups find the person."""
    db = store.connection()
    refs = _refs_of(db, vaults, matricule)
    entries = {*trace.entries, *_entries_of(db, refs, trace.heads)}
    _erase_entries(db, sorted(entries))
    for ref in refs:
        db.execute("DELETE FROM refs WHERE ref = ?", (ref,))
        store.own_keys.forget_person(ref)
    for vault in vaults:
        forget_beside(db, positions_about(db, vault, matricule.text))
    for pos, n in trace.messages:
        db.execute("DELETE FROM blobs WHERE pos = ? AND n = ?", (pos, n))
        db.execute("DELETE FROM bodies WHERE pos = ? AND n = ?", (pos, n))
    for one in trace.refs:
        db.execute("DELETE FROM refs WHERE ref = ?", (one,))
    questions = sum(_erase_questions(db, store, ref) for ref in refs)
    store.refs.forget()
    return {
        "known": int(bool(refs)), "entries": len(entries), "messages": len(trace.messages), "sealed_values": len(trace.refs),
        "questions": questions,
    }  # fmt: skip


def _refs_of(db: Connection, vaults: Sequence[Vault], matricule: Matricule) -> list[str]:
    """Every name that the deployment gave this person: a DUI may have written the number with another key, or with none."""
    lookups = [vault.lookup("person", text) for vault in vaults for text in _written(matricule.number)]
    return [ref for group in in_groups(lookups) for (ref,) in db.execute(_NAMED[len(group)], group).fetchall()]


def _written(number: str) -> list[str]:
    """A number names one person whatever follows it: some former INS even have a wrong key (reference insi §5)."""
    keys = ("", *(f"{key:02d}" for key in range(100)))
    return [one + key for one in dict.fromkeys((number, number.lower())) for key in keys]


def _entries_of(db: Connection, refs: Sequence[str], since: Mapping[int, int]) -> list[int]:
    """Places of the entries that name the person, in each log from ``since`` on; from its beginning when it is not there."""
    found: list[int] = []
    for log_id, _ in db.execute(_HEADS).fetchall() if refs else ():
        stretch = log_id << POS_BITS | since.get(log_id, 0), (log_id + 1) << POS_BITS
        found += [pos for (pos,) in db.execute(_ENTRIES, (*stretch, listed(refs)))]
    return found


def _erase_entries(db: Connection, positions: Sequence[int]) -> None:
    forget_beside(db, positions)
    bodies_there = (body for group in in_groups(positions) for _, body in db.execute(THERE[len(group)], group).fetchall())
    documents = {name for body in bodies_there for name in orjson.loads(body)["document_refs"]}
    # A document's uniqueId leads to the person in the DMP: it may be recognised again, never read again.
    db.execute("UPDATE refs SET sealed = NULL WHERE ref IN (SELECT value FROM json_each(?))", (listed(sorted(documents)),))


def _erase_questions(db: Connection, store: Store, ref: str) -> int:
    """What settlement would have asked, of entries in doubt and of calls under way; they wait for a person's decision."""
    db.execute("UPDATE doubts SET blob = NULL, commitment = NULL WHERE person_ref = ?", (ref,))
    questions = db.changes()
    under_way = [
        call_id for call_id, draft in db.execute("SELECT call_id, draft FROM intents") if orjson.loads(draft)["person_ref"] == ref
    ]
    unasked = "UPDATE intents SET blob = NULL, commitment = NULL WHERE call_id IN (SELECT value FROM json_each(?))"
    db.execute(unasked, (listed(under_way),))
    store.intents.forget_questions(under_way)
    return questions + len(under_way)


def forget_beside(db: Connection, positions: Sequence[int], tables: Sequence[str] = BESIDE) -> int:
    """Delete what lies beside these entries: salts, kept messages, facts; how many rows."""
    gone = 0
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE pos IN (SELECT CAST(value AS bigint) FROM json_each(?))", (listed(positions),))  # noqa: S608
        gone += db.changes()
    return gone


async def empty_wal(path: Path) -> bool:
    """Copy the write-ahead log into the file and cut it to nothing; False when a reader held it all along.

    On a server: let go of the rows that were deleted. Its own log and its copies are its operator's (docs/journal.md).
    """
    if address_of(path.parent) is not None:
        await asyncio.to_thread(database.vacuum, path)
        return True
    for _ in range(_WAL_TRIES):
        if await asyncio.to_thread(_truncate_wal, path):
            return True
        await asyncio.sleep(_WAL_PAUSE_S)
    return False


def _truncate_wal(path: Path) -> bool:
    connection = database.open_beside(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # the long part, which holds up nobody
        (busy, _, _) = next(iter(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")))
    finally:
        connection.close()
    return not busy


def _sealed_refs(connection: Connection) -> Iterator[tuple[str, bytes]]:
    yield from connection.execute("SELECT ref, sealed FROM refs WHERE sealed IS NOT NULL")


def _opened(vault: Vault, name: str, sealed: bytes) -> bytes:
    try:
        return vault.unseal(name, sealed)
    except InvalidTag:  # sealed by the key of another environment, or damaged: nothing that could be read
        return b""


def _copy(vault: Vault, name: str, key: bytes, blob: bytes) -> bytes:
    try:
        return bodies.text_of(vault.unseal_alone(name, key, blob))
    except InvalidTag:  # damaged: nobody reads it any more
        return b""


_NAMED = {size: f"SELECT ref FROM refs WHERE lookup IN ({','.join('?' * size)})" for size in LOOKED_UP}  # noqa: S608
_HEADS = "SELECT log_id, next_seq FROM log_heads"
_ENTRIES = "SELECT pos FROM entries WHERE pos >= ? AND pos < ? AND person_ref IN (SELECT value FROM json_each(?))"
_MESSAGES = """
SELECT blobs.pos, n, entries.id, sealed_key, sealed FROM blobs JOIN entries ON entries.pos = blobs.pos
"""
