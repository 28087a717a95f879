"""The DMP mock on its mutual-TLS 1.2 listener: recognises requests, keeps, and lets the armed faults act."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from connectors.wire.serving import HttpService, Service
from connectors.wire.tls import Stamp, stamp
from mocks.dmp import behaviour, frame, injected, multipart, vihf
from mocks.dmp.behaviour import Policy, Registry
from mocks.dmp.frame import Faulted, Message
from mocks.dmp.state import Documents, People, Stored
from mocks.sandbox.faults import Fault
from mocks.sandbox.signatures import Trust
from mocks.sandbox.tls_faults import refusable
from mocks.sandbox.trace import hashed
from mocks.sandbox.viewing import ANOTHERS, EVERYBODY, View
from mocks.sandbox.web import Exchange, Reply, WebMock, plain_reply
from mocks.sandbox.whose import whose
from mocks.sandbox.world import World

BASE_PATH = "/si-dmp-server/v2/services/"
MAX_BODY = 64 * 1024 * 1024  # ours: the limit of the DMP is not published (§9.1)

_SOAP_TYPE = "application/soap+xml"
_ENDPOINTS = ("patients", "repository", "registry")


@dataclass(frozen=True, slots=True)
class _Call:
    """One request as read. ``message`` None: nothing to read, and ``broken`` says why."""

    method: str
    path: str
    media_type: str
    message: Message | None = field(repr=False)
    broken: Faulted | None = None

    @property
    def operation(self) -> str:
        return frame.UNKNOWN if self.message is None else self.message.operation

    @property
    def relates_to(self) -> str | None:
        return None if self.message is None else self.message.message_id


class DmpMock:
    """SI DMP in INDIRECTE mode: existence test, feeding, search of a reference."""

    name = "dmp"

    def __init__(self, world: World, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """The manifest's optional ``dmp`` object sets the policy: ``{"ins_oids": […], "accept_sha1": bool}``."""
        self._world = world
        self._policy = read_policy(world.manifest.get("dmp", {}))
        self._lists_read: Stamp | None = None
        self.documents = Documents(world.state_folder(self.name))
        self._owners: dict[str, str] = {}  # struct_id of every active structure → its tenant
        self._follow()
        world.follow(self._follow)
        self._people = People(world.population)
        self.app = WebMock(world, self.name, _read, self._respond, max_body=MAX_BODY, sleep=sleep, persons=_persons)

    def _follow(self) -> None:
        self._owners = {row["struct_id"]: row.get("tenant", "") for row in self._world.manifest["structures"]}

    def services(self) -> list[Service]:
        tls = self._world.server_tls(client="required", profile="dmp")
        return [HttpService("mock-dmp", self.app, refusable(self._world, tls, "DMP"))]

    def state(self, seen: View = EVERYBODY) -> dict[str, Any]:
        counts = self.documents.counts(lambda one: seen.structure(one.struct_id))
        return {**counts, "ins_oids": sorted(self._policy.ins_oids), "accept_sha1": self._policy.accept_sha1}

    def reset(self) -> None:
        self.documents.clear()

    def reload(self) -> None:
        """Read again what is on disk: it was put back there."""
        self.documents = Documents(self._world.state_folder(self.name))

    def _respond(self, call: _Call, fault: Fault | None) -> Reply:
        try:
            return _refused(call) or self._injected(call, fault) or self._answer(call)
        except Faulted as error:
            return _soap(500, frame.fault(error, call.relates_to), error.subcode or error.role)

    def _injected(self, call: _Call, fault: Fault | None) -> Reply | None:
        """What an armed fault answers in place of the service; None when it lets the service act."""
        if fault is not None and fault.kind == "status":
            return plain_reply(int(fault.value), "Simulateur DMP : panne armée.")
        if fault is None or fault.code is None or call.message is None:
            return None
        body = injected.refusal(call.message, fault.code, self._world.clock.business())
        if body is None:
            raise Faulted("Sender", "Simulateur DMP : panne armée.", fault.code)
        return _soap(200, _enveloped(call, body), fault.code)

    def _trusted(self) -> Trust:
        """Who may sign, by the lists as they are published now."""
        ca, crl = (self._world.path(self._world.pki[name]) for name in ("ca", "crl"))
        published = stamp(crl)
        if published is not None and published != self._lists_read:
            self._trust = Trust.from_files(ca, crl)
            self._lists_read = published
        return self._trust

    def _answer(self, call: _Call) -> Reply:
        """Frame, then VIHF, then rights and content (§22.2). What is accepted is on disk before the answer exists."""
        if call.broken is not None or call.message is None:
            raise call.broken or Faulted("Sender", "Message illisible.")
        message = call.message
        frame.check_addressing(message)
        behaviour.check_endpoint(call.path.removeprefix(BASE_PATH), message)
        clock = self._world.clock
        identity = vihf.check(message.assertion, self._trusted(), clock.real(), accept_sha1=self._policy.accept_sha1)
        owner = self._owners.get(identity.struct_id)
        if owner is not None and whose() not in (None, owner):
            self._deny(str(whose()))
            raise behaviour.denied("la structure du VIHF n'est pas à l'éditeur du certificat présenté (bac à sable)")
        found = partial(self._found, owner)
        registry = Registry(self._people, frozenset(self._owners), self.documents.knows, found, self._policy)
        reply = behaviour.decide(registry, message, identity, clock.business())
        if reply.stored:
            self.documents.add(list(reply.stored))
            self._world.trace.held(reply.operation, hashed(str(reply.set_id)))
        return _soap(200, _enveloped(call, reply.body), reply.code)

    def _found(self, owner: str | None, unique_ids: Iterable[str], matricule: str) -> list[Stored]:
        """What another tenant of the sandbox fed is not there for this one (decision 0055)."""
        found = self.documents.find(unique_ids, matricule)
        shown = [one for one in found if self._owners.get(one.struct_id) in (None, owner)]
        if owner is not None and len(shown) < len(found):
            self._deny(owner)
        return shown

    def _deny(self, tenant: str) -> None:
        self._world.denied.note(tenant, ANOTHERS)


