"""TLS contexts of doors, mocks and connectors: strict, no tickets, one place (design §8, reference/packages.md §4.3)."""
from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

ClientCertificate = Literal["none", "optional", "required"]
Profile = Literal["standard", "dmp"]
Stamp = tuple[int, int, int]

#: The four suites that the DMP opens to software, TLS 1.2 only (reference/dmp.md §2.1).
_DMP_SUITES = (
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
)
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

log = logging.getLogger(__name__)


def server_context(
    cert: Path, key: Path, *, ca: Path | None = None, client: ClientCertificate = "none", profile: Profile = "standard",
    crl: Path | None = None,
) -> ssl.SSLContext:
    """A listener's context.

    cert, key   PEM of the server certificate (leaf first, then issuers) and of its key
    ca          PEM of the authorities that clients' certificates must chain to; needed unless ``client`` is "none"
    crl         PEM of the revocation lists, checked for the client's own certificate; a list that is published while the
                listener runs holds from the next handshake on
    Session tickets are off: a resumed session would not be checked for revocation again.
    """
    if client != "none" and ca is None:
        raise ValueError("a listener that asks for a client certificate needs the authorities to check it")

    def configure(context: ssl.SSLContext) -> None:
        context.load_cert_chain(cert, key)
        _apply(context, profile)
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        if client != "none":
            context.load_verify_locations(cafile=ca)
            context.verify_mode = _VERIFY[client]
            if crl is not None:
                context.load_verify_locations(cafile=crl)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF

    if client == "none" or crl is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        configure(context)
        return context
    following = _FollowingContext(ssl.PROTOCOL_TLS_SERVER)
    following.follow(crl, configure)
    return following


class _FollowingContext(ssl.SSLContext):
    """Hands each handshake to a context made from the revocation list as it is on disk now.

    A new context, rather than the new list in the old one: OpenSSL keeps every list it was given and, of two of the same
    second, the first. And it forgets sessions with the context, so that none of TLS 1.2 outlives a revocation.
    """

    _list: Path
    _read_at: Stamp | None
    _configure: Callable[[ssl.SSLContext], None]
    _latest: ssl.SSLContext | None

    def follow(self, crl: Path, configure: Callable[[ssl.SSLContext], None]) -> None:
        """Configure this context, and what replaces it whenever ``crl`` changes. Raises OSError, ssl.SSLError."""
        self._list, self._read_at, self._configure, self._latest = crl, stamp(crl), configure, None
        configure(self)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """As asyncio calls it, once a connection."""
        now = stamp(self._list)
        if now is not None and now != self._read_at:
            self._read_at = now
            self._read_again()
        return super().wrap_bio(*arguments, **options) if self._latest is None else self._latest.wrap_bio(*arguments, **options)

    def _read_again(self) -> None:
        latest = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        latest.sni_callback = self.sni_callback
        try:
            self._configure(latest)
        except OSError as error:  # ssl.SSLError is one; the list before it still holds
            log.error("revocation_list_unreadable", extra={"error": type(error).__name__})
            return
        self._latest = latest


def stamp(path: Path) -> Stamp | None:
    """Changes whenever the file is written or replaced; None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def client_context(
    ca: Path, *, cert: Path | None = None, key: Path | None = None, password: str | None = None, profile: Profile = "standard",
) -> ssl.SSLContext:
    """A caller's context: the server must chain to ``ca`` and bear the name called; ``cert`` and ``key`` for mutual TLS."""
    context = ssl.create_default_context(cafile=str(ca))
    _apply(context, profile)
    if cert is not None:
        context.load_cert_chain(cert, key, password)
    return context


def _apply(context: ssl.SSLContext, profile: Profile) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if profile == "dmp":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_DMP_SUITES)
