"""What the PSC door decides, then a whole login through it: road, journal, mock, on real sockets (design §8)."""
from __future__ import annotations

import base64
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from connectors.psc.client import PscClient
from connectors.psc.errors import Refused
from connectors.psc.messages import RelyingParty
from connectors.wire import tls
from connectors.wire.http import Answer, Client
from connectors.wire.serving import HttpService, Running
from gateway.access.callers import UNKNOWN, Access, Caller, Identity
from gateway.doors.native import NativeApp
from gateway.doors.psc import PscDoor
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Named, Record
from gateway.road import Refusal, Request, Road
from mocks.psc.app import PscMock
from mocks.sandbox.build import init
from mocks.sandbox.world import World

REALM = "/auth/realms/esante-wallet"
PROTOCOL = f"{REALM}/protocol/openid-connect"
DOOR = PscDoor("https://localhost:9131", "https://localhost:9132/")
ACME = Caller(tenant="acme")
CERTIFIED = Caller(tenant="certified")


def request(listener: str, target: str, method: str = "GET", body: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(listener, method, target, raw, body.encode())


def form(**fields: str) -> dict[str, Any]:
    return {"method": "POST", "body": urlencode(fields), "content_type": "application/x-www-form-urlencoded;charset=UTF-8"}


def jwt_of(**claims: str) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:secret".encode()).decode()


class OneCertificate(Access):
    def by_certificate(self, der: bytes | None) -> Caller:
        return CERTIFIED if der == b"known" else UNKNOWN


ACCESS = OneCertificate(_clients={"dui": ACME, "dui+1": ACME, "another": Caller("another")})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request("psc-wallet", "/auth?response_type=code&client_id=dui"), ACME),
        (request("psc-wallet", "/auth/login?client_id=dui", **form(login_id="x")), ACME),
        (request("psc", f"{PROTOCOL}/token", **form(client_id="dui", code="c")), ACME),
        (request("psc", f"{PROTOCOL}/token", authorization=basic("dui"), **form(code="c")), ACME),
        (request("psc", f"{PROTOCOL}/token", authorization=basic("dui%2B1"), **form(code="c")), ACME),
        (request("psc", f"{PROTOCOL}/token", authorization="Basic ???"), UNKNOWN),
        (request("psc", f"{PROTOCOL}/token", **form(client_id="stranger")), UNKNOWN),
        (request("psc", f"{PROTOCOL}/userinfo", authorization="Bearer " + jwt_of(azp="dui")), ACME),
        (request("psc", f"{PROTOCOL}/userinfo", authorization="Bearer é.é.é"), UNKNOWN),
        (request("psc", f"{PROTOCOL}/token?client_id=another", **form(client_id="dui", code="c")), ACME),
        (request("psc", f"{PROTOCOL}/token?client_id=another", authorization=basic("dui"), **form(code="c")), ACME),
        (request("psc", f"{PROTOCOL}/userinfo?client_id=another", authorization="Bearer " + jwt_of(azp="dui")), ACME),
        (request("psc", f"{PROTOCOL}/userinfo"), UNKNOWN),
        (Request("psc", "POST", f"{PROTOCOL}/token", [], b"\xff\xfe", b"known"), CERTIFIED),
        (Request("psc", "POST", f"{PROTOCOL}/token", [], b"client_id=dui", b"foreign"), UNKNOWN),
    ],
)
def test_whose_call_it_is(asked: Request, expected: Caller) -> None:
    assert DOOR.identify(asked, ACCESS) is expected


def test_each_listener_goes_to_its_own_host_byte_for_byte() -> None:
    target = "/auth?state=a%2Fb&redirect_uri=https%3A%2F%2Fdui.example%2F"
    assert DOOR.upstream(request("psc-wallet", target)) == "https://localhost:9132" + target
    assert DOOR.upstream(request("psc", f"{PROTOCOL}/token")) == f"https://localhost:9131{PROTOCOL}/token"


PATHS = [
    ("psc-wallet", "/auth?a=1", "PSC.AUTHORIZE", []),
    ("psc-wallet", "/auth/login?client_id=dui", "PSC.LOGIN", []),
    ("psc-wallet", f"{PROTOCOL}/token", "PSC.INCONNUE", ["V-CHEMIN"]),
    ("psc-wallet", "/auth/", "PSC.INCONNUE", ["V-CHEMIN"]),
    ("psc", f"{PROTOCOL}/token", "PSC.TOKEN", []),
    ("psc", f"{PROTOCOL}/userinfo", "PSC.USERINFO", []),
    ("psc", f"{PROTOCOL}/certs", "PSC.DISCOVERY", []),
    ("psc", f"{REALM}/.well-known/wallet-openid-configuration", "PSC.DISCOVERY", []),
    ("psc", f"{REALM}/.well-known/openid-configuration", "PSC.DISCOVERY", []),
    ("psc", f"{PROTOCOL}/token/introspect", "PSC.INCONNUE", []),
    ("psc", f"{PROTOCOL}/logout?state=1", "PSC.INCONNUE", []),
    ("psc", f"{PROTOCOL}/nothing", "PSC.INCONNUE", ["V-CHEMIN"]),
    ("psc", "/auth", "PSC.INCONNUE", ["V-CHEMIN"]),
]


