"""A whole gateway, every mock and the control API on real sockets, one DUI in front that counts what it sends.

All run in one event loop: what a fault does to a call is read in the DUI's hand, in the entry, and in the reconciliation.
"""
from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.mssante.client import Operator, SubmissionClient
from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client
from connectors.wire.saml import load_signer
from connectors.wire.serving import Running
from connectors.wire.tls import client_context
from gateway.app import Gateway
from gateway.cli.reconciliation import write_counts
from gateway.grappes.install import install, sandbox_grappe
from gateway.journal.query import JournalReader
from gateway.population import People
from gateway.settings import Settings
from loadtests import reconcile
from loadtests import world as played
from loadtests.calls import HttpCall
from loadtests.doors import Doors, MailSession
from loadtests.sent import SentFile
from loadtests.users.annuaire import AnnuaireUser
from loadtests.users.dmp import DmpUser, Numbers
from loadtests.users.insi import InsiUser
from loadtests.users.mail import MailUser
from loadtests.users.psc import PscUser
from mocks.runtime import MOCKS
from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.world import World

STRUCTURES: list[dict[str, Any]] = [
    {"finess_et": "0B0990008", "finess_ej": "0B0990107", "name": "EHPAD LES TILLEULS BLEUS", "sector": "SA17",
     "category": "500", "persons": 12},
    {"finess_et": "0B0990016", "finess_ej": "0B0990206", "name": "SAVS LA PASSERELLE", "sector": "SA16", "category": "446",
     "persons": 4, "tenant": "autre-editeur"},
]  # fmt: skip
DEADLINE_S = 0.6
ENVIRONMENT = "bac_a_sable"
TOKEN = "jeton-valide"


