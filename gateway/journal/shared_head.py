"""A log on a server that several gateways share: held by a lease, fenced by its head (design §5, « Stores »)."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from gateway.journal.connection import Connection, StoreError
from gateway.journal.durable import write_durably
from gateway.journal.heads import LEASE, POS_BITS
from gateway.journal.record import JournalStopped

#: Which boot wrote last as this process of the folder. Whoever has its lock knows that it is dead, lease or no lease.
HOLDER_NAME = "journal.holder"
SESSION_OF = "socle "  # then the boot: how the server names the sessions of a gateway that hold locks
#: SQL true of a log, other than a given one, whose gateway died and may owe something: one that was left in order has no lease
#: and no intent, one whose taker died half-way has intents still.
OWES = """
log_id > 0 AND log_id <> ? AND lease_until < clock_timestamp()
AND (lease_until > '-infinity' OR EXISTS (SELECT 1 FROM intents WHERE intents.log = log_id))
"""
_TRIES = 100
_TAKE = """
UPDATE log_heads
SET lease_owner = ?, lease_until = clock_timestamp() + CAST(? AS interval), seen = (SELECT acts FROM store)
WHERE log_id = (
    SELECT log_id FROM log_heads WHERE log_id > 0 AND (lease_until < clock_timestamp() OR lease_owner = ?)
    ORDER BY lease_owner = ? DESC, log_id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING log_id, next_seq
"""
_OPEN = """
INSERT INTO log_heads (log_id, next_seq, lease_owner, lease_until, seen)
SELECT coalesce(max(log_id), 0) + 1, 0, ?, clock_timestamp() + CAST(? AS interval), (SELECT acts FROM store) FROM log_heads
ON CONFLICT (log_id) DO NOTHING RETURNING log_id, next_seq
"""
_MINE = """
SELECT next_seq, refs_forgotten, watching FROM log_heads CROSS JOIN store WHERE log_id = ? AND lease_owner = ?
FOR UPDATE OF log_heads
"""
_MOVE = """
UPDATE log_heads SET next_seq = ?, lease_until = clock_timestamp() + CAST(? AS interval)
WHERE log_id = ? AND next_seq = ? AND lease_owner = ?
"""
_LEAVE = "UPDATE log_heads SET lease_until = '-infinity' WHERE log_id = ? AND lease_owner = ?"


class SharedHead:
    """Time is the server's: the gateways' own clocks may disagree.

    forget  called when rows that this process may remember were deleted by another one
    follow  called at the beginning of each transaction: whether it must tell which refs it names
    """

    def __init__(
        self, connection: Connection, boot_id: str, folder: Path, process: int, forget: Callable[[], None],
        follow: Callable[[bool], None],
    ) -> None:  # fmt: skip
        self._db, self._boot_id, self._forget, self._follow = connection, boot_id, forget, follow
        self._holder = folder / (HOLDER_NAME if process == 1 else f"{HOLDER_NAME}.{process}")
        self._forgotten = self._month = self._ready = 0
        self.log_id = 0
        self.renew_every_s: float | None = LEASE.total_seconds() / 3

    def take(self, now: datetime) -> int:
        """The log that this folder wrote last, or one that nobody holds, or a new one."""
        before = self._holder.read_text() if self._holder.exists() else ""
        row = self._db.execute(_TAKE, (self._boot_id, LEASE, before, before)).fetchone()
        for _ in range(_TRIES):
            row = row or self._db.execute(_OPEN, (self._boot_id, LEASE)).fetchone()
        if row is None:
            raise JournalStopped("no log could be opened")
        self.log_id, seq = row
        write_durably(self._holder, self._boot_id.encode())
        self._month = self._last_month()
        return int(seq)

    def begin(self, now: datetime, seq: int) -> None:
        """Raises JournalStopped when another process took the log: this one was thought dead."""
        self._turn_to(now.year * 100 + now.month)
        self._db.execute("BEGIN")
        self._db.execute("LOCK TABLE refs IN ROW SHARE MODE")
        mine = self._db.execute(_MINE, (self.log_id, self._boot_id)).fetchone()
        if mine is None or mine[0] != seq:
            raise self._taken()
        if mine[1] != self._forgotten:
            self._forgotten = mine[1]
            self._forget()
        self._follow(mine[2])

    def move(self, first: int, next_seq: int, now: datetime) -> None:
        self._db.execute(_MOVE, (next_seq, LEASE, self.log_id, first, self._boot_id))
        if self._db.changes() != 1:
            raise self._taken()

    def alone(self) -> None:
        """Whoever wrote before has committed, whoever comes waits, and will read again what it remembers."""
        self._db.execute("LOCK TABLE refs IN EXCLUSIVE MODE")
        self._db.execute("UPDATE store SET refs_forgotten = refs_forgotten + 1")

    def note_act(self, pos: int | None, told: bytes | None = None) -> None:
        n = self._db.execute("UPDATE store SET acts = acts + 1 RETURNING acts").get
        self._db.execute("INSERT INTO acts (n, log, pos, told) VALUES (?, ?, ?, ?)", (n, self.log_id, pos, told))

    def release(self) -> None:
        with suppress(StoreError):
            self._db.execute(_LEAVE, (self.log_id, self._boot_id))

    def _taken(self) -> JournalStopped:
        owner = self._db.execute("SELECT lease_owner FROM log_heads WHERE log_id = ?", (self.log_id,)).get
        return JournalStopped(f"another process writes log {self.log_id}: boot {owner} took it from boot {self._boot_id}")

    def _last_month(self) -> int:
        last = "SELECT month FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos DESC LIMIT 1"
        return self._db.execute(last, (self.log_id << POS_BITS, (self.log_id + 1) << POS_BITS)).get or 0

    def _turn_to(self, month: int) -> None:
        """Write into the month's partitions from now on; a clock that steps back does not go back to an earlier month."""
        self._month = max(month, self._month)
        if self._month == self._ready:
            return
        for one in (self._month, _after(self._month)):
            self._db.execute("SELECT make_month(?)", (one,)).fetchone()
        self._db.execute("SELECT set_config('socle.month', ?, false)", (str(self._month),)).fetchone()
        self._ready = self._month


def _after(month: int) -> int:
    return month + 1 if month % 100 < 12 else month + 89
