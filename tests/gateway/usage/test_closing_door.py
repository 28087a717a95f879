"""The gateway that holds the journal closes windows: by itself, and when the console is asked with the key."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI

from connectors.wire.clock import SystemClock
from gateway.doors.closing_api import ClosingApi
from gateway.doors.console import Console
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.grappes.versions import keep
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.usage.closing import Closer, close_along
from gateway.usage.closings import OPERATION
from tests.gateway.usage.world import fed

KEY = {"X-Socle-Admin-Key": "cle"}


class World:
    """A gateway folder whose business time is just after the first window of its grappe."""

    def __init__(self, folder: Path) -> None:
        grappe = replace(example("marseille-hyeres"), date_demarrage=date(2095, 11, 1))
        keep(folder / "grappes", grappe)
        self.folder, self.clock = folder, SystemClock(datetime(2096, 2, 20, tzinfo=UTC) - datetime.now(UTC), 1)
        self.journal = Journal.open(folder, environment="bac_a_sable", clock=self.clock, ballast_bytes=1 << 16)
        self.closer = Closer(folder, Registry([grappe]), "bac_a_sable")
        console = Console(self.journal, self.clock, "bac_a_sable", "cle", {}, lambda: 0)
        app = FastAPI(dependencies=[Depends(lambda: None)], telemetry={"logs": False, "operation_spans": False})
        ClosingApi(self.closer, self.journal, self.clock, console.check_admin).mount(app)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console")

    def closed(self) -> list[tuple[str, int]]:
        with JournalReader(self.folder) as reader:
            entries = [entry for _, entry in reader.select() if entry["operation"] == OPERATION]
        return [(entry["detail"]["window"]["start"], entry["detail"]["version"]) for entry in entries]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "gateway")
    await world.journal.write(fed("p1", "2095-11-03T10:00"))
    yield world
    await world.http.aclose()
    await world.journal.close()


async def test_the_console_closes_what_is_due_once(world: World) -> None:
    first = await world.http.post("/admin/usage/close", json={"by": "amoa"}, headers=KEY)
    again = await world.http.post("/admin/usage/close", json={"by": "amoa", "grappe": "marseille-hyeres"}, headers=KEY)
    assert first.status_code == again.status_code == 200
    assert first.json()["closed"][0]["window"]["start"] == "2095-11-01"
    assert again.json() == {"closed": []}
    assert world.closed()[0] == ("2095-11-01", 1)


async def test_two_at_a_time_close_once(world: World) -> None:
    now = world.clock.business()
    await asyncio.gather(*(world.closer.close(world.journal, now, by="essai") for _ in range(3)))
    assert len(world.closed()) == len(set(world.closed()))


@pytest.mark.parametrize("headers", [{}, {"X-Socle-Admin-Key": "autre"}])
async def test_without_its_key_nothing_is_closed(world: World, headers: dict[str, str]) -> None:
    answer = await world.http.post("/admin/usage/close", json={"by": "amoa"}, headers=headers)
    assert (answer.status_code, world.closed()) == (403, [])


async def test_an_unknown_grappe_is_said(world: World) -> None:
    answer = await world.http.post("/admin/usage/close", json={"by": "amoa", "grappe": "autre"}, headers=KEY)
    assert (answer.status_code, answer.json()["detail"][:24]) == (409, "Grappe inconnue : « autr")


async def test_the_gateway_closes_by_itself(world: World) -> None:
    task = asyncio.create_task(close_along(world.closer, world.journal, world.clock, every_s=0.01))
    async with asyncio.timeout(20):
        while not world.closed():
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert world.closed()[0] == ("2095-11-01", 1)
