"""What a gateway that died owes is written by another one, which first takes its log from it (design §5.1, decision 0046).

Time is the server's, and the log's row is what everybody agrees by: its writer holds it in each of its transactions, so that
a gateway is never declared dead in the middle of one, and one that was finds at its next that the log is no longer its own.
"""
from __future__ import annotations

from dataclasses import dataclass

from gateway.journal.recovery import give_up
from gateway.journal.shared_head import OWES
from gateway.journal.store import Store

_BATCH = 200  # intents a transaction: the traffic of the one who writes them waits no longer than some milliseconds

_OUT = f"SELECT log_id, lease_owner FROM log_heads WHERE {OWES} ORDER BY log_id LIMIT 1 FOR UPDATE SKIP LOCKED"  # noqa: S608
_FENCE = "UPDATE log_heads SET lease_owner = ?, lease_until = '-infinity' WHERE log_id = ?"


@dataclass(frozen=True, slots=True)
class Taken:
    """``boot`` wrote this log and was thought dead; ``doubts`` of its calls are in doubt now. More may be owed still."""

    log: int
    boot: str
    doubts: int
    more: bool


def take_over(store: Store) -> Taken | None:
    """Close one log whose lease has run out, and write what its gateway owed; None when there is no such log.

    In the running transaction of a store on a server. Its log may be opened again by whoever starts next.
    """
    db = store.connection(alone=False)
    row = db.execute(_OUT, (store.log_id,)).fetchone()
    if row is None:
        return None
    log, boot = row
    db.execute(_FENCE, (store.boot_id, log))
    written = give_up(store, store.intents.of_log(log, _BATCH))
    return Taken(log, boot, written, more=written == _BATCH)
