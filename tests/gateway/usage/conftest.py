"""A real journal file, filled by the real writer."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.wire.clock import SystemClock
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.journal.connection import Connection
from gateway.journal.database import open_for_reading
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import Record

Fill = Callable[..., Connection]


@pytest.fixture
def registry() -> Registry:
    return Registry([example("marseille-hyeres")])


@pytest.fixture
def journal_file(tmp_path: Path) -> Path:
    return tmp_path / "gateway" / FILE_NAME


@pytest.fixture
def fill(journal_file: Path) -> Iterator[Fill]:
    """fill(*records, environment=…): writes them durably, and gives a connection that reads the file."""
    readers: list[Connection] = []

    async def write(records: tuple[Record, ...], environment: str) -> None:
        journal = Journal.open(journal_file.parent, environment=environment, clock=SystemClock())
        try:
            for record in records:
                await journal.write(record)
        finally:
            await journal.close()

    def run(*records: Record, environment: str = "bac_a_sable") -> Connection:
        asyncio.run(write(records, environment))
        readers.append(open_for_reading(journal_file))
        return readers[-1]

    yield run
    for reader in readers:
        reader.close()
