"""One HTTP request and its reply for a mock that answers JSON or pages: reading, faults, sending. No protocol decision."""
from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from mocks.sandbox.faults import FAULT_HEADER
from mocks.sandbox.world import World

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, read whole. ``path`` and ``query`` are as sent, still percent-encoded."""

    method: str
    path: str
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)  # names in lower case; the first of each
    body: bytes = field(repr=False)
    client_der: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(status: int, value: Any, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(value), headers=dict(headers or {}))


def not_checked(ledger: Path) -> list[str]:
    """The ids of the ledger's ``not-yet`` lines: checks of the real service that this mock does not make."""
    lines = tomllib.loads(ledger.read_text("utf-8"))["behaviour"]
    return [line["id"] for line in lines if line.get("status") == "not-yet"]


class WebMock:
    """An ASGI application around two decisions: which operation a request is, and what to answer."""

    def __init__(
        self, world: World, name: str, ledger: Path, operation: Callable[[Exchange], str], answer: Callable[[Exchange], Reply]
    ) -> None:
        self._world, self._operation, self._answer = world, operation, answer
        self._always = {"X-Socle-Mock": name}
        missing = ", ".join(not_checked(ledger))
        if missing:
            self._always["X-Socle-Not-Checked"] = missing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = await _read(scope, receive)
        if exchange is None:
            return
        operation = self._operation(exchange)
        self._world.trace.received(operation)
        fault = self._world.faults.take(operation)
        if fault is not None and fault.kind == "status":
            reply = Reply(int(fault.value), b"", "text/plain")
        else:
            reply = Reply(413, b"", "text/plain") if len(exchange.body) > MAX_BODY_BYTES else self._answer(exchange)
        if fault is not None:
            reply.headers[FAULT_HEADER] = fault.id
            if fault.kind == "timeout":
                await asyncio.sleep(fault.delay_s)
        await self._send(reply, send, cut=fault is not None and fault.kind == "reset")

    async def _send(self, reply: Reply, send: Send, *, cut: bool) -> None:
        headers = {**self._always, **reply.headers, "Content-Type": reply.media, "Content-Length": str(len(reply.body) + cut)}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        if cut:  # one byte is promised and never comes: the server closes the connection
            return
        await send({"type": "http.response.body", "body": reply.body})


async def _read(scope: Scope, receive: Receive) -> Exchange | None:
    """The whole request; None when the client left. Beyond the limit the rest of the body is read and dropped."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        if len(body) <= MAX_BODY_BYTES:
            body += message.get("body", b"")
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
