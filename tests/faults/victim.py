"""A process that writes until it is killed; prints what was acknowledged, one line each. Argument: the journal's folder."""
from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.journal.journal import Journal
from gateway.journal.record import Intent, Named, Record
from tests.gateway.journal.world import feed, open_journal


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _caller(journal: Journal, number: int) -> None:
    for n in range(100_000):
        record = feed(person=Named("person", f"{number:07d}{n:08d}"))
        await journal.intend(record, Intent(Named("submission", record.id), 30.0))
        _say(f"intent {record.id}")
        record.outcome = "ok"
        for entry in await journal.write(record, Record("INS.RECHERCHE_TRAITS", outcome="ok")):
            _say(f"entry {entry.id}")


async def main(folder: Path) -> None:
    journal = open_journal(folder)
    _say("ready")
    await asyncio.gather(*(_caller(journal, number) for number in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
