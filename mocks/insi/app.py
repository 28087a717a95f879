"""The INSi mock on its two listeners, over one state: recognises requests, and lets the armed faults act."""
from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from connectors.wire.serving import HttpService, Service
from connectors.wire.tls import Stamp, stamp
from mocks.insi import assertion, behaviour, faults, scenarios, wire
from mocks.insi.callers import ByAssertion, ByCertificate, Caller
from mocks.insi.lots import Lots
from mocks.insi.operations import UNKNOWN
from mocks.insi.rules import Rules
from mocks.insi.state import Register, State
from mocks.sandbox.authority import struct_id_of
from mocks.sandbox.faults import Fault
from mocks.sandbox.signatures import Trust
from mocks.sandbox.tls_faults import refusable
from mocks.sandbox.web import Exchange, Reply, WebMock, plain_reply
from mocks.sandbox.world import World

PATH = "/lps"

_MEDIA_TYPE = "application/soap+xml"
_CONTENT_TYPE = f"{_MEDIA_TYPE}; charset=utf-8"
#: Whose cards sign assertions: the authority of persons and its list, which the sandbox makes for the first who asks.
_PERSONS = ("pki/persons.pem", "pki/crl-persons.pem")


@dataclass(slots=True)
class _Call:
    """One request. ``message`` None: there is no SOAP message to read, or the method is not POST."""

    exchange: Exchange
    message: wire.Message | None = field(repr=False)

    @property
    def operation(self) -> str:
        operation = None if self.message is None else self.message.operation
        return UNKNOWN if operation is None else operation.id

    @property
    def scenario(self) -> str | None:
        return self.exchange.headers.get(scenarios.HEADER)


class InsiMock:
    """INSi: variant A (organisation certificate) on mutual TLS, variants B and C (assertion) on server TLS alone.

    app, one_way  the application of each listener
    """

    name = "insi"

    def __init__(self, world: World, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Raises InvalidSwitch, DamagedState."""
        self._world = world
        self._state = State(self._register())
        self._lists_read: tuple[Stamp | None, ...] = ()
        self._trust = Trust(())
        self.app = self._application(_certificate, lambda _call: None, sleep)
        self.one_way = self._application(self._assertion, self._card, sleep)

    def services(self) -> list[Service]:
        world = self._world
        return [
            HttpService("mock-insi", self.app, refusable(world, world.server_tls(client="required"), "INS")),
            HttpService("mock-insi-oneway", self.one_way, refusable(world, world.server_tls(), "INS")),
        ]

    @property
    def lots(self) -> Lots:
        return self._state.register.lots

    def state(self) -> dict[str, Any]:
        return self._state.to_json()

    def reset(self) -> None:
        self.lots.clear()
        self.reload()

    def reload(self) -> None:
        """Read again what is on disk: it was put back there."""
        self._state = State(self._register())

    def _application(
        self, caller: Callable[[Exchange], Caller], signer: Callable[[_Call], str | None],
        sleep: Callable[[float], Awaitable[object]],
    ) -> WebMock[_Call]:  # fmt: skip
        return WebMock(
            self._world, self.name, _read, lambda call, fault: self._answer(call, caller, fault), max_body=wire.MAX_BYTES,
            signer=signer, sleep=sleep, persons=lambda call: behaviour.sought(call.message, self._state.register),
        )  # fmt: skip

    def _answer(self, call: _Call, caller: Callable[[Exchange], Caller], fault: Fault | None) -> Reply:
        reply = _refused(call) or self._decided(call, caller, fault)
        if isinstance(reply, behaviour.Reply):
            self._state.answered[reply.code] += 1
            body = wire.clean(reply.body) if self._state.register.rules.style == "clean" else reply.body
            return Reply(reply.status, body, _CONTENT_TYPE, delay_s=reply.delay_s, code=reply.code)
        self._state.answered[str(reply.status)] += 1
        return reply

    def _decided(self, call: _Call, caller: Callable[[Exchange], Caller], fault: Fault | None) -> behaviour.Reply | Reply:
        if call.message is None:
            return behaviour.plain_fault(faults.NOT_SOAP)
        if fault is not None and fault.kind == "status":
            return plain_reply(int(fault.value), "Simulateur INSi : panne armée.")
        if fault is not None and fault.code is not None:
            return behaviour.forced(fault.code, call.message)
        clock = self._world.clock
        here = scenarios.Circumstances(clock.real(), clock.business(), call.scenario)
        return behaviour.answer(call.message, caller(call.exchange), self._state.register, here)

    def _assertion(self, exchange: Exchange) -> ByAssertion:
        scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
        return ByAssertion(self._trusted(), self._world.psc_claims(token.strip()) if scheme.lower() == "bearer" else None)

    def _card(self, call: _Call) -> str | None:
        return None if call.message is None else assertion.card_of(call.message.security, self._trusted())

    def _trusted(self) -> Trust:
        """Who may sign, by the authority and its list as they are published now; nobody before there is one."""
        authority, crl = map(self._world.path, _PERSONS)
        published = (stamp(authority), stamp(crl))
        if published != self._lists_read:
            self._trust = Trust.from_files(authority, crl) if None not in published else Trust(())
            self._lists_read = published
        return self._trust

    def _register(self) -> Register:
        manifest = self._world.manifest
        rules, lots = Rules.from_json(manifest.get("insi", {})), Lots(self._world.state_folder(self.name) / "lots")
        dice = random.Random(f"{manifest['seed']}:insi")
        return Register(frozenset([manifest["idam"]]), self._world.population, rules, lots, dice)


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
    operation = None if call.message is None else call.message.operation
    if operation is not None and call.scenario is not None and call.scenario not in scenarios.possible(operation):
        possible = ", ".join(scenarios.possible(operation))
        return plain_reply(400, f"Simulateur INSi : X-Mock-Scenario inconnu pour {operation.id} ; possibles : {possible}.")
    return None


def _certificate(exchange: Exchange) -> ByCertificate:
    return ByCertificate(None) if exchange.client_der is None else _named(exchange.client_der)


@lru_cache(maxsize=256)  # a client shows the same one at each call, and reading it costs more than the rest of the search
def _named(der: bytes) -> ByCertificate:
    """CN and OU of a client's certificate (reference: packages §4.1)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return ByCertificate(str(names[0].value) if names else None, struct_id_of(certificate))
    except ValueError:
        return ByCertificate(None)
