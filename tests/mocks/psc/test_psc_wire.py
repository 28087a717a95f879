"""Pro Santé Connect on real sockets: pages, cookies, tokens, certificates (psc-annuaire §2-§10)."""
from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from connectors.wire.http import Answer, Client, NoAnswer
from mocks.psc.app import PscMock
from mocks.sandbox.world import World
from tests.mocks.psc.sandboxes import (
    BOTH_CLIENT,
    CERT_CLIENT,
    DEMO_CLIENT,
    DOCTOR,
    EDUCATOR,
    NURSE,
    PROFESSIONALS,
    REDIRECT,
    SECRET,
    SECRET_CLIENT,
    jump,
    serving,
    trust,
)

REALM = "/auth/realms/esante-wallet"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Bench:
    """The mock on its sockets, and a browser and a server that call it."""

    world: World
    mock: PscMock
    http: Client
    issuer: str
    wallet: str

    async def send(self, method: str, url: str, *, form: dict[str, str] | None = None, **headers: str) -> Answer:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if form is not None:
            raw.append((b"content-type", b"application/x-www-form-urlencoded"))
        return await self.http.send(method, url, headers=raw, body=urlencode(form).encode() if form is not None else b"")

    def authorization(self, client_id: str = SECRET_CLIENT, **changes: str) -> str:
        params = {
            "response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT, "scope": "openid scope_all",
            "acr_values": "eidas1", "state": "st-1", "nonce": "no-1",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        return f"{self.wallet}/auth?{urlencode(params)}"

    async def code(self, client_id: str = SECRET_CLIENT, who: str = NURSE) -> str:
        answer = await self.send("GET", self.authorization(client_id), X_Socle_Login=who)
        assert answer.status == 302, answer.body
        return query(answer)["code"]

    async def token(self, form: dict[str, str], client_id: str = SECRET_CLIENT) -> Answer:
        return await self.send(
            "POST", self.issuer + "/protocol/openid-connect/token", form={"client_id": client_id, "client_secret": SECRET, **form}
        )

    async def tokens(self, client_id: str = SECRET_CLIENT, who: str = NURSE) -> dict[str, Any]:
        answer = await self.token(exchange(await self.code(client_id, who)), client_id)
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)

    async def userinfo(self, token: str) -> Answer:
        return await self.send("GET", self.issuer + "/protocol/openid-connect/userinfo", Authorization=f"Bearer {token}")


def exchange(code: str, **changes: str) -> dict[str, str]:
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **changes}


def query(answer: Answer) -> dict[str, str]:
    location = answer.header("location")
    assert location is not None
    return dict(parse_qsl(urlsplit(location).query))


@asynccontextmanager
async def benched(world: World, monkeypatch: pytest.MonkeyPatch, identity: dict[str, str] | None = None) -> AsyncIterator[Bench]:
    mock = PscMock(world)
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(serving(world, mock.services(), monkeypatch))
        http = await stack.enter_async_context(Client(trust(world, identity)))
        yield Bench(world, mock, http, urls["mock-psc"] + REALM, urls["mock-psc-wallet"])


