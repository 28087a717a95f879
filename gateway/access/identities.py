"""Identities that structures deposit with the gateway (design §8, « TLS and identities »): checked, kept, given back.

One per (service, use, subject of the certificate). An AUTH_CLI identity is presented upstream in place of the one that a DUI
of the same subject proved to the door; a SIGN identity signs what the gateway itself asks. Profiles: psc-annuaire §23.3.
"""
from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.journal.durable import sync_folder

log = logging.getLogger(__name__)

Use = Literal["auth", "sign"]
MutualService = Literal["INS", "DMP", "MSS"]
SERVICES: tuple[str, ...] = get_args(MutualService)
USES: tuple[str, ...] = get_args(Use)

_STRUCTURE = re.compile(r"[13][0-9A-Z]{9,14}")  # idNat_struct: 1 + FINESS, 3 + SIRET
_NAME = re.compile(r"[a-z]{3}-(auth|sign)-[0-9a-f]{16}")
_ABOUT = "identity.json"


class IdentityRefused(ValueError):
    """Cannot be deposited or removed; the text is French, for who deposits."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A certificate and the key that came with it, not judged yet."""

    cert: x509.Certificate
    key: PrivateKeyTypes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deposited:
    """One kept identity. ``name`` is its folder; ``struct_id`` the OU of its subject; times are RFC 3339 UTC."""

    name: str
    service: str
    use: str
    subject: str
    struct_id: str
    fingerprint: str
    not_after: str
    tenant: str
    finess_ej: str | None
    cert: Path
    key: Path

    def about(self) -> dict[str, Any]:
        """What may be shown and kept beside the key: everything but the paths."""
        columns = ("name", "service", "use", "subject", "struct_id", "fingerprint", "not_after", "tenant", "finess_ej")
        return {column: getattr(self, column) for column in columns}


def from_pem(cert: bytes, key: bytes, password: bytes | None = None) -> Candidate:
    """The first certificate of ``cert`` and the private key of ``key``. Raises IdentityRefused."""
    try:
        return Candidate(x509.load_pem_x509_certificates(cert)[0], load_pem_private_key(key, password))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityRefused("Certificat ou clé illisible : PEM attendus, avec le mot de passe de la clé.") from error


def from_p12(content: bytes, password: bytes | None) -> Candidate:
    """The certificate of the key of a PKCS #12. Raises IdentityRefused."""
    try:
        key, cert, _ = pkcs12.load_key_and_certificates(content, password)
    except ValueError as error:
        raise IdentityRefused("P12 illisible : fichier abîmé ou mot de passe faux.") from error
    if key is None or cert is None:
        raise IdentityRefused("Ce P12 ne contient pas un certificat et sa clé privée.")
    return Candidate(cert, key)


def subject_of(der: bytes) -> str:
    """The subject of a certificate as identities are found by it (RFC 4514); empty when it cannot be read."""
    try:
        return x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except ValueError:
        return ""


def structure_named(der: bytes | None) -> str | None:
    """idNat_struct of a certificate that was proved; None without one, or when it names no structure."""
    try:
        return None if der is None else structure_of(x509.load_der_x509_certificate(der))
    except ValueError:
        return None


def pem_of(candidate: Candidate) -> tuple[bytes, bytes]:
    """Certificate and key as they are kept: PEM, the key without password."""
    key = candidate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return candidate.cert.public_bytes(Encoding.PEM), key


def check(candidate: Candidate, use: str, at: datetime) -> None:
    """Key matches, validity at ``at`` (aware), use, structure named. Raises IdentityRefused with the first thing wrong."""
    cert = candidate.cert
    if _public(cert.public_key()) != _public(candidate.key.public_key()):
        raise IdentityRefused("La clé privée n'est pas celle du certificat.")
    if at < cert.not_valid_before_utc:
        raise IdentityRefused(f"Certificat pas encore valable : il le sera le {cert.not_valid_before_utc:%d/%m/%Y à %H:%M} UTC.")
    if at > cert.not_valid_after_utc:
        raise IdentityRefused(f"Certificat expiré depuis le {cert.not_valid_after_utc:%d/%m/%Y à %H:%M} UTC.")
    if structure_of(cert) is None:
        raise IdentityRefused("Le sujet du certificat ne nomme pas de structure (OU : 1 + FINESS ou 3 + SIRET).")
    _check_use(cert, use)


