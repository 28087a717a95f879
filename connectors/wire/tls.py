"""TLS contexts of doors, mocks and connectors: strict, no tickets, one place (design §8, reference/packages.md §4.3)."""
from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

ClientCertificate = Literal["none", "optional", "required"]
Profile = Literal["standard", "dmp"]

#: The four suites that the DMP opens to software, TLS 1.2 only (reference/dmp.md §2.1).
_DMP_SUITES = (
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
)
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_context(
    cert: Path, key: Path, *, ca: Path | None = None, client: ClientCertificate = "none", profile: Profile = "standard",
    crl: Path | None = None,
) -> ssl.SSLContext:
    """A listener's context.

    cert, key   PEM of the server certificate (leaf first, then issuers) and of its key
    ca          PEM of the authorities that clients' certificates must chain to; needed unless ``client`` is "none"
    crl         PEM of the revocation list, checked for the client's own certificate
    Session tickets are off: a resumed session would not be checked for revocation again.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    _apply(context, profile)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    if client != "none":
        if ca is None:
            raise ValueError("a listener that asks for a client certificate needs the authorities to check it")
        context.load_verify_locations(cafile=ca)
        context.verify_mode = _VERIFY[client]
        if crl is not None:
            context.load_verify_locations(cafile=crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


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
