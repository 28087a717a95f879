"""The registration office of a sandbox: issues, revokes and publishes, in ``sandbox/pki`` and under its lock."""
from __future__ import annotations

import fcntl
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from mocks.sandbox import leaflet, published
from mocks.sandbox.authority import Authority, new_issuer, new_key, now
from mocks.sandbox.lists import read_lists, revoked_in
from mocks.sandbox.ocsp import Responder
from mocks.sandbox.orders import FOREIGN, Order, minted
from mocks.sandbox.papers import key_pem, pem_of, read_cert, read_pair, write, write_identity
from mocks.sandbox.profiles import ORGANISATIONS, Branch
from mocks.sandbox.register import Issued, Register, rfc3339, row_of

ISSUED = "emis"
_LEAVES = {"auth_cli": "auth_cli", "auth_manu": "auth_cli", "sign": "sign", "server": "server"}


class UnknownCertificate(LookupError):
    """Nothing was issued under this name."""


class AlreadyRevoked(ValueError):
    """It is revoked already, since ``args[0]``."""


class Office:
    """One sandbox's. Every act is whole on disk before it returns; another process may act meanwhile."""

    def __init__(self, sandbox: Path) -> None:
        self._sandbox, self._folder = sandbox, sandbox / "pki"

    @property
    def register_file(self) -> Path:
        """Changes with every act."""
        return self._folder / "register.json"

    def rows(self) -> list[Issued]:
        return Register.load(self._folder).rows

    def complete(self) -> None:
        """Add what a sandbox made before lacks: the register, OCSP, the leaflet, fresh lists. What is there stays."""
        with self._alone():
            register = Register.load(self._folder)
            known = len(register.rows)
            self._adopt(register)
            if len(register.rows) != known or not self.register_file.exists():
                register.save(self._folder)
            published.complete_responders(self._folder)
            published.publish(self._folder, register, now())
            if not (self._folder / leaflet.FILE_NAME).exists():
                write(self._folder / leaflet.FILE_NAME, leaflet.TEXT.encode())

    def issue(self, order: Order) -> tuple[Issued, str]:
        """The new certificate's row, and the password of its P12, which is kept nowhere."""
        with self._alone():
            register = Register.load(self._folder)
            authority = self._authority(order.branch)
            pair, signer = minted(order, authority, now())
            stem, password = order.stem(pair.cert.serial_number), secrets.token_urlsafe(12)
            folder = self._folder / ISSUED
            folder.mkdir(mode=0o700, exist_ok=True)
            chain = [signer.issuing.cert, signer.root.cert]
            files = write_identity(folder, stem, pair, chain, password)
            write(folder / f"{stem}.chaine.pem", pem_of(pair.cert, *chain))
            named = {kind: f"pki/{ISSUED}/{file}" for kind, file in {**files, "chain": f"{stem}.chaine.pem"}.items()}
            row = row_of(
                pair.cert, name=stem, profile=order.profile, tenant=order.tenant, refused=order.refused, files=named,
                branch=FOREIGN if signer is not authority else authority.branch.stem,
            )  # fmt: skip
            if order.refused == "revoked":
                row = replace(row, revoked_at=rfc3339(now()), reason="key_compromise")
            register.add(row)
            self._save(register)
            return row, password

    def revoke(self, wanted: str, reason: str) -> Issued:
        """By name, serial number or fingerprint. Raises UnknownCertificate, AlreadyRevoked."""
        with self._alone():
            register = Register.load(self._folder)
            row = register.find(wanted)
            if row is None or row.branch == FOREIGN:
                raise UnknownCertificate(wanted)
            if row.revoked_at is not None:
                raise AlreadyRevoked(row.revoked_at)
            row = replace(row, revoked_at=rfc3339(now()), reason=reason)
            register.change(row)
            self._save(register)
            return row

    def revoke_all(self, wanted: Callable[[Issued], bool], reason: str) -> list[Issued]:
        """Those of our branches that are wanted and not revoked yet, all of them at once."""
        with self._alone():
            register = Register.load(self._folder)
            found = [row for row in register.rows if row.branch != FOREIGN and row.revoked_at is None and wanted(row)]
            for row in found:
                register.change(replace(row, revoked_at=rfc3339(now()), reason=reason))
            if found:
                self._save(register)
            return found

    def freshen(self) -> bool:
        """Publish again the lists that are getting old; whether any was."""
        with self._alone():
            return published.publish(self._folder, Register.load(self._folder), now())

    def responders(self) -> list[Responder]:
        """Who answers by OCSP, as the register is now."""
        return published.responders(self._folder, Register.load(self._folder))

    def _save(self, register: Register) -> None:
        """The register first: the lists can be signed again from it, not the reverse."""
        register.save(self._folder)
        published.publish(self._folder, register, now())

    def _authority(self, branch: Branch) -> Authority:
        root = read_pair(self._folder / "root")
        if not published.exists(self._folder, branch):
            issuer = new_issuer(root, branch, new_key())
            write(self._folder / f"{branch.stem}.pem", pem_of(issuer.cert))
            write(self._folder / f"{branch.stem}.key", key_pem(issuer.key), secret=True)
            published.complete_responders(self._folder)
        return Authority(root, read_pair(self._folder / branch.stem), branch)

    def _adopt(self, register: Register) -> None:
        """Rows for the certificates that the folder holds and the register does not."""
        issuing = read_cert(self._folder / f"{ORGANISATIONS.stem}.pem")
        revoked = {line.serial: line for one in self._lists() for line in revoked_in(one)}
        known = {row.fingerprint for row in register.rows}
        for path in sorted(self._folder.glob("*.pem")):
            stem = path.name.removesuffix(".pem")
            refused = stem.removeprefix("refused-") if stem.startswith("refused-") else None
            profile = "auth_cli" if refused else _LEAVES.get(stem.rpartition(".")[2])
            if profile is None:
                continue
            cert = read_cert(path)
            row = row_of(
                cert, name=stem, profile=profile, refused=refused, files=self._files(stem),
                branch=ORGANISATIONS.stem if cert.issuer == issuing.subject else FOREIGN,
            )  # fmt: skip
            line = revoked.get(cert.serial_number)
            if row.fingerprint not in known:
                register.add(row if line is None else replace(row, revoked_at=rfc3339(line.at), reason="unspecified"))

    def _lists(self) -> list[x509.CertificateRevocationList]:
        paths = [self._folder / file for file in published.LISTS]
        return [one for path in paths if path.exists() for one in read_lists(path.read_bytes())]

    def _files(self, stem: str) -> dict[str, str]:
        named = {"cert": f"{stem}.pem", "key": f"{stem}.key", "p12": f"{stem}.p12"}
        return {kind: f"pki/{file}" for kind, file in named.items() if (self._folder / file).exists()}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
