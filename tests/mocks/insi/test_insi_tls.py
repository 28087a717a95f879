"""The mock on its real sockets: by mutual TLS, called by the connector that a DUI would be, and by an assertion."""
from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from connectors.insi import messages
from connectors.insi.authentication import Organisation
from connectors.insi.client import InsiClient
from connectors.wire import tls
from connectors.wire.clock import SystemClock
from connectors.wire.http import Client, NoAnswer
from connectors.wire.serving import Running
from mocks.insi.app import InsiMock
from mocks.sandbox.authority import Authority, Pair, new_authority, new_key, now, organisation_name
from mocks.sandbox.faults import Fault, Faults
from mocks.sandbox.lists import Revoked, new_list, write_lists
from mocks.sandbox.population import Population
from mocks.sandbox.trace import Trace
from mocks.sandbox.world import World
from tests.mocks.insi.assertions import NURSE, Cards, assertion, make_cards, security, signed
from tests.mocks.insi.conftest import contexts, request

TRAITS = messages.Traits("ECETINSI", "PIERRE-ALAIN", "M", "2009-07-14")
SOFTWARE = messages.Software("SOCLEDUI0001", "DUI", "1", "0f6c9b7e-2c53-4e0a-b6f0-3d5a3c1d9a10")


def write(folder: Path, name: str, pair: Pair) -> None:
    (folder / f"{name}.pem").write_bytes(pair.cert.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        pair.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def organisation(authority: Authority, cn: str) -> Pair:
    name = organisation_name(department="13", organisation="EHPAD SANDBOX", struct_id="1130000018", cn=cn)
    return authority.mint("auth_cli", name, new_key())


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "sandbox"
    folder.mkdir()
    authority, stranger = new_authority(new_key(), new_key()), new_authority(new_key(), new_key(), label="STRANGER")
    revoked = organisation(authority, "INSI-AUTO")
    localhost = organisation_name(department="75", organisation="SANDBOX", struct_id="1750000001", cn="localhost")
    write(folder, "server", authority.mint("server", localhost, new_key(), hosts=["localhost", "127.0.0.1"]))
    for name, pair in (
        ("auto", organisation(authority, "INSI-AUTO")), ("ehpad", organisation(authority, "EHPAD")),
        ("revoked", revoked), ("stranger", organisation(stranger, "INSI-AUTO")),
    ):  # fmt: skip
        write(folder, name, pair)
    chain: list[x509.Certificate] = [authority.issuing.cert, authority.root.cert]
    (folder / "ca.pem").write_bytes(b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in chain))
    listed = new_list(authority.issuing, [Revoked(revoked.cert.serial_number, now())], number=1, at=now())
    (folder / "crl.pem").write_bytes(write_lists([listed]))
    (folder / "pki").mkdir()
    return folder


@pytest.fixture(scope="module")
def cards() -> Cards:
    return make_cards()


@pytest.fixture
async def world(pki: Path, tmp_path: Path, persons: list[dict[str, Any]]) -> AsyncIterator[World]:
    manifest = {
        "seed": 1, "idam": SOFTWARE.idam,
        "pki": {"ca": "ca.pem", "crl": "crl.pem", "server": {"cert": "server.pem", "key": "server.key"}},
    }  # fmt: skip
    clock = SystemClock()
    trace = Trace(tmp_path, clock)
    yield World(pki.parent, manifest, Population.holding(persons), clock, {}, trace, Faults(1))
    trace.close()


@pytest.fixture
def mock(world: World) -> InsiMock:
    return InsiMock(world)


@pytest.fixture
async def urls(mock: InsiMock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    monkeypatch.setenv("SOCLE_PORTS", '{"mock-insi": 0, "mock-insi-oneway": 0}')
    running = await Running.start(mock.services())
    yield running.urls
    await running.stop(5)


@pytest.fixture
def url(urls: dict[str, str]) -> str:
    return urls["mock-insi"]


def context(pki: Path, identity: str | None) -> ssl.SSLContext:
    if identity is None:
        return tls.client_context(pki / "ca.pem")
    return tls.client_context(pki / "ca.pem", cert=pki / f"{identity}.pem", key=pki / f"{identity}.key")


async def search(url: str, pki: Path, identity: str) -> str:
    async with Client(context(pki, identity)) as transport:
        client = InsiClient(
            transport, f"{url}/lps", software=SOFTWARE, authentication=Organisation("1130000018"), clock=SystemClock(),
            timeout_s=5,
        )  # fmt: skip
        return (await client.search_traits(TRAITS)).service_code


async def alert(url: str, pki: Path, identity: str | None) -> str:
    """What a client reads when the server refuses its certificate."""
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context(pki, identity))
    try:
        await reader.read()
    except ssl.SSLError as error:
        return str(error.reason)
    finally:
        writer.transport.abort()
    return "end of file"


async def test_the_connector_finds_a_person_by_mutual_tls(url: str, pki: Path, world: World) -> None:
    assert await search(url, pki, "auto") == "CR00"
    assert world.trace.counts()["received"] == {"INS.RECHERCHE_TRAITS": 1}


