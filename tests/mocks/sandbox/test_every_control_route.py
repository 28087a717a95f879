"""Every route of the control API, asked with another tenant's key: nothing is shown or changed, and it is noted.

A route that is not listed here fails: whoever adds one says what of it is a tenant's.
"""
from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mocks.dmp.app import DmpMock
from mocks.mssante.app import MssanteMock
from mocks.psc.app import PscMock
from mocks.psc.state import Session
from mocks.runtime import MOCKS
from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.trace import hashed
from mocks.sandbox.whose import answer_for
from mocks.sandbox.world import Mock, World
from tests.mocks.sandbox.consoles import Gateway
from tests.mocks.sandbox.test_tenants import added, deliver, stored

XML = {"content_type": "text/xml"}
#: Asked of what is another's by its name: (address, body, status). 404 where to be there would tell something.
NAMED: dict[tuple[str, str], list[tuple[str, Any, int]]] = {
    ("GET", "/messages/{name}"): [("/messages/{message}", None, 404)],
    ("GET", "/messages/{name}/raw"): [("/messages/{message}/raw", None, 404)],
    ("DELETE", "/messages/{name}"): [("/messages/{message}", None, 404)],
    ("GET", "/documents/{unique_id}"): [("/documents/1.1", None, 404)],
    ("GET", "/documents/{unique_id}/content"): [("/documents/1.1/content", None, 404)],
    ("DELETE", "/sessions/{session_id}"): [("/sessions/s-a", None, 404)],
    ("POST", "/psc/redirects"): [("/psc/redirects", {"client_id": "editeur-a", "uri": "https://vol.test/r"}, 403)],
    ("GET", "/people/{number}"): [(f"/people/{{{name}}}", None, 404) for name in ("matricule", "rpps", "neighbour")],
    ("POST", "/people"): [("/people", {"persons": [{"structure": "{finess}"}]}, 403)],
    ("POST", "/pki/certificates"): [
        ("/pki/certificates", {"structure": "{finess}"}, 403),
        ("/pki/certificates", {"structure": "{own}", "tenant": "editeur-a"}, 403),
        ("/pki/certificates", {"structure": "0B0990008", "name": "X"}, 403),
        ("/pki/certificates", {"profile": "server", "hosts": ["localhost"]}, 403),
        ("/pki/certificates", {"profile": "ps_auth", "professional": "{rpps}"}, 403),
    ],
    ("POST", "/pki/certificates/{name}/revoke"): [
        ("/pki/certificates/{certificate}/revoke", {}, 404), ("/pki/certificates/server/revoke", {}, 404),
    ],
    ("POST", "/faults"): [
        ("/faults", {"operation": "INS.RECHERCHE_TRAITS", "kind": "status", "value": "503", "tenant": "editeur-a"}, 403),
        ("/faults", {"operation": "INS.RECHERCHE_TRAITS", "kind": "status", "value": "503", "id": "de-a"}, 409),
    ],
    ("POST", "/faults/injections"): [
        ("/faults/injections", {"operation": "INS.RECHERCHE_TRAITS", "body_base64": "YQ==", "tenant": "editeur-a", **XML}, 403),
    ],
    ("DELETE", "/faults"): [("/faults?id=de-a", None, 200)],
    ("POST", "/datasets"): [
        ("/datasets", {"documents": [{"matricule": "{matricule}"}]}, 404),
        ("/datasets", {"messages": [{"sender": "{mine}", "to": ["{box}"]}]}, 403),
        ("/datasets", {"messages": [{"sender": "{box}", "to": ["{mine}"]}]}, 403),
    ],
}  # fmt: skip
#: Names of its own, that may be another's too: nobody asks for what is another's.
APART: dict[tuple[str, str], list[tuple[str, Any, int]]] = {
    ("POST", "/snapshots/{name}/restore"): [("/snapshots/de-a/restore", None, 404)],
    ("DELETE", "/snapshots/{name}"): [("/snapshots/de-a", None, 404)],
    ("POST", "/snapshots"): [("/snapshots", {"name": "de-a"}, 201), ("/snapshots", {"name": "de-a"}, 409)],
}
#: Lists, in which a key finds its own and what is everybody's.
LISTS = {
    ("GET", "/messages"), ("GET", "/documents"), ("GET", "/submission-sets"), ("GET", "/sessions"), ("GET", "/people"),
    ("GET", "/pki/certificates"), ("GET", "/faults"), ("GET", "/state"), ("GET", "/requests"), ("GET", "/snapshots"),
}  # fmt: skip
#: Each service's own state, of which a key sees its part.
STATES = {("GET", "/state/{mock}")}
#: Changes everything that is the key's own, and nothing else.
OWN = {("DELETE", "/messages"), ("DELETE", "/people/added"), ("POST", "/reset"), ("POST", "/datasets/{name}")}
#: Says nothing of anybody.
COMMON = {("GET", "/people/situations"), ("GET", "/faults/codes"), ("GET", "/clock"), ("GET", "/datasets")}
#: The administrator's: 403, whoever else asks.
ADMIN = {
    ("POST", "/clock"), ("GET", "/tenants"), ("POST", "/tenants"), ("POST", "/tenants/{name}/rotate"),
    ("DELETE", "/tenants/{name}"),
}  # fmt: skip


