"""What a call owes the journal, written whatever it takes (design §5.2, §5.4): doors answer only once this returns."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gateway.journal.connection import StoreBusy
from gateway.journal.journal import Journal
from gateway.journal.record import JournalFull, NotInDoubt, Record

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0


async def close_call(journal: Journal, call: Record, settlements: Sequence[Record] = ()) -> None:
    """Write the entry of a call with the settlements that its answer proves, in one transaction.

    Without room it waits until there is some, and while somebody else holds the store until it is free. A doubt that somebody
    settled meanwhile costs the call nothing: its entry is written, and each other settlement by itself. Raises JournalStopped.
    """
    try:
        await _held(journal, call, *settlements)
    except NotInDoubt:
        await _held(journal, call)
        for settlement in settlements:
            await settle(journal, settlement)


async def settle(journal: Journal, settlement: Record) -> bool:
    """Write one settlement; False when another answer, a duplicate or a person was faster. Raises JournalStopped."""
    try:
        await _held(journal, settlement)
    except NotInDoubt:
        return False
    return True


async def _held(journal: Journal, *records: Record) -> None:
    pause = _FIRST_PAUSE_S
    while True:
        try:
            await journal.write(*records)
        except (JournalFull, StoreBusy) as error:
            log.warning("entry_held", extra={"call_id": records[0].id, "error": type(error).__name__})
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        else:
            return
