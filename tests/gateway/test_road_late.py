"""Answers that come after the DUI was told that nobody knows (design §5.3): settled once, dated when they were read."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.http import Client, NotSent
from gateway.journal.query import JournalReader
from gateway.journal.record import Record
from gateway.operations import OPERATIONS
from gateway.road import Request
from tests.gateway.road_bench import World, post, road_bench

DUPLICATE = "XDSDuplicateUniqueIdInRegistry"


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The DUI waits 0.3 s, the gateway 5 s; the service answers in 0.7 s where it is late."""
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    async with road_bench(tmp_path / "gateway", patience_s=0.3) as world:
        world.road.deadline_s = 5.0
        yield world


def units(world: World) -> list[tuple[str, str]]:
    with JournalReader(world.folder) as reader:
        return [(unit.indicator, unit.event_time) for unit in reader.units()]


def kinds(world: World) -> list[tuple[str, str]]:
    return [(entry["kind"], entry["outcome"]) for entry in world.entries()]


async def test_the_doubt_is_durable_before_the_dui_hears_of_it_and_the_late_answer_settles_it(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.7, "Success")
    answer = await post(world)
    [doubt] = world.entries()  # read while the service still thinks
    assert (answer.status, answer.header("x-socle-fault")) == (504, "G-DELAI")
    assert (doubt["outcome"], doubt["flags"], doubt["exchanges"][0]["code"]) == ("in_doubt", ["G-DELAI"], None)
    assert (world.intents(), units(world), world.road.in_flight) == (0, [], 1)

    await world.road.drain(5)
    _, settlement = world.entries()
    assert (settlement["kind"], settlement["outcome"], settlement["settles"]) == ("settlement", "succeeded", doubt["id"])
    assert (settlement["service_code"], settlement["time_basis"]) == ("Success", "acknowledged")
    assert settlement["detail"] == {"how": "late", "by": "passerelle"}
    assert settlement["event_time"] > doubt["recorded_at"], "the time at which the answer was read, not the DUI's patience"
    assert units(world) == [("IND-DMP-01", settlement["event_time"])]
    assert world.received == 1


async def test_an_answer_within_the_patience_is_the_answer(world: World) -> None:
    assert (await post(world)).body == b"Success"
    assert (kinds(world), world.road.in_flight) == ([("call", "ok")], 0)


async def test_a_late_refusal_settles_as_failed_and_counts_nothing(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.7, "XDSRegistryError")
    await post(world)
    await world.road.drain(5)
    assert kinds(world) == [("call", "in_doubt"), ("settlement", "failed")]
    assert (world.entries()[1]["service_code"], units(world)) == ("XDSRegistryError", [])


@pytest.mark.parametrize(("after_s", "said"), [(0.7, "crash"), (1.5, "Success")], ids=["unreadable", "after the deadline"])
async def test_what_is_not_an_answer_settles_nothing(world: World, after_s: float, said: str) -> None:
    world.road.deadline_s = 1.0
    world.behave = lambda: asyncio.sleep(after_s, said)
    await post(world)
    await world.road.drain(5)
    assert kinds(world) == [("call", "in_doubt")]


async def test_a_request_that_never_left_is_known_to_have_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(0.7)
        raise NotSent("connect")

    monkeypatch.setattr("connectors.wire.http.Client.send", unreachable)
    answer = await world.road.carry(world.door, Request("dmp", "POST", "/feed", [], b"document"))
    await world.road.drain(5)
    doubt, settlement = world.entries()
    assert (answer.status, doubt["outcome"]) == (504, "in_doubt")
    assert (settlement["outcome"], settlement["flags"]) == ("failed", ["E-RESEAU"])
    assert (settlement["time_basis"], settlement["event_time"]) == ("estimated", doubt["event_time"])


async def test_a_read_waits_until_the_deadline(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.7, "Success")
    assert (await post(world, "/ask")).body == b"Success"
    assert kinds(world) == [("call", "ok")]


async def test_the_dui_that_left_changes_nothing_to_the_late_answer(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.7, "Success")
    asked = asyncio.create_task(post(world))
    await asyncio.sleep(0.05)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await world.road.drain(5)
    assert kinds(world) == [("call", "in_doubt"), ("settlement", "succeeded")]


async def test_a_duplicate_and_a_late_answer_settle_one_doubt_once(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.7, "Success")
    await post(world)
    world.behave = lambda: DUPLICATE
    assert (await post(world)).body == DUPLICATE.encode()  # the retry, while the first is still on its way
    await world.road.drain(5)
    assert kinds(world) == [("call", "in_doubt"), ("call", "refused"), ("settlement", "succeeded")]
    assert len(units(world)) == 1


async def test_a_late_duplicate_proves_the_call_before_it_and_not_itself(world: World) -> None:
    world.road.deadline_s = 0.4
    world.behave = lambda: asyncio.sleep(1, "Success")
    await post(world)
    await world.road.drain(5)
    world.road.deadline_s = 5.0
    world.behave = lambda: asyncio.sleep(0.7, DUPLICATE)
    await post(world)
    await world.road.drain(5)
    first, second, own, earlier = world.entries()
    assert (own["settles"], own["outcome"]) == (second["id"], "failed")
    assert (earlier["settles"], earlier["outcome"], earlier["detail"]["how"]) == (first["id"], "succeeded", "duplicate")
    assert len(units(world)) == 1


async def test_a_person_who_was_faster_keeps_the_last_word(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.7, "Success")
    await post(world)
    [doubt] = world.entries()
    await world.journal.write(Record("DMP.TD2.1", kind="settlement", outcome="undecidable", settles=doubt["id"]))
    await world.road.drain(5)
    assert kinds(world) == [("call", "in_doubt"), ("settlement", "undecidable")]


async def test_the_intent_carries_the_deadline_that_is_really_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[float] = []
    intend = world.journal.intend

    async def noted(record: Record, intent: Any) -> None:
        deadlines.append(intent.deadline_s)
        await intend(record, intent)

    monkeypatch.setattr(world.journal, "intend", noted)
    await post(world)
    assert deadlines == [5.0]


async def test_an_error_of_ours_after_the_last_byte_is_a_doubt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Client.send

    async def broken(*arguments: Any, **named: Any) -> Any:
        await send(*arguments, **named)
        raise RuntimeError("a fault of the gateway")

    monkeypatch.setattr("connectors.wire.http.Client.send", broken)
    answer = await world.road.carry(world.door, Request("dmp", "POST", "/feed", [], b"document"))
    read = await world.road.carry(world.door, Request("dmp", "POST", "/ask", [], b"question"))
    assert (answer.status, read.status, world.received) == (500, 500, 2)
    assert [(entry["outcome"], entry["flags"]) for entry in world.entries()] == [
        ("in_doubt", ["G-INTERNE"]), ("failed", ["G-INTERNE"]),
    ]  # fmt: skip


def test_a_dui_never_waits_longer_than_the_gateway() -> None:
    feed, read = OPERATIONS["DMP.TD2.1"], OPERATIONS["DMP.TD0.2"]
    assert feed.waits(None, None) == (20, 30)
    assert feed.waits(None, 3) == (3, 30)
    assert feed.waits(None, 90) == (30, 30)
    assert feed.waits(5, None) == (5, 5)
    assert read.waits(None, 3) == (15, 15)
    assert all(row.patience_s is None or (row.side_effect and row.patience_s < row.deadline_s) for row in OPERATIONS.values())
