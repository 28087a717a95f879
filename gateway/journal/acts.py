"""Several gateways on one journal: what each has to do as well, who has not yet, and who leads (decision 0046).

On a connection of its own, which holds the lock of the leader: when the gateway dies, or its connection, the lock is free.
Every method blocks; any thread may call it.
"""
from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.journal.connection import Values
from gateway.journal.location import address_of
from gateway.journal.record import JournalError
from gateway.journal.shared_head import OWES, SESSION_OF

_LEADER = 0x50C1E, 1  # of the advisory lock; a database has one journal
_COMING = """
SELECT n, acts.log, body, told FROM acts LEFT JOIN entries USING (pos) WHERE n > ? ORDER BY n LIMIT 500
"""
_BEHIND = "SELECT log_id FROM log_heads WHERE log_id > 0 AND lease_until > clock_timestamp() AND seen < ? ORDER BY log_id"
_LIVE = "SELECT count(*) FROM log_heads WHERE log_id > 0 AND lease_until > clock_timestamp()"
#: Ends the sessions that hold locks of a gateway whose log was taken: it is stopped, or the network lost it. A gateway takes its
#: log before it holds a lock, and nobody takes it while its lease holds.
_DEPOSE = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid IN (
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
) AND starts_with(application_name, '{SESSION_OF}')
AND NOT EXISTS (SELECT 1 FROM log_heads WHERE '{SESSION_OF}' || lease_owner = application_name COLLATE "C")
"""  # noqa: S608
_DEAD = f"SELECT 1 FROM log_heads WHERE {OWES} LIMIT 1"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Act:
    """``detail`` is that of an admin entry, or what a gateway told the others; ``log`` that of the gateway that did it."""

    n: int
    log: int
    detail: dict[str, Any]


class Acts:
    """As the gateway that writes ``log`` follows them. ``at``: the last one that it has done."""

    def __init__(self, folder: Path, log: int, boot: str) -> None:
        """Raises StoreError, JournalError for a journal that no other gateway can share."""
        address = address_of(folder)
        if address is None:
            raise JournalError("a journal in a file has one gateway")
        from gateway.journal.server import open_beside  # the driver is an extra, which this journal has

        self._db, self._log, self._boot = open_beside(address, boot), log, boot
        self._one = threading.Lock()  # a statement and all its rows: two at once would each open a transaction in the other's
        self.at: int = self._value("SELECT seen FROM log_heads WHERE log_id = ?", (log,))

    def close(self) -> None:
        self._db.close()

    def _rows(self, statement: str, values: Values = ()) -> list[Any]:
        with self._one:
            return self._db.execute(statement, values).fetchall()

    def _value(self, statement: str, values: Values = ()) -> Any:
        with self._one:
            return self._db.execute(statement, values).get

    def coming(self) -> list[Act]:
        """What has become true since ``at``, in order, none left out."""
        rows = self._rows(_COMING, (self.at,))
        return [Act(n, log, orjson.loads(told) if body is None else orjson.loads(body)["detail"]) for n, log, body, told in rows]

    def done(self, n: int) -> None:
        """Everything up to ``n`` holds in this gateway now."""
        self._rows("UPDATE log_heads SET seen = ? WHERE log_id = ? AND lease_owner = ?", (n, self._log, self._boot))
        self.at = n

    def latest(self) -> int:
        n: int = self._value("SELECT acts FROM store")
        return n

    def behind(self, n: int) -> list[int]:
        """The logs of the gateways that live and have not done everything up to ``n``."""
        return [log for (log,) in self._rows(_BEHIND, (n,))]

    def live(self) -> int:
        """How many gateways live, by the server's clock."""
        count: int = self._value(_LIVE)
        return count

    def dead(self) -> bool:
        """Whether the log of a dead gateway waits to be taken over."""
        return self._value(_DEAD, (self._log,)) is not None

    def lead(self) -> bool:
        """Whether this gateway leads from now on: nobody else does until it dies, or its log is taken and it is deposed."""
        return bool(self._value("SELECT pg_try_advisory_lock(?, ?)", _LEADER))

    def depose(self) -> int:
        """End what a gateway that was taken over still holds on the server, above all the lead; how many sessions that were."""
        return len(self._rows(_DEPOSE))

    def confirm(self) -> None:
        """That what this gateway holds is still its own: the lead goes with this session. Raises StoreLost."""
        self._value("SELECT 1")
