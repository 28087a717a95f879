"""The certificates of a running sandbox seen by OpenSSL's commands and curl: at each door, by the lists, by OCSP."""
from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.journal.query import Filters, JournalReader
from tests.e2e.test_up import ROOT, SOCLE, read_json, start, stop
from tests.peers.conftest import program

DOORS = {"insi": (), "dmp": (), "psc": (), "smtp": ("-starttls", "smtp")}
GOOD = "0B0990008.auth_cli"


@dataclass
class Sandbox:
    process: subprocess.Popen[bytes]
    data: Path
    ports: dict[str, int]
    said: dict[str, Any]

    @property
    def pki(self) -> Path:
        return self.data / "sandbox" / "pki"

    def socle(self, *arguments: str) -> Any:
        done = run(*SOCLE, "sandbox", "pki", *arguments, "--json", "--data", self.data)
        return orjson.loads(done.stdout)

    def shake(self, door: str, cert: Path) -> str:
        """What `openssl s_client` says of a handshake with this certificate, and of the first bytes after it."""
        done = run(
            program("openssl"), "s_client", "-connect", f"127.0.0.1:{self.ports[door]}", *DOORS[door], "-servername", "localhost",
            "-CAfile", self.pki / "ca.pem", "-verify_return_error", "-cert", cert, "-key", cert.with_suffix(".key"),
            "-cipher", "DEFAULT:@SECLEVEL=0", "-ign_eof", "-brief",
            said=b"EHLO essai\r\nQUIT\r\n" if door == "smtp" else b"GET /essai HTTP/1.0\r\nHost: localhost\r\n\r\n",
        )  # fmt: skip
        return done.stdout + done.stderr

    def ocsp(self, *which: str | Path, issuer: str = "issuing") -> str:
        """What `openssl ocsp` concludes, the answer's signature and its delegate checked."""
        url = f"http://127.0.0.1:{self.ports['mock-crl']}/OCSP"
        done = run(
            program("openssl"), "ocsp", "-url", url, "-issuer", self.pki / f"{issuer}.pem", *which,
            "-CAfile", self.pki / "root.pem", "-verify_other", self.pki / "issuing.pem",
        )  # fmt: skip
        return done.stdout + done.stderr


def run(*command: str | Path, said: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(one) for one in command], input=said, capture_output=True, timeout=60, check=False, cwd=ROOT)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace"))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    program("openssl")
    data = tmp_path_factory.mktemp("up")
    process = start(data, "--json")
    said = read_json(process)
    yield Sandbox(process, data, orjson.loads((data / "run.json").read_bytes())["ports"], said)
    if process.poll() is None:
        stop(process)


