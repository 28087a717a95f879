import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from connectors.wire.serving import Service
from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.publication import Publication
from mocks.sandbox.world import World
from tests.mocks.sandbox.consoles import Gateway


class Echo:
    """A mock that remembers one word."""

    name = "echo"

    def __init__(self) -> None:
        self.word = "oui"

    def services(self) -> list[Service]:
        return []

    def state(self) -> dict[str, Any]:
        return {"word": self.word}

    def reset(self) -> None:
        self.word = ""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=1)
    return data


@pytest.fixture
def world(made: Path) -> Iterator[World]:
    world = World.load(made, ports={})
    yield world
    world.trace.reset()
    (made / "mocks" / "clock.json").unlink(missing_ok=True)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def api(world: World, echo: Echo) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Control(world, {"echo": echo}).app)
    headers = {KEY_HEADER: world.manifest["control_key"]}
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        yield client


@pytest.mark.parametrize("key", ["", "autre", "é"])
async def test_nothing_without_the_key(api: httpx.AsyncClient, echo: Echo, key: str) -> None:
    refused = await api.post("/reset", headers={KEY_HEADER.encode(): key.encode()})
    assert (refused.status_code, echo.word) == (401, "oui")
    assert "Clé de contrôle" in refused.json()["detail"]
    assert (await api.post("/reset")).status_code == 200


async def test_state_of_a_mock_and_of_all(api: httpx.AsyncClient, world: World) -> None:
    world.trace.received("PSC.TOKEN")
    shown = await api.get("/state/echo")
    assert shown.json() == {"mock": "echo", "state": {"word": "oui"}}
    assert shown.headers["X-Socle-Mock"] == "control"
    assert (await api.get("/state")).json() == {"mocks": ["echo"], "received": {"PSC.TOKEN": 1}, "held": {}}
    absent = await api.get("/state/dmp")
    assert absent.status_code == 404 and "« dmp »" in absent.json()["detail"]


async def test_the_clock_jumps_after_the_gateway_s(api: httpx.AsyncClient, world: World, gateway: Gateway) -> None:
    world.ports["console"] = gateway.port
    moved = await api.post("/clock", json={"advance_s": 86400})
    assert (moved.status_code, moved.json()["offset_s"], moved.json()["version"]) == (200, 86400.0, 1)
    assert gateway.told == [("/admin/clock", world.manifest["admin_key"], {"offset_s": 86400.0, "version": 1})]
    await api.post("/clock", json={"advance_s": 0.5})
    assert gateway.told[-1][2] == {"offset_s": 86400.5, "version": 2}
    assert (await api.get("/clock")).json()["version"] == world.clock.version == 2


async def test_a_busy_gateway_keeps_the_clock_where_it_is(api: httpx.AsyncClient, world: World, gateway: Gateway) -> None:
    world.ports["console"] = gateway.port
    gateway.status = 409
    for wanted in ({"advance_s": 60}, {"advance_s": 60, "alone": True}):
        busy = await api.post("/clock", json=wanted)
        assert (busy.status_code, busy.json()["detail"]) == (409, "Des appels sont en cours.")
    assert (world.clock.version, world.clock.offset.total_seconds()) == (0, 0)


async def test_an_unclear_answer_moves_nothing(api: httpx.AsyncClient, world: World, gateway: Gateway) -> None:
    world.ports["console"] = gateway.port
    gateway.status = 500
    unclear = await api.post("/clock", json={"advance_s": 60, "alone": True})
    assert unclear.status_code == 502 and "n'a pas bougé" in unclear.json()["detail"]
    assert world.clock.version == 0


async def test_without_a_gateway_the_clock_jumps_only_if_told_alone(api: httpx.AsyncClient, world: World) -> None:
    for console in ({}, {"console": _closed_port()}):
        world.ports.update(console)
        refused = await api.post("/clock", json={"advance_s": 60})
        assert refused.status_code == 503 and "alone" in refused.json()["detail"]
    moved = await api.post("/clock", json={"advance_s": 60, "alone": True})
    assert (moved.status_code, world.clock.version) == (200, 1)


