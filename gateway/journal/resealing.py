"""Changing K2, the key that seals (docs/securite.md): everything is sealed again, beside the traffic, by short transactions.

The new key lies beside the old one (``keys/K2.next``) until nothing is left under the old, which then is gone for ever. A process
that dies on the way leaves both: whatever opens the journal next reads with both, seals with the new one, and this goes on from
there. Two entries tell: who began, and what was done.
"""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography.exceptions import InvalidTag

from gateway.journal.erasure import empty_wal
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.own_keys import SEALED_AS
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalError
from gateway.journal.store import Store

log = logging.getLogger(__name__)

ACTION = "reseal"
_CHUNK = 500  # values a transaction: the traffic waits no longer than some milliseconds


class AlreadyResealing(Exception):
    """One at a time: the first goes on."""


class KeyOpensNothing(JournalError):
    """Values are sealed, and the key opens none of them: it is another deployment's. The text is French."""

    def __init__(self) -> None:
        super().__init__(
            "la clé K2 (keys/K2) n'ouvre aucune des valeurs scellées : ce n'est pas la leur. Remettez celle de la même copie que "
            "la base (journal restore) ; en changer maintenant rendrait tout illisible"
        )


@dataclass(frozen=True, slots=True)
class Resealed:
    """``values`` sealed again, ``unreadable`` ones that no key opens, left as they were; ``key`` names the new key."""

    key: str
    values: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Where values are sealed. ``named`` is the column that gives the name under which they are."""

    source: str
    key: tuple[str, ...]
    named: str
    column: str
    first: tuple[Any, ...]

    def page(self) -> str:
        keys, marks = ", ".join(self.key), ", ".join("?" * len(self.key))
        return (
            f"SELECT {self.named}, {self.column}, {keys} FROM {self.source}"  # noqa: S608 names of ours
            f" WHERE ({keys}) > ({marks}) AND {self.column} IS NOT NULL ORDER BY {keys} LIMIT ?"
        )

    def update(self) -> str:
        table = self.source.partition(" ")[0]
        where = " AND ".join(f"{one.rpartition('.')[2]} = ?" for one in self.key)
        return f"UPDATE {table} SET {self.column} = ? WHERE {where}"  # noqa: S608


_TABLES = (
    _Sealed("refs", ("ref",), "ref", "sealed", ("",)),
    _Sealed("blobs JOIN entries USING (pos)", ("blobs.pos", "blobs.n"), "entries.id || '|' || blobs.n", "sealed_key", (-1, -1)),
    _Sealed("doubts", ("entry_id",), "entry_id", "blob", ("",)),
    _Sealed("intents", ("call_id",), "call_id", "blob", ("",)),
    _Sealed("own_keys", ("lookup",), f"'{SEALED_AS}' || call_id", "answer", (b"",)),
)


async def reseal(journal: Journal, *, by: str) -> Resealed:
    """Take a new K2 and seal everything again with it; or finish what a dead process began.

    Raises AlreadyResealing, KeyOpensNothing, JournalFull (what is done stays done: call it again), JournalStopped.
    """
    if journal.vault.busy:
        raise AlreadyResealing
    journal.vault.busy = True
    try:
        return await _reseal(journal, by)
    finally:
        journal.vault.busy = False


async def resume(journal: Journal) -> None:
    """At the start of a gateway: finish the change of key that a dead process left."""
    if not journal.vault.rotating:
        return
    try:
        done = await reseal(journal, by="passerelle")
    except (AlreadyResealing, JournalError) as error:
        log.warning("resealing_put_off", extra={"error": type(error).__name__})
    else:
        log.info("resealing_resumed", extra={"values": done.values, "unreadable": done.unreadable})


async def _reseal(journal: Journal, by: str) -> Resealed:
    vault = journal.vault
    if await _nothing_opens(journal):
        raise KeyOpensNothing
    await journal.change(lambda _: vault.begin())  # on the writer's thread: what it seals from now on is under the new key
    key = vault.key_name
    said = await asyncio.to_thread(_said_of, journal, key)
    if "begun" not in said:
        await journal.write(journal.admin({"action": ACTION, "by": by, "step": "begun", "key": key}))
    await journal.abreast()  # every gateway seals with the new key, and none can leave something under the old one
    values, unreadable = await _pass(journal)
    while (again := await _pass(journal))[0]:  # what was sealed before the change and written after its place was passed
        values += again[0]
    if "done" not in said:
        counts = {"values": values, "unreadable": unreadable}
        await journal.write(journal.admin({"action": ACTION, "by": by, "step": "done", "key": key, **counts}))
    await asyncio.to_thread(vault.end)
    await empty_wal(journal.folder / FILE_NAME)
    return Resealed(key, values, unreadable)


async def _nothing_opens(journal: Journal) -> bool:
    """Whether there are sealed values and none of them opens: one that does ends the search."""
    sealed = 0
    for table in _TABLES:
        after: tuple[Any, ...] | None = table.first
        while after is not None:
            after, opened, seen = await journal.change(partial(_look, table=table, after=after))
            if opened:
                return False
            sealed += seen
    return sealed > 0


def _look(store: Store, *, table: _Sealed, after: tuple[Any, ...]) -> tuple[tuple[Any, ...] | None, bool, int]:
    """One chunk: where the next begins, None at the end; whether a value of it opens; how many there are."""
    rows: list[Any] = store.connection().execute(table.page(), (*after, _CHUNK)).fetchall()
    for name, sealed, *_ in rows:
        with suppress(InvalidTag):
            store.vault.unseal(name, sealed)
            return None, True, len(rows)
    return (tuple(rows[-1][2:]) if len(rows) == _CHUNK else None), False, len(rows)


async def _pass(journal: Journal) -> tuple[int, int]:
    """Every sealed value once: how many were under the old key, how many under none."""
    moved = unreadable = 0
    for table in _TABLES:
        after: tuple[Any, ...] | None = table.first
        while after is not None:
            after, changed, lost = await journal.change(partial(_page, table=table, after=after))
            moved, unreadable = moved + changed, unreadable + lost
    moved += await journal.change(lambda store: store.intents.reseal(store.vault.resealed))
    return moved, unreadable


def _page(store: Store, *, table: _Sealed, after: tuple[Any, ...]) -> tuple[tuple[Any, ...] | None, int, int]:
    """One chunk, in the running transaction: where the next begins, None at the end; how many moved, and unreadable."""
    db = store.connection()
    rows: list[Any] = db.execute(table.page(), (*after, _CHUNK)).fetchall()
    moved, unreadable = [], 0
    for name, sealed, *key in rows:
        try:
            fresh = store.vault.resealed(name, sealed)
        except InvalidTag:  # damaged: no key of ours opens it, and none will
            unreadable += 1
            continue
        if fresh is not None:
            moved.append((fresh, *key))
    if moved:
        db.executemany(table.update(), moved)
    return (tuple(rows[-1][2:]) if len(rows) == _CHUNK else None), len(moved), unreadable


def _said_of(journal: Journal, key: str) -> set[str]:
    """Which of the two entries of this change of key are written."""
    with JournalReader(journal.folder) as reader:
        return {detail["step"] for detail in _details(reader) if detail.get("action") == ACTION and detail["key"] == key}


def _details(reader: JournalReader) -> Iterator[dict[str, Any]]:
    return (entry["detail"] for entry in reader.acts())
