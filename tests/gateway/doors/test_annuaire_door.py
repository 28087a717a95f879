"""What the Annuaire door decides, then searches through it: road, journal, mock, on real sockets (design §8)."""
from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.annuaire.client import AnnuaireClient
from connectors.annuaire.errors import NotAuthorised, Rejected
from connectors.wire import tls
from connectors.wire.http import Answer, Client
from connectors.wire.serving import HttpService, Running
from gateway.access.callers import UNKNOWN, Access, Caller, Identity
from gateway.doors.annuaire import AnnuaireDoor
from gateway.doors.native import NativeApp
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Record
from gateway.road import Refusal, Request, Road
from mocks.annuaire.app import AnnuaireMock
from mocks.sandbox.build import init
from mocks.sandbox.world import World

DOOR = AnnuaireDoor("https://localhost:9141/")
ACME = Caller(tenant="acme")


def request(method: str, target: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("annuaire", method, target, raw, b"")


def test_whose_call_it_is() -> None:
    access = Access(_api_keys={"key": ACME})
    assert DOOR.identify(request("GET", "/", ESANTE_API_KEY="key"), access) is ACME
    assert DOOR.identify(request("GET", "/", ESANTE_API_KEY="other"), access) is UNKNOWN
    assert DOOR.identify(request("GET", "/"), access) is UNKNOWN
    assert DOOR.upstream(request("GET", "/fhir/v2/Practitioner?a=%7C")) == "https://localhost:9141/fhir/v2/Practitioner?a=%7C"


CALLS = [
    ("GET", "/fhir/v2/Practitioner?identifier=1", "ANN.RECHERCHE", []),
    ("GET", "/fhir/v2/Practitioner/003-1-1", "ANN.RECHERCHE", []),
    ("GET", "/fhir/v2/Device", "ANN.RECHERCHE", []),
    ("GET", "/fhir/v2/_page?id=1", "ANN.RECHERCHE", []),
    ("POST", "/fhir/v2/Organization/_search", "ANN.RECHERCHE", []),
    ("GET", "/fhir/v2/metadata", "ANN.INCONNUE", []),
    ("GET", "/fhir/v2/Patient", "ANN.INCONNUE", ["V-CHEMIN"]),
    ("GET", "/fhir/v2/_page/", "ANN.INCONNUE", ["V-CHEMIN"]),
    ("GET", "/fhir/v2/Practitioner/1/_history", "ANN.INCONNUE", ["V-CHEMIN"]),
    ("GET", "/fhir/v2", "ANN.INCONNUE", ["V-CHEMIN"]),
    ("GET", "/fhir/v1/Practitioner", "ANN.INCONNUE", ["V-CHEMIN"]),
    ("GET", "/x/fhir/v2/Practitioner", "ANN.INCONNUE", ["V-CHEMIN"]),
    ("POST", "/fhir/v2/Practitioner", "ANN.INCONNUE", ["V-ECRITURE"]),
    ("PUT", "/fhir/v2/Practitioner/1", "ANN.INCONNUE", ["V-ECRITURE"]),
    ("DELETE", "/fhir/v2/Practitioner", "ANN.INCONNUE", ["V-ECRITURE"]),
]


@pytest.mark.parametrize(("method", "target", "operation", "flags"), CALLS)
def test_method_and_path_say_which_operation(method: str, target: str, operation: str, flags: list[str]) -> None:
    record = Record(None)
    assert DOOR.read(request(method, target), record, ACME) is None
    assert (record.operation, record.flags) == (operation, flags)


def outcome(code: str) -> bytes:
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]})


@pytest.mark.parametrize(
    ("answer", "expected", "code", "flags"),
    [
        (Answer(200, [], b"{}"), "ok", "HTTP 200", []),
        (Answer(400, [], outcome("exception")), "invalid", "HTTP 400 exception", ["V-PARAMETRE"]),
        (Answer(401, [], b'{"message":"Unauthorized"}'), "unauthorised", "HTTP 401", ["V-CLE-API"]),
        (Answer(403, [], outcome("exception")), "invalid", "HTTP 403 exception", ["V-REQUETE"]),
        (Answer(404, [], outcome("exception")), "refused", "HTTP 404 exception", []),
        (Answer(410, [], outcome("exception")), "refused", "HTTP 410 exception", []),
        (Answer(429, [], b"{}"), "refused", "HTTP 429", ["V-QUOTA"]),
        (Answer(500, [], outcome("Dupont Jean, 1 rue")), "failed", "HTTP 500", ["N-INDISPONIBLE"]),
        (Answer(503, [], b"<html>"), "failed", "HTTP 503", ["N-INDISPONIBLE"]),
    ],
)
def test_what_the_service_said(answer: Answer, expected: str, code: str, flags: list[str]) -> None:
    record = Record("ANN.RECHERCHE")
    DOOR.conclude(record, request("GET", "/fhir/v2/Practitioner"), answer)
    assert (record.outcome, record.service_code, record.flags) == (expected, code, flags)