async def test_business_time_is_kept_for_the_next_process(api: httpx.AsyncClient, world: World) -> None:
    await api.post("/clock", json={"advance_s": 3600, "alone": True})
    again = World.load(world.data)
    assert (again.clock.offset.total_seconds(), again.clock.version) == (3600, 1)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "JSON"),
        (b"[]", 400, "objet"),
        (b"{}", 422, "advance_s"),
        (b'{"advance_s": 0}', 422, "advance_s"),
        (b'{"advance_s": -5}', 422, "advance_s"),
        (b'{"advance_s": true}', 422, "advance_s"),
        (b'{"advance_s": 1e300}', 422, "advance_s"),
        (b'{"advance_s": 5, "alone": "oui"}', 422, "alone"),
        (b'{"advance_s": 5, "back": 1}', 422, "back"),
        (b" " * 70_000, 413, "longue"),
    ],
)
async def test_a_wrong_jump_is_refused_with_its_reason(
    api: httpx.AsyncClient, world: World, body: bytes, status: int, reason: str
) -> None:
    refused = await api.post("/clock", content=body)
    assert refused.status_code == status and reason in refused.json()["detail"]
    assert world.clock.version == 0


async def test_faults_are_armed_shown_and_disarmed(api: httpx.AsyncClient, world: World) -> None:
    wanted = {"operation": "DMP.TD2.1", "kind": "timeout", "delay_s": 1, "for_next": 2}
    armed = await api.post("/faults", json=wanted)
    assert (armed.status_code, armed.json()["id"]) == (201, "fault-1")
    await api.post("/faults", json={**wanted, "id": "autre", "kind": "reset"})
    assert [fault["left"] for fault in (await api.get("/faults")).json()["faults"]] == [2, 2]
    assert (await api.delete("/faults", params={"id": "fault-1"})).json()["faults"][0]["id"] == "autre"
    taken = world.faults.take("DMP.TD2.1")
    assert taken is not None and taken.kind == "reset"
    assert (await api.delete("/faults")).json() == {"faults": []}
    refused = await api.post("/faults", json={**wanted, "kind": "explode"})
    assert refused.status_code == 422 and "'business' ou 'soap'" in refused.json()["detail"]


async def test_reset_forgets_everything_but_time(api: httpx.AsyncClient, world: World, echo: Echo) -> None:
    world.trace.received("PSC.TOKEN")
    await api.post("/faults", json={"operation": "PSC.TOKEN", "kind": "reset"})
    await api.post("/clock", json={"advance_s": 60, "alone": True})
    assert (await api.post("/reset")).json() == {"reset": ["echo"]}
    assert (echo.word, world.faults.to_json(), world.trace.counts()) == ("", [], {"received": {}, "held": {}})
    assert world.clock.offset.total_seconds() == 60


async def test_lists_and_authorities_are_published_where_certificates_say(world: World) -> None:
    leaf = x509.load_pem_x509_certificate(world.path(world.manifest["structures"][0]["auth_cli"]["cert"]).read_bytes())
    points = leaf.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
    access = leaf.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    transport = httpx.ASGITransport(Publication(world).app)
    async with httpx.AsyncClient(transport=transport) as client:
        published = await client.get(points[0].full_name[0].value)
        crl = x509.load_der_x509_crl(published.content)
        issuer = x509.load_der_x509_certificate((await client.get(access[0].access_location.value)).content)
    assert published.headers["Content-Type"] == "application/pkix-crl"
    assert crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    leaf.verify_directly_issued_by(issuer)
    revoked = x509.load_pem_x509_certificate(world.path(world.pki["refused"]["revoked"]["cert"]).read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(revoked.serial_number) is not None
    assert crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is None


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
