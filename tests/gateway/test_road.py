"""The road of a call: whatever happens to it, exactly one entry, durable before its answer can be read."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from connectors.wire.http import Client, NoAnswer
from connectors.wire.serving import bind_loopback
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from gateway.journal.record import Intent, JournalFull, Record
from gateway.journal.store import Store
from gateway.road import Request
from tests.gateway.road_bench import World, post, road_bench


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    async with road_bench(tmp_path / "gateway") as world:
        yield world


async def test_a_call_has_one_entry_and_its_intent_was_durable_before_it_left(world: World) -> None:
    answer = await post(world)
    [entry] = world.entries()
    assert answer.body == b"Success"
    assert (entry["operation"], entry["outcome"], entry["service_code"]) == ("DMP.TD2.1", "ok", "Success")
    assert world.intents_seen == [1]
    assert world.intents() == 0


async def test_a_read_has_one_entry_and_no_intent(world: World) -> None:
    await post(world, "/ask")
    [entry] = world.entries()
    assert (entry["operation"], entry["outcome"], world.intents_seen) == ("DMP.INCONNUE", "ok", [0])


async def test_a_stranger_is_refused_before_anything_is_forwarded(world: World) -> None:
    answer = await post(world, who="stranger")
    [entry] = world.entries()
    assert (answer.status, answer.header("x-socle-fault")) == (403, "V-IDENTITE")
    assert (entry["outcome"], entry["flags"], entry["exchanges"]) == ("unauthorised", ["V-IDENTITE"], [])
    assert world.received == 0


async def test_a_late_answer_to_a_side_effect_is_in_doubt(world: World) -> None:
    world.behave = lambda: asyncio.sleep(1, "Success")
    answer = await post(world)
    [entry] = world.entries()
    assert (answer.status, answer.header("x-socle-fault")) == (504, "G-DELAI")
    assert (entry["outcome"], entry["flags"], entry["time_basis"]) == ("in_doubt", ["G-DELAI"], "estimated")
    assert world.received == 1


async def test_a_late_answer_to_a_read_has_failed(world: World) -> None:
    world.behave = lambda: asyncio.sleep(1, "Success")
    await post(world, "/ask")
    [entry] = world.entries()
    assert (entry["outcome"], entry["flags"]) == ("failed", ["G-DELAI"])


async def test_an_unreachable_service_received_nothing(world: World) -> None:
    free = bind_loopback(0)
    world.door.base = f"http://127.0.0.1:{free.getsockname()[1]}"
    free.close()
    answer = await post(world)
    [entry] = world.entries()
    assert (answer.status, entry["outcome"], entry["flags"], entry["exchanges"]) == (502, "failed", ["E-RESEAU"], [])
    assert world.intents() == 0


async def test_a_dui_that_leaves_does_not_stop_its_call(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.2, "Success")
    async with Client() as client:
        with pytest.raises(NoAnswer):
            await client.send("POST", world.url + "/feed", body=b"document", timeout_s=0.05)
    await world.road.drain(2)
    [entry] = world.entries()
    assert (entry["outcome"], entry["service_code"]) == ("ok", "Success")


async def test_a_listener_that_stops_does_not_stop_an_exchange_under_way(world: World) -> None:
    """A server cancels the requests that outlast its grace; the exchange is the gateway's own."""
    world.behave = lambda: asyncio.sleep(0.2, "Success")
    carrying = asyncio.create_task(world.road.carry(world.door, Request("dmp", "POST", "/feed", [], b"document")))
    while not world.received:
        await asyncio.sleep(0.01)
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    assert (carrying.cancelled(), world.entries(), world.intents()) == (True, [], 1)
    await world.road.drain(2)
    assert ([(entry["outcome"], entry["service_code"]) for entry in world.entries()], world.intents()) == ([("ok", "Success")], 0)


async def test_an_upload_that_is_cut_is_not_forwarded(world: World) -> None:
    port = int(world.url.rsplit(":", 1)[1])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /feed HTTP/1.1\r\nHost: door\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    for _ in range(200):
        if world.entries():
            break
        await asyncio.sleep(0.01)
    [entry] = world.entries()
    assert (entry["outcome"], entry["flags"], world.received) == ("cut", ["V-COUPURE"], 0)


async def test_a_body_over_the_limit_is_refused(world: World) -> None:
    assert (await post(world, body=b"x" * 1000)).status == 200
    answer = await post(world, body=b"x" * 1001)
    entry = world.entries()[-1]
    assert (answer.status, entry["outcome"], entry["flags"], world.received) == (413, "invalid", ["V-TAILLE"], 1)
    assert (entry["tenant"], entry["finess_et"], entry["attribution"]) == ("editeur-a", "130784507", "appel")


