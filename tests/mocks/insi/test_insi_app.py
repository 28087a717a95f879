"""The application around the behaviour, called in process."""
from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.wire.clock import SystemClock
from mocks.insi.app import InsiMock
from mocks.insi.rules import Rules
from mocks.insi.scenarios import MAGIC_FAULTS, MAGIC_SLOW
from mocks.sandbox.codes import codes_of
from mocks.sandbox.faults import FAULT_HEADER, Fault, Faults
from mocks.sandbox.ledger import not_checked
from mocks.sandbox.population import Population
from mocks.sandbox.trace import Trace
from mocks.sandbox.world import World
from tests.mocks.insi.test_insi_card import card
from tests.mocks.insi.test_insi_verification import deposit, one, retrieve, unit

ROOT = Path(__file__).parents[3]
SOAP = "application/soap+xml; charset=utf-8"
Make = Callable[..., bytes]
Post = Callable[..., Awaitable[httpx.Response]]


def certificate(cn: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


AUTO = certificate("INSI-AUTO")


@pytest.fixture
def world(tmp_path: Path, persons: list[dict[str, Any]]) -> Iterator[World]:
    clock = SystemClock()
    trace = Trace(tmp_path / "mocks", clock)
    population = Population.holding(persons)
    yield World(tmp_path, {"idam": "SOCLEDUI0001", "seed": 1}, population, clock, {}, trace, Faults(1))
    trace.close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def mock(world: World, waits: list[float]) -> InsiMock:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return InsiMock(world, sleep=sleep)


@pytest.fixture
def post(mock: InsiMock) -> Post:
    async def send(
        body: bytes, *, method: str = "POST", path: str = "/lps", content_type: str = SOAP, der: bytes | None = AUTO,
        **headers: str,
    ) -> httpx.Response:
        async def with_certificate(scope: dict[str, Any], receive: Any, send_: Any) -> None:
            scope["extensions"] = {"tls": {"client_cert_der": der}}
            await mock.app(scope, receive, send_)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(with_certificate), base_url="https://mock") as client:
            return await client.request(method, path, content=body, headers={"content-type": content_type, **headers})

    return send


async def test_results_are_200_and_faults_500(post: Post, make: Make) -> None:
    found, nobody, fault = await post(make()), await post(make(NomNaissance="INCONNU")), await post(make(Sexe="X"))

    assert (found.status_code, nobody.status_code, fault.status_code) == (200, 200, 500)
    assert {reply.headers["content-type"] for reply in (found, nobody, fault)} == {"application/soap+xml; charset=utf-8"}
    assert b"<CodeCR>00</CodeCR>" in found.content and b'code="insi_24"' in fault.content


async def test_every_reply_says_that_it_is_simulated(post: Post, make: Make) -> None:
    for reply in (await post(make()), await post(make(Sexe="X")), await post(b"", method="GET")):
        assert reply.headers["X-Socle-Mock"] == "insi"
        assert reply.headers["X-Socle-Not-Checked"] == ", ".join(not_checked("insi"))
    assert "insi-context-values" in not_checked("insi")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"method": "GET"}, 405), ({"method": "PUT"}, 405), ({"path": "/lps/other"}, 404),
        ({"content_type": "text/xml; charset=utf-8"}, 415), ({"content_type": ""}, 415),
    ],
)  # fmt: skip
async def test_only_a_soap_post_to_lps_is_taken(post: Post, make: Make, change: dict[str, str], status: int) -> None:
    refused = await post(make(), **change)

    assert refused.status_code == status
    assert refused.headers.get("allow") == ("POST" if status == 405 else None)
    assert (await post(make())).status_code == 200


async def test_a_type_is_read_whatever_its_case_and_parameters(post: Post, make: Make) -> None:
    action = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"
    for content_type in ("APPLICATION/SOAP+XML", f'application/soap+xml;charset=utf-8;Action="{action}"'):
        assert (await post(make(action=None), content_type=content_type)).status_code == 200
    assert (await post(make(action=None), content_type=f'{SOAP}; action="urn:other"')).status_code == 500


