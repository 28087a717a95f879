"""The DMP end to end on real sockets: DUI, door by mutual TLS 1.2, road, mock by mutual TLS 1.2, journal, settlement."""
from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.dmp.client import BASE_PATH, Deposited, DmpAsker, DmpCall
from connectors.dmp.errors import DmpFault
from connectors.dmp.messages import Existence, RegistryAnswer, read_answer
from connectors.wire import tls
from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client
from connectors.wire.serving import HttpService, Running
from gateway.access.callers import Access, Identity
from gateway.doors.dmp import DmpDoor
from gateway.doors.native import NativeApp
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.recovery import SettlementWorker
from gateway.road import Road
from mocks.dmp.app import DmpMock
from mocks.sandbox.build import init
from mocks.sandbox.faults import Fault
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import LPS, Dui

FINESS_ET, FINESS_EJ = "130790199", "130804289"
STRUCTURE = {
    "finess_et": FINESS_ET, "finess_ej": FINESS_EJ, "name": "LES CARMES", "sector": "SA16", "category": "182", "persons": 12,
}  # fmt: skip
SUCCESS = RegistryAnswer(True)
DUPLICATE = "XDSDuplicateUniqueIdInRegistry"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, structures=[STRUCTURE])
    return folder


class JournalClock(SystemClock):
    """Real time, until a test wants the service deadline to be over."""

    ahead = timedelta()

    def real(self) -> datetime:
        return super().real() + self.ahead


@dataclass
class Stage:
    """The sandbox, its DMP mock at ``mock_url``, and the gateway's DMP door at ``url``."""

    world: World
    mock: DmpMock
    mock_url: str
    folder: Path
    url: str
    journal: Journal
    clock: JournalClock

    def dui(self, status: str = "active") -> Dui:
        person = next(row for row in self.world.population.persons() if row["dmp"] == status)
        return Dui(self.world.data / "sandbox", self.world.manifest["structures"][0], person)

    def client(self) -> Client:
        identity, ca = self.world.manifest["structures"][0]["auth_cli"], self.world.path(self.world.pki["ca"])
        cert, key = self.world.path(identity["cert"]), self.world.path(identity["key"])
        return Client(tls.client_context(ca, cert=cert, key=key, profile="dmp"))

    async def post(self, call: DmpCall) -> Answer:
        async with self.client() as http:
            url = self.url + BASE_PATH + call.endpoint
            return await http.send("POST", url, headers=call.headers, body=call.body, timeout_s=10)

    async def ask(self, call: DmpCall) -> Any:
        answer = await self.post(call)
        return read_answer(answer.header("content-type"), answer.body)

    def entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.folder) as reader:
            return list(reversed(reader.entries().entries))

    def outcomes(self) -> list[tuple[str, str]]:
        return [(entry["kind"], entry["outcome"]) for entry in self.entries()]

    def units(self) -> list[tuple[str, str]]:
        with JournalReader(self.folder) as reader:
            return [(unit.indicator, unit.finess_et) for unit in reader.units()]

    def arm(self, kind: str, **other: Any) -> None:
        self.world.faults.arm(Fault("panne-1", "DMP.TD2.1", kind, **other))  # type: ignore[arg-type]

    async def settle(self, passes: int) -> None:
        async with self.client() as http:
            dui = self.dui()
            asker = DmpAsker(self.mock_url + BASE_PATH, SystemClock(), LPS, lambda _: Deposited(http, dui.signer, "SA16"))
            worker = SettlementWorker(self.journal, {"DMP.TD2.1": asker}, self.clock, waits_s=(300.0, 3600.0))
            for _ in range(passes):
                self.clock.ahead += timedelta(hours=2)
                await worker.settle_due()