async def test_a_certificate_of_another_name_passes_tls_and_not_insi(url: str, pki: Path) -> None:
    assert await search(url, pki, "ehpad") == "desir_560"


async def test_a_client_without_certificate_sees_the_alert(url: str, pki: Path, world: World) -> None:
    assert "CERTIFICATE_REQUIRED" in await alert(url, pki, None)
    assert world.trace.counts()["received"] == {}


@pytest.mark.parametrize(("identity", "reason"), [("stranger", "UNKNOWN_CA"), ("revoked", "CERTIFICATE_REVOKED")])
async def test_a_strange_or_revoked_certificate_sees_its_alert(url: str, pki: Path, identity: str, reason: str) -> None:
    assert reason in await alert(url, pki, identity)


async def test_an_armed_reset_closes_without_an_answer(url: str, pki: Path, world: World) -> None:
    world.faults.arm(Fault("f1", "INS.RECHERCHE_TRAITS", "reset"))

    with pytest.raises(NoAnswer):
        await search(url, pki, "auto")
    assert world.trace.counts()["received"] == {"INS.RECHERCHE_TRAITS": 1}
    assert await search(url, pki, "auto") == "CR00"


async def by_assertion(urls: dict[str, str], pki: Path, held: str, token: str = "") -> httpx.Response:
    """A search on the one-way listener, by a client that shows no certificate."""
    headers = {"content-type": "application/soap+xml; charset=utf-8", "authorization": token}
    async with httpx.AsyncClient(base_url=urls["mock-insi-oneway"], verify=context(pki, None), headers=headers) as client:
        return await client.post("/lps", content=request(header=held + contexts()))


async def test_the_one_way_listener_takes_a_card_until_it_is_revoked(
    urls: dict[str, str], pki: Path, cards: Cards, mock: InsiMock
) -> None:
    def held() -> str:
        return security(signed(assertion(datetime.now(UTC)), cards.signer("card")))

    def publish(*revoked: Revoked) -> None:
        (pki / "pki" / "persons.pem").write_bytes(cards.issuer.cert.public_bytes(serialization.Encoding.PEM))
        listed = new_list(cards.issuer, revoked, number=1 + len(revoked), at=now())
        (pki / "pki" / "crl-persons.pem").write_bytes(write_lists([listed]))

    assert "autorité reconnue" in (await by_assertion(urls, pki, held())).text  # no card was ever issued
    publish()
    reply = await by_assertion(urls, pki, held())
    assert (reply.status_code, reply.headers["X-Socle-Mock"]) == (200, "insi")
    assert await search(urls["mock-insi"], pki, "auto") == "CR00"
    assert mock.state()["answered"] == {"siram_100": 1, "CR00": 2}  # one state for both listeners
    publish(Revoked(cards.made["card"].cert.serial_number, now()))
    assert "révoqué" in (await by_assertion(urls, pki, held())).text


async def test_the_one_way_listener_takes_a_token_that_our_psc_issued(urls: dict[str, str], pki: Path, world: World) -> None:
    world.psc_claims = lambda token: {"SubjectNameID": NURSE} if token == "jeton" else None
    held = security(assertion(datetime.now(UTC), qualifier="PSC"))

    statuses = [(await by_assertion(urls, pki, held, token)).status_code for token in ("Bearer jeton", "bearer  jeton")]
    assert statuses == [200, 200]
    for token in ("Bearer autre", "Basic jeton", ""):
        assert "jeton d'accès" in (await by_assertion(urls, pki, held, token)).text
    assert world.trace.counts()["received"] == {"INS.RECHERCHE_TRAITS": 5}


async def test_a_call_by_card_is_the_tenant_s_of_whoever_holds_it(
    urls: dict[str, str], pki: Path, cards: Cards, world: World
) -> None:
    """Even one that is refused for its age; not one that somebody changed, nor what bears its number and names nobody."""
    staff = {"id_nat": NURSE, "structure": "0B0990008"}
    world.population.settle([], [staff])
    world.manifest.update(structures=[{"finess_et": "0B0990008", "struct_id": "10B0990008", "tenant": "editeur-a"}])
    (pki / "pki" / "persons.pem").write_bytes(cards.issuer.cert.public_bytes(serialization.Encoding.PEM))
    (pki / "pki" / "crl-persons.pem").write_bytes(write_lists([new_list(cards.issuer, [], number=9, at=now())]))
    good, old = (signed(assertion(at), cards.signer("card")) for at in (datetime.now(UTC), datetime(2026, 1, 1, tzinfo=UTC)))
    changed = signed(assertion(datetime.now(UTC)), cards.signer("card"))
    changed.set("Version", "2.0 ")
    nobody = signed(assertion(datetime.now(UTC)), cards.signer("nobody"))

    for made in (good, old, changed, nobody, assertion(datetime.now(UTC))):
        await by_assertion(urls, pki, security(made))

    assert world.requests.codes("editeur-a", "insi") == {"CR00": 1, "siram_100": 1}
