"""The files of an identity: PEM, private key, PKCS #12 (PBES2 with AES-256, MAC with SHA-256), keys for their owner only."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from mocks.sandbox.authority import Pair

_PEM = serialization.Encoding.PEM
_ROUNDS = 10_000  # a random password needs no more, and there are three P12 a structure


def write(path: Path, content: bytes, *, secret: bool = False) -> None:
    """Whole or not at all: who reads meanwhile sees the one before."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)


def write_manifest(sandbox: Path, manifest: dict[str, Any]) -> None:
    """``sandbox.json``: secrets are in it, and who reads meanwhile sees the one before."""
    write(sandbox / "sandbox.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), secret=True)


def write_identity(folder: Path, stem: str, pair: Pair, chain: Sequence[x509.Certificate], password: str) -> dict[str, str]:
    """``<stem>.pem`` (the leaf alone), ``.key`` and ``.p12`` (with the chain); the names of the files."""
    write(folder / f"{stem}.pem", pem_of(pair.cert))
    write(folder / f"{stem}.key", key_pem(pair.key), secret=True)
    bundle = pkcs12.serialize_key_and_certificates(stem.encode(), pair.key, pair.cert, chain, encryption(password))
    write(folder / f"{stem}.p12", bundle, secret=True)
    return {"cert": f"{stem}.pem", "key": f"{stem}.key", "p12": f"{stem}.p12"}


def encryption(password: str) -> serialization.KeySerializationEncryption:
    builder = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(_ROUNDS)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
    return builder.build(password.encode())


def read_pair(stem: Path) -> Pair:
    """``<stem>.pem`` and ``<stem>.key``. OSError or ValueError when one is missing or is not what it should be."""
    return Pair(read_cert(stem.with_name(f"{stem.name}.pem")), read_key(stem.with_name(f"{stem.name}.key")))


def read_cert(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def read_key(path: Path) -> rsa.RSAPrivateKey:
    # Our own keys, which nobody else writes: checking that their primes are prime costs as much as making them.
    key = serialization.load_pem_private_key(path.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path.name} is not an RSA key")
    return key


def pem_of(*certs: x509.Certificate) -> bytes:
    return b"".join(cert.public_bytes(_PEM) for cert in certs)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
