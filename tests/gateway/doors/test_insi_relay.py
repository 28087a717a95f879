"""INSi end to end on real sockets: DUI, door by mutual TLS, road, mock by mutual TLS, journal."""
from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.insi import messages
from connectors.insi.authentication import Organisation
from connectors.insi.client import InsiClient
from connectors.wire import tls
from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client
from connectors.wire.serving import HttpService, Running
from gateway.access.callers import Access, Identity
from gateway.doors.insi import InsiDoor
from gateway.doors.native import NativeApp
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.road import Road
from mocks.insi.app import InsiMock
from mocks.sandbox.build import init
from mocks.sandbox.faults import Fault
from mocks.sandbox.world import World

DARTAGNAN = messages.Traits("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN", "M", "2001-06-17")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=12)
    return folder


@dataclass
class Stage:
    """The sandbox, its INSi mock, and the gateway's INSi door at ``url``."""

    world: World
    journal: Path
    url: str

    @property
    def structure(self) -> dict[str, Any]:
        row: dict[str, Any] = self.world.manifest["structures"][0]
        return row

    def identity(self, row: dict[str, str] | None = None) -> ssl.SSLContext:
        row = row or self.structure["auth_cli"]
        return tls.client_context(
            self.world.path(self.world.pki["ca"]), cert=self.world.path(row["cert"]), key=self.world.path(row["key"])
        )

    async def search(self, traits: messages.Traits, **software: str) -> str:
        known = {"idam": self.world.manifest["idam"], "name": "DUI", "version": "2.3", "instance": "i"} | software
        async with Client(self.identity()) as transport:
            client = InsiClient(
                transport, f"{self.url}/lps", software=messages.Software(**known),
                authentication=Organisation(self.structure["struct_id"]), clock=SystemClock(), timeout_s=5,
            )  # fmt: skip
            return (await client.search_traits(traits)).service_code

    async def send(self, method: str, body: bytes, identity: ssl.SSLContext | None = None) -> Answer:
        headers = [(b"content-type", b"application/soap+xml; charset=utf-8")]
        async with Client(identity or self.identity()) as transport:
            return await transport.send(method, f"{self.url}/lps", headers=headers, body=body, timeout_s=5)

    def entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.journal) as reader:
            return list(reversed(reader.entries().entries))

    def received(self) -> dict[str, int]:
        return self.world.trace.counts()["received"]


