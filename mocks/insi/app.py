"""The INSi mock on its mutual-TLS listener: moves bytes, counts, and lets the armed faults act."""
from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.wire import tls
from connectors.wire.serving import HttpService, Service
from mocks.insi import behaviour, faults, wire
from mocks.insi.state import Register, Rules, State
from mocks.sandbox.faults import FAULT_HEADER, Fault
from mocks.sandbox.world import World

PATH = "/lps"
SEARCH, UNKNOWN = "INS.RECHERCHE_TRAITS", "INS.INCONNUE"

_MEDIA_TYPE = "application/soap+xml"
_CONTENT_TYPE = f"{_MEDIA_TYPE}; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"


class InsiMock:
    """INSi lot 1, search by traits, variant A (organisation certificate)."""

    name = "insi"

    def __init__(self, world: World, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._world = world
        self._sleep = sleep
        self._not_checked = ", ".join(not_checked())
        self._state = State(self._register())

    def services(self) -> list[Service]:
        pki, path = self._world.pki, self._world.path
        context = tls.server_context(
            path(pki["server"]["cert"]), path(pki["server"]["key"]),
            ca=path(pki["ca"]), crl=path(pki["crl"]), client="required",
        )  # fmt: skip
        return [HttpService("mock-insi", self.app, context)]

    def state(self) -> dict[str, Any]:
        return self._state.to_json()

    def reset(self) -> None:
        self._state = State(self._register())

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application. A request is counted once its body is read, whatever becomes of it."""
        request = Request(scope, receive)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return
        message = _message(request, body)
        searches = message is not None and message.searches_traits
        self._world.trace.received(SEARCH if searches else UNKNOWN)
        fault = self._world.faults.take(SEARCH) if searches else None
        response, delay_s = self._respond(request, message, fault)
        if delay_s:
            await self._sleep(delay_s)
        if fault is not None and fault.kind == "reset":
            await _hang_up(send)
            return
        await response(scope, receive, send)

    def _respond(self, request: Request, message: wire.Message | None, fault: Fault | None) -> tuple[Response, float]:
        """The answer and how long it waits."""
        reply = self._reply(request, message, fault)
        if isinstance(reply, behaviour.Reply):
            code, delay_s = reply.code, reply.delay_s
            response = Response(reply.body, reply.status, {"Content-Type": _CONTENT_TYPE})
        else:
            code, delay_s, response = str(reply.status_code), 0.0, reply
        self._state.answered[code] += 1
        response.headers["X-Socle-Mock"] = self.name
        if self._not_checked:
            response.headers["X-Socle-Not-Checked"] = self._not_checked
        if fault is not None:
            response.headers[FAULT_HEADER] = fault.id
            delay_s = fault.delay_s if fault.kind == "timeout" else delay_s
        return response, delay_s

    def _reply(self, request: Request, message: wire.Message | None, fault: Fault | None) -> behaviour.Reply | Response:
        if request.url.path != PATH:
            return _plain(404, f"Simulateur INSi : seul {PATH} existe.")
        if request.method != "POST":
            return _plain(405, "Simulateur INSi : POST attendu.", {"Allow": "POST"})
        if _media_type(request) != _MEDIA_TYPE:
            return _plain(415, f"Simulateur INSi : Content-Type {_MEDIA_TYPE} attendu (SOAP 1.2).")
        if message is None:
            return behaviour.plain_fault(faults.NOT_SOAP)
        if fault is not None and fault.kind == "status":
            return _plain(int(fault.value), "Simulateur INSi : panne armée.")
        if fault is not None and fault.kind == "soap":
            return behaviour.injected_fault(fault.value, message)
        return behaviour.answer(message, _common_name(request.scope), self._state.register)

    def _register(self) -> Register:
        manifest = self._world.manifest
        rules = Rules.from_json(manifest.get("insi", {}))
        return Register.of(self._world.population["persons"], idams=[manifest["idam"]], rules=rules)


def not_checked() -> list[str]:
    """Ids of the ledger's ``not-yet`` lines: what the real service checks and this mock does not."""
    ledger = tomllib.loads((Path(__file__).parent / "ledger.toml").read_text("utf-8"))
    return [row["id"] for row in ledger["behaviour"] if row.get("status") == "not-yet"]


async def _body(request: Request) -> bytes:
    """The body, read to its end but kept only up to one byte over the limit: enough for the parser to refuse it."""
    kept = bytearray()
    async for chunk in request.stream():
        kept += chunk[: wire.MAX_BYTES + 1 - len(kept)]
    return bytes(kept)


def _message(request: Request, body: bytes) -> wire.Message | None:
    """The request's SOAP message; None when there is none to read, and for any method but POST."""
    if request.method != "POST":
        return None
    try:
        return wire.read(body, wire.action_parameter(request.headers.get("content-type", "")))
    except wire.NotSoap:
        return None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(text, status, headers=headers, media_type=_PLAIN)


def _common_name(scope: Scope) -> str | None:
    """CN of the client's certificate; None when it has none or cannot be read (reference: packages §4.1)."""
    der = scope.get("extensions", {}).get("tls", {}).get("client_cert_der")
    if der is None:
        return None
    try:
        names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    return str(names[0].value) if names else None


async def _hang_up(send: Send) -> None:
    """Close without a whole answer: the server drops a connection whose announced body never comes."""
    await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"1")]})
