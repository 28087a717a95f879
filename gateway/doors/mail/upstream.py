"""The operator's side of the SMTP door: one connection, one command at a time, replies as read."""
from __future__ import annotations

import asyncio
import re
import ssl
import time
from dataclasses import dataclass, field

from connectors.mssante.codes import Reply
from gateway.doors.mail.stream import Closed, Idle, LineStream, StreamError

_REPLY_LINE = re.compile(rb"([2345][0-9]{2})(?:([ -])(.*))?")
_LINE_LIMIT = 4096
_MAX_LINES = 100
_HELLO = b"EHLO passerelle.socle.invalid"


class Lost(Exception):
    """The operator gave no readable answer; the connection is over. ``reason``: connect, tls, timeout, closed, garbage, or ours
    when the door itself failed.

    fault  the injected one that did it, once a submission has claimed it
    """

    def __init__(self, reason: str, upstream_us: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.upstream_us = reason, upstream_us
        self.fault: str | None = None


class NotReady(Exception):
    """The operator answered, and will not serve this connection."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reply.service_code)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply: read, and raw as the DUI must get it."""

    reply: Reply
    raw: bytes = field(repr=False)
    upstream_us: int


class Upstream:
    """A connection to the operator, in clear until ``encrypt``. ``offered``: its EHLO list before TLS."""

    def __init__(self, stream: LineStream, host: str, deadline_s: float) -> None:
        self._stream, self._host, self._deadline_s = stream, host, deadline_s
        self.offered: tuple[str, ...] = ()

    @classmethod
    async def open(cls, address: tuple[str, int], tls: ssl.SSLContext, deadline_s: float) -> tuple[Upstream, Answer]:
        """Connect and encrypt; also returns the greeting. Raises Lost or NotReady."""
        upstream, greeting = await cls.connect(address, deadline_s)
        await upstream.encrypt(tls)
        return upstream, greeting

    @property
    def encrypted(self) -> bool:
        return self._stream.tls

    @classmethod
    async def connect(cls, address: tuple[str, int], deadline_s: float) -> tuple[Upstream, Answer]:
        """Connect and greet, in clear; also returns the greeting. Raises Lost or NotReady."""
        try:
            async with asyncio.timeout(deadline_s):
                reader, writer = await asyncio.open_connection(*address)
        except OSError as error:
            raise Lost("connect") from error
        upstream = cls(LineStream(reader, writer), address[0], deadline_s)
        try:
            greeting = await upstream._read(time.perf_counter_ns())
            if greeting.reply.code != 220:
                raise NotReady(greeting)
            upstream.offered = (await upstream._ready(_HELLO, 250)).reply.lines
        except BaseException:
            upstream.abort()
            raise
        return upstream, greeting

    async def encrypt(self, tls: ssl.SSLContext) -> None:
        """Begin TLS; the connection is dropped when it cannot be. Raises Lost or NotReady."""
        try:
            await self._ready(b"STARTTLS", 220)
            try:
                await self._stream.start_tls(tls, server_hostname=self._host)
            except Closed as error:
                raise Lost("tls") from error
        except BaseException:
            self.abort()
            raise

    async def _ready(self, command: bytes, wanted: int) -> Answer:
        answer = await self.command(command)
        if answer.reply.code >= 400:
            raise NotReady(answer)
        if answer.reply.code != wanted:
            raise Lost("tls", answer.upstream_us)
        return answer

    async def command(self, line: bytes) -> Answer:
        """Send one line and read its reply. Raises Lost."""
        started = time.perf_counter_ns()
        await self.write(line + b"\r\n")
        return await self._read(started)

    async def end_data(self) -> Answer:
        """Send the final dot and wait for the operator's word until the deadline. Raises Lost: it may hold the message."""
        return await self.command(b".")

    async def write(self, data: bytes) -> None:
        """Raises Lost."""
        try:
            await self._stream.send(data, self._deadline_s)
        except StreamError as error:
            raise Lost(_reason(error)) from error

    async def _read(self, started: int) -> Answer:
        texts: list[str] = []
        raw = bytearray()
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    line = await self._stream.line(_LINE_LIMIT, self._deadline_s)
                    match = _REPLY_LINE.fullmatch(line)
                    if match is None or len(texts) >= _MAX_LINES or (raw and raw[:3] != match[1]):
                        raise Lost("garbage", _us(started))
                    raw += line + b"\r\n"
                    texts.append((match[3] or b"").decode("ascii", "replace"))
                    if match[2] != b"-":
                        return Answer(Reply(int(match[1]), tuple(texts)), bytes(raw), _us(started))
        except TimeoutError as error:
            raise Lost("timeout", _us(started)) from error
        except StreamError as error:
            raise Lost(_reason(error), _us(started)) from error

    def abort(self) -> None:
        """Drop the connection: whatever was being sent has no end, so it has no effect."""
        self._stream.abort()

    async def close(self) -> None:
        await self._stream.close()


def _us(started: int) -> int:
    return (time.perf_counter_ns() - started) // 1000


def _reason(error: StreamError) -> str:
    if isinstance(error, Idle):
        return "timeout"
    return "closed" if isinstance(error, Closed) else "garbage"
