"""A whole gateway and its mocks on real sockets, for calls of our own doors; it can be stopped and started again."""
from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client, Headers
from connectors.wire.serving import Running
from gateway.app import Gateway
from gateway.grappes.install import install, sandbox_grappe
from gateway.journal.query import JournalReader
from gateway.population import People
from gateway.settings import Settings
from mocks.dmp.app import DmpMock
from mocks.insi.app import InsiMock
from mocks.mssante.app import MssanteMock as MssMock
from mocks.sandbox.faults import Fault
from mocks.sandbox.world import World

#: Two structures of two vendors.
STRUCTURES: list[dict[str, Any]] = [
    {"finess_et": "0B0990008", "finess_ej": "0B0990107", "name": "EHPAD LES TILLEULS BLEUS", "sector": "SA17",
     "category": "500", "persons": 12},
    {"finess_et": "0B0990016", "finess_ej": "0B0990206", "name": "SAVS LA PASSERELLE", "sector": "SA16", "category": "446",
     "persons": 2, "tenant": "autre-editeur"},
]  # fmt: skip
TOKEN = "jeton-valide"
PORTS = {"mock-insi-oneway": 1, "mock-psc": 1, "mock-psc-wallet": 1, "mock-annuaire": 1}  # of what does not run


@dataclass
class Bench:
    """``start`` and ``stop`` are the gateway's; the mocks live as long as the bench."""

    world: World
    settings: Settings
    gateway: Gateway | None = None
    running: Running | None = None
    urls: dict[str, str] = field(default_factory=dict)

    async def start(self) -> None:
        self.gateway = Gateway.open(self.settings)
        wanted = [one for one in self.gateway.services() if one.name in ("console", "annuaire", "dmp", "insi", "insi-oneway")]
        self.running = await Running.start(wanted)
        self.urls = dict(self.running.urls)

    async def stop(self) -> None:
        if self.gateway is None or self.running is None:
            return
        await self.running.stop(1)
        await self.gateway.smtp.drain(5)
        await self.gateway.road.drain(5)
        await self.gateway.journal.close()
        self.gateway = self.running = None

    def key(self, tenant: str = "dui-exemple") -> str:
        return str(next(row["key"] for row in self.world.manifest["own_keys"] if row["tenant"] == tenant))

    async def post(
        self, path: str, body: Any, *, key: str | None = None, once: str | None = None, token: str | None = TOKEN,
        method: str = "POST", headers: Headers | None = None,
    ) -> Answer:  # fmt: skip
        """``key``: the Bearer key, the first tenant's by default, "" for none. ``once``: the Idempotency-Key."""
        sent = [(b"content-type", b"application/json"), *(headers or [])]
        bearer = self.key() if key is None else key
        if bearer:
            sent.append((b"authorization", f"Bearer {bearer}".encode()))
        if once is not None:
            sent.append((b"idempotency-key", once.encode()))
        if token is not None and path.startswith("/mss"):
            sent.append((b"x-psc-token", token.encode()))
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        async with Client() as client:
            return await client.send(method, self.urls["console"] + path, headers=sent, body=raw, timeout_s=20)

    def arm(self, operation: str, kind: str, **other: Any) -> None:
        self.world.faults.arm(Fault("panne-1", operation, kind, **other))  # type: ignore[arg-type]

    def entries(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Oldest first; every operation when None."""
        with JournalReader(self.settings.journal) as reader:
            bodies = [orjson.loads(entry.body) for entry in reader.walk()]
        return [body for body in bodies if operation in (None, body["operation"])]

    def units(self) -> list[tuple[str, str]]:
        with JournalReader(self.settings.journal) as reader:
            return [(unit.indicator, unit.finess_et) for unit in reader.units()]

    def unit_refs(self) -> list[str]:
        with JournalReader(self.settings.journal) as reader:
            return [unit.unit_ref for unit in reader.units()]

    def received(self, operation: str) -> int:
        return self.world.trace.counts()["received"].get(operation, 0)

    def held(self, operation: str) -> int:
        return self.world.trace.counts()["held"].get(operation, 0)

    def reconciles(self) -> None:
        """forwarded = received, held = counted or in doubt (design §9), for what our own doors do."""
        with JournalReader(self.settings.journal) as reader:
            counts = reader.counts()
        for operation in ("INS.RECHERCHE_TRAITS", "DMP.TD2.1", "MSS.SOUMISSION", "MSS.SESSION_SMTP"):
            forwarded = counts.get(operation, {}).get("forwarded", 0)
            assert forwarded == self.received(operation), (operation, forwarded, self.received(operation))


def said(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(answer.body)
    return content


@contextlib.asynccontextmanager
async def open_bench(data: Path, journal: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Bench]:
    """``data`` holds a sandbox made once; ``journal`` a data folder of this test alone."""
    journal.mkdir(parents=True, exist_ok=True)
    (journal / "sandbox").symlink_to(data / "sandbox")
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    world = World.load(data, clock=SystemClock())
    world.trace.reset()
    world.data = journal  # the mocks' own state is this test's alone
    professional = next(row for row in world.population.professionals() if row["structure"] == STRUCTURES[0]["finess_et"])
    world.psc_claims = {TOKEN: {"SubjectNameID": professional["id_nat"]}}.get
    mocks = [InsiMock(world), DmpMock(world), MssMock(world)]
    upstream = await Running.start([service for mock in mocks for service in mock.services()])
    ports = {name: int(url.rsplit(":", 1)[1]) for name, url in upstream.urls.items()}
    monkeypatch.setenv("SOCLE_PORTS", orjson.dumps(PORTS | ports).decode())
    people = People.of(world.data / "sandbox")
    grappe = sandbox_grappe(world.manifest, people.persons_of_structures())
    install(grappe, world.manifest, people.boxes(), journal / "gateway" / "grappes")
    bench = Bench(world, Settings(data=journal, deadline_s=2.0, **settings))
    await bench.start()
    try:
        yield bench
    finally:
        await bench.stop()
        await upstream.stop(1)
        world.trace.close()
