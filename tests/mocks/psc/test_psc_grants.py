"""Codes, tokens and sessions, without a socket (psc-annuaire §4.2, §5, §7, §9, §10)."""
from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from connectors.wire.clock import SystemClock
from mocks.psc.behaviour import OAuthError
from mocks.psc.grants import Realm, active, decode, grant, introspect, open_session, revoke, unexpired
from mocks.psc.keys import load_keys
from mocks.psc.state import AuthRequest, Client, State
from tests.mocks.psc.sandboxes import NURSE, PROFESSIONALS

REDIRECT = "https://dui.example/callback"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REQUEST = AuthRequest("dui", REDIRECT, "st-1", "no-1", "openid scope_all", CHALLENGE, "S256")
START = 1_795_296_000


@dataclass
class Stage:
    """A realm whose time moves when told."""

    realm: Realm
    state: State
    now: int = START

    @property
    def client(self) -> Client:
        found = self.state.client("dui")
        assert found is not None
        return found

    def code(self, request: AuthRequest = REQUEST) -> str:
        return open_session(self.realm, self.state, request, NURSE, "CARD")[0]

    def exchange(self, code: str, client: Client | None = None, **changes: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **changes}
        return grant(self.realm, self.state, client or self.client, form)

    def refresh(self, token: str, client: Client | None = None) -> dict[str, Any]:
        return grant(self.realm, self.state, client or self.client, {"grant_type": "refresh_token", "refresh_token": token})

    def claims(self, token: str) -> dict[str, Any]:
        return jwt.decode(token, self.realm.keys.public, algorithms=["RS256"]).claims


@pytest.fixture
def stage(realm_keys: Path, tmp_path: Path) -> Stage:
    clients = {name: Client(name, "s", frozenset({REDIRECT})) for name in ("dui", "other")}
    people = {person["id_nat"]: person for person in PROFESSIONALS}
    realm = Realm("https://psc.example/auth/realms/esante-wallet", load_keys(realm_keys, SystemClock()), people.get, lambda _: 0)
    made = Stage(realm, State(clients, tmp_path))
    made.realm = replace(realm, now=lambda _client: made.now)
    return made


def refused(call: Any) -> tuple[int, str, str]:
    with pytest.raises(OAuthError) as error:
        call()
    return error.value.status, error.value.error, error.value.description


def test_token_response_shape(stage: Stage) -> None:
    answer = stage.exchange(stage.code())
    assert list(answer) == [
        "access_token", "expires_in", "refresh_expires_in", "refresh_token", "token_type", "id_token", "not-before-policy",
        "session_state", "scope",
    ]  # fmt: skip
    assert (answer["expires_in"], answer["refresh_expires_in"], answer["token_type"]) == (120, 1800, "Bearer")

    access = stage.claims(answer["access_token"])
    assert "aud" not in access
    assert (access["exp"], access["iat"], access["typ"], access["azp"]) == (START + 120, START, "Bearer", "dui")
    assert access["sub"] == f"f:00000000-0000-4000-8000-0000000000aa:{NURSE}"
    assert (access["SubjectNameID"], access["preferred_username"], access["authMode"], access["acr"]) == (
        NURSE,
        NURSE,
        "CARD",
        "eidas1",
    )
    assert access["sid"] == access["session_state"] == answer["session_state"]
    header = jwt.decode(answer["access_token"], stage.realm.keys.public, algorithms=["RS256"]).header
    assert header == {"alg": "RS256", "typ": "JWT", "kid": stage.realm.keys.kid}

    identity = stage.claims(answer["id_token"])
    digest = hashlib.sha256(answer["access_token"].encode()).digest()[:16]
    assert (identity["aud"], identity["nonce"], identity["typ"]) == ("dui", "no-1", "ID")
    assert identity["at_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (identity["given_name"], identity["family_name"]) == ("Sacha", "TESTIDE")


@pytest.mark.parametrize(("acr", "expected"), [("eidas1", "eidas1"), ("eidas2", "eidas2"), ("eidas3", "eidas3"), (None, None)])
def test_acr_follows_the_setting(stage: Stage, acr: str | None, expected: str | None) -> None:
    stage.realm = replace(stage.realm, acr=acr)
    answer = stage.exchange(stage.code())
    assert stage.claims(answer["id_token"]).get("acr") == stage.claims(answer["access_token"]).get("acr") == expected


def test_replayed_code_ends_the_session(stage: Stage) -> None:
    code = stage.code()
    answer = stage.exchange(code)
    assert active(stage.realm, stage.state, answer["access_token"], "Bearer") is not None
    assert refused(lambda: stage.exchange(code)) == (400, "invalid_grant", "Code not valid")
    assert active(stage.realm, stage.state, answer["access_token"], "Bearer") is None
    assert refused(lambda: stage.refresh(answer["refresh_token"])) == (400, "invalid_grant", "Session not active")


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"code": "x.y.z"}, "invalid_grant", "Code not valid"),
        ({"code": ""}, "invalid_request", "Missing parameter: code"),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_grant", "Incorrect redirect_uri"),
        ({"code_verifier": "w" * 50}, "invalid_grant", "PKCE verification failed"),
        ({"code_verifier": CHALLENGE}, "invalid_grant", "PKCE verification failed"),
        ({"code_verifier": ""}, "invalid_grant", "PKCE code verifier not specified"),
    ],
)
def test_code_exchange_refusals(stage: Stage, changes: dict[str, str], error: str, description: str) -> None:
    form = {"code": stage.code(), **changes}
    assert refused(lambda: stage.exchange(**form)) == (400, error, description)
    assert stage.exchange(stage.code())["scope"] == "openid scope_all"


