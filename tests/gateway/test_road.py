"""The road of a call: whatever happens to it, exactly one entry, durable before its answer can be read."""
from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client, NoAnswer
from connectors.wire.serving import HttpService, Running, bind_loopback
from gateway.access.callers import Access, Caller
from gateway.doors.native import NativeApp
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Count, Intent, JournalFull, Named, Record
from gateway.operations import Service
from gateway.road import Refusal, Request, Road

PERSON = Named("person", "269054958815780")


class Door:
    """A toy protocol over HTTP: the path says what is asked, the body is the document."""

    service: Service = "DMP"
    lends_identity = False

    def __init__(self, base: str) -> None:
        self.base = base

    def identify(self, request: Request, access: Access) -> Caller | Refusal:
        if request.header("x-who") == "stranger":
            return Refusal("V-IDENTITE", "Certificat non déposé.", 403)
        return Caller(tenant="editeur-a")

    def upstream(self, request: Request) -> str:
        return self.base + request.target

    def read(self, request: Request, record: Record, caller: Caller) -> Intent | None:
        if not request.target.startswith("/feed"):
            return None
        record.operation, record.person, record.finess_et = "DMP.TD2.1", PERSON, "130784507"
        record.counts_for.append(Count("IND-DMP-01", PERSON))
        return Intent(Named("submission", "1.2.3"), 30.0, commitment=hashlib.sha256(request.body).digest())

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        if b"crash" in answer.body:
            raise RuntimeError("the door failed")
        record.service_code = answer.body.decode()
        record.outcome = "ok" if record.service_code == "Success" else "refused"

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        return Answer(refusal.status, [(b"x-socle-fault", refusal.flag.encode())], refusal.flag.encode())


class World:
    """A service behind the door, scripted by ``behave``, and what the journal says of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received = 0
        self.intents_seen: list[int] = []
        self.behave: Callable[[], Any] = lambda: "Success"
        self.journal = Journal.open(folder, environment="bac_a_sable", clock=SystemClock())
        self.road = Road(self.journal, Access(), SystemClock(), "bac_a_sable", lambda _service, _identity: None, deadline_s=0.4)  # type: ignore[arg-type,return-value]

    async def service(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        self.received += 1
        with JournalReader(self.folder) as reader:
            self.intents_seen.append(reader.intents())
        said = self.behave()
        if asyncio.iscoroutine(said):
            said = await said
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": said.encode()})

    def entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.folder) as reader:
            return list(reversed(reader.entries().entries))

    def intents(self) -> int:
        with JournalReader(self.folder) as reader:
            return reader.intents()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    world = World(tmp_path / "gateway")
    upstream = await Running.start([HttpService("mock-control", world.service)])
    door = Door(upstream.urls["mock-control"])
    doors = await Running.start([HttpService("console", NativeApp(door, world.road, "dmp", max_body_bytes=1000))])
    world.door, world.url = door, doors.urls["console"]  # type: ignore[attr-defined]
    yield world
    await doors.stop(1)
    await world.road.drain(2)
    await upstream.stop(1)
    await world.journal.close()


async def post(world: World, path: str = "/feed", body: bytes = b"document", who: str = "") -> Answer:
    async with Client() as client:
        return await client.send("POST", world.url + path, headers=[(b"X-Who", who.encode())], body=body, timeout_s=5)  # type: ignore[attr-defined]


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
    world.door.base = f"http://127.0.0.1:{free.getsockname()[1]}"  # type: ignore[attr-defined]
    free.close()
    answer = await post(world)
    [entry] = world.entries()
    assert (answer.status, entry["outcome"], entry["flags"], entry["exchanges"]) == (502, "failed", ["E-RESEAU"], [])
    assert world.intents() == 0


async def test_a_dui_that_leaves_does_not_stop_its_call(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.2, "Success")
    async with Client() as client:
        with pytest.raises(NoAnswer):
            await client.send("POST", world.url + "/feed", body=b"document", timeout_s=0.05)  # type: ignore[attr-defined]
    await world.road.drain(2)
    [entry] = world.entries()
    assert (entry["outcome"], entry["service_code"]) == ("ok", "Success")


async def test_an_upload_that_is_cut_is_not_forwarded(world: World) -> None:
    port = int(world.url.rsplit(":", 1)[1])  # type: ignore[attr-defined]
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


async def test_an_entry_that_finds_no_room_holds_its_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write, refusals = world.journal.write, iter(range(3))

    async def sometimes(*records: Record) -> Any:
        if next(refusals, None) is not None:
            raise JournalFull("no room")
        return await write(*records)

    monkeypatch.setattr(world.journal, "write", sometimes)
    assert (await post(world)).body == b"Success"
    assert len(world.entries()) == 1


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
