"""Every call by HTTP, with aiohttp: a fraction of what httpx costs a call (decision 0053, docs/performance.md).

Errors are mapped to the only distinction that matters here: could the service have acted, or not?
"""
from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from connectors.wire.headers import Headers as Headers
from connectors.wire.headers import first_header

#: Headers that concern one hop only (RFC 9110 §7.6.1), plus those the next hop computes again.
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
     b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect"}
)  # fmt: skip
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})  # when there is none, its length is not said either
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's way to name the two containers
_UNREADABLE = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError)
_MAX_DECODED = 32 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5.0
_KEEP_ALIVE_S = 15.0  # below the servers' own limit: a kept connection is never closed under a request


@dataclass(slots=True)
class Answer:
    """One HTTP answer, bytes as received (nothing decompressed), end-to-end headers only."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    upstream_us: int = 0

    def header(self, name: str) -> str | None:
        """The first header of this name, decoded as latin-1, or None."""
        return first_header(self.headers, name)

    def readable(self, max_bytes: int = _MAX_DECODED) -> bytes:
        """A copy of the body to read, without its gzip or deflate coding; the answer itself keeps its own bytes.

        What cannot be decoded, or decodes beyond ``max_bytes``, is given back as it is: its reader finds it unreadable.
        """
        coding = (self.header("content-encoding") or "identity").strip().lower()
        if coding not in _WINDOW_BITS:
            return self.body
        decoder = zlib.decompressobj(_WINDOW_BITS[coding])
        try:
            decoded = decoder.decompress(self.body, max_bytes)
        except zlib.error:
            return self.body
        return decoded if decoder.eof else self.body


def end_to_end(headers: Headers) -> Headers:
    """The headers that travel further: everything but the hop-by-hop ones and those that Connection names."""
    names = [key.lower() for key, _ in headers]
    dropped: AbstractSet[bytes] = _HOP_BY_HOP
    if b"connection" in names:
        dropped = dropped | {
            token.strip().lower() for name, (_, value) in zip(names, headers, strict=True) if name == b"connection"
            for token in value.split(b",")
        }  # fmt: skip
    return [header for name, header in zip(names, headers, strict=True) if name not in dropped]


class UpstreamError(Exception):
    """No readable answer came from the service.

    UpstreamError
      |- NotSent   nothing that could act was sent: connection refused, TLS refused, cut before the last byte
      `- NoAnswer  the last byte had left: timeout, reset or garbage; a side effect is then in doubt
    """

    def __init__(self, reason: str, *, upstream_us: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason  # "timeout", "connect", "tls", "reset", "garbage"
        self.upstream_us = upstream_us


class NotSent(UpstreamError):
    pass


class NoAnswer(UpstreamError):
    pass


class _Body(aiohttp.Payload):
    """The request's body; ``handed``: its last byte was given to the transport. Sent in one write with the headers."""

    _default_content_type = "application/octet-stream"  # never sent: Client says which headers are
    _autoclose = True  # nothing to close

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)
        self.handed = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise NotImplementedError  # of uploads that aiohttp prints; nothing of ours is printed

    async def write(self, writer: AbstractStreamWriter) -> None:
        transport = writer.transport
        try:
            await writer.write(self._value)
        except BaseException:
            if transport is not None:
                transport.abort()  # closed, it would still send what it holds, after we said that it was not sent
            raise
        self.handed = True

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """``content_length`` is ours."""
        await self.write(writer)


class Client:
    """A pooled client towards one TLS identity. Safe for concurrent calls; one per (trust, certificate)."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, connections: int = 64) -> None:
        self._tls, self._connections = tls, connections
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """For good: a call that comes later is NotSent, and opens nothing."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer:
        """Send one request and read the whole answer. Redirects are answers; nothing is retried or decompressed.

        timeout_s  from the call to the last byte of the answer
        Raises NotSent or NoAnswer; their ``reason`` is one of timeout, connect, tls, reset, garbage.
        """
        if self._closed:
            raise NotSent("connect")
        started = time.perf_counter_ns()
        sent = None if not body and method in _WITHOUT_BODY else _Body(body)
        try:
            async with asyncio.timeout(timeout_s):
                status, raw, payload = await self._exchange(method, url, _for_aiohttp(headers or [], sent), sent)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = _reason(error)
            spent = (time.perf_counter_ns() - started) // 1000
            handed = sent is None or sent.handed
            kind = NoAnswer if handed and reason not in ("connect", "tls") else NotSent
            raise kind(reason, upstream_us=spent) from error
        return Answer(status, end_to_end(raw), payload, (time.perf_counter_ns() - started) // 1000)

    async def _exchange(
        self, method: str, url: str, headers: list[tuple[str, str]], sent: _Body | None
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and body, as received. Whatever happens, the connection is given back or closed."""
        response = await self._open().request(
            method, URL(url, encoded=True),  # as given: nothing is decoded and encoded again
            headers=headers, data=sent, allow_redirects=False,
        )  # fmt: skip
        try:
            return response.status, list(response.raw_headers), await response.content.read()
        finally:
            response.close()  # a connection on which all was said is back in the pool by now

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._tls if self._tls is not None else True, limit=self._connections, keepalive_timeout=_KEEP_ALIVE_S
            )
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT_S),
            )  # fmt: skip
            self._session._retry_connection = False  # aiohttp sends a GET twice on a closed connection: one call must stay one
        return self._session


def _for_aiohttp(headers: Headers, sent: _Body | None) -> list[tuple[str, str]]:
    out = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in end_to_end(headers)]
    if sent is not None:
        out.append(("content-length", str(sent.size)))
    return out


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "connect" if isinstance(error, aiohttp.ConnectionTimeoutError) else "timeout"
    if _is_tls(error):
        return "tls"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connect"
    return "garbage" if isinstance(error, _UNREADABLE) else "reset"


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