@dataclass
class FaultsBench:
    """``whose``: which of the two structures makes the call."""

    run: Path
    mocks: World
    gateway: Gateway
    world: played.World
    doors: Doors
    sent: SentFile
    urls: dict[str, str]
    _numbers: Numbers = field(default_factory=lambda: Numbers(1))
    _messages: int = 0
    _seen: int = 0
    _held: dict[str, int] = field(default_factory=dict)

    async def begin(self) -> None:
        """Forget what earlier tests did: their calls are over, and their faults disarmed."""
        await self.control("DELETE", "/faults")
        self._seen, self._held = len(self._walk()), dict(self.mocks.trace.counts()["held"])

    # --- what is armed --------------------------------------------------------------------------------------------------

    async def control(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = [(KEY_HEADER.encode(), self.mocks.manifest["control_key"].encode()), (b"content-type", b"application/json")]
        async with Client() as client:
            raw = b"" if body is None else orjson.dumps(body)
            answer = await client.send(method, self.urls["mock-control"] + path, headers=headers, body=raw, timeout_s=10)
        return answer.status, orjson.loads(answer.body)

    async def arm(self, operation: str, kind: str, value: str = "", **other: Any) -> None:
        wanted = {"id": "panne-1", "operation": operation, "kind": kind, "value": value, **other}
        status, said = await self.control("POST", "/faults", wanted)
        assert status == 201, said

    async def kept_connections_end(self) -> None:
        """Wait until the gateway has heard that the services closed the connections that it kept."""
        sessions = [client._session for client in self.gateway.road._clients.values() if client._session is not None]
        for _ in range(400):
            if not any(one.is_connected() for each in sessions for kept in each.connector._conns.values() for one, _ in kept):  # type: ignore[union-attr]
                return
            await asyncio.sleep(0.005)

    # --- the DUI --------------------------------------------------------------------------------------------------------

    def structure(self, whose: int = 0) -> played.Structure:
        return self.world.structures[whose]

    def person(self, whose: int = 0, number: int = 0) -> played.Person:
        people = [one for one in self.world.of(self.structure(whose).finess_et) if one.dmp == "active" and one.insi == "found"]
        return people[number]

    def call(self, operation: str, whose: int = 0, number: int = 0) -> HttpCall:
        structure, clock, person = self.structure(whose), SystemClock(), self.person(whose, number)
        author = self.world.staff(structure.finess_et)[0]
        if operation == "INS.RECHERCHE_TRAITS":
            return InsiUser(self.world, structure, clock).search(person)
        if operation == "ANN.RECHERCHE":
            return AnnuaireUser(self.world).professional(author)
        if operation.startswith("PSC."):
            return self._psc(operation, author)
        signer = load_signer(structure.sign.cert, structure.sign.key)
        user = DmpUser(self.world, structure, author, signer, clock, self._numbers)
        return user.feed(person) if operation == "DMP.TD2.1" else user.existence(person)

    def _psc(self, operation: str, author: played.Professional) -> HttpCall:
        user = PscUser(self.world, author, random.Random(1))
        if operation == "PSC.AUTHORIZE":
            return user.authorize()[0]
        return user.userinfo("x.y.z") if operation == "PSC.USERINFO" else user.token("un-code", "v" * 43)

    async def send(self, operation: str, whose: int = 0, number: int = 0) -> Answer:
        """One call of a DUI, counted; its answer as received."""
        return await self.post(self.call(operation, whose, number), whose)

    async def post(self, call: HttpCall, whose: int = 0) -> Answer:
        client = self.doors._client(call.door, self.structure(whose))
        with self.sent.call(call.operation, call.unit, len(call.body)):
            url = f"https://localhost:{self.doors.ports[call.door]}{call.target}"
            return await client.send(call.method, url, headers=call.headers, body=call.body, timeout_s=20)

    async def mail(self, to: str | None = None) -> str | None:
        """One message in its own session: the code of the last reply, None when the session broke or did not open."""
        author = self.world.staff(self.structure().finess_et)[0]
        user = MailUser(self.world, self.structure(), author, SystemClock())
        self._messages += 1
        message = user.message(to or self.world.professionals[1].mailbox, f"panne.{self._messages}")
        operator = Operator("localhost", self.doors.ports["smtp"], client_context(self.world.ca), timeout_s=10)
        session = MailSession(self.doors, SubmissionClient(operator, user.mailbox, TOKEN))
        readings = await session.run([message])
        return readings[0].code if readings else None

    # --- the accounts ---------------------------------------------------------------------------------------------------

    def entries(self, operation: str) -> list[dict[str, Any]]:
        """Of this test, in order."""
        return [one for one in self._walk()[self._seen :] if (one["operation"], one["kind"]) == (operation, "call")]

    def armings(self) -> list[dict[str, Any]]:
        """What the journal says of faults armed and disarmed since the test began."""
        details = [one["detail"] for one in self._walk()[self._seen :] if one["kind"] == "admin"]
        return [one for one in details if one["action"] == "fault"]

    def held(self, operation: str) -> int:
        """Effects that the mocks keep since the test began."""
        return self.mocks.trace.counts()["held"].get(operation, 0) - self._held.get(operation, 0)

    def _walk(self) -> list[dict[str, Any]]:
        with JournalReader(self.run / "data/gateway") as reader:
            return [orjson.loads(entry.body) for entry in reader.walk()]

    async def reconciles(self) -> None:
        """Every equation of design §9, once nothing is under way."""
        await self.gateway.smtp.drain(5)
        await self.gateway.road.drain(5)
        write_counts(self.run, ENVIRONMENT)
        assert reconcile.gaps(reconcile.read_run(self.run)) == []


@contextlib.asynccontextmanager
async def faults_bench(run: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultsBench]:
    """``run``: a new folder."""
    data = run / "data"
    init(data, structures=STRUCTURES)
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    mocks = World.load(data, ports={}, clock=SystemClock())
    parts = {name: make(mocks) for name, make in MOCKS.items()}
    author = played.load(data).staff(STRUCTURES[0]["finess_et"])[0]
    mocks.psc_claims = {TOKEN: {"SubjectNameID": author.id_nat}}.get
    services = [*Control(mocks, parts).services(), *(one for part in parts.values() for one in part.services())]
    upstream = await Running.start(services)
    mocks.ports.update(_ports(upstream))
    monkeypatch.setenv("SOCLE_PORTS", orjson.dumps(mocks.ports).decode())
    people = People.of(data / "sandbox")
    grappe = sandbox_grappe(mocks.manifest, people.persons_of_structures())
    install(grappe, mocks.manifest, people.boxes(), data / "gateway" / "grappes")
    gateway = Gateway.open(Settings(data=data, deadline_s=DEADLINE_S))
    running = await Running.start(gateway.services())
    mocks.ports.update(_ports(running))
    sent, world = SentFile(run), played.load(data)
    doors = Doors(world, dict(mocks.ports), sent, asyncio.Semaphore(8))
    try:
        yield FaultsBench(run, mocks, gateway, world, doors, sent, {**upstream.urls, **running.urls})
    finally:
        await doors.close()
        await running.stop(1)
        await gateway.smtp.drain(5)
        await gateway.road.drain(5)
        await gateway.journal.close()
        await upstream.stop(1)
        mocks.trace.close()
        sent.close()


def _ports(running: Running) -> dict[str, int]:
    return {name: int(url.rsplit(":", 1)[1]) for name, url in running.urls.items()}
