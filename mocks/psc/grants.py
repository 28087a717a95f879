"""Sessions and tokens: login, code exchange, refresh, introspection, revocation (psc-annuaire §4.2, §5, §7, §10)."""
from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from connectors.nomenclatures.psc import SESSION_MAX_S
from mocks.psc.behaviour import OAuthError
from mocks.psc.identity import subject_claims
from mocks.psc.keys import RealmKeys
from mocks.psc.state import CODE_S, SESSION_IDLE_S, AuthRequest, Client, Code, Session, State

ACCESS_TOKEN_S = 120
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1

#: Grants that Keycloak advertises and Pro Santé Connect does not open by default, with Keycloak's refusals.
_CLOSED_GRANTS = {
    "password": "Client not allowed for direct access grants",
    "client_credentials": "Client not enabled to retrieve service account",
    "urn:openid:params:grant-type:ciba": "Client not allowed OIDC CIBA Grant",
    "urn:ietf:params:oauth:grant-type:device_code": "Client is not allowed to initiate OAuth 2.0 Device Authorization Grant",
}


@dataclass(frozen=True, slots=True)
class Realm:
    """What signs and checks tokens.

    professional  a person of the population by idNat_PS
    now           the time of a client in epoch seconds: real, or business when it follows it (design §7)
    acr           the level written in tokens, None to leave it out (§9)
    """

    issuer: str
    keys: RealmKeys
    professional: Callable[[str], dict[str, Any] | None]
    now: Callable[[str], int]
    acr: str | None = "eidas1"


def open_session(realm: Realm, state: State, request: AuthRequest, id_nat: str, channel: str) -> tuple[str, Session]:
    """A user has identified himself: the session and its code, three identifiers joined by dots."""
    now = realm.now(request.client_id)
    session = Session(str(uuid.uuid4()), request.client_id, id_nat, channel, request.scope, request.nonce, now, now)
    client = state.client(request.client_id)
    assert client is not None
    code = f"{uuid.uuid4()}.{session.id}.{client.uuid}"
    state.sessions.put(session.id, session)
    state.codes.put(code, Code(request, session, now + CODE_S))
    return code, session