PASSES: dict[str, Callable[[str], bool]] = {
    "insi": lambda told: "HTTP/1.1 404" in told, "dmp": lambda told: "HTTP/1.1 404" in told,
    "psc": lambda told: "HTTP/1.1 404" in told, "smtp": lambda told: "250" in told,
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_each_door_takes_the_good_one(sandbox: Sandbox, door: str) -> None:
    for name in (GOOD, "0B0990008.auth_manu"):
        told = sandbox.shake(door, sandbox.pki / f"{name}.pem")
        assert PASSES[door](told) and "alert" not in told, told


ALERTS = {
    "foreign": "alert unknown ca", "other_branch": "alert unknown ca", "expired": "alert certificate expired",
    "not_yet_valid": "alert bad certificate", "revoked": "alert certificate revoked",
    "wrong_usage": "alert unsupported certificate", "weak_key": "alert bad certificate",
}  # fmt: skip


@pytest.mark.parametrize("kind", ALERTS)
def test_each_door_refuses_each_bad_one_by_its_alert(sandbox: Sandbox, kind: str) -> None:
    told = sandbox.socle("issue", "--structure", "0B0990008", "--refused", kind)
    for door in DOORS:
        assert ALERTS[kind] in sandbox.shake(door, Path(told["files"]["cert"])), (door, kind)


def test_a_new_identity_works_at_once_and_no_longer_once_revoked(sandbox: Sandbox) -> None:
    told = sandbox.socle("issue", "--structure", "0B0990008", "--cn", "INSI-MANU", "--days", "2")
    assert told["deposited"] == ["INS", "DMP", "MSS"]
    cert = Path(told["files"]["cert"])
    call = [
        program("curl"), "-sS", "--cacert", sandbox.pki / "ca.pem", "--cert", cert, "--key", told["files"]["key"],
        "-H", "Content-Type: application/soap+xml; charset=utf-8",
        "--data-binary", f"@{ROOT / 'docs' / 'exemples' / 'insi-recherche.xml'}", sandbox.said["bases"]["insi"],
    ]  # fmt: skip
    answered = run(*call)
    assert "<CodeCR>00</CodeCR>" in answered.stdout, answered.stderr
    assert sandbox.socle("revoke", told["name"], "--reason", "key_compromise")["withdrawn"] == ["INS", "DMP", "MSS"]
    assert "alert certificate revoked" in run(*call).stderr
    assert "alert certificate revoked" in sandbox.shake("smtp", cert)
    mock = replace(sandbox, ports={**sandbox.ports, "insi": sandbox.ports["mock-insi"]})
    assert "alert certificate revoked" in mock.shake("insi", cert), "the simulated service knows it too"
    assert "reason: keyCompromise" in sandbox.ocsp("-cert", cert).replace("Reason", "reason")


def test_ocsp_says_good_revoked_and_unknown(sandbox: Sandbox) -> None:
    for told, wanted in (
        (sandbox.ocsp("-cert", sandbox.pki / f"{GOOD}.pem"), "auth_cli.pem: good"),
        (sandbox.ocsp("-sha256", "-cert", sandbox.pki / "server.pem"), "server.pem: good"),
        (sandbox.ocsp("-cert", sandbox.pki / "refused-revoked.pem"), "refused-revoked.pem: revoked"),
        (sandbox.ocsp("-serial", "0x1234"), "0x1234: unknown"),
        (sandbox.ocsp("-cert", sandbox.pki / "issuing.pem", issuer="root"), "issuing.pem: good"),
    ):
        assert wanted in told and "Response verify OK" in told, told
    other = sandbox.ocsp("-cert", sandbox.pki / "refused-foreign.pem")
    assert "unauthorized (6)" in other, other


def test_the_lists_are_where_the_certificates_say(sandbox: Sandbox, tmp_path: Path) -> None:
    asked = ["-noout", "-ext", "crlDistributionPoints,authorityInfoAccess"]
    shown = run(program("openssl"), "x509", "-in", sandbox.pki / f"{GOOD}.pem", *asked)
    assert "URI:http://localhost:9103/CRL/ACI-EL-ORG-SANDBOX.crl" in shown.stdout
    assert "OCSP - URI:http://localhost:9103/OCSP" in shown.stdout
    base = f"http://127.0.0.1:{sandbox.ports['mock-crl']}"
    for path in ("CRL/ACI-EL-ORG-SANDBOX.crl", "CRL/ACR-EL-SANDBOX.crl"):
        file = tmp_path / "list.crl"
        run(program("curl"), "-sS", "-o", file, f"{base}/{path}")
        told = run(program("openssl"), "crl", "-inform", "DER", "-in", file, "-noout", "-CAfile", sandbox.pki / "ca.pem")
        assert "verify OK" in told.stderr, told.stderr


def test_the_journal_says_why_each_was_refused(sandbox: Sandbox) -> None:
    """Last: the gateway writes its gaps each minute, and when it stops."""
    stop(sandbox.process)
    with JournalReader(sandbox.data / "gateway") as reader:
        gaps = [row["detail"] for row in reader.entries(Filters(kind="gap"), limit=500).entries]
        calls = reader.entries(Filters(kind="call"), limit=500).entries
    codes = {"V-CERT-AUTORITE", "V-CERT-EXPIRE", "V-CERT-FUTUR", "V-CERT-REVOQUE", "V-CERT-USAGE", "V-CERT-FAIBLE"}
    assert {(one["listener"], one["why"]) for one in gaps} >= {(door, code) for door in ("insi", "dmp", "psc") for code in codes}
    sessions = [row for row in calls if row["operation"] == "MSS.SESSION_SMTP" and row["outcome"] == "unauthorised"]
    assert {flag for row in sessions for flag in row["flags"]} == codes
