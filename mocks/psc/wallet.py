"""The browser's side: authorization request, login page, and the way back to the client (psc-annuaire §4, §10)."""
from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from connectors.nomenclatures.psc import CHANNELS, WALLET_PATH
from mocks.psc.behaviour import DuplicateParameter, PageError, RedirectError, authorize, callback, parse_form
from mocks.psc.grants import Realm, open_session
from mocks.psc.state import LOGIN_S, AuthRequest, Login, State
from mocks.sandbox.web import Exchange, Reply, Routed

LOGIN_PATH = f"{WALLET_PATH}/login"
#: Headless logins: the identifier of the professional, optionally followed by ``;MOBILE``. The real service ignores it.
LOGIN_HEADER = "x-socle-login"
COOKIE = "AUTH_SESSION_ID"

_SHOWN = 40
_PAGES = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
_SAFE = {
    "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
}  # fmt: skip
_UNKNOWN = "Identifiant inconnu du bac à sable : choisissez un professionnel de la liste ou vérifiez le numéro saisi."
_EXPIRED = PageError("expired_code", "Cette page n'est plus valable : relancez la connexion depuis votre logiciel.")


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the login page."""

    id_nat: str
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Wallet:
    """The pages, and what answering them does to the realm.

    people  whom a client's page proposes
    known   whether a professional may log in to a client, both by their identifiers
    """

    realm: Callable[[], Realm]
    state: State
    people: Callable[[str], list[Person]]
    known: Callable[[str, str], bool]

    def answer(self, exchange: Exchange) -> Reply:
        if exchange.path == WALLET_PATH:
            return self._authorize(exchange) if exchange.method == "GET" else Reply(405, headers={"Allow": "GET"})
        if exchange.path == LOGIN_PATH:
            return self._login(exchange) if exchange.method == "POST" else Reply(405, headers={"Allow": "POST"})
        return error_page(404, PageError("", "Cette adresse n'existe pas chez Pro Santé Connect."))

    def refused(self, call: Routed, code: str) -> Reply:
        """What an armed fault makes of a request: back to the client with this OAuth error, when there is a way back."""
        outcome = self._judged(call.exchange)
        if isinstance(outcome, AuthRequest):
            return self._back(RedirectError(outcome.redirect_uri, outcome.state, code))
        return outcome

    def _judged(self, exchange: Exchange) -> AuthRequest | Reply:
        """The request, or the answer to one that is not good."""
        try:
            params = parse_form(exchange.query)
        except ValueError as error:
            reason = "duplicated parameter" if isinstance(error, DuplicateParameter) else "Invalid request"
            return error_page(400, PageError(reason, "La demande répète un paramètre ou n'est pas lisible."))
        outcome = authorize(params, self.state)
        if isinstance(outcome, PageError):
            return error_page(400, outcome)
        return self._back(outcome) if isinstance(outcome, RedirectError) else outcome

    def _authorize(self, exchange: Exchange) -> Reply:
        outcome = self._judged(exchange)
        if isinstance(outcome, Reply):
            return outcome
        headless = exchange.headers.get(LOGIN_HEADER)
        if headless is not None:
            return self._identify_headless(outcome, headless)
        browser = _cookies(exchange).get(COOKIE) or str(uuid.uuid4())
        login_id = str(uuid.uuid4())
        self.state.logins.put(login_id, Login(outcome, browser, self.realm().now(outcome.client_id) + LOGIN_S))
        reply = self._page(outcome, login_id)
        reply.headers["Set-Cookie"] = f"{COOKIE}={browser}; Path={WALLET_PATH}; Secure; HttpOnly; SameSite=None"
        return reply

    def _identify_headless(self, request: AuthRequest, header: str) -> Reply:
        id_nat, _, channel = header.partition(";")
        if not self.known(request.client_id, id_nat.strip()):
            return error_page(400, PageError("user_not_found", _UNKNOWN))
        return self._connected(request, id_nat.strip(), channel.strip() or CHANNELS[0])

    def _login(self, exchange: Exchange) -> Reply:
        try:
            form = parse_form(exchange.body.decode())
        except ValueError:
            return error_page(400, PageError("Invalid request", "Le formulaire n'est pas lisible."))
        login_id = form.get("login_id", "")
        login = self.state.logins.get(login_id)
        if login is None or self.realm().now(login.request.client_id) >= login.expires:
            return error_page(400, _EXPIRED)
        if _cookies(exchange).get(COOKIE) != login.browser:
            return error_page(400, PageError(
                "cookie_not_found",
                "Cette page a été ouverte par un autre navigateur, ou les cookies sont refusés : relancez la connexion.",
            ))  # fmt: skip
        if form.get("action") == "cancel":
            self.state.logins.pop(login_id)
            request = login.request
            return self._back(RedirectError(request.redirect_uri, request.state, "access_denied", "User cancelled"))
        return self._identify(login_id, login, form)

    def _identify(self, login_id: str, login: Login, form: Mapping[str, str]) -> Reply:
        id_nat = form.get("other", "").strip() or form.get("identity", "")
        if not self.known(login.request.client_id, id_nat):
            problem = _UNKNOWN if id_nat else "Choisissez un professionnel de test ou saisissez un identifiant."
            return self._page(login.request, login_id, problem=problem, typed=form.get("other", ""))
        self.state.logins.pop(login_id)
        return self._connected(login.request, id_nat, form.get("channel", CHANNELS[0]))

    def _connected(self, request: AuthRequest, id_nat: str, channel: str) -> Reply:
        if channel not in CHANNELS:
            return error_page(400, PageError("Invalid parameter: channel", "Le moyen d'identification est CARD ou MOBILE."))
        realm = self.realm()
        code, session = open_session(realm, self.state, request, id_nat, channel)
        answer = {"state": request.state, "session_state": session.id, "iss": realm.issuer, "code": code}
        return _redirect(callback(request.redirect_uri, **answer))

    def _back(self, error: RedirectError) -> Reply:
        answer = {"error": error.error, "error_description": error.description, "state": error.state, "iss": self.realm().issuer}
        return _redirect(callback(error.redirect_uri, **answer), error.error)

    def _page(self, request: AuthRequest, login_id: str, *, problem: str = "", typed: str = "") -> Reply:
        people = self.people(request.client_id)
        listed = {person.id_nat for person in people[:_SHOWN]}
        hint = request.login_hint
        return _html(200, "login.html", {
            "action": f"{LOGIN_PATH}?client_id={quote(request.client_id, safe='')}",
            "client_id": request.client_id, "login_id": login_id, "problem": problem,
            "people": people[:_SHOWN], "hidden_people": max(0, len(people) - _SHOWN),
            "chosen": hint if hint in listed else "", "other": typed or ("" if hint in listed else hint),
        })  # fmt: skip


def logged_out() -> Reply:
    return _html(200, "message.html", {"heading": "Vous êtes déconnecté", "text": "La session Pro Santé Connect est fermée."})


def error_page(status: int, error: PageError) -> Reply:
    """What a browser sees when it cannot be sent back to the client."""
    page = {"heading": "Connexion impossible", "text": error.text, "reason": error.reason}
    return _html(status, "message.html", page, error.reason)


def _html(status: int, template: str, values: dict[str, Any], code: str = "") -> Reply:
    body = _PAGES.get_template(template).render(values).encode()
    return Reply(status, body, "text/html;charset=utf-8", dict(_SAFE), code=code)


def _redirect(location: str, code: str = "") -> Reply:
    return Reply(302, b"", "text/html;charset=utf-8", {"Location": location, **_SAFE}, code=code)


def _cookies(exchange: Exchange) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in exchange.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name}
