"""The issuer's addresses: discovery, keys, token, userinfo, introspection, revocation, logout (psc-annuaire §2.1, §10)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from connectors.nomenclatures.psc import PROTOCOL, REALM_PATH, STANDARD_DISCOVERY, WALLET_DISCOVERY
from mocks.psc.behaviour import DuplicateParameter, OAuthError, PageError, authenticate, callback, parse_form
from mocks.psc.grants import Realm, active, decode, grant, introspect, revoke
from mocks.psc.state import Client, State
from mocks.psc.wallet import error_page, logged_out
from mocks.sandbox.web import Exchange, Reply, Routed, json_reply

TOKEN_PATH = f"{REALM_PATH}{PROTOCOL}/token"
USERINFO_PATH = f"{REALM_PATH}{PROTOCOL}/userinfo"
CERTS_PATH = f"{REALM_PATH}{PROTOCOL}/certs"
DISCOVERY_PATHS = (REALM_PATH + WALLET_DISCOVERY, REALM_PATH + STANDARD_DISCOVERY)
_INTROSPECT_PATH = f"{TOKEN_PATH}/introspect"
_REVOKE_PATH = f"{REALM_PATH}{PROTOCOL}/revoke"
_LOGOUT_PATH = f"{REALM_PATH}{PROTOCOL}/logout"

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_FORM = "application/x-www-form-urlencoded"
_REFUSALS = {
    "invalid_grant": (400, "Code not valid"),
    "unauthorized_client": (401, "Invalid client or Invalid client credentials"),
    "invalid_client": (401, "Invalid client or Invalid client credentials"),
    "unsupported_grant_type": (400, "Unsupported grant_type"),
    "authorization_pending": (400, "The authorization request is still pending as the end-user hasn't yet been authenticated."),
    "invalid_token": (401, "Token verification failed"),
    "insufficient_scope": (403, "Missing openid scope"),
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """The realm behind its listener. ``userinfo`` makes the answer for an idNat_PS and a channel."""

    realm: Callable[[], Realm]
    state: State
    discovery: Callable[[], dict[str, Any]]
    userinfo: Callable[[str, str], dict[str, Any]]

    def answer(self, exchange: Exchange) -> Reply:
        route = self._routes().get(exchange.path)
        if route is None:
            return json_reply(404, {"error": "HTTP 404 Not Found"})
        allowed, handle = route
        if exchange.method not in allowed:
            return Reply(405, headers={"Allow": ", ".join(allowed)})
        try:
            return handle(exchange)
        except OAuthError as error:
            said = {"error": error.error, "error_description": error.description}
            return json_reply(error.status, said, _NO_STORE, code=error.error)

    def refused(self, call: Routed, code: str) -> Reply:
        """What an armed fault makes of a request: one of the OAuth errors of ``_REFUSALS`` (psc-annuaire §10)."""
        status, description = _REFUSALS[code]
        if call.operation == "PSC.USERINFO":
            return _challenge(code, description, status)
        return json_reply(status, {"error": code, "error_description": description}, _NO_STORE, code=code)

    def _routes(self) -> dict[str, tuple[tuple[str, ...], Callable[[Exchange], Reply]]]:
        return {
            **dict.fromkeys(DISCOVERY_PATHS, (("GET",), self._discovery)),
            CERTS_PATH: (("GET",), self._certs),
            TOKEN_PATH: (("POST",), self._token),
            USERINFO_PATH: (("GET", "POST"), self._userinfo),
            _INTROSPECT_PATH: (("POST",), self._introspect),
            _REVOKE_PATH: (("POST",), self._revoke),
            _LOGOUT_PATH: (("GET", "POST"), self._logout),
        }

    def _discovery(self, _exchange: Exchange) -> Reply:
        return json_reply(200, self.discovery())

    def _certs(self, _exchange: Exchange) -> Reply:
        return json_reply(200, self.realm().keys.jwks)

    def _token(self, exchange: Exchange) -> Reply:
        form, client = self._authenticated(exchange)
        return json_reply(200, grant(self.realm(), self.state, client, form), _NO_STORE)

    def _introspect(self, exchange: Exchange) -> Reply:
        form, _client = self._authenticated(exchange)
        if not form.get("token"):
            raise OAuthError(400, "invalid_request", "Token not provided.")
        return json_reply(200, introspect(self.realm(), self.state, form["token"]), _NO_STORE)

    def _revoke(self, exchange: Exchange) -> Reply:
        form, client = self._authenticated(exchange)
        if not form.get("token"):
            raise OAuthError(400, "invalid_request", "Token not provided")
        revoke(self.realm(), self.state, client, form["token"])
        return Reply(200)

    def _authenticated(self, exchange: Exchange) -> tuple[dict[str, str], Client]:
        if exchange.media_type != _FORM:
            raise OAuthError(415, "invalid_request", f"Content-Type {_FORM} is expected")
        form = _parsed(exchange)
        return form, authenticate(form, exchange.headers.get("authorization"), _subject(exchange.client_der), self.state)

    def _userinfo(self, exchange: Exchange) -> Reply:
        scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _challenge("invalid_request", "Token not provided")
        found = active(self.realm(), self.state, token.strip(), "Bearer")
        if found is None:
            return _challenge("invalid_token", "Token verification failed")
        _claims, session = found
        return json_reply(200, self.userinfo(session.id_nat, session.channel), _NO_STORE)

    def _logout(self, exchange: Exchange) -> Reply:
        """RP-initiated logout; the hint may have expired, it only names the session (§7.4)."""
        try:
            params = parse_form(exchange.query) if exchange.method == "GET" else _parsed(exchange)
        except (ValueError, OAuthError):
            return error_page(400, PageError("Invalid request", "La demande répète un paramètre ou n'est pas lisible."))
        claims = decode(self.realm(), params.get("id_token_hint", ""))
        client = self.state.client(claims["azp"]) if claims is not None and claims.get("typ") == "ID" else None
        if claims is None or client is None:
            reason = "Invalid parameter: id_token_hint" if params.get("id_token_hint") else "Missing parameters: id_token_hint"
            return error_page(400, PageError(reason, "La déconnexion doit porter le jeton d'identité reçu à la connexion."))
        target = params.get("post_logout_redirect_uri")
        if target and target not in self.state.redirects(client):
            return error_page(400, PageError("Invalid redirect uri", "L'adresse de retour n'est pas enregistrée pour ce client."))
        self.state.sessions.pop(claims["sid"])
        if not target:
            return logged_out()
        return Reply(302, headers={"Location": callback(target, state=params.get("state", "")), **_NO_STORE})


def _parsed(exchange: Exchange) -> dict[str, str]:
    try:
        return parse_form(exchange.body.decode())
    except DuplicateParameter:
        raise OAuthError(400, "invalid_request", "duplicated parameter") from None
    except ValueError:
        raise OAuthError(400, "invalid_request", "Form is not readable") from None


def _challenge(error: str, description: str, status: int = 401) -> Reply:
    header = f'Bearer realm="esante-wallet", error="{error}", error_description="{description}"'
    body = {"error": error, "error_description": description}
    return json_reply(status, body, {**_NO_STORE, "WWW-Authenticate": header}, code=error)


def _subject(der: bytes | None) -> frozenset[str] | None:
    """The subject of the client's certificate; an unreadable one is an empty set, which no client has registered."""
    if der is None:
        return None
    try:
        return rdns(x509.load_der_x509_certificate(der))
    except ValueError:
        return frozenset()


def rdns(certificate: x509.Certificate) -> frozenset[str]:
    """The subject as the set of its RDNs: their order does not count (§3)."""
    return frozenset(attribute.rfc4514_string() for attribute in certificate.subject)
