"""The wall clock steps back (design §7): seq still grows, the entry says G-HORLOGE, and nothing is repaired."""
from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.wire.clock import SystemClock
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Record
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
