"""Annuaire, Pro Santé Connect and MSSanté against the forms that the services publish, and mutations of them: the published
refusal, or a refusal of the service's own; never a failure of ours."""
from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest

from mocks.annuaire.app import AnnuaireMock
from mocks.mssante.app import MssanteMock
from mocks.psc.app import PscMock
from mocks.sandbox.build import init
from mocks.sandbox.ledger import not_checked
from mocks.sandbox.world import World
from tests.mocks import notes
from tests.mocks.mssante import bench as mss
from tests.mocks.test_official_samples import asker, data, mutated

TOKEN = "/auth/realms/esante-wallet/protocol/openid-connect/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MUTATIONS, MESSAGES = 80, 40

pytestmark = pytest.mark.skipif(notes.folder() is None, reason="SOCLE_REFERENCE_DATA does not say where the samples are")


def published(name: str) -> Any:
    return json.loads(data(f"psc-annuaire/{name}").read_bytes())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=1)
    made = World.load(folder, ports={"mock-psc": 1, "mock-psc-wallet": 2, "mock-annuaire": 3})
    yield made
    made.trace.close()


class Annuaire:
    def __init__(self, world: World) -> None:
        self._ask = asker(world, AnnuaireMock(world).services()[0].app)
        self._key = {"ESANTE-API-KEY": world.manifest["annuaire_keys"][0]["key"]}

    def get(self, target: str) -> httpx.Response:
        url = httpx.URL("https://mock").copy_with(raw_path=f"/fhir/v2/{target}".encode())
        return self._ask("GET", url, headers=self._key)


@pytest.fixture
def annuaire(world: World) -> Annuaire:
    return Annuaire(world)


# --- Annuaire -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "target", "status", "twin"),
    [
        ("bad-count", "Practitioner?_count=dix", 400, "Practitioner?_count=10"),
        ("bad-total", "Practitioner?_total=exact", 400, "Practitioner?_total=none"),
        ("unknown-parameter", "Practitioner?xyz=1", 400, "Practitioner?family=1"),
        ("not-found", "Practitioner/003-1-1", 404, "Practitioner"),
    ],
)
def test_the_annuaire_refuses_in_the_published_words(annuaire: Annuaire, name: str, target: str, status: int, twin: str) -> None:
    refused = annuaire.get(target)
    [expected] = published(f"fhir/operationoutcome-{name}.json")["issue"]
    [issue] = refused.json()["issue"]
    assert (refused.status_code, issue["severity"], issue["code"]) == (status, expected["severity"], expected["code"])
    assert issue["diagnostics"] == expected["diagnostics"]
    assert annuaire.get(twin).status_code == 200


def searches() -> list[str]:
    """The searches whose answers are published, as their bundles name them."""
    found = []
    for name in ("bundle-empty", "bundle-page1-next", "bundle-practitionerrole-include"):
        links = {link["relation"]: link["url"] for link in published(f"fhir/{name}.json")["link"]}
        found.append(links["self"].partition("/fhir/v2/")[2])
    return found


def test_the_annuaire_answers_the_searches_of_the_published_bundles(annuaire: Annuaire) -> None:
    simple = [target for target in searches() if ".identifier=" not in target]
    assert len(simple) == 2 and "annuaire-chained-search" in not_checked("annuaire")
    for target in simple:
        answer = annuaire.get(target)
        assert (answer.status_code, answer.json()["type"]) == (200, "searchset"), target
        [own] = [link["url"] for link in answer.json()["link"] if link["relation"] == "self"]
        asked, told = urlsplit(f"https://x/{target}"), urlsplit(own)
        assert told.path.endswith(asked.path) and set(parse_qsl(asked.query)) <= set(parse_qsl(told.query)), own


def test_the_annuaire_takes_every_parameter_of_the_published_capabilities(annuaire: Annuaire) -> None:
    asked = 0
    for resource in published("fhir/capabilitystatement.json")["rest"][0]["resource"]:
        for parameter in resource["searchParam"]:
            value = {"date": "ge2026-01-01"}.get(parameter["type"], "true" if parameter["name"] == "active" else "x")
            answer = annuaire.get(f"{resource['type']}?{parameter['name']}={value}")
            asked += 1
            assert answer.status_code == 200, (resource["type"], parameter, answer.text[:300])
    assert asked > 50


def test_no_mutation_of_a_published_search_breaks_the_annuaire(annuaire: Annuaire) -> None:
    statuses: Counter[int] = Counter()
    for target in searches():
        for seed in range(MUTATIONS):
            answer = annuaire.get(quote(mutated(target.encode(), seed), safe="/?=&:%.+;,|"))
            statuses[answer.status_code] += 1
            assert answer.status_code in (200, 400, 404, 410), (seed, target, answer.status_code)
            kind = answer.json()["resourceType"]
            assert (kind == "OperationOutcome") == (answer.status_code != 200), (seed, target)
    assert min(statuses[200], statuses[400], statuses[404]) > 5, statuses


# --- Pro Santé Connect ----------------------------------------------------------------------------------------------


