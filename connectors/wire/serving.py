"""Listeners of a process: where sockets come from, TLS alerts, and the HTTP server (reference/packages.md §4)."""
from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
from asyncio import sslproto
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connectors.wire.handshakes import why_failed

#: Design §8. Used by `socle up` only; demo, load runs and tests use port 0.
FIXED_PORTS: dict[str, int] = {
    "console": 8080, "annuaire": 8440, "insi": 8441, "insi-oneway": 8442, "dmp": 8443, "psc": 8444, "psc-wallet": 8445,
    "smtp": 8587, "imap": 8143,
    "mock-control": 9100, "mock-crl": 9103, "mock-insi": 9101, "mock-insi-oneway": 9102, "mock-dmp": 9111,
    "mock-smtp": 9121, "mock-imap": 9122, "mock-psc": 9131, "mock-psc-wallet": 9132, "mock-annuaire": 9141,
}  # fmt: skip

#: Listeners that a process serves today; the gateway's IMAP door comes with its own issue.
SERVED = tuple(name for name in FIXED_PORTS if name != "imap")

#: Listeners that speak plain HTTP, on loopback only.
PLAIN_HTTP = frozenset({"console", "mock-control", "mock-crl"})
_MAIL = {"smtp": "smtp", "imap": "imap", "mock-smtp": "smtp", "mock-imap": "imap"}

_HEADER_TIMEOUT_S = 20.0  # a request whose headers are not complete by then is dropped (packages §4.6)
_MAX_HEADER_BYTES = 64 * 1024
_KEEP_ALIVE_S = 75  # above the clients' own limit, so that a kept connection is never closed under a request


@dataclass(frozen=True, slots=True)
class HttpService:
    """An ASGI application on one listener. The client's certificate is in ``scope["extensions"]["tls"]["client_cert_der"]``.

    dated  the server adds the Date header; False for an application that relays the one of another server
    """

    name: str
    app: Callable[..., Awaitable[None]]
    tls: ssl.SSLContext | None = None
    dated: bool = True


@dataclass(frozen=True, slots=True)
class StreamService:
    """A byte protocol on one listener: ``connected(reader, writer)`` runs once per connection, as asyncio streams."""

    name: str
    connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ProtocolService:
    """A byte protocol on one listener, one asyncio protocol object per connection (aiosmtpd, for one)."""

    name: str
    factory: Callable[[], asyncio.BaseProtocol]


Service = HttpService | StreamService | ProtocolService


def ports() -> dict[str, int]:
    """Port of each listener of the deployment: SOCLE_PORTS (JSON) when a supervisor gave it, else the fixed ones."""
    given = os.environ.get("SOCLE_PORTS")
    return {str(name): int(port) for name, port in json.loads(given).items()} if given else dict(FIXED_PORTS)


def base_url(name: str, port: int) -> str:
    """The URL under which a listener is reached from this machine."""
    scheme = _MAIL.get(name) or ("http" if name in PLAIN_HTTP else "https")
    host = "127.0.0.1" if scheme in ("http", "smtp", "imap") else "localhost"
    return f"{scheme}://{host}:{port}"


def open_socket(name: str) -> socket.socket:
    """The listening socket of a service: inherited (SOCLE_LISTEN_FDS) or bound on loopback to its port.

    Raises OSError when the port is taken. SOCLE_BIND names another address; only a container has a reason to.
    """
    inherited = json.loads(os.environ.get("SOCLE_LISTEN_FDS", "{}"))
    if name in inherited:
        return socket.socket(fileno=int(inherited[name]))
    return bind_loopback(ports().get(name, 0))


def bind_loopback(port: int) -> socket.socket:
    """A listening socket on SOCLE_BIND (127.0.0.1 by default); port 0 picks a free one."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((os.environ.get("SOCLE_BIND", "127.0.0.1"), port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


async def until_stopped() -> None:
    """Return at SIGTERM, SIGINT, or when the supervisor that started this process is gone.

    A supervised child (SOCLE_SUPERVISED=1) holds a pipe as standard input: its end of file means the parent died.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if os.environ.get("SOCLE_SUPERVISED") == "1":
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        watch = asyncio.create_task(reader.read())
        watch.add_done_callback(lambda _: stop.set())
        await stop.wait()
        watch.cancel()
        transport.close()
    else:
        await stop.wait()


# --- connections that never became a request --------------------------------------------------------------------------

#: (listener, reason) → count since the last ``take_refused``; the gateway turns them into gap entries (design §5.1).
_refused: Counter[tuple[str, str]] = Counter()


def take_refused() -> dict[tuple[str, str], int]:
    """Connections refused before any request since the last call, by listener and reason; resets the count."""
    taken = dict(_refused)
    _refused.clear()
    return taken


_patched = False


def install_alert_patch() -> None:
    """Make asyncio send the TLS alert when a handshake fails, and count the failure (reference/packages.md §4.2).

    Without it a client that presents no certificate, or a revoked one, sees a bare end of file.
    """
    global _patched
    if _patched:
        return
    original = sslproto.SSLProtocol._on_handshake_complete

    def complete(self: Any, error: BaseException | None) -> None:
        if error is not None:
            listener = getattr(self._app_protocol, "listener", None)
            if listener is not None:
                _refused[listener, why_failed(error)] += 1
            with contextlib.suppress(Exception):
                self._process_outgoing()
        original(self, error)

    sslproto.SSLProtocol._on_handshake_complete = complete  # type: ignore[assignment,method-assign]
    _patched = True


