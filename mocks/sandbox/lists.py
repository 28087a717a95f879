"""Revocation lists (RFC 5280 §5): made, read again, and judged old."""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from mocks.sandbox.authority import Pair, issuer_key_id

LIFE = timedelta(days=7)
EVERY = timedelta(days=1)  # a list is published again when a shorter life than LIFE - EVERY is left
_BACKDATED = timedelta(minutes=5)  # a reader whose clock is slow takes a list made this minute
_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Revoked:
    """One line of a list. ``reason`` None: unspecified, which a list does not say (RFC 5280 §5.3.1)."""

    serial: int
    at: datetime
    reason: x509.ReasonFlags | None = None


def new_list(issuer: Pair, revoked: Iterable[Revoked], *, number: int, at: datetime) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder(issuer.cert.subject, at - _BACKDATED, at + LIFE)
    for one in revoked:
        line = x509.RevokedCertificateBuilder(one.serial, one.at)
        if one.reason is not None:
            line = line.add_extension(x509.CRLReason(one.reason), critical=False)
        builder = builder.add_revoked_certificate(line.build())
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(issuer_key_id(issuer), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def read_lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    """Every list of a PEM file, in its order. ValueError when one cannot be read."""
    return [x509.load_pem_x509_crl(block) for block in _BLOCK.findall(pem)]


def write_lists(lists: Iterable[x509.CertificateRevocationList]) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in lists)


def is_old(one: x509.CertificateRevocationList, at: datetime) -> bool:
    """Whether it is time to publish it again."""
    return one.next_update_utc is None or one.next_update_utc - at < LIFE - EVERY


def number_of(one: x509.CertificateRevocationList) -> int:
    return one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def revoked_in(one: x509.CertificateRevocationList) -> list[Revoked]:
    return [Revoked(line.serial_number, line.revocation_date_utc, _reason(line)) for line in one]


def _reason(line: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return line.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None
