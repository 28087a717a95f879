"""The native door of Pro Santé Connect: issuer (back channel) and wallet (browser) (design §8; psc-annuaire §2, §4, §10).

The door never authorises: an unknown client is relayed, the service refuses it. Codes, tokens, secrets and cookies are
read in memory only, to learn who calls; the operations keep no body.
"""
from __future__ import annotations

import base64
import re
from html import escape
from urllib.parse import parse_qsl, unquote_plus

import orjson

from connectors.nomenclatures.psc import PROTOCOL, REALM_PATH, STANDARD_DISCOVERY, WALLET_DISCOVERY, WALLET_PATH
from connectors.wire.http import Answer
from gateway.access.callers import UNKNOWN, Access, Caller
from gateway.access.tokens import bearing_client, claims, json_object
from gateway.journal.record import Intent, Named, Outcome, Record
from gateway.operations import Service
from gateway.road import Refusal, Request

WALLET_LISTENER = "psc-wallet"

_TOKEN = f"{REALM_PATH}{PROTOCOL}/token"
_USERINFO = f"{REALM_PATH}{PROTOCOL}/userinfo"
_ISSUER_OPERATIONS = {
    _TOKEN: "PSC.TOKEN",
    _USERINFO: "PSC.USERINFO",
    REALM_PATH + WALLET_DISCOVERY: "PSC.DISCOVERY",
    REALM_PATH + STANDARD_DISCOVERY: "PSC.DISCOVERY",
    f"{REALM_PATH}{PROTOCOL}/certs": "PSC.DISCOVERY",
}
#: Known addresses that have no operation of their own yet: nothing to reproach the vendor with.
_ISSUER_KNOWN = {f"{_TOKEN}/introspect", f"{REALM_PATH}{PROTOCOL}/revoke", f"{REALM_PATH}{PROTOCOL}/logout"}
_WALLET_OPERATIONS = {WALLET_PATH: "PSC.AUTHORIZE", f"{WALLET_PATH}/login": "PSC.LOGIN"}

#: Whose fault an OAuth error is. What the user decided (access_denied, login_required) is nobody's.
_FLAGS = {
    "unauthorized_client": "V-PSC-CLIENT", "invalid_client": "V-PSC-CLIENT",
    "invalid_grant": "V-PSC-CODE", "invalid_token": "V-JETON",
    "invalid_request": "V-PSC-REQUETE", "invalid_scope": "V-PSC-REQUETE", "unsupported_response_type": "V-PSC-REQUETE",
    "unsupported_grant_type": "V-PSC-REQUETE", "request_not_supported": "V-PSC-REQUETE", "insufficient_scope": "V-PSC-REQUETE",
    "server_error": "N-INDISPONIBLE", "temporarily_unavailable": "N-INDISPONIBLE",
}  # fmt: skip


_PAGE = (
    '<!doctype html><html lang="fr"><meta charset="utf-8"><title>Connexion impossible</title>'
    "<h1>Connexion impossible</h1><p>{text}</p><p>Motif : <code>{flag}</code></p></html>"
)
_CODE = re.compile(r"[a-z_]{1,40}")