@pytest.mark.parametrize(
    ("verifier", "taken"), [("v" * 43, True), ("v" * 42, False), ("v" * 129, False), ("é" + "v" * 50, False)]
)
def test_a_verifier_has_its_form(stage: Stage, verifier: str, taken: bool) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = stage.code(replace(REQUEST, challenge=challenge))
    if taken:
        assert stage.exchange(code, code_verifier=verifier)
    else:
        assert refused(lambda: stage.exchange(code, code_verifier=verifier))[2] == "PKCE verification failed"


def test_a_session_that_is_closed_before_its_code_comes_back_gives_no_token(stage: Stage) -> None:
    code, kept = stage.code(), stage.code()
    stage.state.sessions.pop(code.split(".")[1])
    assert refused(lambda: stage.exchange(code)) == (400, "invalid_grant", "Session not active")
    assert stage.exchange(kept)


def test_a_code_is_for_its_client_and_its_minute(stage: Stage) -> None:
    assert refused(lambda: stage.exchange(stage.code(), stage.state.client("other")))[1:] == ("invalid_grant", "Code not valid")
    late, in_time = stage.code(), stage.code()
    stage.now += 59
    assert stage.exchange(in_time)
    stage.now += 1
    assert refused(lambda: stage.exchange(late))[1:] == ("invalid_grant", "Code not valid")


def test_pkce_plain_is_compared_as_is(stage: Stage) -> None:
    request = replace(REQUEST, challenge=VERIFIER, challenge_method="plain")
    assert stage.exchange(stage.code(request))
    assert refused(lambda: stage.exchange(stage.code(request), code_verifier="w" * 50))[2] == "PKCE verification failed"
    assert stage.exchange(stage.code(replace(REQUEST, challenge="")), code_verifier="")


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        ("", "invalid_request"),
        ("password", "unauthorized_client"),
        ("client_credentials", "unauthorized_client"),
        ("urn:openid:params:grant-type:ciba", "unauthorized_client"),
        ("urn:ietf:params:oauth:grant-type:device_code", "unauthorized_client"),
        ("magic", "unsupported_grant_type"),
    ],
)
def test_closed_grants(stage: Stage, grant_type: str, error: str) -> None:
    assert refused(lambda: stage.exchange(stage.code(), grant_type=grant_type))[:2] == (400, error)