@pytest.fixture
async def stage(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    world = World.load(data)
    world.trace.reset()
    mock = DmpMock(world)
    mock.reset()
    upstream = await Running.start(mock.services())
    ca, crl, server = world.path(world.pki["ca"]), world.path(world.pki["crl"]), world.pki["server"]
    folder = tmp_path / "gateway"
    clock = JournalClock()
    journal = Journal.open(folder, environment="bac_a_sable", clock=clock)

    def upstream_tls(_service: str, identity: Identity | None) -> Any:
        assert identity is not None  # the DMP door always lends one
        return tls.client_context(ca, cert=identity.cert, key=identity.key, profile="dmp")

    road = Road(journal, Access.from_manifest(data / "sandbox"), world.clock, "bac_a_sable", upstream_tls, deadline_s=1.0)
    door = DmpDoor(upstream.urls["mock-dmp"], Registry([example("marseille-hyeres")]), world.clock.business)
    context = tls.server_context(
        world.path(server["cert"]), world.path(server["key"]), ca=ca, crl=crl, client="required", profile="dmp"
    )
    gateway = await Running.start([HttpService("dmp", NativeApp(door, road, "dmp"), context)])
    yield Stage(world, mock, upstream.urls["mock-dmp"], folder, gateway.urls["dmp"], journal, clock)
    await gateway.stop(1)
    await road.drain(3)
    await upstream.stop(1)
    await journal.close()
    world.trace.close()


async def test_a_feed_is_kept_journaled_and_counted_once(stage: Stage) -> None:
    dui = stage.dui()
    assert await stage.ask(dui.existence()) == Existence("open", "OK")
    assert await stage.ask(dui.feed(1)) == SUCCESS
    assert await stage.ask(dui.feed(2)) == SUCCESS  # another document of the same person

    asked, first, second = stage.entries()
    assert (asked["operation"], asked["outcome"], asked["counts_for"]) == ("DMP.TD0.2", "ok", [])
    assert (first["operation"], first["outcome"], first["service_code"]) == ("DMP.TD2.1", "ok", "Success")
    assert (first["finess_et"], first["finess_ej"], first["attribution"]) == (FINESS_ET, FINESS_EJ, "metadonnee")
    assert (first["document_type"], first["ins_status"], first["flags"]) == ("80788-3", "qualifiee", [])
    assert first["person_ref"] == second["person_ref"] == asked["person_ref"]
    assert first["document_refs"] != second["document_refs"]
    written = str(stage.entries())
    assert not any(secret in written for secret in (dui.person["matricule"], dui.person["birth_name"], "1.2.250.1.999.7.3.1"))
    assert set(stage.units()) == {("IND-DMP-01", FINESS_ET)}
    assert stage.world.trace.counts() == {"received": {"DMP.TD0.2": 1, "DMP.TD2.1": 2}, "held": {"DMP.TD2.1": 2}}


async def test_the_bytes_of_the_dui_reach_the_dmp_untouched(stage: Stage) -> None:
    dui = stage.dui()
    call = dui.feed(1)
    await stage.ask(call)
    assert stage.mock.documents.content("1.2.250.1.999.7.3.1") in call.body


async def test_a_lost_answer_is_in_doubt_then_proved_by_the_duplicate(stage: Stage) -> None:
    dui = stage.dui()
    stage.arm("timeout", delay_s=1.5)
    answer = await stage.post(dui.feed(1))
    assert (answer.status, answer.header("x-socle-fault")) == (504, "G-DELAI")
    assert stage.outcomes() == [("call", "in_doubt")]
    assert stage.units() == []

    again = await stage.ask(dui.feed(1))  # the DUI's own retry: another VIHF, another boundary, the same document
    assert again.first_code == DUPLICATE
    assert sorted(stage.outcomes()) == [("call", "in_doubt"), ("call", "refused"), ("settlement", "succeeded")]
    assert stage.units() == [("IND-DMP-01", FINESS_ET)]
    assert stage.world.trace.counts()["held"] == {"DMP.TD2.1": 1}


async def test_another_document_under_the_same_ids_proves_nothing(stage: Stage) -> None:
    dui = stage.dui()
    stage.arm("timeout", delay_s=1.5)
    await stage.post(dui.feed(1))
    assert (await stage.ask(dui.feed(1, title="Un autre document"))).first_code == DUPLICATE
    assert stage.outcomes() == [("call", "in_doubt"), ("call", "refused")]


@pytest.mark.parametrize(
    ("kind", "value", "passes", "settlement", "held"),
    [("reset", "", 1, "succeeded", 1), ("status", "503", 2, "failed", 0)],
    ids=["kept", "not kept"],
)
async def test_a_doubt_is_settled_by_asking_the_dmp(
    stage: Stage, kind: str, value: str, passes: int, settlement: str, held: int
) -> None:
    dui = stage.dui()
    stage.arm(kind, value=value)
    await stage.post(dui.feed(1))
    assert stage.outcomes() == [("call", "in_doubt")]
    await stage.settle(passes)
    assert stage.outcomes() == [("call", "in_doubt"), ("settlement", settlement)]
    assert len(stage.units()) == held == stage.world.trace.counts()["held"].get("DMP.TD2.1", 0)


@pytest.mark.parametrize(("status", "code"), [("closed", "DMPClosed"), ("none", "XDSUnknownPatientId")])
async def test_what_the_dmp_refuses_is_journaled_and_not_counted(stage: Stage, status: str, code: str) -> None:
    assert (await stage.ask(stage.dui(status).feed(1))).first_code == code
    [entry] = stage.entries()
    assert (entry["outcome"], entry["service_code"], entry["flags"]) == ("refused", code, [])
    assert stage.units() == []


async def test_a_vihf_signed_by_the_tls_certificate_is_refused_and_journaled(stage: Stage) -> None:
    dui = stage.dui()
    with pytest.raises(DmpFault) as raised:
        await stage.ask(dui.feed(1, signer=dui.signer_of(dui.structure["auth_cli"])))
    assert raised.value.subcode == "DMPInvalidCertificate"
    [entry] = stage.entries()
    assert (entry["outcome"], entry["flags"], entry["service_code"]) == ("unauthorised", ["V-VIHF"], "DMPInvalidCertificate")
    assert stage.units() == []


async def test_a_malformed_message_is_relayed_and_counted_alike(stage: Stage) -> None:
    answer = await stage.post(replace(stage.dui().existence(), body=b"<s:Envelope xmlns:s="))
    assert (answer.status, answer.header("x-socle-mock")) == (500, "dmp")
    [entry] = stage.entries()
    assert (entry["operation"], entry["outcome"], entry["flags"]) == ("DMP.INCONNUE", "invalid", ["V-SOAP"])
    assert stage.world.trace.counts()["received"] == {"DMP.INCONNUE": 1}


async def test_an_injected_fault_is_named_in_the_entry(stage: Stage) -> None:
    stage.arm("soap", value="XDSRepositoryBusy")
    assert (await stage.ask(stage.dui().feed(1))).first_code == "XDSRepositoryBusy"
    [entry] = stage.entries()
    assert (entry["outcome"], entry["fault"], entry["flags"]) == ("failed", "panne-1", ["N-INDISPONIBLE", "F-INJECTION"])
