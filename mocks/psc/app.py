"""Pro Santé Connect, simulated: an issuer and a wallet, each on its listener (psc-annuaire §2-§10).

The issuer's listener asks for a client certificate without requiring it; the wallet's never asks (§3).
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509

from connectors.nomenclatures.annuaire import profession_label
from connectors.nomenclatures.psc import REALM_PATH, WALLET_PATH
from connectors.wire.serving import HttpService, Service
from mocks.psc.discovery import document
from mocks.psc.grants import Realm, unexpired
from mocks.psc.identity import userinfo
from mocks.psc.issuer import CERTS_PATH, DISCOVERY_PATHS, TOKEN_PATH, USERINFO_PATH, Issuer, rdns
from mocks.psc.keys import load_keys
from mocks.psc.state import Client, Session, State, client_from
from mocks.psc.wallet import LOGIN_PATH, Person, Wallet
from mocks.sandbox.tls_faults import refusable
from mocks.sandbox.web import Exchange, routed_mock
from mocks.sandbox.world import World

#: Which operation a request is, by its path alone; anything else is PSC.INCONNUE.
_ISSUER_OPERATIONS = {TOKEN_PATH: "PSC.TOKEN", USERINFO_PATH: "PSC.USERINFO", CERTS_PATH: "PSC.DISCOVERY"} | dict.fromkeys(
    DISCOVERY_PATHS, "PSC.DISCOVERY"
)
_WALLET_OPERATIONS = {WALLET_PATH: "PSC.AUTHORIZE", LOGIN_PATH: "PSC.LOGIN"}


class PscMock:
    """The PSC mock. ``acr`` is the level that its tokens carry, None for none (psc-annuaire §9)."""

    name = "psc"

    def __init__(self, world: World, *, acr: str | None = "eidas1") -> None:
        self._world = world
        self.acr = acr
        folder = world.state_folder(self.name)
        self._keys = load_keys(folder, world.clock)
        self._structures: dict[str, dict[str, Any]] = {}
        self._people = world.population
        self._listed: tuple[int, list[Person]] = (-1, [])
        self._state = State({}, folder)
        self._follow()
        world.follow(self._follow)
        self._wallet = Wallet(self._realm, self._state, self._lines)
        self._issuer = Issuer(self._realm, self._state, self._discovery, self._userinfo)
        world.psc_claims = self.verify
        world.register_redirect = self.register_redirect

    def _follow(self) -> None:
        manifest = self._world.manifest
        self._structures = {structure["finess_et"]: structure for structure in manifest["structures"]}
        self._state.declare({seed["client_id"]: self._client(seed) for seed in manifest["psc_clients"]})
        self._listed = (-1, [])

    def services(self) -> list[Service]:
        world = self._world
        issuer = routed_mock(world, self.name, _told_by(_ISSUER_OPERATIONS), self._issuer.answer, self._issuer.refused)
        wallet = routed_mock(world, self.name, _told_by(_WALLET_OPERATIONS), self._wallet.answer, self._wallet.refused)
        return [
            HttpService("mock-psc", issuer, refusable(world, world.server_tls(client="optional"), "PSC")),
            HttpService("mock-psc-wallet", wallet, refusable(world, world.server_tls(), "PSC")),
        ]

    def state(self) -> dict[str, Any]:
        return {**self._state.to_json(), "acr": self.acr, "professionals": self._people.counts()["professionals"]}

    def reset(self) -> None:
        self._state.reset()

    def reload(self) -> None:
        """Read again what is on disk: it was put back there."""
        self._state.reload()

    def register_redirect(self, client_id: str, uri: str) -> None:
        """Let a client come back to ``uri``; kept across restarts. Raises InvalidRedirect (French text)."""
        self._state.register_redirect(client_id, uri)

    def sessions(self) -> list[tuple[Session, bool]]:
        """The open sessions, oldest first, each with whether it still lives for its client."""
        return [(one, one.alive(self._now(one.client_id))) for one in self._state.sessions.values()]

    def end_session(self, session_id: str) -> bool:
        """Close a session as its user would elsewhere; False when there is none of this id."""
        return self._state.sessions.pop(session_id) is not None

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token that this realm signed for a client it knows and that has not expired, or None.

        What a resource server can know by itself: signature, issuer, kind, expiry; not whether the session still lives.
        """
        claims = unexpired(self._realm(), token, "Bearer")
        return claims if claims is not None and self._state.client(str(claims.get("azp", ""))) is not None else None

    def _realm(self) -> Realm:
        issuer = self._world.base_url("psc") + REALM_PATH
        return Realm(issuer, self._keys, self._people.professional, self._now, self.acr)

    def _now(self, client_id: str) -> int:
        client, clock = self._state.client(client_id), self._world.clock
        return int((clock.business() if client is not None and client.follows_business_time else clock.real()).timestamp())

    def _discovery(self) -> dict[str, Any]:
        return document(self._realm().issuer, self._world.base_url("psc-wallet"))

    def _userinfo(self, id_nat: str, channel: str) -> dict[str, Any]:
        person = self._people.professional(id_nat)
        if person is None:
            raise KeyError("a professional who is no longer in the population")
        return userinfo(person, self._structures, channel)

    def _client(self, seed: dict[str, Any]) -> Client:
        subjects: set[frozenset[str]] = set()
        if seed["auth"] != "secret":
            own = [structure for structure in self._world.manifest["structures"] if structure["tenant"] == seed["tenant"]]
            pems = [self._world.path(structure["auth_cli"]["cert"]).read_bytes() for structure in own]
            subjects = {rdns(x509.load_pem_x509_certificate(pem)) for pem in pems}
        return client_from(seed, frozenset(subjects))

    def _lines(self) -> list[Person]:
        """Who may be chosen on the login page; made again when somebody was added or forgotten."""
        if self._listed[0] != self._people.generation:
            self._listed = (self._people.generation, [self._line(person) for person in self._people.professionals()])
        return self._listed[1]

    def _line(self, person: dict[str, Any]) -> Person:
        structure = self._structures.get(person["structure"])
        trade = profession_label(person["profession"]) if person["profession"] else f"identité {person['origin']}"
        return Person(
            person["id_nat"], f"{person['given']} {person['family']}", f"{structure['name']} · {trade}" if structure else trade
        )


def _told_by(operations: Mapping[str, str]) -> Callable[[Exchange], str]:
    return lambda exchange: operations.get(exchange.path, "PSC.INCONNUE")