def test_refresh_rotates(stage: Stage) -> None:
    first = stage.exchange(stage.code())
    stage.now += 100
    second = stage.refresh(first["refresh_token"])
    assert stage.claims(second["access_token"])["iat"] == START + 100
    assert stage.claims(second["id_token"])["nonce"] == "no-1"
    assert refused(lambda: stage.refresh(first["refresh_token"]))[1:] == (
        "invalid_grant",
        "Maximum allowed refresh token reuse exceeded",
    )
    assert stage.refresh(second["refresh_token"])


def test_refresh_refusals(stage: Stage) -> None:
    tokens = stage.exchange(stage.code())
    assert refused(lambda: stage.refresh(""))[1] == "invalid_request"
    for bad in ("nonsense", tokens["access_token"], tokens["id_token"]):
        assert refused(lambda bad=bad: stage.refresh(bad))[1:] == ("invalid_grant", "Invalid refresh token")
    assert "don't match" in refused(lambda: stage.refresh(tokens["refresh_token"], stage.state.client("other")))[2]
    stage.now += 1800
    assert refused(lambda: stage.refresh(tokens["refresh_token"]))[1:] == ("invalid_grant", "Token is not active")


def test_a_session_lasts_four_hours_at_most(stage: Stage) -> None:
    tokens = stage.exchange(stage.code())
    for _ in range(9):
        stage.now += 1500
        tokens = stage.refresh(tokens["refresh_token"])
    assert tokens["refresh_expires_in"] == 4 * 3600 - 9 * 1500
    stage.now = START + 4 * 3600
    assert refused(lambda: stage.refresh(tokens["refresh_token"]))[1:] == ("invalid_grant", "Token is not active")


def test_introspection(stage: Stage) -> None:
    tokens = stage.exchange(stage.code())
    seen = introspect(stage.realm, stage.state, tokens["access_token"])
    assert (seen["active"], seen["client_id"], seen["username"], seen["SubjectNameID"]) == (True, "dui", NURSE, NURSE)
    assert "SubjectNameID" not in introspect(stage.realm, stage.state, tokens["refresh_token"])
    for bad in ("nonsense", tokens["id_token"]):
        assert introspect(stage.realm, stage.state, bad) == {"active": False}
    stage.now += 120
    assert introspect(stage.realm, stage.state, tokens["access_token"]) == {"active": False}


def test_revocation(stage: Stage) -> None:
    tokens = stage.exchange(stage.code())
    other = stage.state.client("other")
    assert other is not None
    revoke(stage.realm, stage.state, other, tokens["access_token"])
    assert introspect(stage.realm, stage.state, tokens["access_token"])["active"]
    revoke(stage.realm, stage.state, stage.client, tokens["access_token"])
    assert not introspect(stage.realm, stage.state, tokens["access_token"])["active"]
    assert unexpired(stage.realm, tokens["access_token"], "Bearer")  # a signature alone cannot tell
    revoke(stage.realm, stage.state, stage.client, tokens["refresh_token"])
    assert refused(lambda: stage.refresh(tokens["refresh_token"]))[2] == "Session not active"
    revoke(stage.realm, stage.state, stage.client, "nonsense")


def test_only_our_signature_and_our_issuer_are_believed(stage: Stage) -> None:
    tokens = stage.exchange(stage.code())
    claims = stage.claims(tokens["access_token"])
    assert decode(stage.realm, tokens["access_token"]) == claims
    stranger = RSAKey.generate_key(2048, {"kid": stage.realm.keys.kid, "use": "sig", "alg": "RS256"}, private=True)
    assert decode(stage.realm, jwt.encode({"alg": "RS256", "kid": stage.realm.keys.kid}, claims, stranger)) is None
    elsewhere = replace(stage.realm, issuer="https://other.example/auth/realms/esante-wallet")
    assert decode(elsewhere, tokens["access_token"]) is None
    for broken in ("", "a.b", "a.b.c", "é", tokens["access_token"] + "x", "e30.e30."):
        assert decode(stage.realm, broken) is None
