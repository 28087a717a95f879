"""Listeners of a process: where sockets come from, TLS alerts, and the HTTP server (reference/packages.md §4)."""
from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

#: Design §8. Used by `socle up` only; demo, load runs and tests use port 0.
FIXED_PORTS: dict[str, int] = {
    "console": 8080, "annuaire": 8440, "insi": 8441, "insi-oneway": 8442, "dmp": 8443, "psc": 8444, "psc-wallet": 8445,
    "smtp": 8587, "imap": 8143,
    "mock-control": 9100, "mock-crl": 9103, "mock-insi": 9101, "mock-insi-oneway": 9102, "mock-dmp": 9111,
    "mock-smtp": 9121, "mock-imap": 9122, "mock-psc": 9131, "mock-psc-wallet": 9132, "mock-annuaire": 9141,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpService:
    """An ASGI application on one listener. The client's certificate is in ``scope["extensions"]["tls"]["client_cert_der"]``."""

    name: str
    app: Callable[..., Awaitable[None]]
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class StreamService:
    """A byte protocol on one listener: ``connected(reader, writer)`` runs once per connection, as asyncio streams."""

    name: str
    connected: Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ProtocolService:
    """A byte protocol on one listener, one asyncio protocol object per connection (aiosmtpd, for one)."""

    name: str
    factory: Callable[[], asyncio.BaseProtocol]


Service = HttpService | StreamService | ProtocolService