def read_policy(wanted: dict[str, Any]) -> Policy:
    """The policy of a manifest's ``dmp`` object; what is absent keeps its default."""
    default = Policy()
    oids = frozenset(wanted["ins_oids"]) if "ins_oids" in wanted else default.ins_oids
    return Policy(oids, bool(wanted.get("accept_sha1", default.accept_sha1)))


def _read(exchange: Exchange) -> _Call:
    """The operation comes from the message alone, so that a wrong path or media type does not change what is counted."""
    content_type = exchange.headers.get("content-type", "")
    message, broken = None, None
    try:
        message = frame.read(content_type, exchange.body)
    except Faulted as error:
        broken = error
    return _Call(exchange.method, exchange.decoded_path, multipart.media_type(content_type), message, broken)


def _refused(call: _Call) -> Reply | None:
    """What HTTP alone refuses."""
    if call.path not in [BASE_PATH + one for one in _ENDPOINTS]:
        return plain_reply(404, f"Simulateur DMP : les points d'accès sont {BASE_PATH} suivi de {', '.join(_ENDPOINTS)}.")
    if call.method != "POST":
        return plain_reply(405, "Simulateur DMP : POST attendu.", {"Allow": "POST"})
    if call.media_type not in (_SOAP_TYPE, "multipart/related"):
        return plain_reply(415, f"Simulateur DMP : Content-Type {_SOAP_TYPE} ou multipart/related attendu (SOAP 1.2).")
    return None


def _persons(call: _Call) -> list[str]:
    return [] if call.message is None else injected.patients(call.message)


def _enveloped(call: _Call, body: str) -> bytes:
    return frame.answer(body, action=frame.ANSWER_ACTIONS[call.operation], relates_to=call.relates_to)


def _soap(status: int, body: bytes, code: str) -> Reply:
    return Reply(status, body, f"{_SOAP_TYPE}; charset=UTF-8", code=code)
