"""A relying party against the mock, over real sockets; then what it must not believe (psc-annuaire §4 to §9)."""
from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from connectors.psc import messages
from connectors.psc.client import PscClient
from connectors.psc.codes import acr_suffices
from connectors.psc.errors import Refused, Unavailable, Unreadable, Untrusted
from connectors.psc.messages import RelyingParty, Tokens
from connectors.wire.http import Answer, Client
from mocks.psc.app import PscMock
from mocks.sandbox.world import World
from tests.mocks.psc.sandboxes import (
    BOTH_CLIENT,
    CERT_CLIENT,
    DEMO_CLIENT,
    EDUCATOR,
    NURSE,
    REDIRECT,
    SECRET,
    SECRET_CLIENT,
    jump,
    serving,
    trust,
)


@dataclass
class Stage:
    world: World
    mock: PscMock
    http: Client
    certified: Client
    base: str

    def party(self, client_id: str = SECRET_CLIENT, secret: str | None = SECRET) -> RelyingParty:
        return RelyingParty(client_id, REDIRECT, secret)

    def client(self, client_id: str = SECRET_CLIENT, secret: str | None = SECRET, *, certified: bool = False) -> PscClient:
        clock = self.world.clock
        now = clock.business if client_id == DEMO_CLIENT else clock.real
        back_channel = self.certified if certified else self.http
        return PscClient(back_channel, self.base, self.party(client_id, secret), now, browser=self.http)


@pytest.fixture
async def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    mock = PscMock(world)
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(serving(world, mock.services(), monkeypatch))
        http = await stack.enter_async_context(Client(trust(world)))
        identity = world.manifest["structures"][0]["auth_cli"]
        certified = await stack.enter_async_context(Client(trust(world, identity)))
        yield Stage(world, mock, http, certified, urls["mock-psc"])


@pytest.mark.parametrize(
    ("client_id", "secret", "certified"),
    [(SECRET_CLIENT, SECRET, False), (CERT_CLIENT, None, True), (BOTH_CLIENT, SECRET, True), (DEMO_CLIENT, SECRET, False)],
)
async def test_a_whole_login(stage: Stage, client_id: str, secret: str | None, certified: bool) -> None:
    if client_id == DEMO_CLIENT:
        jump(stage.world, days=40)
    login = await stage.client(client_id, secret, certified=certified).login(NURSE, "MOBILE")
    assert (login.identity.id_nat, login.identity.family, login.identity.given) == (NURSE, "TESTIDE", "Sacha")
    assert [(a["codeProfession"], a["numeroFinessSite"]) for a in login.identity.activities] == [("60", "0B0990016")]
    assert (login.claims["authMode"], login.claims["aud"], login.tokens.expires_in_s) == ("MOBILE", client_id, 120)
    assert NURSE not in repr(login.tokens) and login.tokens.access not in repr(login)


async def test_a_login_that_psc_refuses_says_why(stage: Stage) -> None:
    for client, error in (
        (stage.client(secret="wrong"), "unauthorized_client"),
        (stage.client(CERT_CLIENT, None), "invalid_client"),
        (stage.client("stranger"), "page"),
    ):
        with pytest.raises(Refused) as refused:
            await client.login(NURSE)
        assert refused.value.error == error


async def test_an_identity_unknown_to_the_page_is_not_a_login(stage: Stage) -> None:
    with pytest.raises(Unreadable, match="did not send the browser back"):
        await stage.client().login("899700999999")


async def test_a_user_who_cancels_is_refused(stage: Stage) -> None:
    client = stage.client()
    url, attempt = await client.begin(login_hint=NURSE)
    back = await client.answer_page(url, {"action": "cancel"})
    with pytest.raises(Refused) as refused:
        await client.finish(back, attempt)
    assert refused.value.error == "access_denied"


async def test_an_answer_to_another_login_is_not_believed(stage: Stage) -> None:
    client = stage.client()
    url, attempt = await client.begin()
    back = await client.answer_page(url, {"other": NURSE})
    _, other = await client.begin()
    for forged, kept in (
        (back, other),
        (back.replace("iss=https", "iss=http"), attempt),
        (back.replace("dui.example", "evil.example"), attempt),
    ):
        with pytest.raises(Untrusted):
            await client.finish(forged, kept)
    assert (await client.finish(back, attempt)).identity.id_nat == NURSE
    with pytest.raises(Refused, match="invalid_grant"):  # the same code again
        await client.finish(back, attempt)


async def test_the_verifier_is_what_makes_a_stolen_code_useless(stage: Stage) -> None:
    client = stage.client()
    url, attempt = await client.begin()
    back = await client.answer_page(url, {"other": NURSE})
    with pytest.raises(Refused, match="PKCE verification failed"):
        await client.finish(back, replace(attempt, verifier="w" * 64))


async def test_refresh_until_the_session_ends(stage: Stage) -> None:
    client = stage.client(DEMO_CLIENT)
    login = await client.login(EDUCATOR)
    jump(stage.world, minutes=20)
    renewed = await client.refresh(login.tokens)
    assert renewed.access != login.tokens.access
    with pytest.raises(Refused, match="reuse exceeded"):
        await client.refresh(login.tokens)
    jump(stage.world, minutes=31)
    with pytest.raises(Refused, match="Token is not active"):
        await client.refresh(renewed)


