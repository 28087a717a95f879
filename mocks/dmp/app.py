"""The DMP mock on its mutual-TLS 1.2 listener: moves bytes, counts, keeps, and lets the armed faults act."""
from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.wire import tls
from connectors.wire.serving import HttpService, Service
from mocks.dmp import answers, behaviour, frame, multipart, vihf
from mocks.dmp.behaviour import Policy, Registry
from mocks.dmp.checks import Error
from mocks.dmp.frame import Faulted, Message
from mocks.dmp.state import Documents, People
from mocks.sandbox.faults import FAULT_HEADER, Fault
from mocks.sandbox.trace import hashed
from mocks.sandbox.world import World

BASE_PATH = "/si-dmp-server/v2/services/"
MAX_BODY = 64 * 1024 * 1024  # ours: the limit of the DMP is not published (§9.1)

_SOAP_TYPE = "application/soap+xml"
_ENDPOINTS = ("patients", "repository", "registry")
_PLAIN = "text/plain; charset=utf-8"


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
        self._sleep = sleep
        self._not_checked = ", ".join(not_checked())
        self._policy = read_policy(world.manifest.get("dmp", {}))
        pki = world.pki
        self._trust = vihf.Trust.from_files(
            world.path(pki["ca"]), world.path(pki["crl"]), accept_sha1=self._policy.accept_sha1
        )
        self.documents = Documents(world.state_folder(self.name))
        self._structures = frozenset(row["struct_id"] for row in world.manifest["structures"])
        self._people = People(world.population["persons"])

    def services(self) -> list[Service]:
        pki, path = self._world.pki, self._world.path
        context = tls.server_context(
            path(pki["server"]["cert"]), path(pki["server"]["key"]),
            ca=path(pki["ca"]), crl=path(pki["crl"]), client="required", profile="dmp",
        )  # fmt: skip
        return [HttpService("mock-dmp", self.app, context)]

    def state(self) -> dict[str, Any]:
        return {**self.documents.counts(), "ins_oids": sorted(self._policy.ins_oids), "accept_sha1": self._policy.accept_sha1}

    def reset(self) -> None:
        self.documents.clear()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application. A request is counted once its body is read, whatever becomes of it."""
        request = Request(scope, receive)
        try:
            call = _read(request, await _body(request))
        except ClientDisconnect:
            return
        self._world.trace.received(call.operation)
        fault = self._world.faults.take(call.operation)
        response = self._respond(call, fault)
        if fault is not None and fault.kind == "timeout":
            await self._sleep(fault.delay_s)
        if fault is not None and fault.kind == "reset":
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"1")]})
            return  # the server drops a connection whose announced body never comes
        await response(scope, receive, send)

    def _respond(self, call: _Call, fault: Fault | None) -> Response:
        try:
            response = _refused(call) or self._injected(call, fault) or self._answer(call)
        except Faulted as error:
            response = _soap(500, frame.fault(error, call.relates_to))
        response.headers["X-Socle-Mock"] = self.name
        response.headers["X-Socle-Not-Checked"] = self._not_checked
        if fault is not None:
            response.headers[FAULT_HEADER] = fault.id
        return response

    def _answer(self, call: _Call) -> Response:
        """Frame, then VIHF, then rights and content (§22.2). What is accepted is on disk before the answer exists."""
        if call.broken is not None or call.message is None:
            raise call.broken or Faulted("Sender", "Message illisible.")
        message = call.message
        frame.check_addressing(message)
        behaviour.check_endpoint(call.path.removeprefix(BASE_PATH), message)
        clock = self._world.clock
        identity = vihf.check(message.assertion, self._trust, clock.real())
        registry = Registry(self._people, self._structures, self.documents.knows, self.documents.find, self._policy)
        reply = behaviour.decide(registry, message, identity, clock.business())
        if reply.stored:
            self.documents.add(list(reply.stored))
            self._world.trace.held(reply.operation, hashed(str(reply.set_id)))
        return _soap(200, _enveloped(call, reply.body))

    def _injected(self, call: _Call, fault: Fault | None) -> Response | None:
        """What an armed fault answers in place of the service; None when it lets the service act."""
        if fault is None or fault.kind not in ("status", "soap"):
            return None
        if fault.kind == "status":
            return _plain(int(fault.value), "Simulateur DMP : panne armée.")
        if call.operation == "DMP.TD2.1" and fault.value.startswith("XDS"):
            return _soap(200, _enveloped(call, answers.registry([Error(fault.value, "panne armée")])))
        raise Faulted("Receiver", "Simulateur DMP : panne armée.", fault.value)


def read_policy(wanted: dict[str, Any]) -> Policy:
    """The policy of a manifest's ``dmp`` object; what is absent keeps its default."""
    default = Policy()
    oids = frozenset(wanted["ins_oids"]) if "ins_oids" in wanted else default.ins_oids
    return Policy(oids, bool(wanted.get("accept_sha1", default.accept_sha1)))


def not_checked() -> list[str]:
    """Ids of the ledger's ``not-yet`` lines: what the real service checks or does and this mock does not."""
    ledger = tomllib.loads((Path(__file__).parent / "ledger.toml").read_text("utf-8"))
    return [row["id"] for row in ledger["behaviour"] if row.get("status") == "not-yet"]


def _read(request: Request, body: bytes) -> _Call:
    """The operation comes from the message alone, so that a wrong path or media type does not change what is counted."""
    content_type = request.headers.get("content-type", "")
    media_type = multipart.media_type(content_type)
    try:
        message = frame.read(content_type, body)
    except Faulted as error:
        return _Call(request.method, request.url.path, media_type, None, error)
    return _Call(request.method, request.url.path, media_type, message)


def _refused(call: _Call) -> Response | None:
    """What HTTP alone refuses."""
    if call.path not in [BASE_PATH + one for one in _ENDPOINTS]:
        return _plain(404, f"Simulateur DMP : les points d'accès sont {BASE_PATH} suivi de {', '.join(_ENDPOINTS)}.")
    if call.method != "POST":
        response = _plain(405, "Simulateur DMP : POST attendu.")
        response.headers["Allow"] = "POST"
        return response
    if call.media_type not in (_SOAP_TYPE, "multipart/related"):
        return _plain(415, f"Simulateur DMP : Content-Type {_SOAP_TYPE} ou multipart/related attendu (SOAP 1.2).")
    return None


def _enveloped(call: _Call, body: str) -> bytes:
    return frame.answer(body, action=frame.ANSWER_ACTIONS[call.operation], relates_to=call.relates_to)


async def _body(request: Request) -> bytes:
    """The body, read to its end but kept only up to one byte over the limit: a cut message is refused as such."""
    kept = bytearray()
    async for chunk in request.stream():
        kept += chunk[: MAX_BODY + 1 - len(kept)]
    return bytes(kept)


def _soap(status: int, body: bytes) -> Response:
    return Response(body, status, {"Content-Type": f"{_SOAP_TYPE}; charset=UTF-8"})


def _plain(status: int, text: str) -> Response:
    return Response(text, status, media_type=_PLAIN)
