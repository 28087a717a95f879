"""Certificates by the control API: what is given, what is deposited with the gateway, what is refused and why."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.papers import read_cert
from mocks.sandbox.world import World
from tests.mocks.sandbox.consoles import Gateway

STRUCTURES = [
    {"finess_et": "0B0990008", "finess_ej": "0B0990107", "name": "LES TILLEULS", "tenant": "editeur-a"},
    {"finess_et": "0B0990016", "finess_ej": "0B0990107", "name": "LA PASSERELLE", "tenant": "editeur-b"},
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, structures=STRUCTURES, persons=2)
    return folder


@pytest.fixture
def world(data: Path) -> World:
    return World.load(data)


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Control(world, {}).app)
    key = {KEY_HEADER: world.manifest["control_key"]}
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=key) as client:
        yield client
    world.trace.close()


async def issue(http: httpx.AsyncClient, **wish: Any) -> dict[str, Any]:
    answer = await http.post("/pki/certificates", json={"structure": "0B0990008", **wish})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def refusal(http: httpx.AsyncClient, **wish: Any) -> tuple[int, str]:
    answer = await http.post("/pki/certificates", json=wish)
    return answer.status_code, answer.json()["detail"]


async def test_an_identity_is_given_once_with_its_password(http: httpx.AsyncClient, world: World) -> None:
    told = await issue(http, cn="INSI-MANU", days=30)
    assert (told["profile"], told["cn"], told["state"], told["tenant"]) == ("auth_cli", "INSI-MANU", "valid", "editeur-a")
    cert = read_cert(Path(told["files"]["cert"]))
    assert cert.serial_number == int(told["serial"], 16)
    assert pkcs12.load_key_and_certificates(Path(told["files"]["p12"]).read_bytes(), told["password"].encode())[1] == cert
    assert "password" not in (await http.get("/pki/certificates")).text
    assert (told["deposited"], "ne tourne pas" in told["note"]) == ([], True)


async def test_the_gateway_is_given_what_it_is_to_present_and_has_it_taken_back(
    http: httpx.AsyncClient, world: World, gateway: Gateway
) -> None:
    world.ports["console"] = gateway.port
    told = await issue(http)
    assert (told["deposited"], told["note"]) == (["INS", "DMP", "MSS"], None)
    paths = {(path, said["service"], said["use"], said["tenant"]) for path, _, said in gateway.told}
    assert paths == {("/admin/identities", service, "auth", "editeur-a") for service in ("INS", "DMP", "MSS")}
    assert {said["cert"] for _, _, said in gateway.told} == {Path(told["files"]["cert"]).read_text()}
    gateway.told.clear()
    revoked = (await http.post(f"/pki/certificates/{told['name']}/revoke", json={"reason": "superseded"})).json()
    assert (revoked["state"], revoked["reason"], revoked["withdrawn"]) == ("revoked", "superseded", ["INS", "DMP", "MSS"])
    names = [said["name"] for _, _, said in gateway.told]
    assert names == [f"{service}-auth-{told['fingerprint'][:16]}" for service in ("ins", "dmp", "mss")]


@pytest.mark.parametrize(
    "wish", [{"profile": "sign"}, {"refused": "expired"}, {"deposit": False}, {"profile": "server", "hosts": ["a"]}]
)
async def test_nothing_else_is_deposited(
    http: httpx.AsyncClient, world: World, gateway: Gateway, wish: dict[str, Any]
) -> None:
    world.ports["console"] = gateway.port
    told = await issue(http, **wish)
    assert (told["deposited"], told["note"], gateway.told) == ([], None, [])


async def test_a_gateway_that_refuses_a_deposit_says_why(http: httpx.AsyncClient, world: World, gateway: Gateway) -> None:
    world.ports["console"], gateway.status = gateway.port, 409
    told = await issue(http)
    assert told["deposited"] == [] and told["note"] == "La passerelle ne l'a pas pris : Des appels sont en cours."
    assert (await http.post(f"/pki/certificates/{told['name']}/revoke", json={})).json()["withdrawn"] == []


async def test_what_is_asked_must_hold_together(http: httpx.AsyncClient, world: World) -> None:
    rpps = world.population.professionals()[0]["rpps"]
    for wish, said in (
        ({}, "FINESS ET"),
        ({"structure": "0B0990099"}, "n'est pas du bac à sable"),
        ({"structure": "0B0990099", "name": "AILLEURS"}, "éditeur"),
        ({"structure": "0B0990008", "tenant": "editeur-b"}, "est à l'éditeur « editeur-a »"),
        ({"structure": "0B0990008", "tenant": "personne"}, "inconnu"),
        ({"structure": "0B0990008", "refused": "expired", "days": 3}, "days"),
        ({"structure": "0B0990008", "days": 0}, "days"),
        ({"structure": "0B0990008", "refused": "laid"}, "refused"),
        ({"structure": "0B0990008", "cn": "a b"}, "cn"),
        ({"profile": "ps_auth"}, "RPPS"),
        ({"profile": "ps_auth", "professional": "10000000000"}, "Aucun professionnel"),
        ({"profile": "ps_sign", "professional": rpps, "cn": "X"}, "CN"),
        ({"profile": "server"}, "hosts"),
        ({"profile": "server", "hosts": ["a"], "refused": "other_use"}, "other_use"),
    ):
        status, detail = await refusal(http, **wish)
        assert (status, said in detail) == (422, True), (wish, detail)
    for wish in (
        {"structure": "0B0990099", "name": "AILLEURS", "tenant": "editeur-b"}, {"profile": "ps_sign", "professional": rpps},
        {"structure": "0B0990008", "tenant": "editeur-a", "refused": "weak_key"},
    ):
        assert (await http.post("/pki/certificates", json=wish)).status_code == 201, wish


async def test_the_list_is_filtered_by_vendor_structure_and_state(http: httpx.AsyncClient) -> None:
    await issue(http, structure="0B0990016", refused="not_yet_valid")

    async def listed(**asked: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await http.get("/pki/certificates", params=asked)).json()["certificates"]
        return rows

    everything = await listed()
    assert {row["tenant"] for row in everything} >= {"editeur-a", "editeur-b", None}
    assert {row["struct_id"] for row in await listed(structure="0B0990016")} == {"10B0990016"}
    assert {row["tenant"] for row in await listed(tenant="editeur-b")} == {"editeur-b"}
    later = await listed(state="not_yet_valid")
    assert {row["refused"] for row in later} == {"not_yet_valid"} and len(later) < len(everything)
    assert await listed(structure="0B0990016", state="not_yet_valid", tenant="editeur-a") == []


async def test_a_certificate_is_revoked_once_and_by_any_of_its_names(http: httpx.AsyncClient) -> None:
    for name in ("name", "serial", "fingerprint"):
        told = await issue(http, profile="sign")
        path = f"/pki/certificates/{told[name]}/revoke"
        assert (await http.post(path, json={"reason": "laid"})).status_code == 422
        assert (await http.post(path, json={"reason": "cessation_of_operation"})).json()["name"] == told["name"]
        again = await http.post(path, json={})
        assert (again.status_code, "déjà révoqué" in again.json()["detail"]) == (409, True)
    nobody = await http.post("/pki/certificates/personne/revoke", json={})
    assert (nobody.status_code, "aucun certificat « personne »" in nobody.json()["detail"]) == (404, True)
