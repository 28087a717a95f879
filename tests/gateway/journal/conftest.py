"""Several gateways on one PostgreSQL, in one process."""
from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.wire.clock import Clock, SystemClock
from gateway.journal import location
from gateway.journal.journal import Journal
from tests.gateway.journal.several import Another
from tests.gateway.journal.world import open_journal
from tests.stores import Server


@pytest.fixture
async def gateway(postgres: Server, tmp_path: Path) -> AsyncIterator[Another]:
    """gateway("a"), gateway("b"): journals of two folders on one database, with the same keys; closed at the end."""
    address = postgres.place(tmp_path / "a")
    journals: list[Journal] = []

    def start(name: str, clock: Clock | None = None) -> Journal:
        folder = tmp_path / name
        if not folder.exists():
            location.choose(folder, address)
            shutil.copytree(tmp_path / "a" / "keys", folder / "keys")
        journals.append(open_journal(folder, clock=clock or SystemClock()))
        return journals[-1]

    yield start
    for journal in journals:
        await journal.close()
    postgres.drop_below(tmp_path)
