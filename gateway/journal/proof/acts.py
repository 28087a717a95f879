"""Acts of the notary that are also entries of the journal."""
from __future__ import annotations

import asyncio
from typing import Any

from connectors.wire.clock import Clock
from gateway.journal.journal import Journal
from gateway.journal.proof.notary import Confirm, Notary, Rhythm

ROTATION, FORK = "signing_key", "fork_accepted"
_BY = "administrateur"


async def open_notary(
    journal: Journal, clock: Clock, rhythm: Rhythm, *, accept_fork: bool = False, confirm: Confirm | None = None
) -> Notary:
    """The notary of an open journal, once it agrees with its last checkpoint or the operator takes it as it is (design §5.5).

    Raises JournalForked, JournalUnsafe.
    """
    notary = await asyncio.to_thread(
        Notary.open, journal.folder, clock, rhythm, accept_fork=accept_fork, confirm=confirm
    )
    if notary.forks:
        for fork in notary.forks:  # first the entry: a crash here asks again
            await journal.write(journal.admin({"action": FORK, "by": _BY, **fork.detail()}))
        await asyncio.to_thread(notary.accept, _BY)
    await asyncio.to_thread(notary.begin, journal.boot_id)
    return notary


async def rotate(journal: Journal, notary: Notary, by: str) -> dict[str, Any]:
    """Sign with a new key from now on; the public keys. Log 0 has the act as soon as it is done, the journal right after.

    Raises OSError, JournalError.
    """
    old, new = await asyncio.to_thread(notary.rotate)
    said = {"previous": str(old), "key": str(new)}
    await journal.write(journal.admin({"action": ROTATION, "by": by, **said}))
    return said