async def test_an_answer_that_the_door_cannot_read_leaves_a_side_effect_in_doubt(world: World) -> None:
    world.behave = lambda: "crash"
    answer = await post(world)
    [entry] = world.entries()
    assert answer.body == b"crash"  # the service's own bytes are relayed, whatever the door makes of them
    assert (entry["outcome"], entry["flags"]) == ("in_doubt", ["G-INTERNE"])


async def test_a_full_journal_refuses_new_calls_without_forwarding_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_room(_record: Record, _intent: Intent) -> None:
        raise JournalFull("no room")

    monkeypatch.setattr(world.journal, "intend", no_room)
    answer = await post(world)
    assert (answer.status, answer.header("x-socle-fault")) == (503, "G-PLEIN")
    assert (world.entries(), world.received, world.road.take_refused()) == ([], 0, {("dmp", "G-PLEIN"): 1})
    assert world.journal.in_flight_intents == 0, "a refused call keeps no room"


@pytest.mark.parametrize("body", [b"document", b"x" * 1001], ids=["a message", "one that the door declines"])
async def test_a_journal_without_room_is_asked_before_the_message_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    with monkeypatch.context() as full:
        full.setattr(type(world.journal), "full", property(lambda _: True))
        answer = await post(world, body=body)
    assert (answer.status, answer.header("x-socle-fault")) == (503, "G-PLEIN")
    assert (world.entries(), world.received, world.road.take_refused()) == ([], 0, {("dmp", "G-PLEIN"): 1})
    assert world.road.take_refused() == {}, "each is counted in one gap entry only"
    assert (await post(world)).body == b"Success"


async def test_an_entry_that_finds_no_room_holds_its_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write, refusals = world.journal.write, iter(range(3))

    async def sometimes(*records: Record) -> Any:
        if next(refusals, None) is not None:
            raise JournalFull("no room")
        return await write(*records)

    monkeypatch.setattr(world.journal, "write", sometimes)
    assert (await post(world)).body == b"Success"
    assert len(world.entries()) == 1


@pytest.mark.sqlite("a file that another program locks")
async def test_an_answer_is_held_while_another_program_holds_the_file(world: World) -> None:
    def impatient(store: Store) -> None:
        store.connection().set_busy_timeout(1)  # type: ignore[attr-defined]

    await world.journal.change(impatient)
    other = apsw.Connection(str(world.folder / FILE_NAME))

    def locked() -> str:
        other.execute("BEGIN IMMEDIATE")
        return "Success"

    world.behave = locked
    calling = asyncio.create_task(post(world))
    await asyncio.sleep(0.5)
    assert (calling.done(), world.entries(), world.intents()) == (False, [], 1)
    other.execute("ROLLBACK")
    other.close()
    assert (await calling).body == b"Success"
    assert ([entry["outcome"] for entry in world.entries()], world.intents()) == (["ok"], 0)


async def test_a_duplicate_settles_the_call_in_doubt_and_counts_once(world: World) -> None:
    world.behave = lambda: asyncio.sleep(1, "Success")
    await post(world)
    world.behave = lambda: "XDSDuplicateUniqueIdInRegistry"
    await post(world, body=b"another document")  # same key, other content: proves nothing
    assert [entry["kind"] for entry in world.entries()] == ["call", "call"]
    await post(world)
    doubt, _other, retry, settlement = world.entries()
    assert (settlement["kind"], settlement["outcome"], settlement["settles"]) == ("settlement", "succeeded", doubt["id"])
    assert (retry["outcome"], settlement["detail"]["how"]) == ("refused", "duplicate")
    with JournalReader(world.folder) as reader:
        assert [unit.seq for unit in reader.units()] == [settlement["seq"]]


async def test_a_doubt_that_is_settled_meanwhile_does_not_cost_the_retry_its_entry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.behave = lambda: asyncio.sleep(1, "Success")
    await post(world)
    world.behave = lambda: "XDSDuplicateUniqueIdInRegistry"
    write, first = world.journal.write, world.entries()[0]["id"]

    async def overtaken(*records: Record) -> Any:
        if len(records) > 1:
            await write(Record("DMP.TD2.1", kind="settlement", outcome="succeeded", settles=first))
        return await write(*records)

    monkeypatch.setattr(world.journal, "write", overtaken)
    assert (await post(world)).body == b"XDSDuplicateUniqueIdInRegistry"
    assert [(entry["kind"], entry["outcome"]) for entry in world.entries()] == [
        ("call", "in_doubt"), ("settlement", "succeeded"), ("call", "refused"),
    ]  # fmt: skip


async def test_a_message_that_cannot_be_kept_costs_no_entry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("a hostile message")

    monkeypatch.setattr(type(world.road.keeper), "keep", broken)
    assert (await post(world)).body == b"Success"
    [entry] = world.entries()
    assert (entry["outcome"], entry["flags"], world.intents()) == ("ok", ["G-INTERNE"], 0)
