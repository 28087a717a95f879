"""The register of what the sandbox has issued: ``pki/register.json``, one row a certificate, its revocation included.

The lists and the OCSP answers are made from it. A sandbox made before there was one gets it from its files.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from mocks.sandbox.authority import struct_id_of
from mocks.sandbox.kept import read
from mocks.sandbox.lists import Revoked
from mocks.sandbox.papers import write

FILE_NAME = "register.json"
_ATTRIBUTES = {NameOID.TITLE: "title", NameOID.GIVEN_NAME: "GN", NameOID.SURNAME: "SN"}  # RFC 4514 has no name for them

State = Literal["valid", "revoked", "expired", "not_yet_valid"]

#: Why a certificate is revoked: what a list says of it (RFC 5280 §5.3.1), None for « unspecified ».
REASONS: dict[str, x509.ReasonFlags | None] = {
    "unspecified": None,
    "key_compromise": x509.ReasonFlags.key_compromise,
    "superseded": x509.ReasonFlags.superseded,
    "cessation_of_operation": x509.ReasonFlags.cessation_of_operation,
}


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate.

    name        unique; files are called by it
    branch      stem of the authority that signed it; « foreign » for one that is not ours
    refused     why a peer must refuse it, for what was made to be refused; else None
    struct_id   OU of an organisation's; None for a professional's
    tenant      whose it is, when that was said; else whoever has the structure
    serial      as OpenSSL prints it, hexadecimal; fingerprint is SHA-256 of the DER, hexadecimal too
    files       by kind (cert, chain, key, p12), relative to ``sandbox/``; keys are never in the register
    Times are RFC 3339 UTC.
    """

    name: str
    profile: str
    branch: str
    cn: str
    subject: str
    serial: str
    fingerprint: str
    not_before: str
    not_after: str
    struct_id: str | None = None
    tenant: str | None = None
    refused: str | None = None
    revoked_at: str | None = None
    reason: str | None = None
    files: dict[str, str] = field(default_factory=dict)

    def state(self, at: datetime) -> State:
        """Revoked before anything else, as a peer says it."""
        if self.revoked_at is not None:
            return "revoked"
        if at < datetime.fromisoformat(self.not_before):
            return "not_yet_valid"
        return "expired" if at > datetime.fromisoformat(self.not_after) else "valid"

    @property
    def number(self) -> int:
        return int(self.serial, 16)

    def revoked(self) -> Revoked | None:
        """Its line in a list; None when it is not revoked."""
        if self.revoked_at is None:
            return None
        return Revoked(self.number, datetime.fromisoformat(self.revoked_at), REASONS[self.reason or "unspecified"])


def row_of(cert: x509.Certificate, **known: Any) -> Issued:
    """The row of a certificate; ``known`` is what it does not say itself: name, profile, branch, files …"""
    names = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Issued(
        cn=str(names[0].value), subject=cert.subject.rfc4514_string(_ATTRIBUTES), serial=_hexadecimal(cert.serial_number),
        fingerprint=cert.fingerprint(SHA256()).hex(), struct_id=struct_id_of(cert),
        not_before=rfc3339(cert.not_valid_before_utc), not_after=rfc3339(cert.not_valid_after_utc), **known,
    )  # fmt: skip


def _hexadecimal(serial: int) -> str:
    digits = f"{serial:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class Register:
    """Rows in the order of their issue. Nothing is on disk before ``save``."""

    rows: list[Issued]

    @classmethod
    def load(cls, folder: Path) -> Register:
        """Empty when there is none. Raises DamagedState."""
        path = folder / FILE_NAME
        return cls([Issued(**row) for row in read(path)] if path.exists() else [])

    def save(self, folder: Path) -> None:
        content = orjson.dumps([asdict(row) for row in self.rows], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write(folder / FILE_NAME, content, secret=True)

    def find(self, wanted: str) -> Issued | None:
        """By name or serial number, or by a fingerprint: its first eight digits are enough when no other begins so."""
        exact = next((row for row in self.rows if wanted == row.name or wanted.upper() == row.serial), None)
        begins = [row for row in self.rows if len(wanted) >= 8 and row.fingerprint.startswith(wanted.lower())]
        return exact or (begins[0] if len(begins) == 1 else None)

    def add(self, row: Issued) -> None:
        """A name that is taken goes to the new one: the former keeps its certificate's own."""
        self.rows = [
            replace(one, name=f"{one.name}-{one.fingerprint[:8]}", files={}) if one.name == row.name else one for one in self.rows
        ]
        self.rows.append(row)

    def change(self, row: Issued) -> None:
        self.rows = [row if one.fingerprint == row.fingerprint else one for one in self.rows]

    def of(self, branch: str) -> list[Issued]:
        return [row for row in self.rows if row.branch == branch]