def psc_asker(world: World) -> tuple[Any, dict[str, str]]:
    client = next(row for row in world.manifest["psc_clients"] if row["auth"] == "secret")
    named = {name: client[name] for name in ("client_id", "client_secret")}
    return asker(world, PscMock(world).services()[0].app), named


def test_psc_refuses_the_exchanges_that_are_published_for_other_servers(world: World) -> None:
    ask, client = psc_asker(world)
    ciba, exchange = published("psc/ciba-exchange.json"), published("psc/api-psc-token-exchange.json")
    for form in (ciba["3_token_poll_form"], exchange["request_form"]):
        answer = ask("POST", TOKEN, content=urlencode({**form, **client}), headers=FORM)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"] in ("unauthorized_client", "unsupported_grant_type"), answer.text
        for seed in range(MUTATIONS):
            wrong = ask("POST", TOKEN, content=mutated(urlencode({**form, **client}).encode(), seed), headers=FORM)
            assert wrong.status_code in (400, 401) and wrong.json()["error"], (seed, wrong.text)
            assert wrong.headers["X-Socle-Mock"]


def test_psc_does_not_believe_the_published_tokens(world: World) -> None:
    ask, client = psc_asker(world)
    tokens = published("psc/token-response.json")
    for name in ("access_token", "refresh_token", "id_token"):
        told = ask("POST", f"{TOKEN}/introspect", content=urlencode({**client, "token": tokens[name]}), headers=FORM)
        assert (told.status_code, told.json()) == (200, published("psc/introspection-inactive.json"))
    userinfo = TOKEN.replace("/token", "/userinfo")
    refused = ask("GET", userinfo, headers={"Authorization": f"Bearer {quote(tokens['access_token'])}"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    form = urlencode({**client, "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    again = ask("POST", TOKEN, content=form, headers=FORM)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_psc_describes_itself_with_the_members_that_are_published(world: World) -> None:
    ask, _ = psc_asker(world)
    told = ask("GET", "/auth/realms/esante-wallet/.well-known/wallet-openid-configuration").json()
    for name in ("discovery-bas", "discovery-prod"):
        assert set(told) <= set(published(f"psc/{name}.json")), name


# --- MSSanté --------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def operator(folder: Path) -> Any:
    world = mss.make_world(folder)
    mock = MssanteMock(world)
    try:
        async with mss.serving(mock.services()[0].connected) as port:  # type: ignore[union-attr]
            yield world, mock, port
    finally:
        world.trace.close()


async def handed_over(port: int, content: bytes) -> str:
    """The operator's last word on a message; the session must outlive it, or end by a refusal that says so."""
    async with mss.dialogue(port) as talk:
        await talk.login()
        await talk.says(f"MAIL FROM:<{mss.SHARED}>", "250 2.1.0")
        await talk.says(f"RCPT TO:<{mss.COLLEAGUE}>", "250 2.1.5")
        await talk.says("DATA", 354)
        await talk.raw(content + b"\r\n.\r\n")
        reply = (await asyncio.wait_for(talk.reader.readline(), 10)).decode("ascii")
        if reply.startswith("250"):
            await talk.says("NOOP", 250)
        return reply


async def test_the_operator_takes_the_published_metadata_and_refuses_its_mutations_by_reply(tmp_path: Path) -> None:
    xml = data("mssante/METADATA-sample.xml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head = mss.message().encode().partition(b"\r\n\r\n")[0]
    codes: Counter[str] = Counter()
    async with operator(tmp_path) as (world, _, port):
        assert (await handed_over(port, head + b"\r\n\r\n" + xml)).startswith("250 2.0.0")
        for seed in range(MESSAGES):
            content = mutated(head + b"\r\n\r\n" + xml[:2000], seed)
            codes[(await handed_over(port, content))[:9]] += 1
        assert all(code[0] in "25" for code in codes) and len(codes) > 1, codes
        assert world.trace.counts()["received"]["MSS.SOUMISSION"] == 1 + MESSAGES


async def test_the_operator_knows_neither_a_published_mailbox_nor_a_mutation_of_it(tmp_path: Path) -> None:
    examples = json.loads(data("mssante/fhir-bal-examples.json").read_bytes())
    [box] = [found["value"] for found in examples["practitioner"]["telecom"]]
    async with operator(tmp_path) as (_, _, port):
        for seed in range(MESSAGES):
            async with mss.dialogue(port) as talk:
                await talk.login()
                await talk.says(f"MAIL FROM:<{mss.SHARED}>", "250 2.1.0")
                await talk.says(f"RCPT TO:<{box}>", "550 5.1.1")
                line = mutated(f"RCPT TO:<{box}>".encode(), seed).replace(b"\r", b"").replace(b"\n", b"")
                await talk.raw(line + b"\r\n")
                reply = (await asyncio.wait_for(talk.reader.readline(), 10)).decode()
                assert reply[0] == "5", (seed, reply)
                if line.isascii():
                    await talk.says(f"RCPT TO:<{mss.COLLEAGUE}>", "250 2.1.5")
                else:  # no command is: the operator has said so, and leaves
                    await talk.gone()