@pytest.fixture
async def bench(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with benched(world, monkeypatch) as bench:
        yield bench


async def test_both_discovery_names_name_the_doors(bench: Bench) -> None:
    bench.world.ports.update({"psc": 18444, "psc-wallet": 18445})
    answers = [
        await bench.send("GET", f"{bench.issuer}/.well-known/{name}")
        for name in ("wallet-openid-configuration", "openid-configuration")
    ]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body
    discovery = orjson.loads(answers[0].body)
    assert discovery["issuer"] == "https://localhost:18444/auth/realms/esante-wallet"
    assert discovery["authorization_endpoint"] == "https://localhost:18445/auth"
    assert (
        discovery["token_endpoint"]
        == discovery["mtls_endpoint_aliases"]["token_endpoint"]
        == discovery["issuer"] + "/protocol/openid-connect/token"
    )
    assert discovery["acr_values_supported"] == ["0", "0"]
    assert answers[0].header("x-socle-mock") == "psc"
    assert "psc-ciba" in (answers[0].header("x-socle-not-checked") or "")


async def test_jwks_has_a_signing_and_an_encryption_key(bench: Bench) -> None:
    keys = orjson.loads((await bench.send("GET", bench.issuer + "/protocol/openid-connect/certs")).body)["keys"]
    assert [(key["use"], key["alg"], key["kty"]) for key in keys] == [("sig", "RS256", "RSA"), ("enc", "RSA-OAEP", "RSA")]
    assert all({"kid", "n", "e", "x5c", "x5t", "x5t#S256"} <= set(key) and "d" not in key for key in keys)


async def test_login_by_the_page_reaches_userinfo(bench: Bench) -> None:
    page = await bench.send("GET", bench.authorization())
    text = page.body.decode()
    assert (
        page.status == 200
        and "bac à sable" in text.lower()
        and "Sacha TESTIDE" in text
        and "EHPAD LES AJONCS · infirmier" in text
        and "<script" not in text
    )
    cookie = (page.header("set-cookie") or "").partition(";")[0]
    action = html.unescape(re.search(r'action="([^"]+)"', text)[1])
    login_id = re.search(r'name="login_id" value="([^"]+)"', text)[1]

    back = await bench.send(
        "POST", bench.wallet + action, form={"login_id": login_id, "identity": NURSE, "channel": "MOBILE"}, Cookie=cookie
    )
    assert back.status == 302 and (back.header("location") or "").startswith(REDIRECT + "&")
    answer = query(back)
    assert list(answer) == ["vendor", "state", "session_state", "iss", "code"]
    assert answer["state"] == "st-1" and answer["iss"] == bench.issuer
    assert [len(part) for part in answer["code"].split(".")] == [36, 36, 36]

    tokens = orjson.loads((await bench.token(exchange(answer["code"]))).body)
    jwks = KeySet.import_key_set(orjson.loads((await bench.send("GET", bench.issuer + "/protocol/openid-connect/certs")).body))
    decoded = jwt.decode(tokens["access_token"], jwks, algorithms=["RS256"])
    assert (
        decoded.header["kid"]
        == orjson.loads((await bench.send("GET", bench.issuer + "/protocol/openid-connect/certs")).body)["keys"][0]["kid"]
    )
    assert (decoded.claims["SubjectNameID"], decoded.claims["authMode"], decoded.claims["iss"]) == (NURSE, "MOBILE", bench.issuer)

    info = await bench.userinfo(tokens["access_token"])
    assert info.status == 200
    assert orjson.loads(info.body)["SubjectNameID"] == NURSE
    assert bench.world.trace.counts()["received"] == {
        "PSC.AUTHORIZE": 1, "PSC.LOGIN": 1, "PSC.TOKEN": 1, "PSC.DISCOVERY": 2, "PSC.USERINFO": 1
    }  # fmt: skip

    again = await bench.send("POST", bench.wallet + action, form={"login_id": login_id, "identity": NURSE}, Cookie=cookie)
    assert again.status == 400 and "expired_code" in again.body.decode()  # the page served once


async def login_page(bench: Bench) -> tuple[str, str]:
    page = await bench.send("GET", bench.authorization())
    login_id = re.search(r'name="login_id" value="([^"]+)"', page.body.decode())[1]
    return login_id, (page.header("set-cookie") or "").partition(";")[0]


async def test_a_form_posted_by_another_browser_is_refused(bench: Bench) -> None:
    login_id, cookie = await login_page(bench)
    form = {"login_id": login_id, "identity": NURSE}
    for stolen in ({}, {"Cookie": "AUTH_SESSION_ID=other"}):
        refused = await bench.send("POST", bench.wallet + "/auth/login", form=form, **stolen)
        assert refused.status == 400 and "cookie_not_found" in refused.body.decode()
    accepted = await bench.send("POST", bench.wallet + "/auth/login", form=form, Cookie=cookie)
    assert accepted.status == 302


async def test_unknown_identity_shows_the_page_again(bench: Bench) -> None:
    login_id, cookie = await login_page(bench)
    shown = await bench.send(
        "POST", bench.wallet + "/auth/login", form={"login_id": login_id, "other": "899700999999<b>"}, Cookie=cookie
    )
    text = shown.body.decode()
    assert shown.status == 200 and "Identifiant inconnu" in text and "899700999999&lt;b&gt;" in text and "<b>" not in text
    accepted = await bench.send(
        "POST", bench.wallet + "/auth/login", form={"login_id": login_id, "other": EDUCATOR}, Cookie=cookie
    )
    assert accepted.status == 302


async def test_cancelled_login_goes_back_with_access_denied(bench: Bench) -> None:
    login_id, cookie = await login_page(bench)
    back = await bench.send("POST", bench.wallet + "/auth/login", form={"login_id": login_id, "action": "cancel"}, Cookie=cookie)
    assert back.status == 302
    answer = query(back)
    assert (answer["error"], answer["state"]) == ("access_denied", "st-1") and "code" not in answer


async def test_headless_login(bench: Bench) -> None:
    accepted = await bench.send("GET", bench.authorization(), X_Socle_Login=f"{NURSE};MOBILE")
    assert accepted.status == 302 and "code" in query(accepted)
    unknown = await bench.send("GET", bench.authorization(), X_Socle_Login="800000000000")
    assert unknown.status == 400 and "user_not_found" in unknown.body.decode()


async def test_another_tenants_professional_does_not_log_in(bench: Bench) -> None:
    noted: list[tuple[str, str]] = []
    bench.world.denied.note = lambda name, why: noted.append((name, why))  # type: ignore[method-assign]
    [nurse] = [one for one in PROFESSIONALS if one["id_nat"] == NURSE]
    theirs = {**nurse, "id_nat": "899700990099", "rpps": "99700990099", "family": "TESTBETA", "mailbox": None}
    bench.world.population.add(professionals=[{**theirs, "owner": None, "structure": "0B0990024"}])
    page = (await bench.send("GET", bench.authorization())).body.decode()
    assert "TESTIDE" in page and "TESTMÉD" in page and "TESTBETA" not in page
    refused = await bench.send("GET", bench.authorization(), X_Socle_Login="899700990099;CARD")
    assert refused.status == 400 and "user_not_found" in refused.body.decode()
    login_id, cookie = await login_page(bench)
    form = {"login_id": login_id, "other": "899700990099"}
    shown = await bench.send("POST", bench.wallet + "/auth/login", form=form, Cookie=cookie)
    assert shown.status == 200 and "Identifiant inconnu" in shown.body.decode()
    assert noted == [("alpha", "d_un_autre")] * 2
    bench.world.manifest["psc_clients"][0]["tenant"] = "beta"
    bench.mock._follow()
    assert await bench.code(who="899700990099") and await bench.code(who=DOCTOR)
    assert len(noted) == 2


async def test_a_token_goes_with_the_secret_that_brought_it(bench: Bench) -> None:
    mine, others = await bench.tokens(SECRET_CLIENT), await bench.tokens(DEMO_CLIENT)
    bench.world.manifest["psc_clients"][0]["client_secret"] = "changed"
    bench.mock._follow()
    assert bench.world.psc_claims(mine["access_token"]) is None
    assert bench.world.psc_claims(others["access_token"]) is not None


async def test_error_page_names_the_command_that_repairs(bench: Bench) -> None:
    refused = await bench.send("GET", bench.authorization(redirect_uri="https://dui.example/callback"))
    assert refused.status == 400 and refused.header("location") is None
    assert "socle sandbox client redirect dui-secret" in refused.body.decode()
    bench.world.register_redirect(SECRET_CLIENT, "https://dui.example/callback")  # as the control API calls it
    accepted = await bench.send("GET", bench.authorization(redirect_uri="https://dui.example/callback"))
    assert accepted.status == 200
    kept = PscMock(bench.world)  # a restart
    assert "https://dui.example/callback" in kept.state()["clients"][SECRET_CLIENT]["redirect_uris"]


async def test_userinfo_refuses_what_is_not_a_live_access_token(bench: Bench) -> None:
    tokens = await bench.tokens(DEMO_CLIENT)
    assert (await bench.userinfo(tokens["access_token"])).status == 200
    tampered = tokens["access_token"][:-6] + ("AAAAAA" if not tokens["access_token"].endswith("AAAAAA") else "BBBBBB")
    for bad in (tokens["id_token"], tokens["refresh_token"], tampered, "x.y.z", "é"):
        refused = await bench.userinfo(bad)
        assert refused.status == 401 and 'error="invalid_token"' in (refused.header("www-authenticate") or "")
    jump(bench.world, seconds=120)
    expired = await bench.userinfo(tokens["access_token"])
    assert expired.status == 401 and 'error_description="Token verification failed"' in (expired.header("www-authenticate") or "")
    assert bench.world.psc_claims(tokens["access_token"]) is None


async def test_tokens_of_a_client_in_real_time_ignore_the_jump(bench: Bench) -> None:
    tokens = await bench.tokens(SECRET_CLIENT)
    jump(bench.world, days=30)
    assert (await bench.userinfo(tokens["access_token"])).status == 200
    claims = bench.world.psc_claims(tokens["access_token"])
    assert claims is not None and claims["azp"] == SECRET_CLIENT
    assert bench.world.psc_claims(tokens["id_token"]) is None


async def test_logout_ends_the_session(bench: Bench) -> None:
    tokens = await bench.tokens()
    out = bench.issuer + "/protocol/openid-connect/logout?"
    stranger = await bench.send(
        "GET", out + urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://evil.example"})
    )
    assert stranger.status == 400 and (await bench.userinfo(tokens["access_token"])).status == 200
    left = await bench.send(
        "GET", out + urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": REDIRECT, "state": "bye"})
    )
    assert left.status == 302 and query(left)["state"] == "bye"
    assert (await bench.userinfo(tokens["access_token"])).status == 401
    without_hint = await bench.send("GET", out + "state=x")
    assert without_hint.status == 400 and "Missing parameters: id_token_hint" in without_hint.body.decode()


@pytest.mark.parametrize("client_id", [CERT_CLIENT, BOTH_CLIENT])
async def test_certificate_clients(client_id: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = world.manifest["structures"][0]["auth_cli"], world.manifest["structures"][1]["auth_cli"]
    async with benched(world, monkeypatch, own) as bench:
        form = exchange(await bench.code(client_id)) | ({} if client_id == BOTH_CLIENT else {"client_secret": ""})
        assert (await bench.token(form, client_id)).status == 200
        form = exchange(await bench.code(client_id))
        for identity, error in ((None, "invalid_client"), (other, "unauthorized_client")):
            async with Client(trust(world, identity)) as http:
                refused = await Bench(world, bench.mock, http, bench.issuer, bench.wallet).token(form, client_id)
            assert (refused.status, orjson.loads(refused.body)["error"]) == (401, error)
        assert (await bench.token(form, client_id)).status == 200  # the refusals did not burn the code


async def test_back_channel_refusals_on_the_wire(bench: Bench) -> None:
    url = bench.issuer + "/protocol/openid-connect/token"
    wrong_method = await bench.send("GET", url)
    assert (wrong_method.status, wrong_method.header("allow")) == (405, "POST")
    as_json = await bench.http.send("POST", url, headers=[(b"content-type", b"application/json")], body=b"{}")
    assert as_json.status == 415
    twice = await bench.http.send(
        "POST", url, headers=[(b"content-type", b"application/x-www-form-urlencoded")], body=b"grant_type=a&grant_type=b"
    )
    assert (twice.status, orjson.loads(twice.body)["error_description"]) == (400, "duplicated parameter")
    unknown = await bench.send("GET", bench.issuer + "/protocol/openid-connect/nothing")
    assert unknown.status == 404
    assert bench.world.trace.counts()["received"] == {"PSC.TOKEN": 3, "PSC.INCONNUE": 1}


async def test_armed_faults_touch_one_call(bench: Bench) -> None:
    bench.world.faults.arm_json({"operation": "PSC.TOKEN", "kind": "status", "value": "503"})
    touched = await bench.token(exchange("x"))
    assert touched.status == 503 and touched.header("x-socle-injected-fault")
    assert (await bench.token(exchange("x"))).status == 400

    bench.world.faults.arm_json({"operation": "PSC.TOKEN", "kind": "reset"})
    with pytest.raises(NoAnswer):
        await bench.token(exchange("x"))
    assert (await bench.token(exchange("x"))).status == 400
