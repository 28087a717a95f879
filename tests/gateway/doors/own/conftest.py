"""One sandbox for all tests of our own doors; each test has its own journal and its own mocks."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mocks.sandbox.build import init
from tests.gateway.doors.own.bench import STRUCTURES, Bench, open_bench


@pytest.fixture(scope="session")
def own_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    init(folder, structures=STRUCTURES)
    return folder


@pytest.fixture
async def bench(own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with open_bench(own_sandbox, tmp_path / "data", monkeypatch) as bench:
        yield bench
