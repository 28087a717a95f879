"""One HTTP request and its reply, for every mock that speaks HTTP: reading, faults, headers, sending. No protocol decision."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote

import orjson

from mocks.sandbox.faults import FAULT_HEADER, Fault
from mocks.sandbox.ledger import not_checked
from mocks.sandbox.world import World

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 64 * 1024  # of a request that carries a form or a search
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
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
    """``delay_s``: how long the service takes to answer so."""

    status: int
    body: bytes = b""
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


def json_reply(status: int, value: Any, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(value), headers=dict(headers or {}))


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

    A request is counted once its body is read, whatever becomes of it. The mock decides what a ``status`` or ``soap`` fault
    answers; ``timeout`` and ``reset`` act here, after the answer is made: the service did its work.
    """

    def __init__(
        self,
        world: World,
        name: str,
        recognise: Callable[[Exchange], _Call],
        answer: Callable[[_Call, Fault | None], Reply],
        *,
        max_body: int = MAX_BODY_BYTES,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._world, self._recognise, self._answer = world, recognise, answer
        self._max_body, self._sleep = max_body, sleep
        self._always = {"X-Socle-Mock": name}
        missing = ", ".join(not_checked(name))
        if missing:
            self._always["X-Socle-Not-Checked"] = missing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = await _read(scope, receive, self._max_body)
        if exchange is None:
            return
        call = self._recognise(exchange)
        self._world.trace.received(call.operation)
        fault = self._world.faults.take(call.operation)
        reply = self._answer(call, fault)
        await self._world.touched(fault)
        delay_s = fault.delay_s if fault is not None and fault.kind == "timeout" else reply.delay_s
        if delay_s:
            await self._sleep(delay_s)
        if fault is not None and fault.kind == "reset":
            await _hang_up(send)
            return
        if fault is not None:
            reply.headers[FAULT_HEADER] = fault.id
        await self._send(reply, send)

    async def _send(self, reply: Reply, send: Send) -> None:
        headers = {**self._always, **reply.headers, "Content-Type": reply.media, "Content-Length": str(len(reply.body))}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": reply.body})


@dataclass(frozen=True, slots=True)
class Routed:
    """A request whose operation is told by its method and path."""

    operation: str
    exchange: Exchange


def routed_mock(
    world: World, name: str, operation: Callable[[Exchange], str], answer: Callable[[Exchange], Reply]
) -> WebMock[Routed]:
    """A mock that answers JSON or pages: too long a body is 413, and an armed status answers before the service acts."""

    def under(call: Routed, fault: Fault | None) -> Reply:
        if fault is not None and fault.kind == "status":
            return Reply(int(fault.value), media="text/plain")
        if len(call.exchange.body) > MAX_BODY_BYTES:
            return Reply(413, media="text/plain")
        return answer(call.exchange)

    return WebMock(world, name, lambda exchange: Routed(operation(exchange), exchange), under)


async def _read(scope: Scope, receive: Receive, limit: int) -> Exchange | None:
    """The whole request; None when the client left."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")[: limit + 1 - len(body)]
        more = message.get("more_body", False)
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return Exchange(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=bytes(body),
        client_der=scope.get("extensions", {}).get("tls", {}).get("client_cert_der"),
    )


async def _hang_up(send: Send) -> None:
    """Close without a whole answer: the server drops a connection whose announced body never comes."""
    await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"1")]})
