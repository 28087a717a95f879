"""Each test of our own doors has its own journal and its own mocks, on the sandbox that all share."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.doors.own.bench import Bench, open_bench


@pytest.fixture
async def bench(own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with open_bench(own_sandbox, tmp_path / "data", monkeypatch) as bench:
        yield bench
