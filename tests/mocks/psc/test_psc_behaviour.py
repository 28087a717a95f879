"""Authorization requests and client authentication, without a socket (psc-annuaire §3, §4.1, §10)."""
from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from mocks.psc.behaviour import DuplicateParameter, OAuthError, PageError, RedirectError, authenticate, authorize, parse_form
from mocks.psc.state import AuthRequest, Bounded, Client, InvalidRedirect, State

REDIRECT = "https://dui.example/callback"
SECRET = "s3cret:/+&é"
OWN = frozenset({"CN=INSI-AUTO", "OU=10B0990016", "O=EHPAD"})
GOOD = {
    "response_type": "code",
    "client_id": "dui",
    "redirect_uri": REDIRECT,
    "scope": "openid scope_all",
    "acr_values": "eidas1",
    "state": "st-1",
    "nonce": "no-1",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}


@pytest.fixture
def state(tmp_path: Path) -> State:
    clients = {
        "dui": Client("dui", SECRET, frozenset({REDIRECT})),
        "cert": Client("cert", SECRET, frozenset({REDIRECT}), "tls_client_auth", frozenset({OWN})),
        "both": Client("both", SECRET, frozenset({REDIRECT}), "secret+cert", frozenset({OWN})),
    }
    return State(clients, tmp_path)


def test_a_good_request_is_kept_as_asked(state: State) -> None:
    assert authorize(GOOD, state) == AuthRequest("dui", REDIRECT, "st-1", "no-1", "openid scope_all", "c" * 43, "S256")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "stranger"}, "Client not found."),
        ({"client_id": ""}, "Invalid parameter: client_id"),
        ({"redirect_uri": ""}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": REDIRECT + "/"}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": REDIRECT + "?a=1"}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": REDIRECT.upper()}, "Invalid parameter: redirect_uri"),
    ],
)
def test_authorization_request_refused_on_a_page(state: State, changes: dict[str, str], reason: str) -> None:
    outcome = authorize({**GOOD, **changes}, state)
    assert isinstance(outcome, PageError) and outcome.reason == reason


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"response_type": None}, "invalid_request", "Missing parameter: response_type"),
        ({"response_type": "token"}, "unsupported_response_type", ""),
        ({"request": "x.y.z"}, "request_not_supported", ""),
        ({"response_mode": "fragment"}, "invalid_request", "Invalid parameter: response_mode"),
        ({"scope": None}, "invalid_request", "Missing parameter: scope openid"),
        ({"scope": "scope_all"}, "invalid_request", "Missing parameter: scope openid"),
        ({"scope": "openid"}, "invalid_scope", "Invalid scopes: openid"),
        ({"acr_values": None}, "invalid_request", "Missing parameter: acr_values"),
        ({"acr_values": "eidas3"}, "invalid_request", "Invalid parameter: acr_values"),
        ({"state": None}, "invalid_request", "Missing parameter: state"),
        ({"prompt": "none"}, "login_required", ""),
        ({"code_challenge_method": "S512"}, "invalid_request", "Invalid parameter: code_challenge_method"),
        ({"code_challenge": "short"}, "invalid_request", "Invalid parameter: code_challenge"),
        ({"code_challenge": None}, "invalid_request", "Missing parameter: code_challenge"),
    ],
)
def test_authorization_request_sent_back(state: State, changes: dict[str, str | None], error: str, description: str) -> None:
    params = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    outcome = authorize(params, state)
    assert isinstance(outcome, RedirectError)
    assert (outcome.redirect_uri, outcome.error, outcome.description) == (REDIRECT, error, description)
    assert outcome.state == params.get("state", "")


@pytest.mark.parametrize(
    "changes", [{"prompt": "login"}, {"nonce": ""}, {"kc_idp_hint": "OKTA_x"}, {"scope": "scope_all openid"}]
)
def test_harmless_variants_are_accepted(state: State, changes: dict[str, str]) -> None:
    assert isinstance(authorize({**GOOD, **changes}, state), AuthRequest)


