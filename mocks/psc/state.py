"""What the mock of Pro Santé Connect remembers: clients, open login pages, codes, sessions. Every table is bounded."""
from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast
from urllib.parse import urlsplit

import orjson

from connectors.nomenclatures.psc import SESSION_MAX_S
from mocks.sandbox.kept import read

ClientAuth = Literal["secret", "secret+cert", "tls_client_auth"]
ClientFilter = Callable[[str], bool]  # whether a client_id is meant

LOGIN_S = 300  # how long a login page may stay open
CODE_S = 60  # how long a code may wait for its exchange (psc-annuaire §4.2)
SESSION_IDLE_S = 1800

_T = TypeVar("_T")
_CAPACITY = 10_000


class Bounded(Generic[_T]):
    """A table that forgets its oldest rows beyond ``capacity``: a client that never comes back costs nothing."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._rows: OrderedDict[str, _T] = OrderedDict()
        self._capacity = capacity

    def put(self, key: str, value: _T) -> None:
        self._rows[key] = value
        self._rows.move_to_end(key)
        if len(self._rows) > self._capacity:
            self._rows.popitem(last=False)

    def get(self, key: str) -> _T | None:
        return self._rows.get(key)

    def pop(self, key: str) -> _T | None:
        return self._rows.pop(key, None)

    def drop(self, gone: Callable[[_T], bool]) -> None:
        self._rows = OrderedDict((key, row) for key, row in self._rows.items() if not gone(row))

    def values(self) -> tuple[_T, ...]:
        """Oldest first."""
        return tuple(self._rows.values())

    def clear(self) -> None:
        self._rows.clear()

    def __len__(self) -> int:
        return len(self._rows)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered service provider.

    subjects  the certificate subjects it may present, each as the set of its RDNs; order is not looked at
    """

    client_id: str
    secret: str = field(repr=False)
    redirect_uris: frozenset[str]
    auth: ClientAuth = "secret"
    subjects: frozenset[frozenset[str]] = frozenset()
    follows_business_time: bool = False

    @property
    def uuid(self) -> str:
        """Keycloak's internal id of the client: the third part of a code."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"socle:psc-client:{self.client_id}"))


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """A valid authorization request. ``challenge`` is empty when PKCE was not used."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    scope: str
    challenge: str = ""
    challenge_method: str = ""
    login_hint: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """A login page that was shown. ``browser`` is the cookie of the browser that may answer it."""

    request: AuthRequest
    browser: str
    expires: int


@dataclass(slots=True)
class Session:
    """A user's session with one client; its times follow the client's clock, in epoch seconds."""

    id: str
    client_id: str
    id_nat: str
    channel: str
    scope: str
    nonce: str
    auth_time: int
    last_used: int
    refresh_jti: str = ""  # the only refresh token still good

    def alive(self, now: int) -> bool:
        return now - self.auth_time < SESSION_MAX_S and now - self.last_used < SESSION_IDLE_S


@dataclass(slots=True)
class Code:
    """An authorization code; kept after its use, so that a replay is seen and ends the session."""

    request: AuthRequest
    session: Session
    expires: int
    used: bool = False


class InvalidRedirect(ValueError):
    """A redirect URI that cannot be registered; the text is French."""


