"""The INSi mock on its mutual-TLS listener: recognises requests, and lets the armed faults act."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from connectors.wire.serving import HttpService, Service
from mocks.insi import behaviour, faults, wire
from mocks.insi.state import Register, Rules, State
from mocks.sandbox.faults import Fault
from mocks.sandbox.tls_faults import refusable
from mocks.sandbox.web import Exchange, Reply, WebMock, plain_reply
from mocks.sandbox.world import World

PATH = "/lps"
SEARCH, UNKNOWN = "INS.RECHERCHE_TRAITS", "INS.INCONNUE"

_MEDIA_TYPE = "application/soap+xml"
_CONTENT_TYPE = f"{_MEDIA_TYPE}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Call:
    """One request. ``message`` None: there is no SOAP message to read, or the method is not POST."""

    exchange: Exchange
    message: wire.Message | None = field(repr=False)

    @property
    def operation(self) -> str:
        return SEARCH if self.message is not None and self.message.searches_traits else UNKNOWN


class InsiMock:
    """INSi lot 1, search by traits, variant A (organisation certificate)."""

    name = "insi"

    def __init__(self, world: World, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._world = world
        self._state = State(self._register())
        self.app = WebMock(
            world, self.name, _read, self._answer, max_body=wire.MAX_BYTES, sleep=sleep,
            persons=lambda call: behaviour.sought(call.message, self._state.register),
        )  # fmt: skip

    def services(self) -> list[Service]:
        return [HttpService("mock-insi", self.app, refusable(self._world, self._world.server_tls(client="required"), "INS"))]

    def state(self) -> dict[str, Any]:
        return self._state.to_json()

    def reset(self) -> None:
        self._state = State(self._register())

    def reload(self) -> None:
        """Nothing is kept on disk."""
        self.reset()

    def _answer(self, call: _Call, fault: Fault | None) -> Reply:
        reply = _refused(call) or self._decided(call, fault)
        if isinstance(reply, behaviour.Reply):
            self._state.answered[reply.code] += 1
            return Reply(reply.status, reply.body, _CONTENT_TYPE, delay_s=reply.delay_s, code=reply.code)
        self._state.answered[str(reply.status)] += 1
        return reply

    def _decided(self, call: _Call, fault: Fault | None) -> behaviour.Reply | Reply:
        if call.message is None:
            return behaviour.plain_fault(faults.NOT_SOAP)
        if fault is not None and fault.kind == "status":
            return plain_reply(int(fault.value), "Simulateur INSi : panne armée.")
        if fault is not None and fault.code is not None:
            return behaviour.injected_fault(fault.code, call.message)
        return behaviour.answer(call.message, _common_name(call.exchange.client_der), self._state.register)

    def _register(self) -> Register:
        manifest = self._world.manifest
        rules = Rules.from_json(manifest.get("insi", {}))
        return Register(frozenset([manifest["idam"]]), self._world.population, rules)


def _read(exchange: Exchange) -> _Call:
    """The operation comes from the message alone, so that a wrong path or media type does not change what is counted."""
    if exchange.method != "POST":
        return _Call(exchange, None)
    try:
        return _Call(exchange, wire.read(exchange.body, wire.action_parameter(exchange.headers.get("content-type", ""))))
    except wire.NotSoap:
        return _Call(exchange, None)


def _refused(call: _Call) -> Reply | None:
    """What HTTP alone refuses."""
    exchange = call.exchange
    if exchange.decoded_path != PATH:
        return plain_reply(404, f"Simulateur INSi : seul {PATH} existe.")
    if exchange.method != "POST":
        return plain_reply(405, "Simulateur INSi : POST attendu.", {"Allow": "POST"})
    if exchange.media_type != _MEDIA_TYPE:
        return plain_reply(415, f"Simulateur INSi : Content-Type {_MEDIA_TYPE} attendu (SOAP 1.2).")
    return None


def _common_name(der: bytes | None) -> str | None:
    """CN of the client's certificate; None when it has none or cannot be read (reference: packages §4.1)."""
    if der is None:
        return None
    try:
        names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    return str(names[0].value) if names else None
