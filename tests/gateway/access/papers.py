"""Certificates of structures, minted once a run by the sandbox's authority: good ones, and one for each thing wrong."""
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

from gateway.access.identities import Candidate
from mocks.sandbox.authority import Authority, Pair, new_authority, new_key, organisation_name
from mocks.sandbox.profiles import Profile

STRUCT_ID = "10B0990999"  # in no manifest


@cache
def key(number: int = 0) -> rsa.RSAPrivateKey:
    return new_key()


@cache
def authority() -> Authority:
    return new_authority(key(100), key(101))


def subject(struct_id: str = STRUCT_ID, cn: str = "INSI-AUTO") -> x509.Name:
    return organisation_name(department="Bac à sable (00)", organisation="EHPAD DEPOSANT", struct_id=struct_id, cn=cn)


def pair(profile: Profile = "auth_cli", *, name: x509.Name | None = None, number: int = 0, **dates: Any) -> Pair:
    return authority().mint(profile, name or subject(), key(number), **dates)


def candidate(profile: Profile = "auth_cli", **wanted: Any) -> Candidate:
    made = pair(profile, **wanted)
    return Candidate(made.cert, made.key)


def expired() -> dict[str, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    return {"start": now - timedelta(days=9), "end": now - timedelta(days=1)}


def not_yet() -> dict[str, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    return {"start": now + timedelta(days=1), "end": now + timedelta(days=9)}


def p12(made: Pair, password: bytes) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"identity", made.key, made.cert, None, BestAvailableEncryption(password))


def der(made: Pair | Candidate) -> bytes:
    return made.cert.public_bytes(Encoding.DER)