@pytest.mark.parametrize("acr", ["eidas2", "eidas3", None, "eidas9"])
async def test_other_levels_than_asked_are_accepted(stage: Stage, acr: str | None, caplog: pytest.LogCaptureFixture) -> None:
    stage.mock.acr = acr
    with caplog.at_level(logging.WARNING):
        assert (await stage.client().login(NURSE)).claims.get("acr") == acr
    assert ("psc_unknown_acr" in caplog.text) == (acr == "eidas9")


def test_a_weaker_level_does_not_suffice() -> None:
    assert [acr_suffices(level, "eidas2") for level in ("eidas1", "eidas2", "eidas3", None, "x")] == [
        False,
        True,
        True,
        True,
        True,
    ]


async def test_a_service_that_fails_is_not_a_refusal(stage: Stage) -> None:
    stage.world.faults.arm_json({"operation": "PSC.DISCOVERY", "kind": "status", "value": "503"})
    client = stage.client()
    with pytest.raises(Unavailable, match="HTTP 503"):
        await client.login(NURSE)
    assert (await client.login(NURSE)).identity.id_nat == NURSE
    with pytest.raises(Unavailable):
        await PscClient(stage.http, "https://localhost:1", stage.party(), stage.world.clock.real).discover()


# --- id tokens that must not be believed --------------------------------------------------------------------------------

ISSUER, NOW = "https://psc.example/auth/realms/esante-wallet", 1_795_296_000
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}, private=True)
JWKS = {"keys": [KEY.as_dict(private=False), {**KEY.as_dict(private=False), "kid": "k2", "use": "enc"}]}
CLAIMS = {
    "iss": ISSUER, "aud": "dui", "azp": "dui", "typ": "ID", "exp": NOW + 120, "iat": NOW,
    "nonce": "no-1", "acr": "eidas1", "sub": "s",
}  # fmt: skip


def verify(token: str, nonce: str | None = "no-1") -> dict[str, Any]:
    tokens = Tokens("access", "refresh", token, 120)
    return messages.verify_id_token(tokens, JWKS, RelyingParty("dui", REDIRECT), ISSUER, nonce=nonce, now=NOW)


def signed(kid: str = "k1", key: RSAKey = KEY, **changes: Any) -> str:
    return jwt.encode({"alg": "RS256", "kid": kid}, {**CLAIMS, **changes}, key)


def test_a_good_id_token_is_believed() -> None:
    assert verify(signed())["sub"] == "s"
    assert verify(signed(aud=["account", "dui"], acr="eidas2"), nonce=None)["sub"] == "s"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://other"}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"azp": "other"}, "authorized party"),
        ({"typ": "Bearer"}, "kind"),
        ({"exp": NOW - 60}, "expiry"),
        ({"exp": "soon"}, "expiry"),
        ({"iat": NOW + 600}, "issue time"),
        ({"nonce": "other"}, "nonce"),
        ({"at_hash": "AAAA"}, "access token hash"),
    ],
)
def test_what_an_id_token_says_is_checked(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Untrusted, match=reason):
        verify(signed(**changes))


def unsigned() -> str:
    return signed().rpartition(".")[0] + "."


def by_a_stranger() -> str:
    return signed(key=RSAKey.generate_key(2048, {"kid": "k1"}, private=True))


@pytest.mark.parametrize("forge", [unsigned, by_a_stranger, lambda: signed(kid="k2"), lambda: signed(kid="k3"), lambda: "é"])
def test_only_the_signing_key_of_the_realm_is_believed(forge: Callable[[], str]) -> None:
    with pytest.raises(Untrusted, match="not signed by this issuer"):
        verify(forge())


def test_userinfo_of_someone_else_is_not_believed() -> None:
    body = orjson.dumps({"sub": "s", "SubjectNameID": NURSE, "family_name": "TESTIDE"})
    assert messages.read_userinfo(body, "s").id_nat == NURSE
    with pytest.raises(Untrusted):
        messages.read_userinfo(body, "other")
    with pytest.raises(Unreadable):
        messages.read_userinfo(b'{"sub": "s"}', "s")
    with pytest.raises(Unreadable):
        messages.read_userinfo(b"[]", "s")


def test_discovery_must_name_the_known_issuer() -> None:
    with pytest.raises(Untrusted):
        messages.read_discovery(orjson.dumps({"issuer": "https://other"}), ISSUER)
    with pytest.raises(Unreadable, match="lacks an endpoint"):
        messages.read_discovery(orjson.dumps({"issuer": ISSUER}), ISSUER)


@pytest.mark.parametrize("changes", [{"access_token": None}, {"refresh_token": 1}, {"id_token": "é"}, {"expires_in": "soon"}])
def test_a_token_response_must_be_whole(changes: dict[str, Any]) -> None:
    good = {"access_token": "a", "refresh_token": "r", "id_token": "i", "expires_in": 120}
    assert messages.read_tokens(orjson.dumps(good)) == Tokens("a", "r", "i", 120)
    with pytest.raises(Unreadable, match="lacks a member"):
        messages.read_tokens(orjson.dumps({**good, **changes}))


def test_a_page_without_form_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        messages.read_login_page(Answer(200, [], b"<p>maintenance"), "https://wallet.example/auth")
