"""The Annuaire on a real socket: key, quota, bundles, pages, refusals (psc-annuaire §17, §20)."""
from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import orjson
import pytest

from connectors.wire.http import Answer, Client
from mocks.annuaire.app import AnnuaireMock
from mocks.sandbox.world import World
from tests.mocks.psc.sandboxes import API_KEY, serving, trust


@dataclass
class Bench:
    world: World
    http: Client
    base: str

    async def get(
        self, target: str, key: str | None = API_KEY, method: str = "GET", body: bytes = b"", media: str = ""
    ) -> Answer:
        url = target if target.startswith("https:") else f"{self.base}/fhir/v2/{target}"
        headers = [(b"content-type", media.encode())] if media else []
        headers += [(b"ESANTE-API-KEY", key.encode())] if key is not None else []
        return await self.http.send(method, url, headers=headers, body=body)


@pytest.fixture
async def bench(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(serving(world, AnnuaireMock(world).services(), monkeypatch))
        http = await stack.enter_async_context(Client(trust(world)))
        yield Bench(world, http, urls["mock-annuaire"])


async def test_an_unknown_key_is_refused(bench: Bench) -> None:
    for key in (None, "", "not-a-key"):
        refused = await bench.get("Practitioner", key)
        assert refused.status == 401 and "resourceType" not in orjson.loads(refused.body)
    accepted = await bench.get("Practitioner")
    assert accepted.status == 200
    assert bench.world.trace.counts()["received"] == {"ANN.RECHERCHE": 4}


async def test_bundle_form(bench: Bench) -> None:
    bench.world.ports["annuaire"] = 18440
    answer = await bench.get("Practitioner?identifier=99700990015", media="application/fhir+json")
    assert answer.header("content-type") == "application/fhir+json;charset=UTF-8"
    body = orjson.loads(answer.body)
    assert list(body) == ["resourceType", "type", "id", "entry", "link"]
    [entry] = body["entry"]
    assert list(entry) == ["fullUrl", "resource"]
    assert entry["fullUrl"] == f"https://localhost:18440/fhir/v2/Practitioner/{entry['resource']['id']}"
    assert body["link"] == [{"relation": "self", "url": "https://localhost:18440/fhir/v2/Practitioner?identifier=99700990015"}]

    empty = orjson.loads((await bench.get("Practitioner?identifier=1&_total=accurate")).body)
    assert (empty["entry"], empty["total"]) == ([], 0)


async def test_pages_follow_one_another_once_each(bench: Bench) -> None:
    seen: list[str] = []
    target = "Practitioner?_count=3"
    for _ in range(5):
        body = orjson.loads((await bench.get(target)).body)
        seen += [entry["resource"]["id"] for entry in body["entry"]]
        links = {link["relation"]: link["url"] for link in body["link"]}
        if "next" not in links:
            break
        assert [link["relation"] for link in body["link"]] == ["next", "self"]
        target = links["next"]
        assert target.startswith(f"{bench.base}/fhir/v2/_page?id=")
    assert len(seen) == len(set(seen)) == 4


async def test_page_refusals(bench: Bench) -> None:
    without_id = await bench.get("_page")
    assert without_id.status == 400 and b"Parameter id required to fetch the next page" in without_id.body
    unknown = await bench.get("_page?id=abc")
    assert unknown.status == 410 and b"expired" in unknown.body


async def test_reads(bench: Bench) -> None:
    found = await bench.get("Practitioner/003-00990015-0990015")
    assert found.status == 200 and orjson.loads(found.body)["name"][0]["family"] == "TESTIDE"
    missing = await bench.get("Practitioner/003-1-1")
    assert missing.status == 404 and b"Resource not found with id: 003-1-1" in missing.body
    stranger = await bench.get("Patient")
    assert stranger.status == 404 and b"Unknown resource type 'Patient'" in stranger.body
    metadata = orjson.loads((await bench.get("metadata")).body)
    assert metadata["fhirVersion"] == "4.0.1" and metadata["implementation"]["url"] == f"{bench.base}/fhir/v2"
    assert bench.world.trace.counts()["received"] == {"ANN.RECHERCHE": 2, "ANN.INCONNUE": 2}


async def test_writing_is_forbidden(bench: Bench) -> None:
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        refused = await bench.get("Practitioner/003-00990015-0990015", method=method, body=b"{}")
        assert refused.status == 403 and orjson.loads(refused.body)["resourceType"] == "OperationOutcome"
    form = b"family:exact=TESTIDE"
    searched = await bench.get("Practitioner/_search", method="POST", body=form, media="application/x-www-form-urlencoded")
    assert searched.status == 200 and len(orjson.loads(searched.body)["entry"]) == 1
    as_json = await bench.get("Practitioner/_search", method="POST", body=b"{}", media="application/json")
    assert as_json.status == 415


async def test_unknown_parameter_on_the_wire(bench: Bench) -> None:
    refused = await bench.get("Practitioner?mailbox-mss-type=PER")
    assert refused.status == 400
    issue = {
        "severity": "error",
        "code": "exception",
        "diagnostics": "Parameter mailbox-mss-type not found for resource Practitioner",
    }
    assert orjson.loads(refused.body) == {"resourceType": "OperationOutcome", "issue": [issue]}


async def test_a_key_with_a_quota_is_slowed_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.manifest["annuaire_keys"].append({"key": "slow", "tenant": "alpha", "per_second": 2})
    now = [world.clock.real()]
    monkeypatch.setattr(type(world.clock), "real", lambda _self: now[0])
    async with serving(world, AnnuaireMock(world).services(), monkeypatch) as urls, Client(trust(world)) as http:
        bench = Bench(world, http, urls["mock-annuaire"])
        statuses = [(await bench.get("Organization", "slow")).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await bench.get("Organization")).status == 200  # another key has its own quota
        now[0] = now[0].replace(microsecond=0) + (now[0].resolution * 2_100_000)
        assert (await bench.get("Organization", "slow")).status == 200
