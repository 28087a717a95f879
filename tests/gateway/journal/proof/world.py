"""A journal of a few entries and its notary, without a gateway."""
from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.wire.clock import SystemClock
from gateway.journal.journal import Journal
from gateway.journal.location import address_of
from gateway.journal.proof import merkle, register, snapshot
from gateway.journal.proof.notary import Notary
from gateway.journal.record import Record
from tests.gateway.journal.world import feed, open_journal, rows

STRUCTURES = ("130790199", "130786502")  # both of the Marseille-Hyères grappe


def write(folder: Path, number: int, *, log_id: int = 1) -> None:
    """So many calls, from two structures in turn."""

    async def run() -> None:
        first = open_journal(folder) if log_id > 1 and address_of(folder) else None  # a server gives the first that is free
        journal = open_journal(folder, log_id=log_id)
        assert journal.log_id == log_id
        for n in range(number):
            record = feed("ok")
            record.finess_et = STRUCTURES[n % 2]
            await journal.write(record)
        await journal.close()
        if first is not None:
            await first.close()

    asyncio.run(run())


@contextmanager
def notary(folder: Path, **options: Any) -> Iterator[Notary]:
    """Open, and closed again without a last word: as after a crash."""
    found = Notary.open(folder, SystemClock(), **options)
    try:
        yield found
    finally:
        found.close(sign=False)


def sign(folder: Path, why: Any = "period") -> None:
    """Everything committed is hashed and signed."""
    with notary(folder) as one:
        one.up_to_date(why)


def tamper(folder: Path, *statements: str) -> None:
    """What the owner of the files can do: the journal's own refusals are taken away first."""
    for statement in ("DROP TRIGGER IF EXISTS entries_never_change", "DROP TRIGGER IF EXISTS entries_never_leave", *statements):
        rows(folder, statement)


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over these leaves."""
    frontier = merkle.Frontier()
    for one in leaf_hashes:
        frontier.add(one)
    return frontier.root()


def vector(folder: Path) -> register.Vector:
    """Of the last snapshot; empty before the first."""
    last = snapshot.latest(folder)
    return () if last is None else last.vector


def admin(action: str) -> Record:
    return Record(None, kind="admin", tenant="passerelle", detail={"action": action, "by": "essai"})


__all__ = ["Journal", "admin", "notary", "root_of", "rows", "sign", "tamper", "vector", "write"]