# --- HTTP --------------------------------------------------------------------------------------------------------------


class _Together:
    """What one answer is written through: its head leaves with the beginning of its body, as each write costs a system call
    and a TLS record, here and at whoever reads.

    Nothing is held longer than until the event loop's next turn: a stream that has nothing to say yet has its head sent.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = b""
        self._turn: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        if self._turn is None:
            self._held, self._turn = data, self._loop.call_soon(self._let_go)
        else:
            self._turn.cancel()
            self._held += data
            self._let_go()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._transport.write(held)


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, plus the client's certificate in the scope, a header timer, a header size cap and fewer writes.

    _unheard  bytes read since the parser last told of something: it keeps a field, of the headers or behind a chunked body,
              until the field ends, and one that never does would come to no other count
    """

    listener = ""
    _tls: dict[str, Any] | None = None
    _timer: asyncio.TimerHandle | None = None
    _header_bytes = _unheard = 0
    _in_head = False
    _counted = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._tls = {"client_cert_der": tls.getpeercert(binary_form=True), "version": tls.version(), "cipher": tls.cipher()}
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:  # the peer left before the end of the headers
            self._count("http_no_request")
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unheard += len(data)
        super().data_received(data)
        if self._unheard > _MAX_HEADER_BYTES:
            self._too_large()
        if self._in_head and self._timer is None:  # most heads come whole, and need no timer
            self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes, self._unheard, self._in_head = 0, 0, True
        extensions: dict[str, Any] = {"tls": self._tls or {}, "transport": self.transport}
        self.scope["extensions"] = extensions

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._grow(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._disarm()
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = _Together(self.transport, self.loop)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        self._unheard = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._count("http_malformed")
        super().send_400_response(msg)

    def _grow(self, size: int) -> None:
        self._header_bytes += size
        self._unheard = 0
        if self._header_bytes > _MAX_HEADER_BYTES:
            self._too_large()

    def _too_large(self) -> None:
        self._count("http_headers_too_large")
        self.transport.abort()

    def _count(self, reason: str) -> None:
        """Once a connection, for the first reason."""
        if not self._counted:
            self._counted = True
            _refused[self.listener, reason] += 1

    def _arm(self) -> None:
        self._timer = self.loop.call_later(_HEADER_TIMEOUT_S, self._too_late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._count("http_headers_timeout")
        self.transport.abort()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one set for all its listeners."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def open(self, sock: socket.socket) -> None:
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[sock])

    async def until_exit(self) -> None:
        await self.main_loop()
        await self.shutdown()


def _http_server(service: HttpService) -> _Server:
    protocol = type("Protocol", (_Protocol,), {"listener": service.name})
    tls = service.tls
    config = uvicorn.Config(
        service.app, interface="asgi3", http=protocol, loop="none", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, date_header=service.dated, proxy_headers=False, backlog=1024, timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=30, ssl_context_factory=None if tls is None else (lambda _config, _default: tls),
    )  # fmt: skip
    config.load()
    if tls is not None:
        config.ssl = tls
    return _Server(config)


@dataclass(slots=True)
class Running:
    """The services of this process, listening. ``urls`` maps each listener's name to its base URL."""

    urls: dict[str, str] = field(default_factory=dict)
    _http: list[tuple[_Server, asyncio.Task[None]]] = field(default_factory=list)
    _streams: list[asyncio.Server] = field(default_factory=list)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    async def start(cls, services: Sequence[Service]) -> Running:
        """Listen for every service. Raises OSError naming the port when one is taken; then nothing stays open."""
        install_alert_patch()
        running = cls()
        try:
            for service in services:
                await running._open(service)
        except BaseException:
            await running.stop()
            raise
        return running

    async def _open(self, service: Service) -> None:
        sock = open_socket(service.name)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        self.urls[service.name] = base_url(service.name, sock.getsockname()[1])
        if isinstance(service, HttpService):
            server = _http_server(service)
            await server.open(sock)
            self._http.append((server, asyncio.create_task(server.until_exit(), name=f"listen-{service.name}")))
        elif isinstance(service, ProtocolService):
            self._streams.append(await loop.create_server(service.factory, sock=sock))
        else:
            connected = service.connected

            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                if task is not None:
                    self._connections.add(task)
                    task.add_done_callback(self._connections.discard)
                await connected(reader, writer)

            self._streams.append(await asyncio.start_server(accept, sock=sock, limit=1 << 17))

    async def stop(self, grace_s: float = 30.0) -> None:
        """Stop accepting, let what is in flight end, then cut what remains after ``grace_s``."""
        for stream in self._streams:
            stream.close()
        for server, _ in self._http:
            server.should_exit = True
        pending = {task for _, task in self._http} | self._connections
        if pending:
            _, late = await asyncio.wait(pending, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
