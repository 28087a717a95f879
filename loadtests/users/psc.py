"""Pro Santé Connect as a DUI and its browser play it: authorization, login page, token, UserInfo (psc-annuaire §4 to §6)."""
from __future__ import annotations

import base64
import hashlib
import random
import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson

from connectors.nomenclatures.psc import ACR_REQUESTED, PROTOCOL, REALM_PATH, SCOPES, WALLET_PATH
from connectors.wire.http import Answer
from loadtests import failures
from loadtests.calls import HttpCall, Reading
from loadtests.world import Professional, PscClient, World

_FORM = [(b"content-type", b"application/x-www-form-urlencoded")]
_ACTION = re.compile(r'<form[^>]*\saction="([^"]+)"')
_LOGIN_ID = re.compile(r'name="login_id"\s+value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Page:
    """The login page as a browser keeps it: where its form goes, its hidden field, its cookie."""

    action: str
    login_id: str = field(repr=False)
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PscUser:
    """One login of one professional. ``draw`` makes state, nonce and PKCE verifier: test values, not secrets."""

    world: World
    professional: Professional
    draw: random.Random

    @property
    def _client(self) -> PscClient:
        return self.world.psc_of(self.professional)

    def authorize(self) -> tuple[HttpCall, str]:
        """The request that opens the login page, and the PKCE verifier kept for the token."""
        verifier, state = _word(self.draw), _word(self.draw)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode({
            "response_type": "code", "client_id": self._client.client_id, "redirect_uri": self._client.redirect_uri,
            "scope": " ".join(SCOPES), "acr_values": ACR_REQUESTED, "state": state, "nonce": _word(self.draw),
            "code_challenge": challenge, "code_challenge_method": "S256",
        })  # fmt: skip
        return HttpCall("PSC.AUTHORIZE", "psc-wallet", "GET", f"{WALLET_PATH}?{query}", read_page), verifier

    def login(self, page: Page) -> HttpCall:
        """The form of the page, sent by the browser that opened it."""
        form = urlencode({
            "login_id": page.login_id, "other": self.professional.id_nat, "channel": "CARD", "action": "connect",
        })  # fmt: skip
        headers = [*_FORM, (b"cookie", page.cookie.encode("ascii"))]
        return HttpCall("PSC.LOGIN", "psc-wallet", "POST", page.action, read_code, headers, form.encode())

    def token(self, code: str, verifier: str) -> HttpCall:
        form = urlencode({
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._client.redirect_uri,
            "client_id": self._client.client_id, "client_secret": self._client.client_secret, "code_verifier": verifier,
        })  # fmt: skip
        return HttpCall("PSC.TOKEN", "psc", "POST", f"{REALM_PATH}{PROTOCOL}/token", read_token, _FORM, form.encode())

    def userinfo(self, token: str) -> HttpCall:
        """The identity, to be the one who logged in: anything else is a failure."""
        headers = [(b"authorization", f"Bearer {token}".encode("ascii"))]
        return HttpCall("PSC.USERINFO", "psc", "GET", f"{REALM_PATH}{PROTOCOL}/userinfo", self._read_userinfo, headers)

    def _read_userinfo(self, answer: Answer) -> Reading:
        if answer.status != 200:
            return Reading(f"HTTP {answer.status}", failures.OTHER)
        known = orjson.loads(answer.body).get("SubjectNameID") == self.professional.id_nat
        return Reading("HTTP 200", None if known else failures.OTHER)


def read_page(answer: Answer) -> Reading:
    """The login page: 200 with its form and its cookie."""
    text = answer.body.decode("utf-8")
    action, login_id, cookie = _ACTION.search(text), _LOGIN_ID.search(text), answer.header("set-cookie")
    if answer.status != 200 or action is None or login_id is None or cookie is None:
        return Reading(f"HTTP {answer.status}", failures.OTHER)
    return Reading("HTTP 200", None, Page(unescape(action[1]), unescape(login_id[1]), cookie.partition(";")[0]))


def read_code(answer: Answer) -> Reading:
    """The way back to the DUI: 302 with the code in the query."""
    query = parse_qs(urlsplit(answer.header("location") or "").query)
    if answer.status != 302 or "code" not in query:
        return Reading(f"HTTP {answer.status}", failures.OTHER)
    return Reading("HTTP 302", None, query["code"][0])


def read_token(answer: Answer) -> Reading:
    body = orjson.loads(answer.body)
    if answer.status != 200:
        return Reading(str(body.get("error", answer.status)), failures.OTHER)
    return Reading("HTTP 200", None, body["access_token"])


def _word(draw: random.Random) -> str:
    return base64.urlsafe_b64encode(draw.randbytes(36)).decode("ascii")
