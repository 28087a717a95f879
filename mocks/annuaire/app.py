"""The Annuaire Santé FHIR API v2, simulated over the sandbox's population (psc-annuaire §17-§21)."""
from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from connectors.wire.serving import HttpService, Service
from mocks.annuaire.behaviour import Directory, FhirError, Search, bundle, capability, find, included, parse_search
from mocks.annuaire.parameters import PARAMETERS
from mocks.annuaire.resources import resources
from mocks.annuaire.state import State
from mocks.sandbox.tls_faults import refusable
from mocks.sandbox.web import Exchange, Reply, Routed, json_reply, routed_mock
from mocks.sandbox.world import World

BASE_PATH = "/fhir/v2"

_MEDIA = "application/fhir+json;charset=UTF-8"
_READS = ("GET", "HEAD")
_AT_THE_GATE = {"401": "Unauthorized", "403": "Forbidden", "429": "Rate limit exceeded"}
_DIAGNOSTICS = {
    "400": "Bad value for the _count parameter",
    "404": "Resource not found with id: 003-0",
    "410": "The requested page has expired",
    "500": "Unexpected error",
}


class AnnuaireMock:
    """The Annuaire mock.

    A key of the manifest may carry ``per_second``: the calls it may make each second (the real API allows 17); without it
    there is no limit, so that months can be replayed in minutes.
    unknown_status  what an unknown parameter gets: 400 as documented, 500 as the server has also been seen to answer
    """

    name = "annuaire"

    def __init__(self, world: World, *, unknown_status: int = 400) -> None:
        self._world = world
        self.unknown_status = unknown_status
        self._quotas: dict[str, int | None] = {}
        loaded = world.clock.business().astimezone(ZoneInfo("Europe/Paris")).replace(hour=4, minute=12, second=31, microsecond=0)
        self._updated = loaded.isoformat(timespec="milliseconds")
        self._loaded: tuple[int, Directory] | None = None
        self._state = State()
        self._follow()
        world.follow(self._follow)

    def _follow(self) -> None:
        self._quotas = {row["key"]: row.get("per_second") for row in self._world.manifest["annuaire_keys"]}
        self._loaded = None

    def services(self) -> list[Service]:
        app = routed_mock(self._world, self.name, _operation, self._answer, _refused)
        return [HttpService("mock-annuaire", app, refusable(self._world, self._world.server_tls(), "ANN"))]

    def state(self) -> dict[str, Any]:
        return {"resources": self._directory().counts(), "pages": len(self._state), "unknown_status": self.unknown_status}

    def reset(self) -> None:
        self._state.reset()

    def reload(self) -> None:
        """Nothing is kept on disk."""
        self.reset()

    def _answer(self, exchange: Exchange) -> Reply:
        refused = self._guard(exchange)
        if refused is not None:
            return refused
        try:
            return Reply(200, self._route(exchange), _MEDIA)
        except FhirError as error:
            return Reply(error.status, error.outcome(), _MEDIA)

    def _guard(self, exchange: Exchange) -> Reply | None:
        """What the API gateway in front of the FHIR server refuses: no key, too many calls, an address not exposed."""
        key = exchange.headers.get("esante-api-key", "")
        if key not in self._quotas:
            return _gate(401, "Unauthorized")
        quota, now = self._quotas[key], self._world.clock.real().timestamp()
        if quota is not None and not self._state.within_quota(key, quota, now):
            return _gate(429, "Rate limit exceeded")
        if not exchange.path.startswith(f"{BASE_PATH}/"):
            return _gate(404, "Not Found")
        return None

    def _route(self, exchange: Exchange) -> bytes:
        rest = exchange.path.removeprefix(f"{BASE_PATH}/")
        kind, *more = rest.split("/")
        if exchange.method == "POST" and kind in PARAMETERS and more == ["_search"]:
            return self._search(kind, "&".join(part for part in (exchange.query, _form(exchange)) if part))
        if exchange.method not in _READS:
            raise FhirError(403, "Writing is forbidden on this server")
        if rest == "metadata":
            return capability(self._base())
        if rest == "_page":
            return self._next_page(exchange.query)
        if kind not in PARAMETERS or len(more) > 1:
            known = "[" + ", ".join(sorted(PARAMETERS)) + "]"
            raise FhirError(404, f"Unknown resource type '{kind[:60]}' - Server knows how to handle: {known}", "processing")
        return self._read(f"{kind}/{more[0]}") if more else self._search(kind, exchange.query)

    def _read(self, reference: str) -> bytes:
        resource = self._directory().get(reference)
        if resource is None:
            raise FhirError(404, f"Resource not found with id: {reference.partition('/')[2][:100]}")
        return json_reply(200, resource).body

    def _search(self, kind: str, query: str) -> bytes:
        search = parse_search(kind, query, unknown_status=self.unknown_status)
        own = f"{self._base()}/{kind}" + (f"?{query}" if query else "")
        return self._page(search, 0, own)

    def _next_page(self, query: str) -> bytes:
        name = parse_qs(query).get("id", [""])[0]
        if not name:
            raise FhirError(400, "Parameter id required to fetch the next page")
        cursor = self._state.page(name, self._world.clock.real().timestamp())
        if cursor is None:
            raise FhirError(410, "The requested page has expired")
        return self._page(cursor.search, cursor.offset, f"{self._base()}/_page?id={name}")

    def _page(self, search: Search, offset: int, own: str) -> bytes:
        directory = self._directory()
        found = find(directory, search)
        page = found[offset : offset + search.count]
        following = offset + search.count
        next_page = None
        if following < len(found):
            name = self._state.open_page(search, following, self._world.clock.real().timestamp())
            next_page = f"{self._base()}/_page?id={name}"
        beside = included(directory, search, page)
        return bundle(self._base(), search, page, beside, total=len(found), own=own, next_page=next_page)

    def _directory(self) -> Directory:
        """The sandbox's people as they are now: loaded again when somebody was added or forgotten."""
        people = self._world.population
        if self._loaded is None or self._loaded[0] != people.generation:
            made = resources(self._world.manifest["structures"], people.professionals(), self._updated)
            self._loaded = (people.generation, Directory(made))
        return self._loaded[1]

    def _base(self) -> str:
        return self._world.base_url("annuaire") + BASE_PATH


