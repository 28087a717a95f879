"""Every route of the application, asked with the keys of others: refused, and noted. A route that is not listed here fails."""
from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import pytest
from fastapi.routing import APIRoute

from connectors.wire.serving import HttpService
from gateway.access import rights
from gateway.access.denials import ACTION
from gateway.app import Gateway
from gateway.bench.usage_grappe import bench_grappe
from gateway.grappes.reading import example, write_grappe
from gateway.journal.query import Filters, JournalReader
from gateway.settings import Settings
from mocks.sandbox.build import init
from tests.gateway.doors.usage_world import MINE, OTHER, THEIR_ET, of_another, of_mine
from tests.gateway.usage.world import CARMES

_MOCKS = ("insi", "insi-oneway", "dmp", "psc", "psc-wallet", "annuaire", "smtp")
_DECIDED = {"outcome": "failed", "by": "A. Nonyme", "reason": "appel"}
#: Nothing of a call, a person, a grappe or a vendor: no key is asked.
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/openapi.json")}
#: What an AMOA of another grappe, then another vendor, would ask of the first grappe and of the first vendor.
AMOA: dict[tuple[str, str], list[str]] = {
    ("GET", "/api/journal/entries"): ["?finess_et={et}"],
    ("GET", "/api/journal/entries/{entry_id}"): [""],
    ("GET", "/api/journal/entries/{entry_id}/contents"): [""],
    ("POST", "/api/journal/entries/{entry_id}/settlement"): [""],
    ("POST", "/api/journal/entries/{entry_id}/rerun"): [""],
    ("GET", "/api/journal/export"): ["?finess_et={et}", "?finess_et={et}&format=csv"],
    ("GET", "/api/usage/taux"): [
        "?grappe={grappe}", "?grappe={grappe}&from=2026-08&mois=2026-10", "?grappe={grappe}&environment=production",
    ],
    ("GET", "/api/usage/exports/{forme}"): ["?grappe={grappe}&from=2026-08&mois=2026-10"],
    ("GET", "/api/usage/explain"): [
        "?grappe={grappe}&from=2026-08&mois=2026-10&finess_et={et}&indicateur=IND-DMP-01",
        "?grappe={own}&from=2026-08&mois=2026-10&finess_et={et}&indicateur=IND-DMP-01",
    ],
}
#: What has no question that names another: a key reads there what its own vendor sent, or nothing.
OWN = {("GET", "/api/conformite/direct"): ["", "?after=0&follow=false"]}
VENDOR = AMOA | {
    ("GET", "/api/journal/entries"): ["?tenant={tenant}"],
    ("GET", "/api/journal/export"): ["?tenant={tenant}", "?tenant={tenant}&format=csv"],
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("routes")
    init(folder)
    return folder


class Served:
    """The console of a whole gateway, a call of the first grappe in its journal, and keys of others."""

    def __init__(self, gateway: Gateway, app: Any, own: Any) -> None:
        self.gateway, self.app, self.own = gateway, app, own
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console")
        self.entry_id = ""

    async def key(self, name: str, asked: tuple[str, ...], **bound: Any) -> dict[str, str]:
        sent = {"name": name, "rights": asked, "by": "amoa", **bound}
        admin = {"X-Socle-Admin-Key": self.gateway.manifest["admin_key"]}
        answer = await self.http.post("/admin/journal/keys", json=sent, headers=admin)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['key']}"}

    def denied(self) -> list[tuple[str, int]]:
        with JournalReader(self.gateway.settings.journal) as reader:
            found = [entry["detail"] for _, entry in reader.select(Filters(kind="admin"))]
        return [(one["by"], one["count"]) for one in found if one["action"] == ACTION]

    async def ask(self, method: str, url: str, key: dict[str, str]) -> httpx.Response:
        body = _DECIDED if method == "POST" else None
        return await self.http.request(method, url, json=body, headers=key)


@pytest.fixture
async def served(sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setenv("SOCLE_PORTS", orjson.dumps({f"mock-{name}": 1 for name in _MOCKS}).decode())
    (tmp_path / "sandbox").symlink_to(sandbox / "sandbox")
    (tmp_path / "gateway" / "grappes").mkdir(parents=True)
    for grappe in (example(MINE), bench_grappe()):
        (tmp_path / "gateway" / "grappes" / f"{grappe.id}.json").write_bytes(write_grappe(grappe))
    gateway = Gateway.open(Settings(data=tmp_path))
    made: list[Any] = []
    console_of = Gateway._console
    monkeypatch.setattr(Gateway, "_console", lambda *parts: made.append(console_of(*parts)) or made[-1])
    [own] = [one for one in gateway.services() if one.name == "console"]
    served = Served(gateway, made[-1], cast(HttpService, own).app)
    mine = of_mine(outcome="in_doubt")
    await gateway.journal.write(mine, of_another())
    served.entry_id = mine.id
    yield served
    await served.http.aclose()
    await gateway.journal.close()


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    """Method and path of every route; anything that is no plain route must be understood before it is let in here."""
    for route in getattr(app, "routes", app):
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods or ())
        else:
            yield from routes_of(route.original_router)