def grant(realm: Realm, state: State, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """The token endpoint, once the client is authenticated. Raises OAuthError."""
    now = realm.now(client.client_id)
    kind = form.get("grant_type")
    if not kind:
        raise OAuthError(400, "invalid_request", "Missing form parameter: grant_type")
    if kind in _CLOSED_GRANTS:
        raise OAuthError(400, "unauthorized_client", _CLOSED_GRANTS[kind])
    if kind == "authorization_code":
        session = _redeem(state, client, form, now)
    elif kind == "refresh_token":
        session = _refresh(realm, state, client, form, now)
    else:
        raise OAuthError(400, "unsupported_grant_type", "Unsupported grant_type")
    session.last_used = now
    return _issue(realm, session, now)


def _redeem(state: State, client: Client, form: Mapping[str, str], now: int) -> Session:
    name = form.get("code")
    if not name:
        raise OAuthError(400, "invalid_request", "Missing parameter: code")
    code = state.codes.get(name)
    if code is None:
        raise OAuthError(400, "invalid_grant", "Code not valid")
    if code.used:
        state.sessions.pop(code.session.id)  # a code seen twice was stolen: whoever holds its tokens loses them
        raise OAuthError(400, "invalid_grant", "Code not valid")
    code.used = True
    if now >= code.expires or code.request.client_id != client.client_id:
        raise OAuthError(400, "invalid_grant", "Code not valid")
    if form.get("redirect_uri") != code.request.redirect_uri:
        raise OAuthError(400, "invalid_grant", "Incorrect redirect_uri")
    _check_verifier(code.request, form.get("code_verifier"))
    if state.sessions.get(code.session.id) is None:  # closed before its code came back
        raise OAuthError(400, "invalid_grant", "Session not active")
    return code.session


def _check_verifier(request: AuthRequest, verifier: str | None) -> None:
    if not request.challenge:
        return
    if not verifier:
        raise OAuthError(400, "invalid_grant", "PKCE code verifier not specified")
    digest = _b64(hashlib.sha256(verifier.encode()).digest())
    proof = digest if request.challenge_method == "S256" else verifier
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(proof.encode(), request.challenge.encode()):
        raise OAuthError(400, "invalid_grant", "PKCE verification failed")


def _refresh(realm: Realm, state: State, client: Client, form: Mapping[str, str], now: int) -> Session:
    token = form.get("refresh_token")
    if not token:
        raise OAuthError(400, "invalid_request", "No refresh token")
    claims = decode(realm, token)
    if claims is None or claims.get("typ") != "Refresh":
        raise OAuthError(400, "invalid_grant", "Invalid refresh token")
    if claims["azp"] != client.client_id:
        raise OAuthError(400, "invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
    if claims["exp"] <= now:
        raise OAuthError(400, "invalid_grant", "Token is not active")
    session = state.sessions.get(claims["sid"])
    if session is None or not session.alive(now):
        raise OAuthError(400, "invalid_grant", "Session not active")
    if session.refresh_jti != claims["jti"]:
        raise OAuthError(400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
    return session


def _issue(realm: Realm, session: Session, now: int) -> dict[str, Any]:
    """A token response in Keycloak's shape (§5.1); the access token has no ``aud``."""
    professional = realm.professional(session.id_nat)
    if professional is None:  # added to the sandbox, then forgotten
        raise OAuthError(400, "invalid_grant", "Session not active")
    refresh_s = min(SESSION_IDLE_S, session.auth_time + SESSION_MAX_S - now)
    base = {
        "iat": now, "iss": realm.issuer, "azp": session.client_id, "session_state": session.id, "sid": session.id,
        "nonce": session.nonce,
    }  # fmt: skip
    identity = {
        **base, "exp": now + ACCESS_TOKEN_S, "auth_time": session.auth_time, **subject_claims(professional, session.channel),
        **({"acr": realm.acr} if realm.acr is not None else {}),
    }  # fmt: skip
    access = _sign(realm, {**identity, "jti": str(uuid.uuid4()), "typ": "Bearer", "scope": session.scope})
    session.refresh_jti = str(uuid.uuid4())
    refresh = _sign(realm, {
        **base, "exp": now + refresh_s, "jti": session.refresh_jti, "aud": realm.issuer, "sub": identity["sub"],
        "typ": "Refresh", "scope": session.scope,
    })  # fmt: skip
    names = {"given_name": professional["given"], "family_name": professional["family"]}
    id_token = _sign(realm, {
        **identity, "jti": str(uuid.uuid4()), "aud": session.client_id, "typ": "ID", **names,
        "at_hash": _b64(hashlib.sha256(access.encode()).digest()[:16]),
    })  # fmt: skip
    return {
        "access_token": access, "expires_in": ACCESS_TOKEN_S, "refresh_expires_in": refresh_s, "refresh_token": refresh,
        "token_type": "Bearer", "id_token": id_token, "not-before-policy": 0, "session_state": session.id,
        "scope": session.scope,
    }  # fmt: skip


def decode(realm: Realm, token: str) -> dict[str, Any] | None:
    """The claims of a token that this realm signed, expired or not; None for anything else."""
    try:
        claims: dict[str, Any] = jwt.decode(token, realm.keys.public, algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        return None
    return claims if claims.get("iss") == realm.issuer else None


def unexpired(realm: Realm, token: str, *kinds: str) -> dict[str, Any] | None:
    """The claims of a token of one of these kinds (``typ``), signed here and not expired: all that a signature can tell."""
    claims = decode(realm, token)
    if claims is None or claims.get("typ") not in kinds or claims["exp"] <= realm.now(claims["azp"]):
        return None
    return claims


def active(realm: Realm, state: State, token: str, *kinds: str) -> tuple[dict[str, Any], Session] | None:
    """The claims and session of an unexpired token that was not revoked and whose session lives; None otherwise."""
    claims = unexpired(realm, token, *kinds)
    if claims is None or state.revoked.get(claims["jti"]):
        return None
    session = state.sessions.get(claims["sid"])
    return (claims, session) if session is not None and session.alive(realm.now(claims["azp"])) else None


def introspect(realm: Realm, state: State, token: str) -> dict[str, Any]:
    """The introspection answer (§7.1); ``SubjectNameID`` only for an access token."""
    found = active(realm, state, token, "Bearer", "Refresh")
    if found is None:
        return {"active": False}
    claims, session = found
    answer = {**claims, "client_id": session.client_id, "username": session.id_nat, "active": True}
    return {**answer, "email_verified": False} if claims["typ"] == "Bearer" else answer


def revoke(realm: Realm, state: State, client: Client, token: str) -> None:
    """Forget an access token, or end the session of a refresh token; anything else is passed over (RFC 7009 §2.2)."""
    claims = decode(realm, token)
    if claims is None or claims.get("azp") != client.client_id:
        return
    if claims.get("typ") == "Refresh":
        state.sessions.pop(claims["sid"])
    else:
        state.revoked.put(claims["jti"], True)


def _sign(realm: Realm, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": realm.keys.kid}, claims, realm.keys.signing)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
