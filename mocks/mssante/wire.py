"""Bytes of one SMTP or IMAP connection: lines, message content, literals, CRLF only; STARTTLS on a fresh buffer."""
from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable

from cryptography import x509

from mocks.sandbox.authority import struct_id_of
from mocks.sandbox.network_faults import drop, end_sending

log = logging.getLogger(__name__)

_CHUNK = 262_144  # line by line, an attachment of 300 kB costs seven times more (reference packages §9)
_END = b"\r\n.\r\n"


class BareNewline(Exception):
    """A CR without LF or a LF without CR: what SMTP smuggling is made of."""


class TooLong(Exception):
    """A command line over its limit."""


class Closed(Exception):
    """The client left."""


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle_s: float) -> None:
        self._reader, self._writer, self._idle_s = reader, writer, idle_s
        self._before_tls: asyncio.StreamWriter | None = None  # dropping it would close the transport under TLS
        self._pending = bytearray()
        self._cut = False  # a handshake failed: TLS has closed the transport, and nobody says so to its stream

    @property
    def pipelined(self) -> bool:
        """True when bytes were received behind the last line."""
        return bool(self._pending)

    @property
    def client_der(self) -> bytes | None:
        """The certificate that the client showed in the handshake, verified; None without one."""
        connection = self._writer.get_extra_info("ssl_object")
        return None if connection is None else connection.getpeercert(binary_form=True)

    async def line(self, limit: int) -> bytes:
        """The next line without its CRLF. Raises BareNewline, TooLong, Closed, TimeoutError."""
        while (end := self._pending.find(b"\n")) < 0:
            if len(self._pending) > limit:
                raise TooLong
            await self._more()
        line = bytes(self._pending[:end])
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise BareNewline
        if len(line) > limit:
            raise TooLong
        del self._pending[: end + 1]
        return line[:-1]

    async def take(self, count: int) -> bytes:
        """The next ``count`` bytes, whatever they are. Raises Closed, TimeoutError."""
        while len(self._pending) < count:
            await self._more()
        taken = bytes(self._pending[:count])
        del self._pending[:count]
        return taken

    async def content(self, limit: int) -> bytes | None:
        """The message up to the final dot, dots unstuffed; None when it is over ``limit``. Raises BareNewline, Closed."""
        kept, self._pending = self._pending, bytearray()
        received = bytearray(b"\r\n")  # the end of the DATA line: a message may be the dot alone
        received += kept
        checked, seen, over = 0, 0, False
        while (end := received.find(_END, max(0, seen - 4))) < 0:
            checked = _refuse_bare(received, checked, len(received))
            if len(received) > limit + 8:
                over = True  # the rest is read for its end only
                dropped = min(checked, len(received) - 4)
                del received[:dropped]
                checked -= dropped
            seen = len(received)
            await self._more()
            received += self._pending
            self._pending.clear()
        self._pending += received[end + len(_END) :]
        _refuse_bare(received, checked, end + 2)
        return None if over or end > limit else bytes(received[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    async def _more(self) -> None:
        async with asyncio.timeout(self._idle_s):
            chunk = await self._reader.read(_CHUNK)
        if not chunk:
            raise Closed
        self._pending += chunk

    async def write(self, data: bytes) -> None:
        """Raises Closed when the client is gone."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError as error:
            raise Closed from error

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Server side of the handshake, on a new reader: plaintext that arrived meanwhile is not read. Raises Closed."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_CHUNK, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport = await loop.start_tls(self._writer.transport, protocol, context, server_side=True)
        except OSError as error:  # ssl.SSLError is one
            self._cut = True
            raise Closed from error
        if transport is None:
            raise Closed
        protocol.connection_made(transport)
        self._before_tls, self._pending = self._writer, bytearray()
        self._reader, self._writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def reset(self) -> None:
        """Cut without a word."""
        drop(self._writer.transport)

    def finish(self) -> None:
        """Send nothing more; what the client says is still read."""
        end_sending(self._writer.transport)

    async def gone(self) -> None:
        """Wait, without an answer, until the client leaves."""
        with contextlib.suppress(OSError):  # a client that resets has left as well
            while await self._reader.read(_CHUNK):
                pass

    async def close(self) -> None:
        self._writer.close()
        if self._cut:
            return
        try:
            async with asyncio.timeout(2):
                await self._writer.wait_closed()
        except OSError:  # TimeoutError and ConnectionError are ones: the peer is gone
            self._writer.transport.abort()


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle_s: float, talk: Callable[[Wire], Awaitable[None]]
) -> None:
    """One connection, from greeting to close."""
    wire = Wire(reader, writer, idle_s)
    try:
        await talk(wire)
    except Closed:
        log.debug("mssante_client_left")
    finally:
        await wire.close()


def structure_of(der: bytes | None) -> str | None:
    """The structure that a client's certificate names, if it showed one."""
    return None if der is None else struct_id_of(x509.load_der_x509_certificate(der))


def _refuse_bare(received: bytearray, start: int, end: int) -> int:
    """Check one stretch as soon as it is there, for a message that hides its end never ends; returns where it stopped."""
    if received[end - 1 : end] == b"\r":
        end -= 1  # its LF may be on the way
    pairs = received.count(b"\r\n", start, end)
    if not pairs == received.count(b"\r", start, end) == received.count(b"\n", start, end):
        raise BareNewline
    return end