def _refused(_call: Routed, code: str) -> Reply:
    """What an armed fault answers: the API gateway's words before the FHIR server's (psc-annuaire §20)."""
    if code in _AT_THE_GATE:
        return _gate(int(code), _AT_THE_GATE[code])
    error = FhirError(int(code), _DIAGNOSTICS[code])
    return Reply(error.status, error.outcome(), _MEDIA)


def _gate(status: int, message: str) -> Reply:
    retry = {"Retry-After": "1"} if status == 429 else {}
    return json_reply(status, {"message": message, "http_status_code": status}, retry)


def _operation(exchange: Exchange) -> str:
    """A search, one of its pages or a read; the rest is not recognised."""
    if not exchange.path.startswith(f"{BASE_PATH}/"):
        return "ANN.INCONNUE"
    target = exchange.path.removeprefix(f"{BASE_PATH}/")
    kind, _, rest = target.partition("/")
    if exchange.method == "POST":
        known = kind in PARAMETERS and rest == "_search"
    else:
        known = exchange.method in _READS and (target == "_page" or (kind in PARAMETERS and "/" not in rest))
    return "ANN.RECHERCHE" if known else "ANN.INCONNUE"


def _form(exchange: Exchange) -> str:
    if exchange.media_type != "application/x-www-form-urlencoded":
        raise FhirError(415, "Content-Type application/x-www-form-urlencoded is expected")
    try:
        return exchange.body.decode("ascii")
    except UnicodeDecodeError:
        raise FhirError(400, "The form is not readable") from None
