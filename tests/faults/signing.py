"""A process that writes and signs without rest, to be killed anywhere: it tells each snapshot once it is on disk."""
from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from connectors.wire.clock import SystemClock
from gateway.journal.proof.notary import Notary
from tests.gateway.journal.world import feed, open_journal


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(folder: Path) -> None:
    journal = open_journal(folder)
    notary = Notary.open(folder, SystemClock())
    notary.begin(journal.boot_id)
    tell("ready")
    for number in range(100_000):
        await asyncio.gather(*(journal.write(feed("ok")) for _ in range(7)))
        if number % 5 == 4:
            await asyncio.to_thread(notary.rotate)
        made = await asyncio.to_thread(notary.up_to_date, "period")
        tell(f"{made.size} {made.root} {made.vector[0].size} {made.vector[0].root}")


asyncio.run(main(Path(sys.argv[1])))