@pytest.mark.parametrize("body", [b"", b"<broken", b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>', b"<html/>"])
async def test_what_is_not_soap_gets_a_sender_fault_and_is_counted_apart(
    post: Post, make: Make, world: World, body: bytes
) -> None:
    reply = await post(body)

    assert reply.status_code == 500
    assert b"<soap:Value>soap:Sender</soap:Value>" in reply.content and b"Erreur" not in reply.content
    await post(make())
    assert world.trace.counts()["received"] == {"INS.INCONNUE": 1, "INS.RECHERCHE_TRAITS": 1}


async def test_a_body_over_the_limit_is_read_to_its_end_and_refused(post: Post, make: Make) -> None:
    reply = await post(make() + b" " * 2 * 1024 * 1024)
    assert (reply.status_code, b"Sender" in reply.content) == (500, True)


async def test_every_request_is_counted_by_its_message(post: Post, make: Make, world: World) -> None:
    await post(make(), content_type="text/xml")  # refused, and still a search by traits
    await post(make(action="urn:other"))
    await post(make(), method="GET")
    await post(make(), der=certificate("EHPAD"))

    assert world.trace.counts()["received"] == {"INS.RECHERCHE_TRAITS": 2, "INS.INCONNUE": 2}


@pytest.mark.parametrize("der", [None, b"not a certificate", certificate("EHPAD")])
async def test_a_certificate_of_another_name_is_refused(post: Post, make: Make, der: bytes | None) -> None:
    assert b'code="desir_560"' in (await post(make(), der=der)).content
    assert (await post(make(), der=certificate("INSI-MANU"))).status_code == 200


async def test_a_slow_name_waits(post: Post, make: Make, waits: list[float]) -> None:
    await post(make())
    assert waits == []
    await post(make(NomNaissance="LENT"))
    assert waits == [4.0]


async def test_an_armed_timeout_acts_then_waits(post: Post, make: Make, world: World, waits: list[float]) -> None:
    world.faults.arm(Fault("f1", "INS.RECHERCHE_TRAITS", "timeout", delay_s=20.0))

    touched, after = await post(make()), await post(make())

    assert waits == [20.0]
    assert (touched.status_code, touched.headers[FAULT_HEADER]) == (200, "f1")
    assert FAULT_HEADER not in after.headers


async def test_an_armed_status_or_fault_replaces_the_answer(post: Post, make: Make, world: World, mock: InsiMock) -> None:
    for fault in (
        Fault("f1", "INS.RECHERCHE_TRAITS", "status", "503"),
        Fault("f2", "INS.RECHERCHE_TRAITS", "soap", "insi_111"),
        Fault("f3", "INS.RECHERCHE_TRAITS", "soap", "inconnu"),
    ):
        world.faults.arm(fault)

    status, known, unknown, after = [await post(make()) for _ in range(4)]

    assert (status.status_code, status.headers[FAULT_HEADER]) == (503, "f1")
    assert (known.status_code, b'code="insi_111"' in known.content) == (500, True)
    assert (unknown.status_code, b"Erreur" in unknown.content, b"soap:Receiver" in unknown.content) == (500, False, True)
    assert after.status_code == 200
    assert mock.state()["answered"] == {"503": 1, "insi_111": 1, "Receiver": 1, "CR00": 1}


async def test_a_fault_armed_for_searches_leaves_other_calls_alone(post: Post, make: Make, world: World) -> None:
    world.faults.arm(Fault("f1", "INS.RECHERCHE_TRAITS", "status", "503"))

    assert (await post(make(action="urn:other"))).status_code == 500
    assert (await post(make())).status_code == 503


async def test_the_state_counts_answers_and_forgets_them(post: Post, make: Make, mock: InsiMock) -> None:
    await post(make())
    await post(make(NomNaissance="INCONNU"))
    state = mock.state()

    assert state["answered"] == {"CR00": 1, "CR01": 1}
    assert state["people"] == 6  # seven, one of them unknown to the service
    assert "ECETINSI" not in str(state)
    mock.reset()
    assert mock.state()["answered"] == {}


async def test_a_scenario_is_asked_for_by_a_header(post: Post, make: Make) -> None:
    assert b"<CodeCR>02</CodeCR>" in (await post(make(), **{"x-mock-scenario": "CR02"})).content
    for unknown in ("KO", "insi_999", ""):
        refused = await post(make(), **{"x-mock-scenario": unknown})
        assert (refused.status_code, "INS.RECHERCHE_TRAITS ; possibles : CR01, CR02" in refused.text) == (400, True)
    assert (await post(unit(), **{"x-mock-scenario": "KO"})).status_code == 200


async def test_every_operation_is_counted_as_itself(post: Post, make: Make, world: World) -> None:
    for body in (make(), card("109076322083489", DateNaissance="2009-07-14"), unit(), deposit(one("1")), retrieve("x")):
        assert (await post(body)).status_code == 200

    assert world.trace.counts()["received"] == {
        "INS.RECHERCHE_TRAITS": 1, "INS.RECHERCHE_VITALE": 1, "INS.VERIFICATION": 1, "INS.LOT_DEPOT": 1, "INS.LOT_RETRAIT": 1,
    }  # fmt: skip
    assert [one.code for one in world.requests] == ["CR00", "CR00", "CR00 OK", "CR00", "CR01"]


async def test_an_armed_code_answers_in_the_form_of_its_operation(post: Post, world: World) -> None:
    asked = {
        "INS.RECHERCHE_VITALE": (card("109076322083489", DateNaissance="2009-07-14"), "CR02", b"<CodeCR>02</CodeCR>"),
        "INS.VERIFICATION": (unit(), "KO", b"<Resultat>KO</Resultat>"), "INS.LOT_RETRAIT": (retrieve("x"), "CR01", b"<REPLot"),
        "INS.LOT_DEPOT": (deposit(one("1")), "insi_102", b'code="insi_102"'),
    }  # fmt: skip
    for operation, (body, code, told) in asked.items():
        world.faults.arm(Fault(operation, operation, "business", code))
        reply = await post(body)
        assert (reply.headers[FAULT_HEADER], told in reply.content) == (operation, True)
        assert code in codes_of(operation)


async def test_lots_outlive_a_reload_and_not_a_reset(post: Post, mock: InsiMock) -> None:
    await post(deposit(one("1"), one("2")))
    mock.reload()
    assert (mock.state()["lots"], mock.state()["individuals"]) == (1, 2)
    mock.reset()
    assert (mock.state()["lots"], mock.state()["individuals"]) == (0, 0)
    mock.reload()
    assert mock.state()["lots"] == 0


async def test_a_clean_style_is_asked_for_in_the_manifest(post: Post, make: Make, world: World, mock: InsiMock) -> None:
    assert b"env:Body" in (await post(make())).content
    world.manifest["insi"] = {"style": "clean"}
    mock.reset()
    assert b"<soap:Body>" in (await post(make())).content


def test_switches_come_from_the_manifest(world: World) -> None:
    world.manifest["insi"] = {"unknown_person": "desir_1020"}
    assert InsiMock(world).state()["rules"]["unknown_person"] == "desir_1020"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [({"lenient": True}, "réglage inconnu « lenient »"), ({"unknown_person": "00"}, "unknown_person vaut cr01")],
)
def test_a_wrong_switch_is_named(world: World, wanted: dict[str, Any], reason: str) -> None:
    world.manifest["insi"] = wanted
    with pytest.raises(ValueError, match=reason):
        InsiMock(world)


def test_every_switch_and_magic_name_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "insi.md").read_text("utf-8")

    missing = [word for word in (*Rules.__dataclass_fields__, *MAGIC_FAULTS, MAGIC_SLOW) if f"`{word}`" not in guide]

    assert missing == []
