"""Decisions of the authorization endpoint and of client authentication (psc-annuaire §3, §4.1, §10). No socket, no clock."""
from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus, urlencode

from connectors.nomenclatures.psc import ACR_REQUESTED, SCOPES
from mocks.psc.state import AuthRequest, Client, State

_CHALLENGE = re.compile(r"[A-Za-z0-9_.~-]{43,128}")
_MAX_FIELDS = 50


class DuplicateParameter(ValueError):
    """A parameter is there twice: OAuth forbids it."""


@dataclass(frozen=True, slots=True)
class PageError:
    """The browser cannot be sent back: an error page, in French, without redirect."""

    reason: str  # Keycloak's words
    text: str


@dataclass(frozen=True, slots=True)
class RedirectError:
    """The browser goes back to the client with an OAuth error."""

    redirect_uri: str
    state: str
    error: str
    description: str = ""


class OAuthError(Exception):
    """A refusal of a back-channel endpoint, as ``{"error", "error_description"}`` with its HTTP status."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(f"{status} {error}: {description}")
        self.status, self.error, self.description = status, error, description


def parse_form(text: str) -> dict[str, str]:
    """Form or query fields; raises DuplicateParameter, or ValueError when there are too many."""
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise DuplicateParameter("duplicated parameter")
    return fields


def callback(redirect_uri: str, **params: str) -> str:
    """The client's address with the answer added to its query."""
    separator = "&" if "?" in redirect_uri else "?"
    return redirect_uri + separator + urlencode({name: value for name, value in params.items() if value})


def authorize(params: Mapping[str, str], state: State) -> AuthRequest | RedirectError | PageError:
    """Judge an authorization request, in Keycloak's order: client, redirect URI, then what can be told to the client."""
    client = state.client(params.get("client_id"))
    if client is None:
        return PageError(
            "Client not found." if params.get("client_id") else "Invalid parameter: client_id",
            "Le service qui vous envoie ici n'est pas enregistré : vérifiez le paramètre client_id de la demande.",
        )
    redirect_uri = params.get("redirect_uri", "")
    if redirect_uri not in state.redirects(client):
        return PageError(
            "Invalid parameter: redirect_uri",
            "L'adresse de retour n'est pas enregistrée pour ce client ; elle est comparée telle quelle. "
            f"Enregistrez-la : socle sandbox client redirect {client.client_id} ADRESSE",
        )
    problem = _problem(params)
    if problem is not None:
        return RedirectError(redirect_uri, params.get("state", ""), *problem)
    return AuthRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        state=params["state"],
        nonce=params.get("nonce", ""),
        scope=" ".join(SCOPES),
        challenge=params.get("code_challenge", ""),
        challenge_method=params.get("code_challenge_method", "plain") if params.get("code_challenge") else "",
        login_hint=params.get("login_hint", ""),
    )


def _problem(params: Mapping[str, str]) -> tuple[str, str] | None:
    """The first thing wrong with a request whose client and redirect URI are good: OAuth error and description."""
    response_type = params.get("response_type")
    scopes = params.get("scope", "").split()
    if not response_type:
        return "invalid_request", "Missing parameter: response_type"
    if response_type != "code":
        return "unsupported_response_type", ""
    if "request" in params or "request_uri" in params:
        return "request_not_supported", ""
    if params.get("response_mode", "query") != "query":
        return "invalid_request", "Invalid parameter: response_mode"
    if "openid" not in scopes:
        return "invalid_request", "Missing parameter: scope openid"
    if "scope_all" not in scopes:
        return "invalid_scope", f"Invalid scopes: {params['scope']}"
    if params.get("acr_values") != ACR_REQUESTED:
        return "invalid_request", "Invalid parameter: acr_values" if params.get("acr_values") else "Missing parameter: acr_values"
    if not params.get("state"):
        return "invalid_request", "Missing parameter: state"
    if params.get("prompt") == "none":  # the mock keeps no single sign-on session between two clients
        return "login_required", ""
    return _pkce_problem(params)


def _pkce_problem(params: Mapping[str, str]) -> tuple[str, str] | None:
    challenge, method = params.get("code_challenge"), params.get("code_challenge_method")
    if challenge is None:
        return ("invalid_request", "Missing parameter: code_challenge") if method else None
    if method not in (None, "S256", "plain"):
        return "invalid_request", "Invalid parameter: code_challenge_method"
    if not _CHALLENGE.fullmatch(challenge):
        return "invalid_request", "Invalid parameter: code_challenge"
    return None


def authenticate(
    form: Mapping[str, str], authorization: str | None, subject: frozenset[str] | None, state: State
) -> Client:
    """The client of a back-channel request; ``subject`` is that of its TLS certificate. Raises OAuthError.

    The way is a setting of each client: the secret (Basic or form), the certificate, or both (§3).
    """
    basic = _basic(authorization)
    client_id, secret = basic if basic is not None else (form.get("client_id"), form.get("client_secret"))
    client = state.client(client_id)
    if client is None:
        raise _bad_credentials()
    if client.auth != "tls_client_auth" and not hmac.compare_digest((secret or "").encode(), client.secret.encode()):
        raise _bad_credentials()
    if client.auth != "secret":
        if subject is None:
            raise OAuthError(401, "invalid_client", "Client certificate is missing")
        if subject not in client.subjects:
            raise _bad_credentials()
    return client


def _basic(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, separator, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise _bad_credentials() from None
    if not separator:
        raise _bad_credentials()
    return unquote_plus(name), unquote_plus(secret)  # RFC 6749 §2.3.1: both are form-encoded first


def _bad_credentials() -> OAuthError:
    return OAuthError(401, "unauthorized_client", "Invalid client or Invalid client credentials")
