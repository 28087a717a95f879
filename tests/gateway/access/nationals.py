"""Certificates that say that they are the IGC-Santé's: minted here, by keys of this run, in names that are only shaped so."""
from __future__ import annotations

from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.access.identities import Candidate
from mocks.sandbox import authority
from mocks.sandbox.authority import Pair, mint, new_issuer
from mocks.sandbox.profiles import ORGANISATIONS, Profile
from tests.gateway.access.papers import key, subject

PRODUCTION, TEST, OTHER = ("AC IGC-SANTE", "IGC-SANTE"), ("TEST AC IGC-SANTE", "IGC-SANTE TEST"), ("AC D'UN HOPITAL", "HOPITAL")
SANDBOX = ("SANDBOX AC IGC-SANTE", "IGC-SANTE SANDBOX")


@cache
def issuer(names: tuple[str, str]) -> Pair:
    """An authority of its own, with this CN (its beginning) and OU."""
    cn, unit = names
    root = authority.new_authority(key(100), key(101)).root
    name = x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"), x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        x509.NameAttribute(NameOID.COMMON_NAME, f"{cn} ELEMENTAIRE ORGANISATIONS"),
    ])  # fmt: skip
    below = new_issuer(root, ORGANISATIONS, key(102), label="SANDBOX")
    at = below.cert
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key(102).public_key())
    builder = builder.serial_number(7).not_valid_before(at.not_valid_before_utc).not_valid_after(at.not_valid_after_utc)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key(102).public_key()), critical=False)
    return Pair(builder.sign(key(102), at.signature_hash_algorithm), key(102))  # type: ignore[arg-type]


@cache
def leaf(names: tuple[str, str], profile: Profile = "auth_cli", hosts: tuple[str, ...] = ()) -> Pair:
    above = issuer(names)
    start, end = above.cert.not_valid_before_utc, above.cert.not_valid_after_utc
    return mint(above, ORGANISATIONS, profile, subject(), key(), start, end, hosts)


def candidate_of(names: tuple[str, str]) -> Candidate:
    made = leaf(names)
    return Candidate(made.cert, made.key)


def write(made: Pair, cert: Path, key_path: Path | None = None) -> None:
    cert.write_bytes(made.cert.public_bytes(Encoding.PEM))
    if key_path is not None:
        key_path.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