class Shared:
    """A sandbox of two tenants besides its first one; ``a`` has something of everything, ``b`` asks."""

    def __init__(self, world: World, mocks: dict[str, Mock], http: httpx.AsyncClient, gateway: Gateway) -> None:
        self.world, self.mocks, self.http, self.gateway = world, mocks, http, gateway
        self.names: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    async def furnish(self) -> None:
        a, b = await added(self.http, "editeur-a", persons=1), await added(self.http, "editeur-b", persons=1)
        self.keys = {"a": a["control_key"], "b": b["control_key"], "admin": self.world.manifest["control_key"]}
        mine, other = a["structures"][0], b["structures"][0]
        dmp, operator, psc = self.mocks["dmp"], self.mocks["mssante"], self.mocks["psc"]
        assert isinstance(dmp, DmpMock) and isinstance(operator, MssanteMock) and isinstance(psc, PscMock)
        dmp.documents.add([(stored("1.1", mine["struct_id"]), b"<a/>")])
        psc._state.sessions.put("s-a", Session("s-a", "editeur-a", "8x", "CARD", "openid", "", 0, 0))
        people = self.world.population
        person = next(row for row in people.persons() if row.get("owner") == "editeur-a")
        staff = next(row for row in people.professionals() if row.get("owner") == "editeur-a")
        self.names = {
            "message": deliver(operator, mine["mailboxes"][0], mine["mailboxes"][1]), "matricule": person["matricule"],
            "rpps": staff["rpps"], "finess": mine["finess_et"], "own": other["finess_et"],
            "neighbour": next(row["matricule"] for row in people.persons() if row["structure"] == "0B0990008"),
            "certificate": Path(mine["identities"]["sign"]["cert"]).stem, "name": "dmp-garni",
            "box": mine["mailboxes"][0], "mine": other["mailboxes"][0],
        }  # fmt: skip
        answer_for("editeur-a")
        self.world.trace.received("INS.VERIFICATION")
        self.world.trace.held("DMP.TD2.1", hashed("1.1"))
        self.world.requests.note("insi", "INS.VERIFICATION", 200, "CR-DE-A")
        answer_for(None)
        assert (await self.ask("a", "POST", "/snapshots", {"name": "de-a"})).status_code == 201
        fault = {"operation": "INS.RECHERCHE_TRAITS", "kind": "status", "value": "503", "id": "de-a"}
        assert (await self.ask("a", "POST", "/faults", fault)).status_code == 201
        self.world.ports["console"] = self.gateway.port

    async def ask(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, self._named(path), json=self._filled(body), headers={KEY_HEADER: self.keys[who]})

    def _named(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: self.names.get(found[1], "x"), text)

    def _filled(self, body: Any) -> Any:
        if isinstance(body, dict):
            return {name: self._filled(value) for name, value in body.items()}
        if isinstance(body, list):
            return [self._filled(one) for one in body]
        return self._named(body) if isinstance(body, str) else body

    def noted(self) -> list[tuple[str, str]]:
        told = [(said["name"], said["why"]) for path, _, said in self.gateway.told if path == "/admin/tenants/denied"]
        self.gateway.told.clear()
        return told

    async def seen_by(self, who: str) -> dict[str, str]:
        """Every list, and the state of every service, as this key reads them."""
        paths = [path for _, path in sorted(LISTS)] + [f"/state/{name}" for name in MOCKS]
        return {path: (await self.ask(who, "GET", path)).text for path in paths}


@pytest.fixture
async def shared(tmp_path: Path, gateway: Gateway) -> AsyncIterator[Shared]:
    init(tmp_path, persons=1)
    world = World.load(tmp_path)
    mocks: dict[str, Mock] = {name: make(world) for name, make in MOCKS.items()}
    key = {KEY_HEADER: world.manifest["control_key"]}
    transport = httpx.ASGITransport(Control(world, mocks).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=key) as http:
        shared = Shared(world, mocks, http, gateway)
        await shared.furnish()
        yield shared
    world.trace.close()


