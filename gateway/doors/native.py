"""A native HTTP door on its listener: bytes in, ``Request`` to the road, ``Answer`` out. Decides nothing (design §1)."""
from __future__ import annotations

from collections.abc import Awaitable, Callable
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
        request = _request(scope, self._listener)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                await self._road.decline(self._door, request, _CUT, "cut")
                return
            body += message.get("body", b"")
            if len(body) > self._max:
                await _answer(send, request, await self._road.decline(self._door, request, _TOO_LARGE, "invalid"), close=True)
                return
            if not message.get("more_body"):
                break
        request.body = bytes(body)
        await _answer(send, request, await self._road.carry(self._door, request))


def _request(scope: Scope, listener: str) -> Request:
    query = scope.get("query_string", b"")
    target = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    tls = (scope.get("extensions") or {}).get("tls") or {}
    return Request(listener, scope["method"], target, list(scope["headers"]), b"", tls.get("client_cert_der"))


async def _answer(send: Send, request: Request, answer: Answer, *, close: bool = False) -> None:
    headers = [(key.lower(), value) for key, value in answer.headers if key.lower() != b"content-length"]
    if request.method != "HEAD" and answer.status not in _WITHOUT_BODY:  # a length there would speak of another body
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