@pytest.fixture
async def stage(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    world = World.load(data)
    world.trace.reset()
    ca, crl = world.path(world.pki["ca"]), world.path(world.pki["crl"])
    mock = await Running.start(InsiMock(world).services())
    journal = Journal.open(tmp_path / "gateway", environment="bac_a_sable", clock=world.clock)

    def upstream_tls(_service: str, identity: Identity | None) -> ssl.SSLContext:
        assert identity is not None  # the INSi door always lends one
        return tls.client_context(ca, cert=identity.cert, key=identity.key)

    road = Road(journal, Access.from_manifest(data / "sandbox"), world.clock, "bac_a_sable", upstream_tls, deadline_s=1.0)
    server = world.pki["server"]
    context = tls.server_context(world.path(server["cert"]), world.path(server["key"]), ca=ca, crl=crl, client="required")
    app = NativeApp(InsiDoor(mock.urls["mock-insi"]), road, "insi")
    door = await Running.start([HttpService("insi", app, context)])
    yield Stage(world, tmp_path / "gateway", door.urls["insi"])
    await door.stop(1)
    await road.drain(2)
    await mock.stop(1)
    await journal.close()
    world.trace.close()


async def test_a_search_is_relayed_and_its_person_is_a_ref(stage: Stage) -> None:
    assert await stage.search(DARTAGNAN) == "CR00"

    [entry] = stage.entries()
    assert (entry["operation"], entry["outcome"], entry["service_code"]) == ("INS.RECHERCHE_TRAITS", "ok", "CR00")
    assert (entry["finess_et"], entry["dui"]["version"], entry["flags"]) == (stage.structure["finess_et"], "2.3", [])
    assert entry["person_ref"]
    assert "1010663220754" not in str(entry) and "ARTAGNAN" not in str(entry)
    assert stage.received() == {"INS.RECHERCHE_TRAITS": 1}


async def test_the_same_person_has_the_same_ref(stage: Stage) -> None:
    await stage.search(DARTAGNAN)
    await stage.search(messages.Traits("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN GUNTHER", "M", "2001-06-17", "63220"))
    await stage.search(messages.Traits("ADRUN", "ZOE", "F", "1975-12-31"))

    refs = [entry["person_ref"] for entry in stage.entries()]
    assert refs[0] == refs[1] != refs[2]


@pytest.mark.parametrize(
    ("traits", "software", "code", "outcome", "flags"),
    [
        (messages.Traits("INCONNU", "SOLDAT", "M", "1920-11-11"), {}, "CR01", "refused", []),
        (messages.Traits("DE VINCI", "LEONARDO", "M", "2014-02-01"), {}, "CR02", "refused", []),
        (messages.Traits("X", "Y", "I", "2014-02-01"), {}, "insi_24", "invalid", ["V-TRAITS"]),
        (messages.Traits("FAUTE INSI102", "Y", "M", "2014-02-01"), {}, "insi_102", "failed", ["N-INDISPONIBLE"]),
        (DARTAGNAN, {"idam": "AUTRE"}, "desir_550", "unauthorised", ["V-AUTORISATION"]),
    ],
)
async def test_what_insi_refuses_reaches_the_dui_and_the_journal(
    stage: Stage, traits: messages.Traits, software: dict[str, str], code: str, outcome: str, flags: list[str]
) -> None:
    assert await stage.search(traits, **software) == code

    [entry] = stage.entries()
    assert (entry["service_code"], entry["outcome"], entry["flags"], entry["person_ref"]) == (code, outcome, flags, None)
    assert entry["exchanges"][0]["code"] == code


@pytest.mark.parametrize(
    ("method", "body", "status", "flags"),
    [("POST", b"<soap:Envelope xmlns:soap=", 500, ["V-SOAP"]), ("GET", b"", 405, ["V-OPERATION"])],
)
async def test_what_cannot_be_recognised_is_relayed_all_the_same(
    stage: Stage, method: str, body: bytes, status: int, flags: list[str]
) -> None:
    answer = await stage.send(method, body)

    [entry] = stage.entries()
    assert (answer.status, answer.header("X-Socle-Mock"), answer.header("X-Socle-Fault")) == (status, "insi", None)
    assert (entry["operation"], entry["outcome"], entry["flags"]) == ("INS.INCONNUE", "invalid", flags)
    assert stage.received() == {"INS.INCONNUE": 1}


async def test_a_certificate_that_is_not_deposited_goes_no_further(stage: Stage) -> None:
    answer = await stage.send("POST", b"", stage.identity(stage.world.pki["server"]))  # good for TLS, deposited by nobody

    [entry] = stage.entries()
    assert (answer.status, answer.header("X-Socle-Fault")) == (500, "V-IDENTITE")
    assert b"soap:Sender" in answer.body
    assert (entry["tenant"], entry["outcome"], entry["flags"]) == ("inconnu", "unauthorised", ["V-IDENTITE"])
    assert entry["exchanges"] == [] and stage.received() == {}


async def test_a_service_too_slow_is_a_failed_read_not_a_doubt(stage: Stage) -> None:
    stage.world.faults.arm(Fault("f1", "INS.RECHERCHE_TRAITS", "timeout", delay_s=2.0))

    code = await stage.search(DARTAGNAN)

    [entry] = stage.entries()
    assert code == "Receiver"
    assert (entry["operation"], entry["outcome"], entry["flags"]) == ("INS.RECHERCHE_TRAITS", "failed", ["G-DELAI"])
    assert stage.received() == {"INS.RECHERCHE_TRAITS": 1}


async def test_an_injected_fault_is_named_in_the_entry(stage: Stage) -> None:
    stage.world.faults.arm(Fault("panne-7", "INS.RECHERCHE_TRAITS", "soap", "desir_1020"))

    assert await stage.search(DARTAGNAN) == "desir_1020"
    assert [entry["fault"] for entry in stage.entries()] == ["panne-7"]


async def test_a_client_without_certificate_sees_the_alert_at_the_door(stage: Stage) -> None:
    context = tls.client_context(stage.world.path(stage.world.pki["ca"]))
    reader, writer = await asyncio.open_connection("localhost", int(stage.url.rpartition(":")[2]), ssl=context)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        await reader.read()
    writer.transport.abort()
    assert stage.entries() == [] and stage.received() == {}