class State:
    """The tables of the realm. Redirect URIs added by a vendor are kept on disk, the rest lives with the process."""

    def __init__(self, clients: dict[str, Client], folder: Path) -> None:
        self._seeded = clients
        self._path = folder / "redirects.json"
        self._added = self._kept()
        self.logins: Bounded[Login] = Bounded()
        self.codes: Bounded[Code] = Bounded()
        self.sessions: Bounded[Session] = Bounded(2 * _CAPACITY)
        self.revoked: Bounded[bool] = Bounded()
        self.withdrawn: Bounded[bool] = Bounded(2 * _CAPACITY)  # sessions of a secret that is no longer good

    def client(self, client_id: str | None) -> Client | None:
        return self._seeded.get(client_id) if client_id else None

    def declare(self, clients: dict[str, Client]) -> None:
        """From now on these are the clients; who is gone or has another secret loses its sessions and its codes."""
        former, self._seeded = self._seeded, clients
        gone = {name for name, client in former.items() if clients.get(name) != client}
        for session in self.sessions.values():
            if session.client_id in gone:
                self.withdrawn.put(session.id, True)
        self.sessions.drop(lambda session: session.client_id in gone)
        self.codes.drop(lambda code: code.session.client_id in gone)
        if any(name not in clients for name in self._added):
            self._keep({name: uris for name, uris in self._added.items() if name in clients})

    def redirects(self, client: Client) -> frozenset[str]:
        """Every redirect URI of a client: those of the manifest and those registered since."""
        return client.redirect_uris | frozenset(self._added.get(client.client_id, ()))

    def register_redirect(self, client_id: str, uri: str) -> None:
        """Add a redirect URI; raises InvalidRedirect. The same URI twice is one."""
        client = self._seeded.get(client_id)
        if client is None:
            raise InvalidRedirect(f"Adresse de retour refusée : aucun client « {client_id} » dans le bac à sable.")
        check_redirect(uri)
        if uri in self.redirects(client):
            return
        self._keep({**self._added, client_id: [*self._added.get(client_id, ()), uri]})

    def _keep(self, added: dict[str, list[str]]) -> None:
        self._added = added
        partial = self._path.with_suffix(".new")
        partial.write_bytes(orjson.dumps(self._added))
        partial.replace(self._path)

    def reset(self) -> None:
        """Back to a new sandbox; redirect URIs added by hand are forgotten too."""
        self._path.unlink(missing_ok=True)
        self.reload()

    def reload(self) -> None:
        """The redirect URIs that are on disk; sessions are not kept there, so they end."""
        for table in (self.logins, self.codes, self.sessions, self.revoked):
            table.clear()
        self._added = self._kept()

    def _kept(self) -> dict[str, list[str]]:
        kept: dict[str, list[str]] = read(self._path) if self._path.exists() else {}
        return kept

    def forget(self, mine: ClientFilter) -> None:
        """What these clients have opened and declared."""
        self.logins.drop(lambda login: mine(login.request.client_id))
        self.codes.drop(lambda code: mine(code.request.client_id))
        self.sessions.drop(lambda session: mine(session.client_id))
        self.put_back({}, mine)

    def declared(self, mine: ClientFilter) -> dict[str, list[str]]:
        """The redirect URIs registered for these clients."""
        return {name: uris for name, uris in self._added.items() if mine(name)}

    def put_back(self, added: Mapping[str, list[str]], mine: ClientFilter) -> None:
        """These redirect URIs in place of those that were registered for these clients."""
        others = {name: uris for name, uris in self._added.items() if not mine(name)}
        kept = {**others, **{name: list(uris) for name, uris in added.items() if mine(name)}}
        if kept != self._added:
            self._keep(kept)

    def to_json(self, mine: ClientFilter = lambda _client_id: True) -> dict[str, Any]:
        """Of these clients alone."""
        return {
            "clients": {
                name: {"auth": client.auth, "redirect_uris": sorted(self.redirects(client))}
                for name, client in self._seeded.items() if mine(name)
            },
            "logins": sum(mine(one.request.client_id) for one in self.logins.values()),
            "codes": sum(mine(one.request.client_id) for one in self.codes.values()),
            "sessions": sum(mine(one.client_id) for one in self.sessions.values()),
        }  # fmt: skip


def check_redirect(uri: str) -> None:
    """An absolute address without fragment or wildcard; plain HTTP on this machine only. Raises InvalidRedirect."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        raise InvalidRedirect("Adresse de retour refusée : ce n'est pas une URL.") from None
    if not uri.isascii():
        raise InvalidRedirect("Adresse de retour refusée : des caractères ASCII seulement ; codez les autres (%C3%A9, xn--…).")
    if parts.scheme not in ("https", "http") or not host or len(uri) > 2000 or any(ord(char) <= 32 for char in uri):
        raise InvalidRedirect("Adresse de retour refusée : une URL absolue en https est attendue.")
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        raise InvalidRedirect("Adresse de retour refusée : http n'est admis que vers localhost ; utilisez https.")
    if parts.fragment or "#" in uri or "*" in uri:
        raise InvalidRedirect("Adresse de retour refusée : ni fragment ni joker, l'adresse est comparée telle quelle.")


def client_from(seed: dict[str, Any], subjects: frozenset[frozenset[str]]) -> Client:
    """A client of the manifest (docs/architecture.md, ``psc_clients``)."""
    return Client(
        client_id=seed["client_id"],
        secret=seed.get("client_secret") or "",
        redirect_uris=frozenset(seed["redirect_uris"]),
        auth=cast("ClientAuth", seed["auth"]),
        subjects=subjects,
        follows_business_time=bool(seed.get("follows_business_time", False)),
    )