class PscDoor:
    """``issuer`` and ``wallet`` are the bases of the service, without path: scheme, host and port."""

    service: Service = "PSC"
    lends_identity = True  # the back channel may be mutual TLS: what the DUI proves here is presented there

    def __init__(self, issuer: str, wallet: str) -> None:
        self._issuer, self._wallet = issuer.rstrip("/"), wallet.rstrip("/")

    def identify(self, request: Request, access: Access) -> Caller:
        """By certificate, else by what the service reads to know its client, else by what anybody may write in an address."""
        caller = access.by_certificate(request.client_der)
        if caller is not UNKNOWN:
            return caller
        client_id = _client_id(request)
        return access.by_client_id(client_id) if client_id else UNKNOWN

    def upstream(self, request: Request) -> str:
        return (self._wallet if request.listener == WALLET_LISTENER else self._issuer) + request.target

    def read(self, request: Request, record: Record, caller: Caller) -> Intent | None:
        """The path alone says which operation it is; none has a side effect."""
        path = request.target.partition("?")[0]
        operations = _WALLET_OPERATIONS if request.listener == WALLET_LISTENER else _ISSUER_OPERATIONS
        record.operation = operations.get(path, "PSC.INCONNUE")
        if path not in operations and path not in _ISSUER_KNOWN:
            record.flag("V-CHEMIN")
        return None

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        """Outcome by HTTP status and OAuth error; the professional from UserInfo or the id token."""
        error = _oauth_error(answer)
        record.service_code = error or f"HTTP {answer.status}"
        if answer.status >= 500:
            record.outcome = "failed"
            record.flag("N-INDISPONIBLE")
        elif error is not None:
            record.outcome = _refused_as(answer.status, _FLAGS.get(error))
            if error in _FLAGS:
                record.flag(_FLAGS[error])
        elif answer.status >= 400:
            _page_refusal(record, answer.status)
        elif record.operation == "PSC.LOGIN" and not 300 <= answer.status < 400:
            record.outcome = "refused"  # the page is shown again: nobody was identified
        else:
            record.outcome = "ok"
            record.professional = _professional(record.operation, answer)

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        """An OAuth error in JSON; an HTML page where a browser waits."""
        headers = [(b"cache-control", b"no-store"), (b"x-socle-fault", refusal.flag.encode("ascii"))]
        if refusal.status == 503:
            headers.append((b"retry-after", b"5"))
        if request.listener == WALLET_LISTENER:
            page = _PAGE.format(text=escape(refusal.text), flag=escape(refusal.flag))
            return Answer(refusal.status, [(b"content-type", b"text/html;charset=utf-8"), *headers], page.encode())
        error = "temporarily_unavailable" if refusal.status >= 500 else "invalid_request"
        body = orjson.dumps({"error": error, "error_description": refusal.text})
        return Answer(refusal.status, [(b"content-type", b"application/json"), *headers], body)


def _refused_as(status: int, flag: str | None) -> Outcome:
    if flag == "V-PSC-REQUETE":
        return "invalid"
    return "unauthorised" if status == 401 else "refused"


def _page_refusal(record: Record, status: int) -> None:
    """A refusal without OAuth error: a page (wrong client_id or redirect URI, stale form), a method, an address."""
    record.outcome = "unauthorised" if status == 401 else "invalid"
    if record.operation == "PSC.AUTHORIZE":
        record.flag("V-PSC-REDIRECTION")
    elif record.operation != "PSC.INCONNUE":
        record.flag("V-PSC-REQUETE")


# --- who calls ------------------------------------------------------------------------------------------------------


def _client_id(request: Request) -> str | None:
    authorization = request.header("authorization") or ""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        return _basic_user(value)
    named = bearing_client(authorization)
    if named is None and (request.header("content-type") or "").lower().startswith("application/x-www-form-urlencoded"):
        named = _field(request.body.decode("latin-1"), "client_id")
    return _field(_query(request.target), "client_id") if named is None else named


def _basic_user(encoded: str) -> str | None:
    try:
        return unquote_plus(base64.b64decode(encoded.strip(), validate=True).decode("latin-1").partition(":")[0])
    except ValueError:
        return None


def _query(url: str) -> str:
    """The query of any address, well formed or not."""
    return url.partition("#")[0].partition("?")[2]


def _field(text: str, name: str) -> str | None:
    try:
        return dict(parse_qsl(text, max_num_fields=100)).get(name)
    except ValueError:
        return None


# --- what the service said --------------------------------------------------------------------------------------------


def _oauth_error(answer: Answer) -> str | None:
    """The OAuth error code of an answer: in its JSON, its Location or its WWW-Authenticate; None when there is none."""
    location = answer.header("location")
    if 300 <= answer.status < 400 and location is not None:
        return _code(_field(_query(location), "error"))
    if answer.status < 400:
        return None
    in_header = (answer.header("www-authenticate") or "").partition('error="')[2].partition('"')[0]
    return _code(json_object(answer.readable()).get("error")) or _code(in_header)


def _code(value: object) -> str | None:
    """An OAuth error code, or None: free text of the service is not a code and does not enter the journal."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _professional(operation: str | None, answer: Answer) -> Named | None:
    if operation == "PSC.USERINFO":
        is_jwt = (answer.header("content-type") or "").startswith("application/jwt")
        told = claims(answer.readable().decode("latin-1")) if is_jwt else json_object(answer.readable())
    elif operation == "PSC.TOKEN":
        told = claims(_text(json_object(answer.readable()).get("id_token")) or "")
    else:
        return None
    subject = _text(told.get("SubjectNameID"))
    return Named("professional", subject) if subject else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