@pytest.mark.parametrize(("listener", "target", "operation", "flags"), PATHS)
def test_the_path_says_which_operation(listener: str, target: str, operation: str, flags: list[str]) -> None:
    record = Record(None)
    assert DOOR.read(request(listener, target), record, ACME) is None
    assert (record.operation, record.flags) == (operation, flags)


def concluded(operation: str, answer: Answer) -> Record:
    record = Record(operation)
    DOOR.conclude(record, request("psc", "/"), answer)
    return record


def oauth(status: int, error: str) -> Answer:
    return Answer(status, [], orjson.dumps({"error": error, "error_description": "x"}))


def sent_to(location: str) -> Answer:
    return Answer(302, [(b"location", location.encode())], b"")


BEARER = (b"www-authenticate", b'Bearer realm="esante-wallet", error="invalid_token", error_description="x"')


@pytest.mark.parametrize(
    ("operation", "answer", "outcome", "code", "flags"),
    [
        ("PSC.AUTHORIZE", Answer(200, [], b"<html>"), "ok", "HTTP 200", []),
        ("PSC.AUTHORIZE", sent_to("https://dui.example/?code=a.b.c&state=1"), "ok", "HTTP 302", []),
        (
            "PSC.AUTHORIZE",
            sent_to("https://dui.example/?error=invalid_scope&state=1"),
            "invalid",
            "invalid_scope",
            ["V-PSC-REQUETE"],
        ),
        ("PSC.AUTHORIZE", sent_to("https://dui.example/?error=login_required"), "refused", "login_required", []),
        ("PSC.AUTHORIZE", Answer(400, [], b"<html>"), "invalid", "HTTP 400", ["V-PSC-REDIRECTION"]),
        ("PSC.LOGIN", sent_to("https://dui.example/?code=a"), "ok", "HTTP 302", []),
        ("PSC.LOGIN", sent_to("https://dui.example/?error=access_denied"), "refused", "access_denied", []),
        ("PSC.LOGIN", Answer(200, [], b"<html>"), "refused", "HTTP 200", []),
        ("PSC.LOGIN", Answer(400, [], b"<html>"), "invalid", "HTTP 400", ["V-PSC-REQUETE"]),
        ("PSC.TOKEN", Answer(200, [], b"{}"), "ok", "HTTP 200", []),
        ("PSC.TOKEN", oauth(400, "invalid_grant"), "refused", "invalid_grant", ["V-PSC-CODE"]),
        ("PSC.TOKEN", oauth(400, "invalid_request"), "invalid", "invalid_request", ["V-PSC-REQUETE"]),
        ("PSC.TOKEN", oauth(401, "unauthorized_client"), "unauthorised", "unauthorized_client", ["V-PSC-CLIENT"]),
        ("PSC.TOKEN", oauth(401, "invalid_client"), "unauthorised", "invalid_client", ["V-PSC-CLIENT"]),
        ("PSC.TOKEN", oauth(400, "someone@example.org is unknown"), "invalid", "HTTP 400", ["V-PSC-REQUETE"]),
        ("PSC.TOKEN", Answer(503, [], b""), "failed", "HTTP 503", ["N-INDISPONIBLE"]),
        ("PSC.TOKEN", oauth(500, "server_error"), "failed", "server_error", ["N-INDISPONIBLE"]),
        ("PSC.USERINFO", Answer(401, [BEARER], b""), "unauthorised", "invalid_token", ["V-JETON"]),
        ("PSC.INCONNUE", Answer(404, [], b""), "invalid", "HTTP 404", []),
    ],
)
def test_what_the_service_said(operation: str, answer: Answer, outcome: str, code: str, flags: list[str]) -> None:
    record = concluded(operation, answer)
    assert (record.outcome, record.service_code, record.flags, record.professional) == (outcome, code, flags, None)