def structure_of(cert: x509.Certificate) -> str | None:
    """idNat_struct: the only OU of the subject."""
    units = [str(one.value) for one in cert.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    return units[0] if len(units) == 1 and _STRUCTURE.fullmatch(units[0]) else None


def _check_use(cert: x509.Certificate, use: str) -> None:
    usage = _extension(cert, x509.KeyUsage)
    extended = list(_extension(cert, x509.ExtendedKeyUsage) or [])
    if usage is None or not usage.digital_signature or usage.key_cert_sign:
        raise IdentityRefused("Ce certificat ne permet pas la signature numérique (KeyUsage) : ce n'est ni AUTH_CLI ni SIGN.")
    if use == "auth" and ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        raise IdentityRefused("Ce certificat n'est pas d'authentification client (AUTH_CLI) : le service le refuserait.")
    if use == "sign" and (ExtendedKeyUsageOID.CLIENT_AUTH in extended or not usage.content_commitment):
        raise IdentityRefused("Ce certificat n'est pas de signature (SIGN) : le DMP refuserait ce qu'il signe.")


def _extension(cert: x509.Certificate, kind: type[Any]) -> Any:
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


class IdentityStore:
    """``gateway/identities/<name>/{cert.pem,key.pem,identity.json}``, 0600 below 0700; the last one makes it deposited."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[Deposited]:
        for path in sorted(self._folder.glob(f"*/{_ABOUT}")):
            try:
                yield self._read(path)
            except (OSError, ValueError, TypeError) as error:
                log.error("identity_unreadable", extra={"identity": path.parent.name, "error": type(error).__name__})

    def get(self, name: str) -> Deposited | None:
        return next((one for one in self if one.name == name), None)

    def prepare(self, candidate: Candidate, service: str, use: str, tenant: str, finess_ej: str | None) -> Deposited:
        """Write the files of an identity that nobody uses yet: ``commit`` makes it one. Judge it by ``check`` before.

        Raises IdentityRefused when it is deposited already.
        """
        cert, key = pem_of(candidate)
        struct_id = structure_of(candidate.cert)
        assert struct_id is not None, "check() comes before"
        fingerprint = candidate.cert.fingerprint(SHA256()).hex()
        name = f"{service.lower()}-{use}-{fingerprint[:16]}"
        if self.get(name) is not None:
            raise IdentityRefused(f"Cette identité est déjà déposée ({name}) : retirez-la d'abord pour la déposer autrement.")
        place = self._folder / name
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        for file, content in (("cert.pem", cert), ("key.pem", key)):
            _write(place / file, content)
        not_after = candidate.cert.not_valid_after_utc.isoformat().replace("+00:00", "Z")
        subject = candidate.cert.subject.rfc4514_string()
        files = (place / "cert.pem", place / "key.pem")
        return Deposited(name, service, use, subject, struct_id, fingerprint, not_after, tenant, finess_ej, *files)

    def commit(self, identity: Deposited) -> None:
        """From now on it is deposited, alone for its service, use and subject."""
        place = self._folder / identity.name
        _write(place / "about.new", orjson.dumps(identity.about()))
        (place / "about.new").replace(place / _ABOUT)
        sync_folder(place)
        sync_folder(self._folder)
        for other in self.rivals(identity):
            self.remove(other.name)

    def rivals(self, identity: Deposited) -> list[Deposited]:
        """Deposits for the same service, use and subject, which this one replaces."""
        mine = (identity.service, identity.use, identity.subject)
        return [one for one in self if (one.service, one.use, one.subject) == mine and one.name != identity.name]

    def remove(self, name: str) -> None:
        """No longer deposited, then no longer there."""
        place = self._folder / name
        (place / _ABOUT).unlink(missing_ok=True)
        sync_folder(place)
        shutil.rmtree(place)

    def _read(self, path: Path) -> Deposited:
        about = orjson.loads(path.read_bytes())
        if about["name"] != path.parent.name or not _NAME.fullmatch(about["name"]):
            raise ValueError("this is not the identity of this folder")
        return Deposited(**about, cert=path.parent / "cert.pem", key=path.parent / "key.pem")


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
