"""Tenants that come, change their secrets and go while the mocks run."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from connectors.nomenclatures.identifiers import is_finess
from mocks.dmp.app import DmpMock
from mocks.dmp.state import Stored
from mocks.mssante.app import MssanteMock
from mocks.mssante.state import Envelope, Reading
from mocks.psc.app import PscMock
from mocks.psc.state import Session
from mocks.runtime import MOCKS
from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.papers import read_cert
from mocks.sandbox.register import Register
from mocks.sandbox.tenancy import forget_removed
from mocks.sandbox.world import Mock, World
from tests.mocks.sandbox.consoles import Gateway


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=12)
    return folder


@pytest.fixture
def world(data: Path) -> World:
    return World.load(data)


@pytest.fixture
def mocks(world: World) -> dict[str, Mock]:
    return {name: make(world) for name, make in MOCKS.items()}


@pytest.fixture
async def http(world: World, mocks: dict[str, Mock]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Control(world, mocks).app)
    key = {KEY_HEADER: world.manifest["control_key"]}
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=key) as client:
        yield client
    world.trace.close()


async def added(http: httpx.AsyncClient, name: str, structures: int = 1, persons: int = 12) -> dict[str, Any]:
    answer = await http.post("/tenants", json={"name": name, "structures": structures, "persons": persons})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def on_disk(world: World) -> dict[str, Any]:
    manifest: dict[str, Any] = orjson.loads((world.data / "sandbox" / "sandbox.json").read_bytes())
    return manifest


def states(world: World, struct_id: str) -> dict[str, str | None]:
    """Fingerprint → when it was revoked, for each certificate of a structure."""
    rows = Register.load(world.data / "sandbox" / "pki").rows
    return {row.fingerprint: row.revoked_at for row in rows if row.struct_id == struct_id}


def deliver(operator: MssanteMock, sender: str, *recipients: str) -> str:
    content = f"From: <{sender}>\r\nMessage-ID: <{sender}-{len(operator.store.messages())}>\r\n\r\nBonjour\r\n".encode()
    envelope = Envelope(sender, dict.fromkeys(recipients, "delivered"), "dui.test")
    queue_id = operator.store.next_queue_id()
    operator.store.deliver(queue_id, envelope, Reading.of(content), content, operator.world.clock.business())
    return queue_id


def stored(unique_id: str, struct_id: str) -> Stored:
    return Stored(
        unique_id, f"urn:{unique_id}", f"urn:l{unique_id}", f"set-{unique_id}", "275126322074974", "1.2", struct_id, "11490-0",
        "11", "Lettre", "00", 4, "2026-01-01T00:00:00Z",
    )  # fmt: skip


async def test_a_tenant_has_what_its_software_calls_with_and_nothing_of_anothers(
    http: httpx.AsyncClient, world: World, mocks: dict[str, Mock], gateway: Gateway
) -> None:
    world.ports["console"] = gateway.port
    before = on_disk(world)
    people = {row["matricule"] for row in world.population.persons()}
    told = await added(http, "editeur-b", structures=2)
    assert [(path, said) for path, _, said in gateway.told] == [("/admin/tenants", {"act": "add", "name": "editeur-b"})]
    manifest = on_disk(world)
    assert manifest == world.manifest and told["control_key"] not in orjson.dumps(manifest).decode()
    first, second = told["structures"]
    assert first["finess_ej"] == second["finess_ej"] and first["finess_et"] != second["finess_et"]
    numbers = {first["finess_ej"], first["finess_et"], second["finess_et"]}
    assert all(map(is_finess, numbers)) and numbers.isdisjoint(row["finess_et"] for row in before["structures"])
    for row in told["structures"]:
        assert {read_cert(Path(one["cert"])).serial_number for one in row["identities"].values()} <= {
            int(one.serial, 16) for one in Register.load(world.data / "sandbox" / "pki").rows if one.tenant == "editeur-b"
        }
    for column in ("structures", "psc_clients", "annuaire_keys", "own_keys", "tenants"):
        assert manifest[column][: len(before[column])] == before[column], column
    own = [row for row in world.population.persons() if row.get("owner") == "editeur-b"]
    assert {row["structure"] for row in own} >= {first["finess_et"], second["finess_et"]}
    assert people.isdisjoint(row["matricule"] for row in own) and len(own) >= 24
    dmp, psc, operator = mocks["dmp"], mocks["psc"], mocks["mssante"]
    assert isinstance(dmp, DmpMock) and isinstance(psc, PscMock) and isinstance(operator, MssanteMock)
    assert first["struct_id"] in dmp._owners
    assert {"editeur-b", "editeur-b-rejeu"} <= psc.state()["clients"].keys()
    assert operator.directory.locate(first["mailboxes"][0]) == "delivered"
    assert told["annuaire_key"] in mocks["annuaire"]._quotas  # type: ignore[attr-defined]
    again = World.load(world.data)  # as after a restart
    assert again.manifest == world.manifest and init(world.data) == world.manifest
    again.trace.close()


async def test_what_cannot_be_a_tenant_changes_nothing(http: httpx.AsyncClient, world: World, gateway: Gateway) -> None:
    before, counts = on_disk(world), world.population.counts()
    wrong = dict.fromkeys(("passerelle", "inconnu", "inconnue", "a-rejeu"), "Nom d'éditeur")
    for name, why in {"dui-exemple": "existe déjà", **wrong}.items():
        refused = await http.post("/tenants", json={"name": name})
        assert (refused.status_code, why in refused.json()["detail"]) == (409, True), name
    for wish in ({"name": "Majuscule"}, {"name": "a", "structures": 0}, {"name": "a", "structures": 21}, {"name": "a", "x": 1}):
        assert (await http.post("/tenants", json=wish)).status_code == 422, wish
    for method, path in (("POST", "/tenants/rien/rotate"), ("DELETE", "/tenants/rien")):
        assert (await http.request(method, path)).status_code == 404
    refused = await http.delete("/tenants/dui-exemple")
    assert (refused.status_code, "ne se retire pas" in refused.json()["detail"]) == (409, True)
    world.ports["console"], gateway.status = gateway.port, 503
    assert (await http.post("/tenants", json={"name": "editeur-x"})).status_code == 502
    assert (on_disk(world), world.population.counts()) == (before, counts)


async def test_rotating_leaves_the_former_secrets_and_certificates_good_for_nothing(
    http: httpx.AsyncClient, world: World, mocks: dict[str, Mock]
) -> None:
    told = await added(http, "editeur-c")
    struct_id, psc = told["structures"][0]["struct_id"], mocks["psc"]
    assert isinstance(psc, PscMock)
    for client, name in (("editeur-c", "s1"), ("dui-exemple", "s2")):
        psc._state.sessions.put(name, Session(name, client, "8x", "CARD", "openid", "", 0, 0))
    former = states(world, struct_id)
    assert set(former.values()) == {None} and len(former) == 3
    rotated = (await http.post("/tenants/editeur-c/rotate")).json()
    assert [row["finess_et"] for row in rotated["structures"]] == [row["finess_et"] for row in told["structures"]]
    for secret in ("control_key", "annuaire_key", "own_key"):
        assert rotated[secret] != told[secret]
    assert {row["client_secret"] for row in rotated["psc_clients"]}.isdisjoint(
        row["client_secret"] for row in told["psc_clients"]
    )
    now = states(world, struct_id)
    assert {name for name, revoked in now.items() if revoked} == set(former) and len(now) == 6
    kept = orjson.dumps(on_disk(world)).decode()
    assert told["annuaire_key"] not in kept and told["own_key"] not in kept
    assert [session.id for session, _ in psc.sessions()] == ["s2"]  # who bears the other secret was not disturbed
    annuaire: Any = mocks["annuaire"]
    assert told["annuaire_key"] not in annuaire._quotas and rotated["annuaire_key"] in annuaire._quotas


async def test_a_removed_tenant_leaves_nothing_that_answers_and_takes_nothing_of_anothers(
    http: httpx.AsyncClient, world: World, mocks: dict[str, Mock], gateway: Gateway
) -> None:
    told, neighbour = await added(http, "editeur-d"), await added(http, "editeur-e")
    mine, theirs = told["structures"][0], neighbour["structures"][0]
    dmp, operator = mocks["dmp"], mocks["mssante"]
    assert isinstance(dmp, DmpMock) and isinstance(operator, MssanteMock)
    dmp.documents.add([(stored("1.1", mine["struct_id"]), b"<a/>")])
    dmp.documents.add([(stored("1.2", theirs["struct_id"]), b"<a/>")])
    here, there, hospital = mine["mailboxes"][0], theirs["mailboxes"][0], "urgences@ch-de-saint-elme.bac-a-sable.mssante.fr"
    deliver(operator, here, hospital)
    shared, for_both = deliver(operator, here, there), deliver(operator, there, here, there)
    outside = deliver(operator, hospital, here)
    assert (await http.post("/snapshots", json={"name": "avant"})).status_code == 201
    world.ports["console"] = gateway.port
    assert (await http.delete("/tenants/editeur-d")).json() == {"removed": "editeur-d"}
    assert [said for _, _, said in gateway.told] == [{"act": "remove", "name": "editeur-d"}]

    def nothing_left() -> None:
        manifest = on_disk(world)
        live = {column: manifest[column] for column in ("psc_clients", "annuaire_keys", "own_keys", "structures", "tenants")}
        assert "editeur-d" not in orjson.dumps(live).decode() and "editeur-e" in orjson.dumps(live).decode()
        owners = {row.get("owner") for row in (*world.population.persons(), *world.population.professionals())}
        assert "editeur-d" not in owners and "editeur-e" in owners
        assert [one.unique_id for one in dmp.documents.all()] == ["1.2"] and not dmp.documents.knows("set-1.1")
        kept = {one.queue_id: list(one.recipients) for one in operator.store.messages()}
        assert kept == {shared: [there], for_both: [there]} and outside not in kept
        assert operator.store.inbox(here) == [] and len(operator.store.inbox(there)) == 2
        assert operator.directory.locate(here) == "outside" and operator.directory.locate(there) == "delivered"

    nothing_left()
    assert None not in states(world, mine["struct_id"]).values() and set(states(world, theirs["struct_id"]).values()) == {None}
    assert (await http.post("/snapshots/avant/restore")).status_code == 200
    nothing_left()
    forget_removed(world, mocks)
    operator.reload()
    dmp.reload()
    nothing_left()
    again = await http.post("/tenants", json={"name": "editeur-d"})
    assert (again.status_code, "restent au journal" in again.json()["detail"]) == (409, True)
    listed = (await http.get("/tenants")).json()
    assert "editeur-d" in listed["removed"] and told["own_key"] not in str(listed)
    newcomer = await added(http, "editeur-f")
    assert newcomer["structures"][0]["finess_et"] not in {mine["finess_et"], mine["finess_ej"]}
