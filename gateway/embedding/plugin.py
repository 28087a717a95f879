"""pytest plugin: ``socle_sandbox`` gives each test a sandbox at its first day (docs/embarquer.md).

The processes are started once per session, when the first test asks; under pytest-xdist, once per worker. Every pytest of
whoever installs Socle loads this file: what it needs is imported when a test asks.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway.embedding.sandbox import Sandbox


@pytest.fixture(scope="session")
def socle_sandbox_processes() -> Iterator[Sandbox]:
    """The processes, never reset: for a test that wants what another left."""
    from gateway.embedding.sandbox import socle_sandbox as started

    with started() as running:
        yield running


@pytest.fixture
def socle_sandbox(socle_sandbox_processes: Sandbox) -> Sandbox:
    """A sandbox whose mocks hold nothing; the journal goes on from test to test."""
    socle_sandbox_processes.reset()
    return socle_sandbox_processes
