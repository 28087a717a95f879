"""The table log_heads: who writes a log, and its next place (design §5, « Stores »)."""
from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import apsw

from gateway.journal.canonical import text_of
from gateway.journal.connection import Connection, busy
from gateway.journal.record import JournalStopped

LEASE = timedelta(seconds=30)
POS_BITS = 40  # pos = log << POS_BITS | seq


class Head(Protocol):
    """One log, held by one process. Every method but ``take`` and ``release`` is of the running transaction.

    renew_every_s  how long the log may stay unwritten before a transaction must say that its writer lives; None: for ever
    """

    log_id: int
    renew_every_s: float | None

    def take(self, now: datetime) -> int:
        """Make the log this process's own; its next seq."""

    def begin(self, now: datetime, seq: int) -> None:
        """Begin a transaction that may write at ``seq``. Raises JournalStopped when the log is another process's now, StoreBusy
        while somebody else writes."""

    def move(self, first: int, next_seq: int, now: datetime) -> None:
        """From ``first`` on, the transaction wrote up to ``next_seq``. Raises JournalStopped."""

    def alone(self) -> None:
        """From now on nobody else writes, until the transaction ends: rows that any entry may need are going."""

    def note_act(self, pos: int | None, told: bytes | None = None) -> None:
        """Other gateways have to know of the admin entry at ``pos``, or of what is ``told``."""

    def release(self) -> None:
        """Leave the log to whoever wants it."""


class FileHead:
    """SQLite: the folder's lock keeps others away, and a new owner fences off whoever held the log all the same."""

    renew_every_s: float | None = None

    def __init__(self, connection: Connection, boot_id: str, log_id: int) -> None:
        self._db, self._boot_id, self.log_id = connection, boot_id, log_id

    def take(self, now: datetime) -> int:
        seq: int = self._db.execute(
            "INSERT INTO log_heads (log_id, next_seq, lease_owner, lease_until) VALUES (?, 0, ?, ?)"
            " ON CONFLICT (log_id) DO UPDATE SET lease_owner = excluded.lease_owner, lease_until = excluded.lease_until"
            " RETURNING next_seq",
            (self.log_id, self._boot_id, text_of(now + LEASE)),
        ).get
        return seq

    def begin(self, now: datetime, seq: int) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except apsw.BusyError as error:
            raise busy(error) from error

    def move(self, first: int, next_seq: int, now: datetime) -> None:
        if next_seq == first:
            return
        self._db.execute(
            "UPDATE log_heads SET next_seq = ?, lease_until = ? WHERE log_id = ? AND next_seq = ? AND lease_owner = ?",
            (next_seq, text_of(now + LEASE), self.log_id, first, self._boot_id),
        )
        if self._db.changes() != 1:
            raise JournalStopped(f"another process writes log {self.log_id}")

    def alone(self) -> None:
        """The writing connection is the only one."""

    def note_act(self, pos: int | None, told: bytes | None = None) -> None:
        """There are no others."""

    def release(self) -> None:
        """The lock goes with the process."""