def test_the_professional_comes_from_userinfo_or_the_id_token_only() -> None:
    named = Named("professional", "899700990015")
    info = orjson.dumps({"SubjectNameID": "899700990015"})
    assert concluded("PSC.USERINFO", Answer(200, [], info)).professional == named
    as_jwt = Answer(200, [(b"content-type", b"application/jwt")], jwt_of(SubjectNameID="899700990015").encode())
    assert concluded("PSC.USERINFO", as_jwt).professional == named
    tokens = orjson.dumps({"id_token": jwt_of(SubjectNameID="899700990015"), "access_token": jwt_of(SubjectNameID="other")})
    assert concluded("PSC.TOKEN", Answer(200, [], tokens)).professional == named
    assert concluded("PSC.DISCOVERY", Answer(200, [], info)).professional is None
    for unreadable in (b"", b"[]", b'{"SubjectNameID": 1}'):
        assert concluded("PSC.USERINFO", Answer(200, [], unreadable)).professional is None


def test_refusals_speak_the_protocol() -> None:
    full = Refusal("G-PLEIN", "Le journal n'a plus de <place>.", 503)
    answer = DOOR.refuse(full, request("psc", f"{PROTOCOL}/token"))
    body = orjson.loads(answer.body)
    assert (answer.status, body["error"], body["error_description"]) == (503, "temporarily_unavailable", full.text)
    assert (answer.header("x-socle-fault"), answer.header("retry-after")) == ("G-PLEIN", "5")
    page = DOOR.refuse(full, request("psc-wallet", "/auth"))
    assert page.status == 503 and (page.header("content-type") or "").startswith("text/html") and b"&lt;place&gt;" in page.body
    large = DOOR.refuse(Refusal("V-TAILLE", "Trop grand.", 413), request("psc", f"{PROTOCOL}/token"))
    assert (large.status, orjson.loads(large.body)["error"]) == (413, "invalid_request")


# --- through the door, on real sockets ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=4)
    return folder


@dataclass
class Stage:
    world: World
    mock: PscMock
    journal: Path
    issuer: str
    wallet: str

    @property
    def seed(self) -> dict[str, Any]:
        row: dict[str, Any] = self.world.manifest["psc_clients"][0]
        return row

    @property
    def professional(self) -> dict[str, Any]:
        row: dict[str, Any] = self.world.population.professionals()[0]
        return row

    def client(self, http: Client, **changes: str) -> PscClient:
        seed = self.seed | changes
        party = RelyingParty(seed["client_id"], seed["redirect_uris"][0], seed["client_secret"])
        return PscClient(http, self.issuer, party, self.world.clock.real)

    def entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.journal) as reader:
            return list(reversed(reader.entries().entries))