def test_pkce_is_optional(state: State) -> None:
    params = {name: value for name, value in GOOD.items() if not name.startswith("code_challenge")}
    outcome = authorize(params, state)
    assert isinstance(outcome, AuthRequest) and outcome.challenge == ""


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


@pytest.mark.parametrize(
    ("form", "authorization", "subject", "expected"),
    [
        ({"client_id": "dui", "client_secret": SECRET}, None, None, "dui"),
        ({}, basic("dui", SECRET), None, "dui"),
        ({"client_id": "dui", "client_secret": "no"}, None, None, "unauthorized_client"),
        ({"client_id": "dui"}, None, None, "unauthorized_client"),
        ({"client_id": "dui"}, None, OWN, "unauthorized_client"),  # a certificate does not replace the secret
        ({"client_id": "stranger", "client_secret": SECRET}, None, None, "unauthorized_client"),
        ({}, None, OWN, "unauthorized_client"),
        ({}, "Basic ???", None, "unauthorized_client"),
        ({}, "Basic é", None, "unauthorized_client"),
        ({}, "Basic " + base64.b64encode(b"no-colon").decode(), None, "unauthorized_client"),
        ({"client_id": "cert"}, None, OWN, "cert"),
        ({"client_id": "cert"}, None, None, "invalid_client"),
        ({"client_id": "cert", "client_secret": SECRET}, None, None, "invalid_client"),
        ({"client_id": "cert"}, None, frozenset({*OWN, "L=Rennes"}), "unauthorized_client"),
        ({"client_id": "cert"}, None, frozenset(), "unauthorized_client"),
        ({"client_id": "both", "client_secret": SECRET}, None, OWN, "both"),
        ({"client_id": "both"}, None, OWN, "unauthorized_client"),
        ({"client_id": "both", "client_secret": SECRET}, None, None, "invalid_client"),
    ],
)
def test_client_authentication(
    state: State, form: dict[str, str], authorization: str | None, subject: frozenset[str] | None, expected: str
) -> None:
    try:
        outcome = authenticate(form, authorization, subject, state).client_id
    except OAuthError as refused:
        outcome = refused.error
        assert refused.status == 401
    assert outcome == expected


def test_a_parameter_twice_is_refused() -> None:
    assert parse_form("a=1&b=") == {"a": "1", "b": ""}
    with pytest.raises(DuplicateParameter):
        parse_form("a=1&a=1")
    with pytest.raises(ValueError):
        parse_form("&".join(f"p{n}=1" for n in range(60)))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("dui.example/callback", "URL absolue"),
        ("ftp://dui.example/", "URL absolue"),
        ("https:///callback", "URL absolue"),
        ("https://dui.example/a b", "URL absolue"),
        ("http://dui.example/callback", "http n'est admis que vers localhost"),
        ("https://dui.example/#x", "ni fragment ni joker"),
        ("https://dui.example/*", "ni fragment ni joker"),
        ("https://[dui/", "ce n'est pas une URL"),
        ("https://dui.example/é", "ASCII"),
        ("https://dui.example/\u4e2d", "ASCII"),
    ],
)
def test_redirects_that_cannot_be_registered(state: State, uri: str, words: str) -> None:
    with pytest.raises(InvalidRedirect, match=words):
        state.register_redirect("dui", uri)


def test_registered_redirects_last_until_a_reset(state: State, tmp_path: Path) -> None:
    for uri in ("https://dui.example/retour", "http://localhost:8700/retour", "https://dui.example/retour"):
        state.register_redirect("dui", uri)
    with pytest.raises(InvalidRedirect, match="aucun client"):
        state.register_redirect("stranger", "https://dui.example/retour")
    client = state.client("dui")
    assert client is not None
    kept = State({"dui": client}, tmp_path)
    assert kept.redirects(client) == {REDIRECT, "https://dui.example/retour", "http://localhost:8700/retour"}
    kept.reset()
    assert State({"dui": client}, tmp_path).redirects(client) == {REDIRECT}


def test_tables_forget_their_oldest_rows() -> None:
    table: Bounded[int] = Bounded(capacity=2)
    for number in range(4):
        table.put(str(number), number)
    assert (len(table), table.get("1"), table.get("3")) == (2, None, 3)
