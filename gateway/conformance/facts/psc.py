"""Facts of Pro Santé Connect's channels: which flow, which parameters, never their values (psc-annuaire §3, §4)."""
from __future__ import annotations

from urllib.parse import parse_qsl

import orjson

from connectors.nomenclatures.psc import ACR_LEVELS, SCOPES
from gateway.conformance.facts.classes import class_of
from gateway.conformance.facts.identity import OTHER
from gateway.conformance.facts.places import ACR_VALUES, GRANT_TYPE, RESPONSE_TYPE
from gateway.conformance.model import Eyes, FactValues, Made, Message

_RESPONSE_TYPES = frozenset({"code", "token", "id_token"})
_GRANTS = {
    "authorization_code": "authorization_code", "refresh_token": "refresh_token", "password": "password",
    "client_credentials": "client_credentials", "urn:openid:params:grant-type:ciba": "ciba",
}  # fmt: skip
_METHODS = frozenset({"S256", "plain"})


def authorize_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """A request sent by the browser. ``twice`` names the parameters given more than once."""
    pairs = _pairs(message.target.partition("?")[2].partition("#")[0])
    fields = dict(reversed(pairs))
    types = fields.get("response_type", "").split()
    scopes = fields.get("scope", "").split()
    method = fields.get("code_challenge_method")
    made.show(RESPONSE_TYPE, fields.get("response_type"))
    made.show(ACR_VALUES, fields.get("acr_values"))
    made.values.update(
        response_types=[one if one in _RESPONSE_TYPES else OTHER for one in types],
        scopes=[one for one in scopes if one in SCOPES],
        acr=_acr(fields.get("acr_values")),
        state=_token(fields.get("state"), "psc.state", eyes),
        nonce=_token(fields.get("nonce"), "psc.nonce", eyes),
        redirect_uri=_digest(fields.get("redirect_uri"), "psc.redirect", eyes),
        pkce=method if method is None or method in _METHODS else OTHER,
        client=_digest(fields.get("client_id"), "psc.client", eyes),
        twice=sorted({name for name, _ in pairs if [one for one, _ in pairs].count(name) > 1} & _NAMED),
    )


def token_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """A token request. ``client_auth``: mtls, basic, post or none."""
    fields = dict(reversed(_pairs(message.request.decode("latin-1"))))
    authorization = (message.header("authorization") or "").partition(" ")[0].lower()
    if authorization == "basic":
        auth = "basic"
    elif fields.get("client_secret"):
        auth = "post"
    else:
        auth = "mtls" if message.client_certificate else "none"
    grant = fields.get("grant_type")
    made.show(GRANT_TYPE, grant)
    made.values.update(
        grant=None if grant is None else _GRANTS.get(grant, OTHER),
        client_auth=auth,
        code=_digest(fields.get("code"), "psc.code", eyes),
        redirect_uri=_digest(fields.get("redirect_uri"), "psc.redirect", eyes),
        verifier="code_verifier" in fields,
        answer=_answer(message),
    )


_NAMED = frozenset({"response_type", "client_id", "redirect_uri", "scope", "acr_values", "state", "nonce"})


def _answer(message: Message) -> FactValues:
    try:
        said = orjson.loads(message.response)
    except orjson.JSONDecodeError:
        said = None
    expires = said.get("expires_in") if isinstance(said, dict) else None
    return {"status": message.status, "expires_in": expires if isinstance(expires, int) else None}


def _acr(value: str | None) -> FactValues:
    words = (value or "").split()
    return {"levels": [one if one in ACR_LEVELS else OTHER for one in words], "class": class_of(value)}


def _token(value: str | None, kind: str, eyes: Eyes) -> FactValues:
    return {"present": bool(value), "length": len(value or ""), "digest": _digest(value, kind, eyes)}


def _digest(value: str | None, kind: str, eyes: Eyes) -> str | None:
    return eyes.digest(kind, value) if value else None


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return []
