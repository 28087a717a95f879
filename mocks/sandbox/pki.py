"""The sandbox's certificates, on disk: made once, kept (design §7). Paths in the manifest are relative to ``sandbox/``."""
from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from connectors.wire.clock import SystemClock
from mocks.sandbox.authority import Authority, Pair, Profile, new_authority, new_key, organisation_name
from mocks.sandbox.places import department_label

_PEM = serialization.Encoding.PEM
_OWN_HOSTS = ("localhost", "127.0.0.1", "::1")
_SIGN_CN = "SOCLE-SIGN"
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Subject:
    """A structure as its certificates name it."""

    finess_et: str
    struct_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Made:
    """What the manifest says of the certificates: the ``pki`` part, and for each FINESS ET its two identities."""

    pki: dict[str, Any]
    structures: dict[str, dict[str, dict[str, str]]]


def public_hosts() -> list[str]:
    """Names of the server certificate: this machine's, and SOCLE_PUBLIC_HOSTS (separated by commas)."""
    asked = [host.strip() for host in os.environ.get("SOCLE_PUBLIC_HOSTS", "").split(",")]
    return list(dict.fromkeys([*_OWN_HOSTS, *(host for host in asked if host)]))


def make_pki(sandbox: Path, subjects: Sequence[Subject], *, password: str, hosts: Sequence[str]) -> Made:
    """Write ``sandbox/pki``: authorities, lists, server, two identities a structure, and the ones that must be refused."""
    folder = sandbox / "pki"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        keys = iter(list(pool.map(lambda _: new_key(), range(10 + 2 * len(subjects)))))
    authority = new_authority(next(keys), next(keys))
    stranger = new_authority(next(keys), next(keys), label="SANDBOX ETRANGER")
    writer = _Writer(sandbox, authority, password)
    server = writer.server(next(keys), hosts)
    structures = {
        subject.finess_et: {
            "auth_cli": writer.identity(subject.finess_et, "auth_cli", subject, "INSI-AUTO", next(keys)),
            "sign": writer.identity(subject.finess_et, "sign", subject, _SIGN_CN, next(keys)),
        }
        for subject in subjects
    }
    refused = _refused(writer, stranger, subjects[0], [next(keys) for _ in range(5)])
    writer.publish_lists()
    return Made({**writer.authorities(), "server": server, "refused": refused}, structures)


def renew_server(sandbox: Path, hosts: Sequence[str]) -> dict[str, Any]:
    """Replace the server's certificate by one that answers to these names; the authorities stay, so nobody sees a change."""
    root, issuing = (_read_pair(sandbox / "pki" / name) for name in ("root", "issuing"))
    return _Writer(sandbox, Authority(root, issuing), password="").server(new_key(), hosts)


def _refused(writer: _Writer, stranger: Authority, subject: Subject, keys: Sequence[rsa.RSAPrivateKey]) -> dict[str, Any]:
    """Identities in the name of the first structure that a peer must refuse, each for one reason."""
    now = SystemClock().real()
    foreign, expired, future, revoked, other_use = keys
    return {
        "foreign": writer.refused("foreign", subject, foreign, authority=stranger),
        "expired": writer.refused("expired", subject, expired, start=now - 4 * _YEAR, end=now - _YEAR),
        "not_yet_valid": writer.refused("not_yet_valid", subject, future, start=now + _YEAR, end=now + 4 * _YEAR),
        "revoked": writer.refused("revoked", subject, revoked, revoke=True),
        "other_use": writer.refused("other_use", subject, other_use, cn="SOCLE-AUTRE-USAGE"),
    }


