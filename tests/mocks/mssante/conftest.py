"""The world of one test of the simulated operator."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mocks.sandbox.world import World
from tests.mocks.mssante.bench import make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path)
    yield world
    world.trace.close()
