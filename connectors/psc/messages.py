"""Messages of a Pro Santé Connect login: built, read and checked, without a socket (psc-annuaire §2 to §6)."""
from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from connectors.nomenclatures.psc import ACR_REQUESTED, SCOPES
from connectors.psc.codes import acr_suffices
from connectors.psc.errors import Refused, Unreadable, Untrusted
from connectors.wire.http import Answer, Headers

FORM = (b"content-type", b"application/x-www-form-urlencoded")
_LEEWAY_S = 30  # between PSC's clock and ours


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks. Without ``secret`` the TLS certificate is the credential and client_id goes in the body (§3)."""

    client_id: str
    redirect_uri: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one login must bring back: state and nonce, and the PKCE verifier."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Discovery:
    """The addresses of the realm; the authorization endpoint is on another host than the issuer."""

    issuer: str
    authorization: str
    token: str
    userinfo: str
    jwks: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token response. ``expires_in_s`` is the life of the access token: call UserInfo at once (§5.2)."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    id_token: str = field(repr=False)
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged in: ``id_nat`` is the key (SubjectNameID, text), ``userinfo`` the whole answer."""

    id_nat: str
    family: str
    given: str
    userinfo: dict[str, Any] = field(repr=False)

    @property
    def activities(self) -> list[dict[str, Any]]:
        """Every situation d'exercice, its profession beside it; the software lets the user choose (§6.2)."""
        exercices = (self.userinfo.get("SubjectRefPro") or {}).get("exercices") or []
        return [
            {"codeProfession": exercice.get("codeProfession", ""), **activity}
            for exercice in exercices
            for activity in exercice.get("activities") or []
        ]


@dataclass(frozen=True, slots=True)
class LoginForm:
    """The form of a login page: where it goes, what it carries already, the cookies of the page."""

    action: str
    fields: dict[str, str] = field(repr=False)
    cookies: str = field(repr=False)


def new_attempt() -> Attempt:
    return Attempt(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))