def test_refusals_are_operation_outcomes() -> None:
    answer = DOOR.refuse(Refusal("G-PLEIN", "Le journal n'a plus de place.", 503), request("GET", "/"))
    [issue] = orjson.loads(answer.body)["issue"]
    assert (answer.status, issue["code"], issue["diagnostics"]) == (503, "transient", "Le journal n'a plus de place.")
    assert (answer.header("x-socle-fault"), answer.header("retry-after")) == ("G-PLEIN", "5")
    large = DOOR.refuse(Refusal("V-TAILLE", "Trop grand.", 413), request("GET", "/"))
    assert orjson.loads(large.body)["issue"][0]["code"] == "too-long" and large.header("retry-after") is None


# --- through the door, on real sockets ----------------------------------------------------------------------------------


@dataclass
class Stage:
    world: World
    http: Client
    journal: Path
    url: str

    @property
    def key(self) -> str:
        return str(self.world.manifest["annuaire_keys"][0]["key"])

    def entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.journal) as reader:
            return list(reversed(reader.entries().entries))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=4)
    return folder


@pytest.fixture
async def stage(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    world = World.load(data)
    world.trace.reset()
    ca, server = world.path(world.pki["ca"]), world.pki["server"]
    upstream = await Running.start(AnnuaireMock(world).services())
    journal = Journal.open(tmp_path / "gateway", environment="bac_a_sable", clock=world.clock)

    def upstream_tls(_service: str, identity: Identity | None) -> ssl.SSLContext:
        assert identity is None  # the key is the credential
        return tls.client_context(ca)

    road = Road(journal, Access.from_manifest(data / "sandbox"), world.clock, "bac_a_sable", upstream_tls, deadline_s=5.0)
    app = NativeApp(AnnuaireDoor(upstream.urls["mock-annuaire"]), road, "annuaire")
    context = tls.server_context(world.path(server["cert"]), world.path(server["key"]))
    running = await Running.start([HttpService("annuaire", app, context)])
    world.ports.update({name: int(url.rpartition(":")[2]) for name, url in running.urls.items()})
    async with Client(tls.client_context(ca)) as http:
        yield Stage(world, http, tmp_path / "gateway", running.urls["annuaire"])
    await running.stop(1)
    await road.drain(2)
    await upstream.stop(1)
    await journal.close()
    world.trace.close()


async def test_searches_pages_and_refusals_are_one_entry_each(stage: Stage) -> None:
    person = stage.world.population.professionals()[0]
    client = AnnuaireClient(stage.http, stage.url, stage.key, retries=0)
    found = await client.professional(person["rpps"])
    assert found is not None and person["mailbox"] in [box.address for box in found.mailboxes]
    pages = await client.search(f"{stage.url}/fhir/v2/Practitioner?_count=4")  # next pages name the door
    assert len(pages) == len([one for one in stage.world.population.professionals() if one["rpps"]])
    with pytest.raises(Rejected):
        await client.search(f"{stage.url}/fhir/v2/Practitioner?mailbox-mss-type=PER")
    with pytest.raises(NotAuthorised):
        await AnnuaireClient(stage.http, stage.url, "unknown", retries=0).professional(person["rpps"])

    entries = stage.entries()
    assert [entry["outcome"] for entry in entries] == ["ok"] * (len(entries) - 2) + ["invalid", "unauthorised"]
    assert {entry["operation"] for entry in entries} == {"ANN.RECHERCHE"}
    assert (entries[0]["tenant"], entries[-1]["tenant"]) == (stage.world.manifest["annuaire_keys"][0]["tenant"], "inconnu")
    assert stage.world.trace.counts()["received"] == {"ANN.RECHERCHE": len(entries)}
    assert not any(secret in orjson.dumps(entries).decode() for secret in (stage.key, person["rpps"], person["mailbox"]))


async def test_door_and_mock_call_a_request_by_the_same_name(stage: Stage) -> None:
    for method, target, operation, _ in CALLS:
        before = stage.world.trace.counts()["received"].get(operation, 0)
        await stage.http.send(method, stage.url + target, headers=[(b"esante-api-key", stage.key.encode())])
        assert stage.world.trace.counts()["received"][operation] == before + 1, target
    assert Counter(entry["operation"] for entry in stage.entries()) == Counter(operation for _, _, operation, _ in CALLS)
