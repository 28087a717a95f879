"""One HTTP request and its reply, for every mock that speaks HTTP: reading, faults, headers, sending. No protocol decision."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote
from weakref import WeakSet

import orjson

from mocks.sandbox.faults import FAULT_HEADER, Fault
from mocks.sandbox.http_pipe import HttpPipe, raw_answer
from mocks.sandbox.ledger import not_checked
from mocks.sandbox.malformed import announced_length, malform
from mocks.sandbox.network_faults import ON_THE_PIPE, play
from mocks.sandbox.who import Callers, Who
from mocks.sandbox.whose import answer_for
from mocks.sandbox.world import World

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 64 * 1024  # of a request that carries a form or a search
PLAIN = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Exchange:
    """One request. ``path`` and ``query`` are as sent, still percent-encoded.

    body        read to its end but kept only up to one byte over the mock's limit: enough to see that it is too long
    client_der  the client's certificate, None when it showed none
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)  # names in lower case; the first of each
    body: bytes = field(repr=False)
    client_der: bytes | None = field(default=None, repr=False)

    @property
    def decoded_path(self) -> str:
        return unquote(self.path)

    @property
    def media_type(self) -> str:
        """Of the Content-Type, in lower case and without parameters; empty when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(slots=True)
class Reply:
    """``delay_s``: how long the service takes to answer so. ``code``: its own, for the requests that are shown."""

    status: int
    body: bytes = b""
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    code: str = ""


def json_reply(status: int, value: Any, headers: dict[str, str] | None = None, *, code: str = "") -> Reply:
    return Reply(status, orjson.dumps(value), headers=dict(headers or {}), code=code)


def plain_reply(status: int, text: str, headers: dict[str, str] | None = None) -> Reply:
    """What HTTP alone refuses; ``text`` is French."""
    return Reply(status, text.encode(), PLAIN, dict(headers or {}))


class Recognised(Protocol):
    """A request whose operation is known."""

    @property
    def operation(self) -> str: ...


_Call = TypeVar("_Call", bound=Recognised)


class WebMock(Generic[_Call]):
    """An ASGI application around two decisions: which operation a request is, and what to answer under a fault or none.

    A request is counted once its body is read, whatever becomes of it. The mock decides what a ``status`` or a business fault
    answers; every other fault acts here, after the answer is made: the service did its work.
    persons  matricules that a request is about, for a fault that touches one person
    signer   the professional who signed the request (id_nat), where nothing else tells whose it is
    """

    def __init__(
        self,
        world: World,
        name: str,
        recognise: Callable[[Exchange], _Call],
        answer: Callable[[_Call, Fault | None], Reply],
        *,
        max_body: int = MAX_BODY_BYTES,
        persons: Callable[[_Call], Iterable[str]] = lambda _call: (),
        signer: Callable[[_Call], str | None] = lambda _call: None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._world, self._name, self._recognise, self._answer = world, name, recognise, answer
        self._max_body, self._persons, self._signer, self._sleep = max_body, persons, signer, sleep
        self._idle: WeakSet[asyncio.Transport] = WeakSet()  # kept connections, between two requests
        self._always = {"X-Socle-Mock": name}
        missing = ", ".join(not_checked(name))
        if missing:
            self._always["X-Socle-Not-Checked"] = missing
        world.faults.watch(self._close_idle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: asyncio.Transport | None = scope.get("extensions", {}).get("transport")
        if transport is not None:
            self._idle.discard(transport)
        exchange = await _read(scope, receive, self._max_body)
        if exchange is None:
            return
        call = self._recognise(exchange)
        callers = Callers(self._world.manifest, self._world.population, self._world.psc_claims)
        shown = exchange.headers, exchange.query, exchange.body, exchange.client_der, self._signer(call)
        answer_for(callers.tenant_of_http(*shown))
        self._world.trace.received(call.operation)

        def who() -> Who:
            return replace(callers.of_http(*shown), persons=frozenset(self._persons(call)))

        fault = self._world.faults.take(call.operation, who)
        reply = self._made(call, fault)
        if fault is not None:
            await self._world.touched(fault, call.operation)
            reply.headers[FAULT_HEADER] = fault.id
        delay_s = fault.delay_s if fault is not None and fault.kind in ("timeout", "latency") else reply.delay_s
        if delay_s:
            await self._sleep(delay_s)
        # Before the answer leaves: whoever has read it finds it shown.
        self._world.requests.note(self._name, call.operation, reply.status, reply.code, fault)
        if fault is not None and transport is not None and _leaves_the_server(fault):
            await self._play(fault, reply, HttpPipe(transport, receive))
            return
        await self._send(reply, send)
        if transport is not None:
            self._idle.add(transport)

    def _made(self, call: _Call, fault: Fault | None) -> Reply:
        """What the service answers, or what the fault wants answered in its place."""
        injected = None if fault is None else fault.answer
        if injected is None:
            reply = self._answer(call, fault)
        else:
            if injected.acts:
                self._answer(call, None)
            reply = Reply(injected.status, injected.body, injected.media)
        if fault is not None and fault.retry_after_s is not None:
            reply.headers["Retry-After"] = str(fault.retry_after_s)
        return malform(fault.value, reply) if fault is not None and fault.kind == "malformed" else reply

    async def _play(self, fault: Fault, reply: Reply, pipe: HttpPipe) -> None:
        """The answer on a connection that ends with it: what its server would have sent is no longer what it sends."""
        length = None if fault.kind == "slow_close" else announced_length(fault.value, reply.body)
        await play(fault, raw_answer(reply.status, self._headers(reply), reply.body, length), pipe, self._sleep)
        await pipe.close()

    async def _send(self, reply: Reply, send: Send) -> None:
        headers = {**self._headers(reply), "Content-Length": str(len(reply.body))}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": reply.body})

    def _headers(self, reply: Reply) -> dict[str, str]:
        return {**self._always, **reply.headers, "Content-Type": reply.media}

    def _close_idle(self, armed: Fault) -> None:
        """A handshake can only be refused to who makes one: connections kept from earlier calls end now."""
        if armed.kind == "tls":
            for transport in list(self._idle):
                transport.close()


def _leaves_the_server(fault: Fault) -> bool:
    return fault.kind in ON_THE_PIPE or (fault.kind == "malformed" and fault.value == "long_length")


@dataclass(frozen=True, slots=True)
class Routed:
    """A request whose operation is told by its method and path."""

    operation: str
    exchange: Exchange


def routed_mock(
    world: World,
    name: str,
    operation: Callable[[Exchange], str],
    answer: Callable[[Exchange], Reply],
    business: Callable[[Routed, str], Reply],
) -> WebMock[Routed]:
    """A mock that answers JSON or pages: too long a body is 413, and an armed status answers before the service acts.

    business  what the service answers with one of its own error codes
    """

    def under(call: Routed, fault: Fault | None) -> Reply:
        if fault is not None and fault.kind == "status":
            return Reply(int(fault.value), media="text/plain")
        if fault is not None and fault.code is not None:
            return business(call, fault.code)
        if len(call.exchange.body) > MAX_BODY_BYTES:
            return Reply(413, media="text/plain")
        return answer(call.exchange)

    return WebMock(world, name, lambda exchange: Routed(operation(exchange), exchange), under)


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The body, up to one byte over the limit; None when the client left."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")[: limit + 1 - len(body)]
        more = message.get("more_body", False)
    return bytes(body)


async def _read(scope: Scope, receive: Receive, limit: int) -> Exchange | None:
    """The whole request; None when the client left."""
    body = await read_body(receive, limit)
    if body is None:
        return None
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return Exchange(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        client_der=scope.get("extensions", {}).get("tls", {}).get("client_cert_der"),
    )
