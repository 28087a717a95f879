"""The one module that knows httpx, with its transport over aiohttp (reference/packages.md §6).

Stock httpx costs two to three milliseconds of CPU a call under concurrency; the same API over aiohttp costs a fraction.
Errors are mapped to the only distinction that matters here: could the service have acted, or not?
"""
from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp
import httpx
from yarl import URL

Headers = list[tuple[bytes, bytes]]

#: Headers that concern one hop only (RFC 9110 §7.6.1), plus those the next hop computes again.
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
     b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect"}
)  # fmt: skip
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's way to name the two containers
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


def first_header(headers: Headers, name: str) -> str | None:
    """The first header of this name in a raw list, decoded as latin-1, or None."""
    wanted = name.lower().encode("ascii")
    return next((value.decode("latin-1") for key, value in headers if key.lower() == wanted), None)


def end_to_end(headers: Headers) -> Headers:
    """The headers that travel further: everything but the hop-by-hop ones and those that Connection names."""
    named = {
        token.strip().lower() for key, value in headers if key.lower() == b"connection" for token in value.split(b",")
    }
    return [(key, value) for key, value in headers if key.lower() not in _HOP_BY_HOP and key.lower() not in named]


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


class _Sent:
    """The request's body as a stream that knows when its last byte was handed over."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.done = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body
        self.done = True


class Client:
    """A pooled client towards one TLS identity. Safe for concurrent calls; one per (trust, certificate)."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, connections: int = 64) -> None:
        self._client = httpx.AsyncClient(transport=_AiohttpTransport(tls, connections), trust_env=False, follow_redirects=False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer:
        """Send one request and read the whole answer. Redirects are answers; nothing is retried or decompressed.

        timeout_s  from the call to the last byte of the answer
        Raises NotSent or NoAnswer; their ``reason`` is one of timeout, connect, tls, reset, garbage.
        """
        started = time.perf_counter_ns()
        sent = _Sent(body)
        out = [*end_to_end(headers or []), (b"content-length", str(len(body)).encode("ascii"))]
        if not body and method in ("GET", "HEAD", "DELETE", "OPTIONS"):
            out.pop()
            sent.done = True
        request = httpx.Request(method, url, headers=out, content=sent if body or not sent.done else None)
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.send(request, stream=True)
                try:
                    payload = b"".join([chunk async for chunk in response.aiter_raw()])
                finally:
                    await response.aclose()
        except (httpx.HTTPError, ssl.SSLError, TimeoutError) as error:
            reason = _reason(error)
            spent = (time.perf_counter_ns() - started) // 1000
            kind = NoAnswer if sent.done and reason not in ("connect", "tls") else NotSent
            raise kind(reason, upstream_us=spent) from error
        return Answer(
            response.status_code, end_to_end(response.headers.raw), payload, (time.perf_counter_ns() - started) // 1000
        )


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError):
        return "tls" if _is_tls(error) else "connect"
    if isinstance(error, httpx.ConnectTimeout):
        return "connect"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError) or _is_tls(error):
        return "tls"
    return "garbage" if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError) else "reset"


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


class _AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx's API over one aiohttp session: no cookies, no redirects, no decompression, exact errors."""

    def __init__(self, tls: ssl.SSLContext | None, connections: int) -> None:
        self._tls = tls
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

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

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        stream = request.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        empty = "content-length" not in request.headers and "transfer-encoding" not in request.headers
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in request.headers.raw]
        try:
            response = await self._open().request(
                request.method, URL(str(request.url), encoded=True),  # as given: nothing is decoded and encoded again
                headers=headers, data=None if empty else aiter(stream), allow_redirects=False,
            )  # fmt: skip
        except Exception as error:
            raise _mapped(error, request) from error
        return httpx.Response(
            response.status, headers=list(response.raw_headers), stream=_AiohttpStream(response, request), request=request
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class _AiohttpStream(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _mapped(error, self._request) from error

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _mapped(error: Exception, request: httpx.Request) -> Exception:
    """aiohttp's errors in httpx's words (order matters: the classes inherit from one another)."""
    table: list[tuple[type[Exception], type[httpx.TransportError]]] = [
        (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
        (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
        (aiohttp.ClientConnectorError, httpx.ConnectError),
        (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
        (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
        (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
        (aiohttp.ClientOSError, httpx.ReadError),
        (TimeoutError, httpx.PoolTimeout),
        (ssl.SSLError, httpx.ReadError),
        (OSError, httpx.ReadError),
    ]
    for kind, mapped in table:
        if isinstance(error, kind):
            return mapped(type(error).__name__, request=request)
    return error
