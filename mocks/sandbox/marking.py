"""A reply of the sandbox says that it is one, whoever in the application made it: 404s of a framework too."""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]

_HEADER = b"x-socle-mock"


def marked(send: Send, name: str) -> Send:
    """``send`` of an ASGI application, with X-Socle-Mock on every reply that does not carry it."""

    async def said(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if all(one.lower() != _HEADER for one, _ in headers):
                message = {**message, "headers": [*headers, (_HEADER, name.encode())]}
        await send(message)

    return said
