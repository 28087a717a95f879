"""The realm's discovery document: every address is a door of the gateway (psc-annuaire §2.2, design §8)."""
from __future__ import annotations

from typing import Any

from connectors.nomenclatures.psc import PROTOCOL, WALLET_PATH

_HASHES = [f"{family}{size}" for family in ("PS", "RS", "ES", "HS") for size in (256, 384, 512)]
_CLIENT_AUTH = ["private_key_jwt", "client_secret_basic", "client_secret_post", "tls_client_auth", "client_secret_jwt"]

#: What Keycloak advertises; more than Pro Santé Connect opens to a service provider.
_ADVERTISED: dict[str, Any] = {
    "grant_types_supported": [
        "authorization_code", "implicit", "refresh_token", "password", "client_credentials",
        "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code",
    ],
    "acr_values_supported": ["0", "0"],
    "response_types_supported": [
        "code", "none", "id_token", "token", "id_token token", "code id_token", "code token", "code id_token token",
    ],
    "subject_types_supported": ["public", "pairwise"],
    "response_modes_supported": ["query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"],
    "id_token_signing_alg_values_supported": _HASHES,
    "userinfo_signing_alg_values_supported": [*_HASHES, "none"],
    "token_endpoint_auth_methods_supported": _CLIENT_AUTH,
    "introspection_endpoint_auth_methods_supported": _CLIENT_AUTH,
    "claims_supported": [
        "aud", "sub", "iss", "auth_time", "name", "given_name", "family_name", "preferred_username", "email", "acr",
    ],
    "claim_types_supported": ["normal"],
    "claims_parameter_supported": True,
    "scopes_supported": [
        "openid", "microprofile-jwt", "rpps", "referentiel", "web-origins", "basic", "identity", "acr", "offline_access",
        "eidas1", "profile", "roles", "email", "scope_all", "phone", "interop", "scope_1", "address", "scope_2", "eidas2",
    ],
    "request_parameter_supported": True,
    "request_uri_parameter_supported": True,
    "require_request_uri_registration": True,
    "code_challenge_methods_supported": ["plain", "S256"],
    "tls_client_certificate_bound_access_tokens": True,
    "frontchannel_logout_supported": True,
    "frontchannel_logout_session_supported": True,
    "backchannel_logout_supported": True,
    "backchannel_logout_session_supported": True,
    "backchannel_token_delivery_modes_supported": ["poll", "ping"],
    "require_pushed_authorization_requests": False,
    "authorization_response_iss_parameter_supported": True,
}  # fmt: skip

_MTLS_ALIASES = (
    "token_endpoint", "revocation_endpoint", "introspection_endpoint", "device_authorization_endpoint",
    "registration_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint",
    "backchannel_authentication_endpoint",
)  # fmt: skip


def document(issuer: str, wallet: str) -> dict[str, Any]:
    """The discovery document. ``issuer`` ends with the realm; ``wallet`` is the base of the browser's door."""
    protocol = issuer + PROTOCOL
    endpoints = {
        "authorization_endpoint": wallet + WALLET_PATH,
        "token_endpoint": f"{protocol}/token",
        "introspection_endpoint": f"{protocol}/token/introspect",
        "userinfo_endpoint": f"{protocol}/userinfo",
        "end_session_endpoint": f"{protocol}/logout",
        "jwks_uri": f"{protocol}/certs",
        "check_session_iframe": f"{protocol}/login-status-iframe.html",
        "registration_endpoint": f"{issuer}/clients-registrations/openid-connect",
        "revocation_endpoint": f"{protocol}/revoke",
        "device_authorization_endpoint": f"{protocol}/auth/device",
        "backchannel_authentication_endpoint": f"{protocol}/ext/ciba/auth",
        "pushed_authorization_request_endpoint": f"{protocol}/ext/par/request",
    }
    aliases = {"mtls_endpoint_aliases": {name: endpoints[name] for name in _MTLS_ALIASES}}
    return {"issuer": issuer, **endpoints, **_ADVERTISED, **aliases}
