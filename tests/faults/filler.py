"""A journal on a disk that fills up while calls are under way, then gets room again. Prints what became of each, as JSON.

Arguments: the folder, and what is full: ``disk`` (another program takes all that is free), ``file`` (RLIMIT_FSIZE) or
``pages`` (PRAGMA max_page_count). ``no-ballast`` as a third argument plays the mutant that never gives it up.
"""
from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from gateway.closing import close_call
from gateway.journal import room
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Intent, JournalFull, Named, Record
from tests.gateway.journal.world import feed, open_journal

_UNDER_WAY = 40


class StubbornRoom(room.Room):
    """Mutant: keeps its ballast for itself."""

    def give_up(self) -> bool:
        return False


class StubbornJournal(Journal):
    room_class = StubbornRoom


def _take_all(folder: Path) -> Callable[[], None]:
    junk = folder / "another-program"
    with junk.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 512, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return junk.unlink


def _limit_files(folder: Path) -> Callable[[], None]:
    size = (folder / f"{FILE_NAME}-wal").stat().st_size + 20_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


_LIMITS = {"disk": _take_all, "file": _limit_files}


async def _limit_pages(journal: Journal) -> Callable[[], None]:
    async def limit(pages: int) -> int:
        count: int = await journal._writer.run_job(lambda store: store._db.pragma("max_page_count", pages), owed=True)
        return count

    await limit(await journal._writer.run_job(lambda store: store._db.pragma("page_count")) + 6)
    loop = asyncio.get_running_loop()
    return lambda: loop.call_soon(lambda: asyncio.ensure_future(limit(1 << 30))) and None


async def _call(journal: Journal, record: Record) -> str:
    try:
        await journal.intend(record, Intent(Named("submission", record.id), 30.0))
    except JournalFull:
        return "refused"
    record.outcome = "ok"
    await close_call(journal, record)
    return record.id


async def main(folder: Path, full: str, journal_class: type[Journal]) -> None:
    room._LOOK_EVERY_S = room._MAKE_EVERY_S = 0.05
    journal = open_journal(folder, journal_class, ballast_bytes=1 << 20)
    under_way = [feed(person=Named("person", f"{n:015d}")) for n in range(_UNDER_WAY)]
    for n, record in enumerate(under_way):
        if n % 2:
            journal.reserve(record)
        else:
            await journal.intend(record, Intent(Named("submission", record.id), 30.0))
    give_back = await _limit_pages(journal) if full == "pages" else _LIMITS[full](folder)
    new = [asyncio.create_task(_call(journal, feed()))]
    await asyncio.wait(new, timeout=0.5)
    while new[-1].done() and new[-1].result() != "refused" and len(new) < 400:
        new.append(asyncio.create_task(_call(journal, feed())))
        await asyncio.wait(new, timeout=0.5)
    for record in under_way:
        record.outcome = "ok"
    closing = [asyncio.create_task(close_call(journal, record)) for record in under_way]
    _, held = await asyncio.wait(closing, timeout=1.0)
    give_back()
    await asyncio.wait_for(asyncio.gather(*closing), 20)
    tried = await asyncio.wait_for(asyncio.gather(*new), 20)
    again = "refused"
    for _ in range(200):
        if not journal.full and (again := await _call(journal, feed())) != "refused":
            break
        await asyncio.sleep(0.02)
    owed, stopped = journal.in_flight_intents, journal.stopped
    await journal.close()
    with JournalReader(folder) as reader:
        written, intents = [entry.id for entry in reader.walk()], reader.intents()
    promised = [record.id for record in under_way] + [name for name in [*tried, again] if name != "refused"]
    said = {
        "new": len(tried), "refused": tried.count("refused"), "held": len(held), "again": again != "refused", "owed": owed,
        "stopped": stopped, "intents": intents, "lost": len(set(promised) - set(written)),
        "twice": len(written) - len(set(written)),
    }  # fmt: skip
    sys.stdout.write(orjson.dumps(said).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], StubbornJournal if sys.argv[3:] == ["no-ballast"] else Journal))
