"""The one module that knows httpx (reference/packages.md §6)."""
from __future__ import annotations

from dataclasses import dataclass, field

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Answer:
    """One HTTP answer, bytes as received (nothing decompressed), end-to-end headers only."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    upstream_us: int = 0

    def header(self, name: str) -> str | None:
        """The first header of this name, decoded as latin-1, or None."""
        wanted = name.lower().encode("ascii")
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)


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
