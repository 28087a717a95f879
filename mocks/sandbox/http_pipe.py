"""One HTTP/1.1 connection whose answer is written byte by byte, behind the back of the server that owns it."""
from __future__ import annotations

import asyncio
import http.client
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mocks.sandbox.network_faults import drop, end_sending

_LEAVES_S = 10.0  # how long a closed connection may take to be over


class HttpPipe:
    """``receive`` is the server's: it tells when the client has left. Nothing else goes through this connection afterwards."""

    def __init__(self, transport: asyncio.Transport, receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._transport, self._receive = transport, receive

    async def write(self, data: bytes) -> None:
        """What a client that left would have read goes nowhere."""
        if not self._transport.is_closing():
            self._transport.write(data)
        await asyncio.sleep(0)

    def finish(self) -> None:
        end_sending(self._transport)

    def reset(self) -> None:
        drop(self._transport)

    async def gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def close(self) -> None:
        """Close, and wait until the server knows: it would answer in our place a connection that it takes for open."""
        self._transport.close()
        try:
            async with asyncio.timeout(_LEAVES_S):
                await self.gone()
        except TimeoutError:
            self._transport.abort()
            await self.gone()


def raw_answer(status: int, headers: Mapping[str, str], body: bytes, length: int | None) -> bytes:
    """The bytes of an answer after which the connection ends. ``length``: announced; None: its end alone says where it ends."""
    phrase = http.client.responses.get(status, "")
    lines = {name.lower(): value for name, value in headers.items()} | {"connection": "close"}
    if length is not None:
        lines["content-length"] = str(length)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode("latin-1") + body
