"""What several areas of the gateway's tests share: one sandbox of two vendors, whose keys take long to make."""
from __future__ import annotations

from pathlib import Path

import pytest

from mocks.sandbox.build import init
from tests.gateway.doors.own.bench import STRUCTURES


@pytest.fixture(scope="session")
def own_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    init(folder, structures=STRUCTURES)
    return folder