async def test_every_route_is_listed(served: Served) -> None:
    found = set(routes_of(served.app))
    administrative = {(method, path) for method, path in found if path.startswith("/admin/")}
    assert found - administrative == OPEN | AMOA.keys() | OWN.keys()
    assert AMOA.keys() == VENDOR.keys()


def _urls(served: Served, asked: dict[tuple[str, str], list[str]]) -> Iterator[tuple[str, str]]:
    forms = ("csv", "xlsx", "json", "fhir", "ars", "copil")
    for (method, path), questions in asked.items():
        for question in questions:
            for form in forms if "{forme}" in path else ("",):
                names = {"et": CARMES, "grappe": MINE, "own": OTHER, "tenant": "editeur-a", "forme": form}
                yield method, (path + question).format(entry_id=served.entry_id, **names)


async def test_no_route_shows_a_key_of_others_anything(served: Served) -> None:
    amoa = await served.key("amoa-banc", ("metadata", "export", "usage"), grappes=[OTHER])
    vendor = await served.key("editeur-b", ("metadata", "body", "settle", "export"), tenant="editeur-b")
    everything = await served.key("tout", rights.RIGHTS)
    invented: dict[str, str] = {"Authorization": "Bearer inventee"}
    asked = 0
    for key, questions in ((amoa, AMOA | OWN), (vendor, VENDOR), (invented, AMOA | OWN), ({}, AMOA | OWN)):
        for method, url in _urls(served, questions):
            answer = await served.ask(method, url, key)
            assert answer.status_code in (401, 403, 404), (method, url, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", url
            assert CARMES not in answer.text and served.entry_id not in answer.text, url
            asked += 1
    await served.gateway.denials.flush(ending=True)
    noted = {name: sum(count for by, count in served.denied() if by == name) for name, _ in served.denied()}
    assert sum(noted.values()) == asked
    assert noted.keys() == {"amoa-banc", "editeur-b", "inconnue"}
    for method, url in _urls(served, AMOA):  # the twin: a key that may, asking the same
        answered = await served.ask(method, url, everything)
        may_fail = ("production", f"={OTHER}&", "/rerun")  # no traffic there, no such ESSMS, a call with a side effect
        assert answered.status_code == 200 or any(one in url for one in may_fail), (url, answered.text)
    assert sum(count for _, count in served.denied()) == asked


async def test_no_reading_key_opens_an_administrative_route(served: Served) -> None:
    everything = await served.key("tout", rights.RIGHTS)
    administrative = [(method, path) for method, path in routes_of(served.app) if path.startswith("/admin/")]
    assert len(administrative) > 10
    for method, path in administrative:
        answer = await served.ask(method, path.replace("{", "").replace("}", ""), everything)
        assert answer.status_code == 403, (method, path, answer.text)
    await served.gateway.denials.flush(ending=True)
    assert sum(count for _, count in served.denied()) == len(administrative)


async def test_a_reading_key_opens_none_of_our_own_doors(served: Served) -> None:
    everything = await served.key("tout", rights.RIGHTS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served.own), base_url="http://console") as http:
        paths = [path for path, said in (await http.get("/portes/openapi.json")).json()["paths"].items() if "post" in said]
        assert len(paths) >= 3
        for path in paths:
            answer = await http.post(path, json={"structure": CARMES}, headers=everything)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), path
    with JournalReader(served.gateway.settings.journal) as reader:
        noted = [entry["tenant"] for _, entry in reader.select(Filters(outcome="unauthorised"))]
    assert noted == ["inconnu"] * len(paths)


async def test_what_is_open_says_nothing_of_a_grappe(served: Served) -> None:
    for method, path in OPEN:
        answer = await served.ask(method, path, {})
        assert answer.status_code in (200, 503)
        for hidden in (CARMES, THEIR_ET, served.entry_id, MINE, "editeur-a"):
            assert hidden not in answer.text, path


@pytest.mark.parametrize("question", [
    "", "?service=DMP", "?kind=call", "?outcome=in_doubt", "?kind=admin", "?tenant=editeur-a", "?id=0", "?after=0",
    "?from=2027-01-01", "?finess_et={et}",
])  # fmt: skip
async def test_no_question_of_an_amoa_shows_another_grappe(served: Served, question: str) -> None:
    amoa = await served.key("amoa-banc", ("metadata", "export", "usage"), grappes=[OTHER])
    asked = question.format(et=THEIR_ET)
    page = (await served.ask("GET", f"/api/journal/entries{asked}", amoa)).json()
    assert {entry["finess_et"] for entry in page["entries"]} <= {THEIR_ET}
    if "after" not in question:
        exported = await served.ask("GET", f"/api/journal/export{asked}", amoa)
        assert exported.status_code == 200
        assert CARMES not in exported.text and "passerelle" not in exported.text
    found = [entry["finess_et"] for entry in (await served.ask("GET", "/api/journal/entries", amoa)).json()["entries"]]
    assert found == [THEIR_ET]
