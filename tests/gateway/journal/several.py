"""Several gateways on one PostgreSQL, in one process: what happens to them."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.journal.journal import Journal
from tests.stores import opened

Another = Callable[..., Journal]


def change(folder: Path, statement: str) -> None:
    db = opened(folder)
    db.execute(statement)
    db.close()


async def killed(journal: Journal) -> None:
    """As SIGKILL leaves it: the lock goes with the process, the lease stays."""
    journal._writer.stop()
    await asyncio.to_thread(journal._writer.join)
    journal._store._db.close()
    journal._lock.release()
    journal.close = nothing_more  # type: ignore[method-assign]


async def closed(journal: Journal) -> None:
    await journal.close()
    journal.close = nothing_more  # type: ignore[method-assign]


async def nothing_more() -> None:
    """What is closed already."""
