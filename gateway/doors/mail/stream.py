"""One side of a mail connection: lines in strict CRLF, raw chunks, and TLS begun on an empty buffer."""
from __future__ import annotations

import asyncio
import contextlib
import ssl

_CHUNK = 65_536


class StreamError(Exception):
    """This side cannot be read or written any further.

    StreamError
      |- Closed       the peer left, or TLS failed
      |- Idle         nothing came in time
      |- BareNewline  CR without LF or LF without CR: refused, never repaired (design §8)
      `- LineTooLong
    """


class Closed(StreamError):
    pass


class Idle(StreamError):
    pass


class BareNewline(StreamError):
    pass


class LineTooLong(StreamError):
    pass


class LineStream:
    """Reads ahead into its own buffer; ``start_tls`` throws away whatever was read or received before it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._plain: asyncio.StreamWriter | None = None  # kept: collected, it would close the transport under TLS
        self._pending = bytearray()
        self._over = False

    @property
    def tls(self) -> bool:
        return self._plain is not None

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.3`` …; None in clear."""
        connection = self._writer.get_extra_info("ssl_object")
        return None if connection is None else connection.version()

    @property
    def client_der(self) -> bytes | None:
        """The peer's certificate, proved in the handshake; None when it showed none."""
        connection = self._writer.get_extra_info("ssl_object")
        return None if connection is None else connection.getpeercert(binary_form=True)

    @property
    def pipelined(self) -> bool:
        """True when bytes have been read behind the last line."""
        return bool(self._pending)

    async def line(self, limit: int, timeout_s: float) -> bytes:
        """The next line without its CRLF. Raises a StreamError."""
        while (end := self._pending.find(b"\n")) < 0:
            if len(self._pending) > limit:
                raise LineTooLong
            await self._more(timeout_s)
        line = bytes(self._pending[: end + 1])
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise BareNewline
        if len(line) > limit:
            raise LineTooLong
        del self._pending[: end + 1]
        return line[:-2]

    async def chunk(self, timeout_s: float) -> bytes:
        """Bytes as they come, at least one. Raises Closed or Idle."""
        if not self._pending:
            await self._more(timeout_s)
        chunk = bytes(self._pending)
        self._pending.clear()
        return chunk

    def put_back(self, rest: bytes) -> None:
        """Give back what was read too far."""
        self._pending[:0] = rest

    async def send(self, data: bytes, timeout_s: float) -> None:
        """Raises Closed, or Idle when the peer takes nothing."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(timeout_s):
                await self._writer.drain()
        except TimeoutError as error:
            raise Idle from error
        except OSError as error:
            raise Closed from error

    async def start_tls(self, context: ssl.SSLContext, *, server_hostname: str | None = None) -> None:
        """Begin TLS, as the client when ``server_hostname`` is given. Raises Closed when the handshake fails."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport = await loop.start_tls(
                self._writer.transport, protocol, context, server_side=server_hostname is None, server_hostname=server_hostname
            )
        except OSError as error:  # ssl.SSLError and a handshake that lasts too long are ones
            self._over = True
            raise Closed from error
        if transport is None:  # lost before the handshake began
            self._over = True
            raise Closed
        protocol.connection_made(transport)
        self._plain, self._pending = self._writer, bytearray()
        self._reader, self._writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def abort(self) -> None:
        """Cut at once, without what is still to be sent."""
        self._writer.transport.abort()

    def last_word(self, data: bytes) -> None:
        """Send without waiting, then close; a reader of this stream then sees Closed."""
        if not self._writer.transport.is_closing():  # nobody is left to hear it
            self._writer.write(data)
        self._writer.close()

    async def close(self) -> None:
        if self._over:  # a handshake that failed has left nobody who would hear that the connection is closed
            self.abort()
            return
        self._writer.close()
        with contextlib.suppress(OSError):  # TimeoutError is one: the peer is gone all the same
            async with asyncio.timeout(2):
                await self._writer.wait_closed()
            return
        self.abort()

    async def _more(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                received = await self._reader.read(_CHUNK)
        except TimeoutError as error:
            raise Idle from error
        except OSError as error:
            raise Closed from error
        if not received:
            raise Closed
        self._pending += received
