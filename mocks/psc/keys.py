"""The realm's keys: one signs the tokens, one is published for encryption, as Keycloak does (psc-annuaire §2.2)."""
from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc.jwk import KeySet, RSAKey

from connectors.wire.clock import Clock


@dataclass(frozen=True, slots=True)
class RealmKeys:
    """``signing`` holds the private key; ``public`` is what verifiers use; ``jwks`` is the published document."""

    kid: str
    signing: RSAKey = field(repr=False)
    public: KeySet
    jwks: dict[str, Any]


def load_keys(folder: Path, clock: Clock) -> RealmKeys:
    """Read the realm's keys from ``folder``, making them the first time (mode 0600)."""
    signature, signature_cert = _key(folder / "signature.pem", clock)
    encryption, encryption_cert = _key(folder / "encryption.pem", clock)
    published = _published(signature, signature_cert, use="sig", alg="RS256")
    pem = signature.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    kid = published["kid"]
    return RealmKeys(
        kid=kid,
        signing=RSAKey.import_key(pem, {"kid": kid, "use": "sig", "alg": "RS256"}),
        public=KeySet([RSAKey.import_key({name: published[name] for name in ("kty", "n", "e", "kid", "use", "alg")})]),
        jwks={"keys": [published, _published(encryption, encryption_cert, use="enc", alg="RSA-OAEP")]},
    )


def _key(path: Path, clock: Clock) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    if not path.exists():
        _write(path, clock)
    data = path.read_bytes()
    key = serialization.load_pem_private_key(data, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key, x509.load_pem_x509_certificate(data)


def _write(path: Path, clock: Clock) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "esante-wallet (bac a sable)")])
    start = clock.real() - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(start).not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    partial = path.with_suffix(".new")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem + certificate.public_bytes(serialization.Encoding.PEM))
    partial.replace(path)


def _published(key: rsa.RSAPrivateKey, certificate: x509.Certificate, *, use: str, alg: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    der = certificate.public_bytes(serialization.Encoding.DER)
    return {
        "kid": _b64(hashlib.sha256(der).digest()), "kty": "RSA", "alg": alg, "use": use,
        "n": _b64(_integer(numbers.n)), "e": _b64(_integer(numbers.e)), "x5c": [base64.b64encode(der).decode("ascii")],
        "x5t": _b64(hashlib.sha1(der, usedforsecurity=False).digest()), "x5t#S256": _b64(hashlib.sha256(der).digest()),
    }  # fmt: skip


def _integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
