"""The mocks against what no builder of ours made: published identities, samples shaped as the services publish them, and
mutations of both. Each gets the service's answer, its fault or its refusal; never a failure of ours."""
from __future__ import annotations

import asyncio
import csv
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from mocks.annuaire.app import AnnuaireMock
from mocks.dmp.app import BASE_PATH, DmpMock
from mocks.insi.app import InsiMock
from mocks.psc.app import PscMock
from mocks.sandbox.build import init
from mocks.sandbox.world import World
from tests.mocks import notes

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "docs" / "exemples" / "insi-recherche.xml").read_bytes()
SOAP = "http://www.w3.org/2003/05/soap-envelope"
DOCTYPE = b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"
MUTATIONS = 120

pytestmark = pytest.mark.skipif(notes.folder() is None, reason="SOCLE_REFERENCE_DATA does not say where the samples are")


def data(name: str) -> Path:
    folder = notes.folder()
    assert folder is not None
    return folder / "data" / name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=1)
    made = World.load(folder, ports={"mock-psc": 1, "mock-psc-wallet": 2, "mock-annuaire": 3})
    yield made
    made.trace.close()


def asker(world: World, app: Any) -> Callable[..., httpx.Response]:
    """One request after another, with the certificate of the first structure. What the application raises is raised here."""
    pem = world.path(world.manifest["structures"][0]["auth_cli"]["cert"]).read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)

    async def with_certificate(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["extensions"] = {"tls": {"client_cert_der": der}}
        await app(scope, receive, send)

    async def ask(method: str, url: str, **given: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(with_certificate), base_url="https://mock") as client:
            return await client.request(method, url, **given)

    return lambda method, url, **given: asyncio.run(ask(method, url, **given))


def mutated(sample: bytes, seed: int) -> bytes:
    """The sample with one to three changes of the kinds that a wire or a hurried program makes."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(sample))
        size = draw.choice((1, 5, 40, 200))
        sample = draw.choice((
            sample[:at] + sample[at + size :],
            sample[: at + size] + sample[at:],
            sample[:at] + bytes([draw.randrange(256)]) + sample[at + 1 :],
            sample[:at] + draw.choice((b"<", b"&", b"]]>", b"\x00", DOCTYPE)) + sample[at:],
            sample.replace(b"urn:", b"URN:", 1),
        )) or b"<"  # fmt: skip
    return sample


def fault_codes(answer: httpx.Response) -> list[str]:
    """Code values of a SOAP 1.2 fault; fails when the answer is no SOAP."""
    body = etree.fromstring(answer.content)
    assert body.tag == f"{{{SOAP}}}Envelope"
    return [value.text or "" for value in body.iter(f"{{{SOAP}}}Value")]


def test_insi_finds_each_published_identity(world: World) -> None:
    ask = asker(world, InsiMock(world).app)
    with data("insi/dmp-test-patients.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    answers: Counter[str] = Counter()
    for row in rows:
        body = EXAMPLE.replace(b"ADRUN", row["nomNaissance"].encode()).replace(b"ZOE", row["listePrenoms"].split()[0].encode())
        body = body.replace(b">F<", f">{row['sexe']}<".encode()).replace(b"1975-12-31", row["dateNaissance"].encode())
        answer = ask("POST", "/lps", content=body, headers={"Content-Type": "application/soap+xml"})
        found = etree.fromstring(answer.content)
        [code] = [one.text for one in found.iter("{*}CodeCR")]
        answers[code or ""] += 1
        if code == "00":
            assert row["matricule15"][:13].encode() in answer.content, row
    assert len(rows) == 75 and set(answers) <= {"00", "02"} and answers["00"] >= 60, answers


def test_insi_answers_every_mutation_of_a_request_by_soap(world: World) -> None:
    ask = asker(world, InsiMock(world).app)
    statuses: Counter[int] = Counter()
    for seed in range(MUTATIONS):
        answer = ask("POST", "/lps", content=mutated(EXAMPLE, seed), headers={"Content-Type": "application/soap+xml"})
        statuses[answer.status_code] += 1
        assert answer.headers["X-Socle-Mock"] == "insi"
        assert answer.status_code in (200, 500), seed
        assert (answer.status_code == 500) == bool(fault_codes(answer)), seed
    assert statuses[500] > MUTATIONS // 4 and statuses[200] > 5, statuses


INSI_SAMPLES = {
    "request-traits-mtls.xml": "00", "request-vitale.xml": "00", "request-verification-ASSUMED.xml": "00",
    "request-traits-psc.xml": "00", "request-traits-cps.xml": "certificat lisible",
}  # fmt: skip


def insi_sample(world: World, name: str) -> bytes:
    """A published request, by this sandbox's software, issued now where it holds an assertion; a bare body gets an envelope."""
    sample = data(f"insi/samples/{name}").read_bytes().replace(b"TESTDUI00001", world.manifest["idam"].encode())
    if b"Envelope" not in sample:
        whole = EXAMPLE.replace(b"rechercherInsAvecTraitsIdentite", b"verifierInsAvecTraitsIdentite")
        head, tail = whole[: whole.index(b"<t:RECSANS")], whole[whole.index(b"</t:RECSANSVITALE>") + len(b"</t:RECSANSVITALE>") :]
        sample = head + sample[sample.index(b"<v:") :] + tail
    return re.sub(rb'IssueInstant="[^"]*"', f'IssueInstant="{world.clock.real():%Y-%m-%dT%H:%M:%S.000Z}"'.encode(), sample)


def insi_asker(world: World, name: str) -> Callable[[bytes], httpx.Response]:
    """Posts to the listener that the sample is for."""
    mock, by_assertion = InsiMock(world), "ps" in name
    ask = asker(world, mock.one_way if by_assertion else mock.app)
    headers = {"Content-Type": "application/soap+xml", "Authorization": "Bearer jeton"}
    return lambda body: ask("POST", "/lps", content=body, headers=headers)


@pytest.mark.parametrize("name", INSI_SAMPLES)
def test_insi_takes_each_published_request_and_answers_its_mutations(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "psc_claims", lambda token: {"SubjectNameID": "899900000000"} if token == "jeton" else None)
    ask, sample = insi_asker(world, name), insi_sample(world, name)

    answer = ask(sample)
    code = next((one.text for one in etree.fromstring(answer.content).iter("{*}CodeCR")), None)
    assert code == INSI_SAMPLES[name] or INSI_SAMPLES[name] in answer.text, answer.text
    assert "verification" not in name or "<Resultat>OK</Resultat>" in answer.text
    statuses: Counter[int] = Counter()
    for seed in range(MUTATIONS):
        answer = ask(mutated(sample, seed))
        statuses[answer.status_code] += 1
        assert answer.status_code in (200, 500), seed
        assert (answer.status_code == 500) == bool(fault_codes(answer)), seed
    assert statuses[500] > MUTATIONS // 4, statuses


def test_dmp_refuses_every_mutation_of_a_submission_that_nobody_signed(world: World) -> None:
    sample = data("mssante/METADATA-sample.xml").read_bytes().partition(b"?>")[2]
    envelope = f'<s:Envelope xmlns:s="{SOAP}"><s:Header/><s:Body>'.encode() + sample + b"</s:Body></s:Envelope>"
    ask = asker(world, DmpMock(world).app)
    for seed in range(MUTATIONS):
        message = envelope if seed == 0 else mutated(envelope, seed)
        for path in ("repository", "registry", "patients"):
            answer = ask("POST", BASE_PATH + path, content=message, headers={"Content-Type": "application/soap+xml"})
            codes = fault_codes(answer)
            assert answer.status_code == 500 and codes, (seed, path)
            assert codes[0].endswith(("Sender", "Receiver", "MustUnderstand")), codes
    assert DmpMock(world).documents.all() == ()


@pytest.mark.parametrize(
    ("path", "make", "listener"),
    [
        ("/fhir/v2/PractitionerRole?practitioner.identifier=899700000001&_count=5", AnnuaireMock, 0),
        ("/auth/realms/esante-wallet/protocol/openid-connect/token", PscMock, 0),
        ("/auth?response_type=code&client_id=x&redirect_uri=https://a.example/b&scope=openid&state=s&nonce=n", PscMock, 1),
    ],
)
def test_no_mutation_of_an_address_or_a_form_breaks_a_mock(
    world: World, path: str, make: Callable[[World], Any], listener: int
) -> None:
    ask = asker(world, make(world).services()[listener].app)
    headers = {"ESANTE-API-KEY": world.manifest["annuaire_keys"][0]["key"], "Content-Type": "application/x-www-form-urlencoded"}
    statuses: Counter[int] = Counter()
    for seed in range(MUTATIONS):
        target = "/" + quote(mutated(path[1:].encode(), seed), safe="/?=&:%.+;,")
        wrong = httpx.URL("https://mock").copy_with(raw_path=target.encode())
        form = mutated(b"grant_type=authorization_code&code=a.b.c&client_id=x&client_secret=y", seed)
        for method, content in (("GET", None), ("POST", form)):
            answer = ask(method, wrong, headers=headers, content=content)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, (method, wrong)
            assert answer.headers["X-Socle-Mock"]
    assert len(statuses) > 1, statuses
