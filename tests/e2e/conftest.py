"""One gateway and its mocks for each file that arms faults; every test begins with none armed."""
from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.faults_bench import FaultsBench, faults_bench


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultsBench]:
    with pytest.MonkeyPatch.context() as patch:
        async with faults_bench(tmp_path_factory.mktemp("faults"), patch) as bench:
            yield bench


@pytest_asyncio.fixture(loop_scope="module")
async def bench(whole: FaultsBench) -> FaultsBench:
    await whole.begin()
    return whole