@pytest.fixture
async def stage(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    world = World.load(data)
    world.trace.reset()
    ca, server = world.path(world.pki["ca"]), world.pki["server"]
    redirect_uris = world.manifest["psc_clients"][0]["redirect_uris"]
    tenant = world.manifest["structures"][0]["tenant"]
    certified = {"client_id": "certified", "redirect_uris": redirect_uris, "tenant": tenant, "auth": "tls_client_auth"}
    world.manifest["psc_clients"].append(certified)
    mock = PscMock(world)
    upstream = await Running.start(mock.services())
    journal = Journal.open(tmp_path / "gateway", environment="bac_a_sable", clock=world.clock)

    def upstream_tls(_service: str, identity: Identity | None) -> ssl.SSLContext:
        if identity is None:
            return tls.client_context(ca)
        return tls.client_context(ca, cert=identity.cert, key=identity.key)

    road = Road(journal, Access.from_manifest(data / "sandbox"), world.clock, "bac_a_sable", upstream_tls, deadline_s=5.0)
    door = PscDoor(upstream.urls["mock-psc"], upstream.urls["mock-psc-wallet"])
    context = tls.server_context(world.path(server["cert"]), world.path(server["key"]), ca=ca, client="optional")
    running = await Running.start([HttpService(name, NativeApp(door, road, name), context) for name in ("psc", "psc-wallet")])
    world.ports.update({name: int(url.rpartition(":")[2]) for name, url in running.urls.items()})
    yield Stage(world, mock, tmp_path / "gateway", running.urls["psc"], running.urls["psc-wallet"])
    await running.stop(1)
    await road.drain(2)
    await upstream.stop(1)
    await journal.close()
    world.trace.close()


async def test_a_login_through_the_gateway_is_six_entries_and_no_secret(stage: Stage) -> None:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(Client(tls.client_context(stage.world.path(stage.world.pki["ca"]))))
        login = await stage.client(http).login(stage.professional["id_nat"])
    assert login.identity.id_nat == stage.professional["id_nat"]
    assert login.claims["iss"] == stage.issuer + REALM  # every address names the door

    entries = stage.entries()
    assert [entry["operation"] for entry in entries] == [
        "PSC.DISCOVERY", "PSC.AUTHORIZE", "PSC.LOGIN", "PSC.TOKEN", "PSC.DISCOVERY", "PSC.USERINFO"
    ]  # fmt: skip
    assert {entry["outcome"] for entry in entries} == {"ok"}
    assert [entry["tenant"] for entry in entries if entry["operation"] != "PSC.DISCOVERY"] == [stage.seed["tenant"]] * 4
    refs = [entry["professional_ref"] for entry in entries]
    assert refs[3] and refs[3] == refs[5] and not any(refs[index] for index in (0, 1, 2, 4))
    text = orjson.dumps(entries).decode()
    secrets = (
        login.tokens.access,
        login.tokens.refresh,
        login.tokens.id_token,
        stage.seed["client_secret"],
        login.identity.id_nat,
    )
    assert not any(secret in text for secret in secrets)
    assert [entry["bodies"] for entry in entries if entry["operation"] != "PSC.DISCOVERY"] == [[]] * 4
    received = stage.world.trace.counts()["received"]
    assert received == {"PSC.DISCOVERY": 2, "PSC.AUTHORIZE": 1, "PSC.LOGIN": 1, "PSC.TOKEN": 1, "PSC.USERINFO": 1}


async def test_a_refused_login_is_journaled_with_its_reason(stage: Stage) -> None:
    async with Client(tls.client_context(stage.world.path(stage.world.pki["ca"]))) as http:
        with pytest.raises(Refused, match="unauthorized_client"):
            await stage.client(http, client_secret="wrong").login(stage.professional["id_nat"])
    refused = stage.entries()[-1]
    assert (refused["operation"], refused["outcome"], refused["service_code"]) == (
        "PSC.TOKEN",
        "unauthorised",
        "unauthorized_client",
    )
    assert refused["flags"] == ["V-PSC-CLIENT"]


async def test_cookies_and_redirects_pass_byte_for_byte(stage: Stage) -> None:
    query = urlencode({
        "response_type": "code", "client_id": stage.seed["client_id"], "redirect_uri": stage.seed["redirect_uris"][0],
        "scope": "openid scope_all", "acr_values": "eidas3", "state": "a/b c%é",
    })  # fmt: skip
    async with Client(tls.client_context(stage.world.path(stage.world.pki["ca"]))) as http:
        back = await http.send("GET", f"{stage.wallet}/auth?{query}")
        page = await http.send("GET", f"{stage.wallet}/auth?{query.replace('eidas3', 'eidas1')}")
    assert back.header("location") == (
        f"{stage.seed['redirect_uris'][0]}?error=invalid_request&error_description=Invalid+parameter%3A+acr_values"
        f"&state=a%2Fb+c%25%C3%A9&{urlencode({'iss': stage.issuer + REALM})}"
    )
    cookie = page.header("set-cookie") or ""
    assert cookie.startswith("AUTH_SESSION_ID=") and cookie.endswith("; Path=/auth; Secure; HttpOnly; SameSite=None")


async def test_door_and_mock_call_a_path_by_the_same_name(stage: Stage) -> None:
    expected = Counter(operation for _, _, operation, _ in PATHS)
    async with Client(tls.client_context(stage.world.path(stage.world.pki["ca"]))) as http:
        for listener, target, operation, _ in PATHS:
            before = stage.world.trace.counts()["received"].get(operation, 0)
            await http.send("GET", (stage.wallet if listener == "psc-wallet" else stage.issuer) + target)
            assert stage.world.trace.counts()["received"][operation] == before + 1, target
    assert Counter(entry["operation"] for entry in stage.entries()) == expected


async def test_the_certificate_shown_at_the_door_is_shown_to_the_service(stage: Stage) -> None:
    structure, ca = stage.world.manifest["structures"][0], stage.world.path(stage.world.pki["ca"])
    own = structure["auth_cli"]
    mutual = tls.client_context(ca, cert=stage.world.path(own["cert"]), key=stage.world.path(own["key"]))
    party = RelyingParty("certified", stage.seed["redirect_uris"][0])
    async with Client(mutual) as back_channel, Client(tls.client_context(ca)) as browser:
        now = stage.world.clock.real
        login = await PscClient(back_channel, stage.issuer, party, now, browser=browser).login(stage.professional["id_nat"])
        assert login.identity.id_nat == stage.professional["id_nat"]
        with pytest.raises(Refused, match="invalid_client"):  # without it the gateway lends nothing
            await PscClient(browser, stage.issuer, party, now).login(stage.professional["id_nat"])
    tokens = [entry for entry in stage.entries() if entry["operation"] == "PSC.TOKEN"]
    assert [(entry["tenant"], entry["outcome"]) for entry in tokens] == [(structure["tenant"], "ok"), ("inconnu", "unauthorised")]