class _Writer:
    """Mints with one authority and writes what it mints."""

    def __init__(self, sandbox: Path, authority: Authority, password: str) -> None:
        self._sandbox = sandbox
        self._authority = authority
        self._password = password
        self._revoked: list[x509.Certificate] = []

    def authorities(self) -> dict[str, str]:
        """Both authorities, their keys, and the trust store in both forms."""
        root, issuing = self._authority.root, self._authority.issuing
        self._write("root.pem", root.cert.public_bytes(_PEM))
        self._write("issuing.pem", issuing.cert.public_bytes(_PEM))
        self._write("ca.pem", issuing.cert.public_bytes(_PEM) + root.cert.public_bytes(_PEM))
        self._write("root.key", _key_pem(root.key), secret=True)
        self._write("issuing.key", _key_pem(issuing.key), secret=True)
        trusted = [
            pkcs12.PKCS12Certificate(root.cert, b"socle-racine"),
            pkcs12.PKCS12Certificate(issuing.cert, b"socle-emettrice"),
        ]
        store = pkcs12.serialize_java_truststore(trusted, self._encryption())
        self._write("truststore.p12", store)
        return {
            "ca": "pki/ca.pem", "root": "pki/root.pem", "issuing": "pki/issuing.pem", "crl": "pki/crl.pem",
            "truststore_p12": "pki/truststore.p12", "truststore_password": self._password,
        }  # fmt: skip

    def publish_lists(self) -> None:
        """Both revocation lists in one file: checking the leaf or the whole chain works with it."""
        lists = [self._authority.crl(self._revoked), self._authority.root_crl()]
        self._write("crl.pem", b"".join(crl.public_bytes(_PEM) for crl in lists))

    def server(self, key: rsa.RSAPrivateKey, hosts: Sequence[str]) -> dict[str, Any]:
        subject = organisation_name(
            department="Bac à sable (00)", organisation="SOCLE BAC A SABLE", struct_id="3" + "0" * 14, cn=hosts[0]
        )
        pair = self._authority.mint("server", subject, key, hosts=hosts)
        self._write("server.pem", pair.cert.public_bytes(_PEM) + self._authority.issuing.cert.public_bytes(_PEM))
        self._write("server.key", _key_pem(key), secret=True)
        return {"cert": "pki/server.pem", "key": "pki/server.key", "hosts": list(hosts)}

    def identity(self, stem: str, profile: Profile, subject: Subject, cn: str, key: rsa.RSAPrivateKey) -> dict[str, str]:
        """An organisation's identity: PEM of the leaf, PEM of the key, PKCS#12 with the chain."""
        pair = self._authority.mint(profile, _subject_name(subject, cn), key)
        return self._files(f"{stem}.{profile}", cn, pair, self._authority)

    def refused(
        self, name: str, subject: Subject, key: rsa.RSAPrivateKey, *, authority: Authority | None = None, cn: str = "INSI-AUTO",
        revoke: bool = False, **validity: Any,
    ) -> dict[str, str]:
        authority = authority or self._authority
        pair = authority.mint("auth_cli", _subject_name(subject, cn), key, **validity)
        if revoke:
            self._revoked.append(pair.cert)
        return self._files(f"refused-{name}", cn, pair, authority)

    def _files(self, stem: str, cn: str, pair: Pair, authority: Authority) -> dict[str, str]:
        chain = [authority.issuing.cert, authority.root.cert]
        bundle = pkcs12.serialize_key_and_certificates(stem.encode(), pair.key, pair.cert, chain, self._encryption())
        self._write(f"{stem}.pem", pair.cert.public_bytes(_PEM))
        self._write(f"{stem}.key", _key_pem(pair.key), secret=True)
        self._write(f"{stem}.p12", bundle, secret=True)
        return {
            "cn": cn, "cert": f"pki/{stem}.pem", "key": f"pki/{stem}.key", "p12": f"pki/{stem}.p12",
            "password": self._password, "fingerprint": pair.cert.fingerprint(hashes.SHA256()).hex(),
        }  # fmt: skip

    def _encryption(self) -> serialization.KeySerializationEncryption:
        return serialization.BestAvailableEncryption(self._password.encode())

    def _write(self, name: str, content: bytes, *, secret: bool = False) -> None:
        path = self._sandbox / "pki" / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def _subject_name(subject: Subject, cn: str) -> x509.Name:
    return organisation_name(
        department=department_label(subject.finess_et), organisation=subject.name, struct_id=subject.struct_id, cn=cn
    )


def _read_pair(stem: Path) -> Pair:
    cert = x509.load_pem_x509_certificate(stem.with_suffix(".pem").read_bytes())
    key = serialization.load_pem_private_key(stem.with_suffix(".key").read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Pair(cert, key)


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
