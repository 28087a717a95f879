"""The sandbox's certificates, on disk: made once, kept (design §7). Paths in the manifest are relative to ``sandbox/``."""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from mocks.sandbox.authority import Authority, Pair, new_authority, new_key, now, organisation_name
from mocks.sandbox.office import Office
from mocks.sandbox.orders import FOREIGN, OTHER_USE
from mocks.sandbox.papers import encryption, key_pem, pem_of, read_pair, write, write_identity
from mocks.sandbox.places import department_label
from mocks.sandbox.profiles import Profile
from mocks.sandbox.register import Register, rfc3339, row_of

_OWN_HOSTS = ("localhost", "127.0.0.1", "::1")
_YEAR = timedelta(days=365)

#: The identities of each structure: its part of the manifest, profile, CN (insi §2.2 names the two uses of INSi).
IDENTITIES: tuple[tuple[str, Profile, str], ...] = (
    ("auth_cli", "auth_cli", "INSI-AUTO"), ("sign", "sign", "SOCLE-SIGN"), ("auth_manu", "auth_cli", "INSI-MANU"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """A structure as its certificates name it."""

    finess_et: str
    struct_id: str
    name: str

    def named(self, cn: str) -> x509.Name:
        department = department_label(self.finess_et)
        return organisation_name(department=department, organisation=self.name, struct_id=self.struct_id, cn=cn)


@dataclass(frozen=True, slots=True)
class Made:
    """What the manifest says of the certificates: the ``pki`` part, and for each FINESS ET its identities."""

    pki: dict[str, Any]
    structures: dict[str, dict[str, dict[str, str]]]


def server_name(cn: str) -> x509.Name:
    """Of whoever runs the sandbox."""
    return organisation_name(department="Bac à sable (00)", organisation="SOCLE BAC A SABLE", struct_id="3" + "0" * 14, cn=cn)


def public_hosts() -> list[str]:
    """Names of the server certificate: this machine's, and SOCLE_PUBLIC_HOSTS (separated by commas)."""
    asked = [host.strip() for host in os.environ.get("SOCLE_PUBLIC_HOSTS", "").split(",")]
    return list(dict.fromkeys([*_OWN_HOSTS, *(host for host in asked if host)]))


def make_pki(sandbox: Path, subjects: Sequence[Subject], *, password: str, hosts: Sequence[str]) -> Made:
    """Write ``sandbox/pki``: authorities, lists, server, the identities of each structure, and the ones that must be refused."""
    folder = sandbox / "pki"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys = iter(_keys(10 + len(IDENTITIES) * len(subjects)))
    authority = new_authority(next(keys), next(keys))
    stranger = new_authority(next(keys), next(keys), label="SANDBOX ETRANGER")
    writer = _Writer(sandbox, authority, password)
    server = writer.server(next(keys), hosts)
    structures = {
        subject.finess_et: {
            part: writer.identity(f"{subject.finess_et}.{part}", profile, subject, cn, next(keys))
            for part, profile, cn in IDENTITIES
        }
        for subject in subjects
    }
    refused = _refused(writer, stranger, subjects[0], lambda: next(keys))
    authorities = writer.authorities()
    writer.register.save(folder)
    Office(sandbox).complete()
    return Made({**authorities, "server": server, "refused": refused}, structures)


def add_identities(sandbox: Path, structures: Sequence[dict[str, Any]]) -> bool:
    """Make the identities that rows of a manifest lack, and add them there; whether there were any."""
    lacking = [(row, *identity) for row in structures for identity in IDENTITIES if identity[0] not in row]
    if not lacking:
        return False
    writer = _writer(sandbox)
    for (row, part, profile, cn), key in zip(lacking, _keys(len(lacking)), strict=True):
        subject = Subject(row["finess_et"], row["struct_id"], row["name"])
        row[part] = writer.protected(row["auth_cli"]["password"]).identity(
            f"{subject.finess_et}.{part}", profile, subject, cn, key
        )
    return True


def renew_server(sandbox: Path, hosts: Sequence[str]) -> dict[str, Any]:
    """Replace the server's certificate by one that answers to these names; the authorities stay, so nobody sees a change."""
    server = _writer(sandbox).server(new_key(), hosts)
    Office(sandbox).complete()
    return server


def _keys(count: int) -> list[rsa.RSAPrivateKey]:
    """They are most of the time that a sandbox takes to make."""
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda _: new_key(), range(count)))


