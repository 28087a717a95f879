"""A toy door on the road, a scripted service behind it, and a real journal; every side on real sockets."""
from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client
from connectors.wire.serving import HttpService, Running
from gateway.access.callers import Access, Caller
from gateway.doors.native import NativeApp
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Count, Intent, Named, Record
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
        return Caller(tenant="editeur-a", finess_et="130784507")

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

    door: Door
    url: str

    def __init__(self, folder: Path, clock: SystemClock) -> None:
        self.folder = folder
        self.received = 0
        self.intents_seen: list[int] = []
        self.behave: Callable[[], Any] = lambda: "Success"
        self.journal = Journal.open(folder, environment="bac_a_sable", clock=clock)
        self.road = Road(self.journal, Access(), clock, "bac_a_sable", lambda _service, _identity: None, deadline_s=0.4)  # type: ignore[arg-type,return-value]

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


@contextlib.asynccontextmanager
async def road_bench(
    folder: Path, *, patience_s: float | None = None, clock: SystemClock | None = None
) -> AsyncIterator[World]:
    """Needs SOCLE_PORTS={}: free ports. The service's deadline is 0.4 s."""
    world = World(folder, clock or SystemClock())
    if patience_s is not None:
        world.road.patience_s = {"DMP": patience_s}
    upstream = await Running.start([HttpService("mock-control", world.service)])
    world.door = Door(upstream.urls["mock-control"])
    doors = await Running.start([HttpService("console", NativeApp(world.door, world.road, "dmp", max_body_bytes=1000))])
    world.url = doors.urls["console"]
    yield world
    await doors.stop(1)
    await world.road.drain(2)
    await upstream.stop(1)
    await world.journal.close()


async def post(world: World, path: str = "/feed", body: bytes = b"document", who: str = "") -> Answer:
    async with Client() as client:
        return await client.send("POST", world.url + path, headers=[(b"X-Who", who.encode())], body=body, timeout_s=5)