def authorization_url(discovery: Discovery, party: RelyingParty, attempt: Attempt, *, login_hint: str | None = None) -> str:
    """Where the browser goes (§4.1); ``acr_values`` is always sent, PKCE is S256."""
    challenge = _b64(hashlib.sha256(attempt.verifier.encode("ascii")).digest())
    params = {
        "response_type": "code", "client_id": party.client_id, "redirect_uri": party.redirect_uri, "scope": " ".join(SCOPES),
        "acr_values": ACR_REQUESTED, "state": attempt.state, "nonce": attempt.nonce,
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    if login_hint is not None:
        params["login_hint"] = login_hint
    return f"{discovery.authorization}?{urlencode(params, quote_via=quote)}"


def read_discovery(body: bytes, issuer: str) -> Discovery:
    """The document, which must name the issuer that we know. Raises Untrusted, Unreadable."""
    document = json_object(body)
    if document.get("issuer") != issuer:
        raise Untrusted("discovery names another issuer")
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    values = [document.get(name) for name in names]
    if not all(isinstance(value, str) for value in values):
        raise Unreadable("discovery lacks an endpoint")
    return Discovery(issuer, *(str(value) for value in values))


def read_callback(url: str, party: RelyingParty, attempt: Attempt, issuer: str) -> str:
    """The code of the address to which PSC sent the browser back. Raises Refused on an OAuth error, Untrusted otherwise."""
    if url.partition("?")[0] != party.redirect_uri.partition("?")[0]:
        raise Untrusted("callback goes elsewhere")
    params = dict(parse_qsl(url.partition("#")[0].partition("?")[2]))
    if not hmac.compare_digest(params.get("state", "").encode(), attempt.state.encode()):
        raise Untrusted("state of another login")
    if params.get("iss", issuer) != issuer:
        raise Untrusted("callback of another issuer")
    if "error" in params:
        raise Refused(params["error"], params.get("error_description", ""))
    if not params.get("code"):
        raise Unreadable("callback without code")
    return params["code"]


def exchange_form(party: RelyingParty, code: str, verifier: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code", "code": code, "redirect_uri": party.redirect_uri, "code_verifier": verifier,
        "client_id": party.client_id,
    }  # fmt: skip


def refresh_form(party: RelyingParty, refresh_token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": party.client_id}


def back_channel(party: RelyingParty, form: Mapping[str, str]) -> tuple[Headers, bytes]:
    """Headers and body of a token request: Basic when there is a secret (both parts form-encoded first, RFC 6749 §2.3.1)."""
    headers: Headers = [FORM]
    if party.secret is not None:
        pair = f"{quote(party.client_id, safe='')}:{quote(party.secret, safe='')}"
        headers.append((b"authorization", b"Basic " + base64.b64encode(pair.encode("ascii"))))
    return headers, urlencode(form).encode("ascii")


def read_tokens(body: bytes) -> Tokens:
    """Raises Unreadable."""
    answer = json_object(body)
    access, refresh, id_token = (answer.get(name) for name in ("access_token", "refresh_token", "id_token"))
    expires_in = answer.get("expires_in")
    whole = all(isinstance(text, str) and text.isascii() for text in (access, refresh, id_token))
    if not whole or not isinstance(expires_in, int):
        raise Unreadable("token response lacks a member")
    return Tokens(str(access), str(refresh), str(id_token), expires_in)


def verify_id_token(
    tokens: Tokens, jwks: Mapping[str, Any], party: RelyingParty, issuer: str, *, nonce: str | None, now: int
) -> dict[str, Any]:
    """The claims of the id token once everything in it is checked (§4.3). Raises Untrusted.

    nonce  of the attempt; None for a refresh, whose nonce PSC repeats
    now    epoch seconds
    """
    try:
        claims: dict[str, Any] = jwt.decode(tokens.id_token, _signature_keys(jwks), algorithms=["RS256"]).claims
    except (JoseError, KeyError, ValueError):
        raise Untrusted("id token not signed by this issuer") from None
    audience = claims.get("aud")
    digest = _b64(hashlib.sha256(tokens.access.encode()).digest()[:16])
    checks = {
        "issuer": claims.get("iss") == issuer,
        "audience": party.client_id in (audience if isinstance(audience, list) else [audience]),
        "authorized party": claims.get("azp", party.client_id) == party.client_id,
        "kind": claims.get("typ", "ID") == "ID",
        "expiry": isinstance(claims.get("exp"), int) and claims["exp"] > now - _LEEWAY_S,
        "issue time": isinstance(claims.get("iat"), int) and claims["iat"] <= now + _LEEWAY_S,
        "nonce": nonce is None or claims.get("nonce") == nonce,
        "access token hash": claims.get("at_hash", digest) == digest,
        "assurance level": acr_suffices(claims.get("acr"), ACR_REQUESTED),
    }
    wrong = [name for name, holds in checks.items() if not holds]
    if wrong:
        raise Untrusted(f"id token: {', '.join(wrong)}")
    return claims


def _signature_keys(jwks: Mapping[str, Any]) -> KeySet:
    """The keys that sign: the realm also publishes one for encryption (§2.2)."""
    keys = [key for key in jwks.get("keys", ()) if key.get("use") == "sig" and key.get("kty") == "RSA"]
    return KeySet([RSAKey.import_key({name: key[name] for name in ("kty", "n", "e", "kid", "use")}) for key in keys])


def read_userinfo(body: bytes, subject: str) -> Identity:
    """The identity, which must be that of the id token (``sub``). Raises Untrusted, Unreadable."""
    answer = json_object(body)
    if answer.get("sub") != subject:
        raise Untrusted("userinfo of another subject")
    id_nat = answer.get("SubjectNameID") or answer.get("preferred_username")
    if not isinstance(id_nat, str):
        raise Unreadable("userinfo without SubjectNameID")
    return Identity(id_nat, str(answer.get("family_name", "")), str(answer.get("given_name", "")), answer)


def refusal(answer: Answer) -> Refused:
    """What PSC refused, in its own words."""
    try:
        body = json_object(answer.body)
    except Unreadable:
        return Refused("page", f"HTTP {answer.status}", http_status=answer.status)
    description = str(body.get("error_description", ""))
    return Refused(str(body.get("error", f"HTTP {answer.status}")), description, http_status=answer.status)


def json_object(body: bytes) -> dict[str, Any]:
    """Raises Unreadable."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("not JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


class _FormReader(HTMLParser):
    """The first form of a page: its action and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action = values.get("action", "")
        elif tag == "input" and self.action is not None and values.get("type") == "hidden":
            self.fields[values.get("name", "")] = values.get("value", "")


def read_login_page(answer: Answer, url: str) -> LoginForm:
    """The form of the login page at ``url``, as a browser would keep it. Raises Unreadable."""
    reader = _FormReader()
    reader.feed(answer.body.decode("utf-8", "replace"))
    if reader.action is None:
        raise Unreadable("login page without form")
    cookies = [value.decode("latin-1").partition(";")[0] for name, value in answer.headers if name.lower() == b"set-cookie"]
    return LoginForm(urljoin(url, reader.action), reader.fields, "; ".join(cookies))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
