"""The wall clock steps back (design §7): seq still grows, the entry says G-HORLOGE, and nothing is repaired."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from connectors.wire.http import Client
from gateway.journal.canonical import moment_of
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Record
from gateway.road import Request
from tests.gateway.road_bench import World, post, road_bench


class Stepping(SystemClock):
    """The machine's clock, until somebody sets it."""

    moved = timedelta()

    def real(self) -> datetime:
        return super().real() + self.moved


@pytest.fixture
def clock() -> Stepping:
    return Stepping()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Stepping) -> AsyncIterator[World]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    async with road_bench(tmp_path / "gateway", clock=clock) as world:
        yield world


async def test_a_call_after_the_clock_stepped_back_is_flagged_and_answered(world: World, clock: Stepping) -> None:
    await post(world)
    clock.moved = -timedelta(hours=1)
    assert (await post(world)).body == b"Success"
    assert (await post(world)).body == b"Success"  # time goes on from there: nothing more to say
    clock.moved = timedelta()
    await post(world)
    first, back, after, again = world.entries()
    assert [entry["seq"] for entry in (first, back, after, again)] == [0, 1, 2, 3]
    assert [entry["flags"] for entry in (first, back, after, again)] == [[], ["G-HORLOGE"], [], []]
    assert back["recorded_at"] < first["recorded_at"] < again["recorded_at"], "the hour is what the machine said"
    assert all(entry["outcome"] == "ok" for entry in world.entries())


async def test_a_restart_does_not_hide_a_step(tmp_path: Path, clock: Stepping) -> None:
    folder = tmp_path / "gateway"
    for moved in (timedelta(), -timedelta(days=1)):
        clock.moved = moved
        journal = Journal.open(folder, environment="bac_a_sable", clock=clock)
        await journal.write(Record("INS.RECHERCHE_TRAITS", outcome="ok"))
        await journal.close()
    with JournalReader(folder) as reader:
        back, first = reader.entries().entries
    assert ((first["seq"], first["flags"]), (back["seq"], back["flags"])) == ((0, []), (1, ["G-HORLOGE"]))


@pytest.mark.parametrize("whose", ["the service's", "ours"])
async def test_a_call_without_a_read_answer_keeps_the_time_at_which_it_left(
    world: World, clock: Stepping, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    send, before, hour = Client.send, clock.business(), timedelta(hours=1)

    async def slow(*arguments: Any, **named: Any) -> Any:
        try:
            return await send(*arguments, **named)
        finally:
            clock.moved = hour
            if whose == "ours":
                raise RuntimeError("a fault of the gateway")

    world.behave = lambda: asyncio.sleep(1, "Success")
    monkeypatch.setattr(Client, "send", slow)
    await world.road.carry(world.door, Request("dmp", "POST", "/feed", [], b"document"))
    [entry] = world.entries()
    assert (entry["outcome"], entry["time_basis"]) == ("in_doubt", "estimated")
    assert before <= moment_of(entry["event_time"]) < before + hour <= moment_of(entry["recorded_at"])
