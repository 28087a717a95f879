"""A native HTTP door on its listener: bytes in, ``Request`` to the road, ``Answer`` out. Decides nothing (design §1)."""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

from connectors.wire.http import Answer
from gateway.road import NativeDoor, Refusal, Request, Road

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 32 * 1024 * 1024
_WITHOUT_BODY = frozenset({204, 304})

_TOO_LARGE = Refusal(
    "V-TAILLE",
    f"Message refusé par la passerelle : plus de {MAX_BODY_BYTES // (1024 * 1024)} Mio. Envoyez un document plus petit.",
    status=413,
    fault_code="Sender",
)
_CUT = Refusal("V-COUPURE", "Appel interrompu par le client avant la fin de son envoi.", status=400, fault_code="Sender")


class NativeApp:
    """The ASGI application of one listener."""

    def __init__(self, door: NativeDoor, road: Road, listener: str, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._door = door
        self._road = road
        self._listener = listener
        self._max = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = request_of(scope, self._listener)
        try:
            request.body = await read_body(receive, self._max)
        except Cut:
            await self._road.decline(self._door, request, _CUT, "cut")
        except TooLarge:
            await send_answer(send, request, await self._road.decline(self._door, request, _TOO_LARGE, "invalid"), close=True)
        else:
            await send_answer(send, request, await self._road.carry(self._door, request))


class Cut(Exception):
    """The DUI left before the end of its request."""


class TooLarge(Exception):
    """The request is larger than the door takes."""


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """The whole body of a request. Raises Cut or TooLarge."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Cut
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise TooLarge
        if not message.get("more_body"):
            return bytes(body)


def request_of(scope: Scope, listener: str) -> Request:
    """The request of an ASGI scope, its body still to be read."""
    query = scope.get("query_string", b"")
    target = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    tls = (scope.get("extensions") or {}).get("tls") or {}
    return Request(listener, scope["method"], target, list(scope["headers"]), b"", tls.get("client_cert_der"))


async def send_answer(send: Send, request: Request, answer: Answer, *, close: bool = False) -> None:
    """``close``: the connection ends with this answer, as what follows on it was not read."""
    headers = [(key.lower(), value) for key, value in answer.headers if key.lower() != b"content-length"]
    if request.method != "HEAD" and answer.status not in _WITHOUT_BODY:  # a length there would speak of another body
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    if not any(key == b"date" for key, _ in headers):
        headers.append((b"date", formatdate(usegmt=True).encode("ascii")))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