def _refused(
    writer: _Writer, stranger: Authority, subject: Subject, key: Callable[[], rsa.RSAPrivateKey]
) -> dict[str, dict[str, str]]:
    """Identities in the name of the first structure that a peer must refuse, each for one reason."""
    at = now()
    return {
        "foreign": writer.refused("foreign", subject, key(), authority=stranger),
        "expired": writer.refused("expired", subject, key(), start=at - 4 * _YEAR, end=at - _YEAR),
        "not_yet_valid": writer.refused("not_yet_valid", subject, key(), start=at + _YEAR, end=at + 4 * _YEAR),
        "revoked": writer.refused("revoked", subject, key(), revoke=True),
        "other_use": writer.refused("other_use", subject, key(), cn=OTHER_USE),
    }


def _writer(sandbox: Path) -> _Writer:
    root, issuing = (read_pair(sandbox / "pki" / name) for name in ("root", "issuing"))
    return _Writer(sandbox, Authority(root, issuing), password="")


class _Writer:
    """Mints with one authority, writes what it mints, and keeps a row of each."""

    def __init__(self, sandbox: Path, authority: Authority, password: str) -> None:
        self._sandbox, self._folder = sandbox, sandbox / "pki"
        self._authority, self._password = authority, password
        self.register = Register([])

    def protected(self, password: str) -> _Writer:
        """The same with another password for what it writes."""
        return _Writer(self._sandbox, self._authority, password)

    def authorities(self) -> dict[str, str]:
        """Both authorities, their keys, and the trust store in both forms."""
        root, issuing = self._authority.root, self._authority.issuing
        write(self._folder / "root.pem", pem_of(root.cert))
        write(self._folder / "issuing.pem", pem_of(issuing.cert))
        write(self._folder / "ca.pem", pem_of(issuing.cert, root.cert))
        write(self._folder / "root.key", key_pem(root.key), secret=True)
        write(self._folder / "issuing.key", key_pem(issuing.key), secret=True)
        trusted = [
            pkcs12.PKCS12Certificate(root.cert, b"socle-racine"),
            pkcs12.PKCS12Certificate(issuing.cert, b"socle-emettrice"),
        ]
        write(self._folder / "truststore.p12", pkcs12.serialize_java_truststore(trusted, encryption(self._password)))
        return {
            "ca": "pki/ca.pem", "root": "pki/root.pem", "issuing": "pki/issuing.pem", "crl": "pki/crl.pem",
            "truststore_p12": "pki/truststore.p12", "truststore_password": self._password,
        }  # fmt: skip

    def server(self, key: rsa.RSAPrivateKey, hosts: Sequence[str]) -> dict[str, Any]:
        subject = server_name(hosts[0])
        pair = self._authority.mint("server", subject, key, hosts=hosts)
        write(self._folder / "server.pem", pem_of(pair.cert, self._authority.issuing.cert))
        write(self._folder / "server.key", key_pem(key), secret=True)
        files = {"cert": "pki/server.pem", "key": "pki/server.key"}
        self.register.add(row_of(pair.cert, name="server", profile="server", branch=self._authority.branch.stem, files=files))
        return {**files, "hosts": list(hosts)}

    def identity(self, stem: str, profile: Profile, subject: Subject, cn: str, key: rsa.RSAPrivateKey) -> dict[str, str]:
        """An organisation's identity: PEM of the leaf, PEM of the key, PKCS#12 with the chain."""
        pair = self._authority.mint(profile, subject.named(cn), key)
        return self._written(stem, profile, cn, pair, self._authority, None)

    def refused(
        self, name: str, subject: Subject, key: rsa.RSAPrivateKey, *, authority: Authority | None = None, cn: str = "INSI-AUTO",
        revoke: bool = False, **validity: Any,
    ) -> dict[str, str]:
        authority = authority or self._authority
        pair = authority.mint("auth_cli", subject.named(cn), key, **validity)
        found = self._written(f"refused-{name}", "auth_cli", cn, pair, authority, name)
        if revoke:
            self.register.change(replace(self.register.rows[-1], revoked_at=rfc3339(now()), reason="key_compromise"))
        return found

    def _written(
        self, stem: str, profile: Profile, cn: str, pair: Pair, authority: Authority, refused: str | None
    ) -> dict[str, str]:
        chain = [authority.issuing.cert, authority.root.cert]
        written = write_identity(self._folder, stem, pair, chain, self._password)
        files = {kind: f"pki/{name}" for kind, name in written.items()}
        branch = self._authority.branch.stem if authority is self._authority else FOREIGN
        self.register.add(row_of(pair.cert, name=stem, profile=profile, branch=branch, refused=refused, files=files))
        return {"cn": cn, **files, "password": self._password, "fingerprint": pair.cert.fingerprint(hashes.SHA256()).hex()}
