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
from mocks.sandbox.denied import UNKNOWN
from mocks.sandbox.tls_faults import refusable
from mocks.sandbox.viewing import ANOTHERS, EVERYBODY, View
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
        self._owners: dict[str, str] = {}  # client_id → tenant
        self._listed: tuple[int, dict[str | None, list[Person]]] = (-1, {})
        self._state = State({}, folder)
        self._follow()
        world.follow(self._follow)
        self._wallet = Wallet(self._realm, self._state, self._lines, self._known)
        self._issuer = Issuer(self._realm, self._state, self._discovery, self._userinfo)
        world.psc_claims = self.verify
        world.register_redirect = self.register_redirect

    def _follow(self) -> None:
        manifest = self._world.manifest
        self._structures = {structure["finess_et"]: structure for structure in manifest["structures"]}
        self._owners = {seed["client_id"]: seed["tenant"] for seed in manifest["psc_clients"]}
        self._state.declare({seed["client_id"]: self._client(seed) for seed in manifest["psc_clients"]})
        self._listed = (-1, {})

    def services(self) -> list[Service]:
        world = self._world
        issuer = routed_mock(world, self.name, _told_by(_ISSUER_OPERATIONS), self._issuer.answer, self._issuer.refused)
        wallet = routed_mock(world, self.name, _told_by(_WALLET_OPERATIONS), self._wallet.answer, self._wallet.refused)
        return [
            HttpService("mock-psc", issuer, refusable(world, world.server_tls(client="optional"), "PSC")),
            HttpService("mock-psc-wallet", wallet, refusable(world, world.server_tls(), "PSC")),
        ]

    def state(self, seen: View = EVERYBODY) -> dict[str, Any]:
        professionals = self._people.counts(*seen.met())["professionals"]
        return {**self._state.to_json(seen.client), "acr": self.acr, "professionals": professionals}

    def reset(self) -> None:
        self._state.reset()

    def forget(self, seen: View) -> None:
        """Sessions, codes, open pages and redirect URIs of a tenant's clients."""
        self._state.forget(seen.client)

    def redirects(self, seen: View) -> dict[str, list[str]]:
        """Redirect URIs registered for a tenant's clients, as ``put_back`` takes them."""
        return self._state.declared(seen.client)

    def put_back(self, redirects: Mapping[str, list[str]], seen: View) -> None:
        self._state.put_back(redirects, seen.client)

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

        What a resource server can know by itself: signature, issuer, kind, expiry; not whether the session still lives. A
        secret that was changed takes the tokens that it brought with it (decision 0048).
        """
        claims = unexpired(self._realm(), token, "Bearer")
        if claims is None or self._state.client(str(claims.get("azp", ""))) is None:
            return None
        return None if self._state.withdrawn.get(str(claims.get("sid", ""))) else claims

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

    def _lines(self, client_id: str) -> list[Person]:
        """Who may be chosen on the login page of a client; made again when somebody was added or forgotten."""
        if self._listed[0] != self._people.generation:
            self._listed = (self._people.generation, {})
        listed, tenant = self._listed[1], self._owners.get(client_id)
        if tenant not in listed:
            listed[tenant] = [self._line(person) for person in self._people.professionals() if self._met(client_id, person)]
        return listed[tenant]

    def _known(self, client_id: str, id_nat: str) -> bool:
        """Whether this professional may log in to this client; another tenant's does not, and that is noted."""
        person = self._people.professional(id_nat)
        if person is not None and not self._met(client_id, person):
            self._world.denied.note(self._owners.get(client_id, UNKNOWN), ANOTHERS)
            return False
        return person is not None

    def _met(self, client_id: str, person: Mapping[str, Any]) -> bool:
        """A tenant's own professionals, and those who are nobody's: a token opens the mailboxes of who logs in."""
        places = {person["structure"], *(other["structure"] for other in person.get("also_in", ()))}
        tenants = {self._structures[place]["tenant"] for place in places if place in self._structures}
        if person.get("owner"):
            tenants = {person["owner"]}
        return not tenants or self._owners.get(client_id) in tenants

    def _line(self, person: dict[str, Any]) -> Person:
        structure = self._structures.get(person["structure"])
        trade = profession_label(person["profession"]) if person["profession"] else f"identité {person['origin']}"
        return Person(
            person["id_nat"], f"{person['given']} {person['family']}", f"{structure['name']} · {trade}" if structure else trade
        )


def _told_by(operations: Mapping[str, str]) -> Callable[[Exchange], str]:
    return lambda exchange: operations.get(exchange.path, "PSC.INCONNUE")