async def test_no_route_gives_a_tenant_what_is_anothers(shared: Shared) -> None:
    described = (await shared.http.get("/openapi.json")).json()["paths"]
    routes = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert routes == NAMED.keys() | APART.keys() | LISTS | STATES | OWN | COMMON | ADMIN
    before, disk = await shared.seen_by("a"), shared.world.manifest
    secret = [shared.names[name] for name in ("message", "matricule", "rpps", "certificate", "neighbour")]
    for (method, _), asked in NAMED.items():
        for path, body, status in asked:
            refused = await shared.ask("b", method, path, body)
            assert refused.status_code == status, (method, path, refused.text)
            assert shared.noted() in ([("editeur-b", "d_un_autre")], [("editeur-b", "administrateur")]), (method, path)
    for (method, _), asked in APART.items():
        for path, body, status in asked:
            assert (await shared.ask("b", method, path, body)).status_code == status, (method, path)
    for path in ("/messages/{message}", "/documents/1.1", "/people/{matricule}"):  # as for what is not there
        nothing = path.replace("{message}", "SIM0").replace("1.1", "9.9").replace("{matricule}", "199000000000000")
        assert (await shared.ask("b", "GET", path)).json() == (await shared.ask("b", "GET", nothing)).json()
    shared.noted()
    for method, path in sorted(ADMIN):
        refused = await shared.ask("b", method, path, {} if method == "POST" else None)
        said = refused.json()["detail"]
        assert (refused.status_code, "administrateur" in said) == (403, True), (method, path)
        assert ("commun à tous" in said) == (path == "/clock")
        assert shared.noted() == [("editeur-b", "administrateur")], (method, path)
    for path, text in (await shared.seen_by("b")).items():
        assert "editeur-a" not in text and not [one for one in secret if one in text] and "1.1" not in text, path
        assert not [one for one in ("INS.VERIFICATION", "CR-DE-A") if one in text], path
    assert (await shared.ask("b", "GET", "/state")).json()["held"] == {}
    for method, path in OWN | COMMON:
        assert (await shared.ask("b", method, path)).status_code == 200, path
    assert shared.noted() == [] and shared.world.manifest is disk
    assert await shared.seen_by("a") == before  # and what was asked for is there, for whom it belongs to
    for named in [*secret[:1], "1.1", "s-a", *secret[1:2], secret[3], "de-a", "INS.VERIFICATION", "CR-DE-A"]:
        assert named in str(before), named


async def test_a_tenant_does_with_its_own_what_the_administrator_does_with_all(shared: Shared) -> None:
    for path in ("/messages/{message}", "/messages/{message}/raw", "/documents/1.1/content", "/people/{matricule}"):
        assert (await shared.ask("a", "GET", path)).status_code == 200, path
    issued = await shared.ask("a", "POST", "/pki/certificates", {"structure": "{finess}", "deposit": False})
    assert (issued.status_code, issued.json()["tenant"]) == (201, "editeur-a")
    revoked = await shared.ask("a", "POST", f"/pki/certificates/{issued.json()['name']}/revoke", {})
    assert revoked.json()["state"] == "revoked"
    row = {"first_names": ["LOU"], "sex": "F", "birth_date": "1950-02-03", "birth_place": "63220"}
    for who, name in (("a", "ESSAI"), ("b", "AUTRE")):
        person = await shared.ask(who, "POST", "/people", {"persons": [{**row, "birth_name": name}]})
        assert person.status_code == 201, person.text
    assert person.json()["persons"][0]["owner"] == "editeur-b"
    assert (await shared.ask("a", "DELETE", "/people/added")).json() == {"forgotten": 1}
    assert shared.world.population.counts()["persons_added"] == 1
    [fault] = (await shared.ask("a", "GET", "/faults")).json()["faults"]
    assert (fault["id"], fault["tenant"]) == ("de-a", "editeur-a")
    assert (await shared.ask("a", "DELETE", "/faults")).json() == {"faults": []}
    assert (await shared.ask("a", "DELETE", "/sessions/s-a")).json() == {"ended": "s-a"}
    assert (await shared.ask("a", "DELETE", "/messages")).json() == {"deleted": 1}
    assert shared.noted() == []


async def test_a_message_is_also_whose_who_received_it(shared: Shared) -> None:
    operator = shared.mocks["mssante"]
    assert isinstance(operator, MssanteMock)
    boxes = {row["tenant"]: row["mailboxes"][0]["address"] for row in shared.world.manifest["structures"]}
    sent = deliver(operator, boxes["editeur-a"], boxes["editeur-b"], boxes["dui-exemple"])
    assert (await shared.ask("b", "GET", f"/messages/{sent}")).status_code == 200
    other = f"/messages/{sent}/raw?recipient={boxes['dui-exemple']}"
    assert ((await shared.ask("b", "GET", other)).status_code, (await shared.ask("a", "GET", other)).status_code) == (404, 200)
    await shared.ask("b", "DELETE", f"/messages/{sent}")
    assert operator.store.inbox(boxes["editeur-b"]) == [] and len(operator.store.inbox(boxes["dui-exemple"])) == 1


async def test_who_has_the_sandbox_alone_has_its_clock_too(shared: Shared) -> None:
    alone = (await shared.ask("admin", "POST", "/tenants/dui-exemple/rotate")).json()["control_key"]
    shared.keys["first"] = alone
    asked = ("first", "POST", "/clock", {"advance_s": 60, "alone": True})
    assert (await shared.ask(*asked)).status_code == 403
    for name in ("editeur-a", "editeur-b"):
        assert (await shared.ask("admin", "DELETE", f"/tenants/{name}")).status_code == 200
        assert (await shared.ask(name[-1], "GET", "/clock")).status_code == 401
    assert (await shared.ask(*asked)).status_code == 200
    assert (await shared.ask("first", "GET", "/tenants")).status_code == 403
