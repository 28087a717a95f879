"""What the registration office issues and revokes, judged by the OpenSSL command line, and what an older sandbox gets."""
from __future__ import annotations

import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs12

from mocks.sandbox import lists, published
from mocks.sandbox.authority import Pair, now, person_marks, person_name
from mocks.sandbox.completing import CannotComplete, complete
from mocks.sandbox.lists import read_lists
from mocks.sandbox.office import AlreadyRevoked, Office, UnknownCertificate
from mocks.sandbox.orders import KINDS, Order
from mocks.sandbox.papers import read_cert, read_pair, write
from mocks.sandbox.pki import Subject, make_pki, renew_server, server_name
from mocks.sandbox.register import FILE_NAME, Issued, Register

SUBJECT = Subject("0B0990008", "10B0990008", "EHPAD LES TILLEULS BLEUS")
NURSE = person_name(profession="Infirmier", family="FICTIVE", given="NADIA", id_nat="899700990007")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sandbox")
    make_pki(folder, [SUBJECT], password="ouvre-toi", hosts=["localhost"])
    return folder


@pytest.fixture
def office(sandbox: Path) -> Office:
    return Office(sandbox)


def order(**wanted: Any) -> Order:
    known = {"profile": "auth_cli", "whose": SUBJECT.finess_et, "subject": SUBJECT.named("INSI-AUTO"), "cn": "INSI-AUTO"}
    return Order(**{**known, **wanted})


def person(profile: str = "ps_auth", **wanted: Any) -> Order:
    return order(profile=profile, whose="899700990007", subject=NURSE, cn="899700990007", marks=person_marks("60"), **wanted)


def verdict(sandbox: Path, row: Issued, purpose: str) -> str:
    """OpenSSL's, with the sandbox's root alone as trust anchor, its lists, and its rule against weak keys."""
    pki = sandbox / "pki"
    persons = row.branch == "persons"
    lists = ["-CRLfile", pki / "crl.pem", *(["-CRLfile", pki / "crl-persons.pem"] if persons else [])]
    command = [
        "openssl", "verify", "-x509_strict", "-auth_level", "2", "-CAfile", pki / "root.pem", "-untrusted",
        pki / ("persons.pem" if persons else "issuing.pem"), *lists, "-crl_check_all", "-purpose", purpose,
        sandbox / row.files["cert"],
    ]  # fmt: skip
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


ISSUED = [
    (order(), "sslclient"), (order(cn="INSI-MANU", subject=SUBJECT.named("INSI-MANU"), days=2), "sslclient"),
    (order(profile="sign"), "smimesign"),
    (order(profile="server", hosts=["a.example"], subject=server_name("a.example")), "sslserver"),
    (person(), "sslclient"), (person("ps_sign"), "smimesign"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "purpose"), ISSUED, ids=["auto", "manu", "sign", "server", "ps_auth", "ps_sign"])
def test_openssl_accepts_each_profile_for_its_purpose(sandbox: Path, office: Office, wanted: Order, purpose: str) -> None:
    row, password = office.issue(wanted)
    assert verdict(sandbox, row, purpose).endswith(": OK\n")
    assert "unsuitable certificate purpose" in verdict(sandbox, row, "sslclient" if purpose == "smimesign" else "smimesign")
    key, cert, chain = pkcs12.load_key_and_certificates((sandbox / row.files["p12"]).read_bytes(), password.encode())
    assert key is not None and cert == read_cert(sandbox / row.files["cert"]) and len(chain) == 2
    assert (sandbox / row.files["chain"]).read_text().count("BEGIN CERTIFICATE") == 3
    if wanted.days is not None:
        assert timedelta(days=2) <= cert.not_valid_after_utc - cert.not_valid_before_utc <= timedelta(days=2, minutes=6)


REFUSED = {
    "foreign": "unable to get local issuer certificate", "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid", "revoked": "certificate revoked",
    "wrong_usage": "unsuitable certificate purpose", "weak_key": "EE certificate key too weak",
    "other_branch": "unable to get local issuer certificate",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_refuses_each_kind_for_its_own_reason(sandbox: Path, office: Office, kind: Any) -> None:
    row, _ = office.issue(order(refused=kind))
    told = verdict(sandbox, row if row.branch != "persons" else _as_organisation(row), "sslclient")
    if kind == "other_use":  # told from a good one by its name alone: INSi is who refuses it
        assert told.endswith(": OK\n")
    else:
        assert REFUSED[kind] in told
    assert (row.refused, "refuse-" in row.name) == (kind, True)


def _as_organisation(row: Issued) -> Issued:
    """Checked as a door does, which does not know the branch of persons."""
    return Issued(**{**{name: getattr(row, name) for name in Issued.__slots__}, "branch": "issuing"})


def test_a_revocation_is_in_the_list_with_its_reason_and_only_once(sandbox: Path, office: Office) -> None:
    row, _ = office.issue(order())
    number = _numbers(sandbox)
    assert verdict(sandbox, row, "sslclient").endswith(": OK\n")
    office.revoke(row.fingerprint[:12], "superseded")
    assert "certificate revoked" in verdict(sandbox, row, "sslclient")
    listed = read_lists((sandbox / "pki" / "crl.pem").read_bytes())[0].get_revoked_certificate_by_serial_number(row.number)
    assert listed is not None
    assert listed.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.superseded
    assert _numbers(sandbox) > number
    with pytest.raises(AlreadyRevoked):
        office.revoke(row.name, "key_compromise")
    for nobody in ("0B0990008", "", "refused-foreign", "root"):
        with pytest.raises(UnknownCertificate):
            office.revoke(nobody, "unspecified")


def _numbers(sandbox: Path) -> list[int]:
    return [lists.number_of(one) for one in read_lists((sandbox / "pki" / "crl.pem").read_bytes())]


def test_a_person_is_named_as_on_a_card(sandbox: Path, office: Office) -> None:
    row, _ = office.issue(person())
    command = ["openssl", "x509", "-in", str(sandbox / row.files["cert"]), "-noout", "-subject", "-nameopt", "RFC2253,-dn_rev"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    country, title, who = said.removeprefix("subject=").split(",")
    assert (country, title, sorted(who.split("+"))) == (
        "C=FR", "title=Infirmier", ["CN=899700990007", "GN=NADIA", "SN=FICTIVE"],
    )  # fmt: skip
    marks = read_cert(sandbox / row.files["cert"]).extensions
    assert marks.get_extension_for_oid(x509.ObjectIdentifier("1.2.250.1.71.1.2.7")).value.value == b"\x04\x0260"
    assert row.struct_id is None


def test_the_p12_is_of_today_and_keys_are_for_their_owner_only(sandbox: Path, office: Office) -> None:
    row, password = office.issue(order())
    command = ["openssl", "pkcs12", "-in", str(sandbox / row.files["p12"]), "-info", "-noout", "-passin", f"pass:{password}"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stderr
    assert "MAC: sha256" in told and "PBES2, PBKDF2, AES-256-CBC" in told and "pbeWithSHA" not in told
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in (sandbox / "pki" / "emis").iterdir() if row.name in path.name}
    assert (modes[".key"], modes[".p12"], modes[".pem"]) == (0o600, 0o600, 0o644)
    assert (sandbox / "pki" / "emis").stat().st_mode & 0o777 == 0o700
    assert password not in (sandbox / "pki" / FILE_NAME).read_text()


def test_lists_are_signed_again_before_they_end_and_not_before(sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, register = sandbox / "pki", Register.load(sandbox / "pki")
    numbers = _numbers(sandbox)
    assert not published.publish(folder, register, now() + timedelta(hours=20))
    assert published.publish(folder, register, now() + timedelta(days=1, hours=1))
    assert _numbers(sandbox) == [numbers[0] + 1] * 2
    assert all(one.next_update_utc is not None and one.next_update_utc > now() + timedelta(days=7) for one in
               read_lists((folder / "crl.pem").read_bytes()))  # fmt: skip
    assert Office(sandbox).freshen() is False


def test_a_revocation_that_a_crash_kept_from_the_list_gets_there_at_the_next_start(sandbox: Path, office: Office) -> None:
    row, _ = office.issue(order())
    before = (sandbox / "pki" / "crl.pem").read_bytes()
    office.revoke(row.name, "unspecified")
    write(sandbox / "pki" / "crl.pem", before)
    office.complete()
    assert "certificate revoked" in verdict(sandbox, row, "sslclient")


def test_a_server_s_former_certificate_stays_known(sandbox: Path, tmp_path: Path) -> None:
    shutil.copytree(sandbox, tmp_path / "copy")
    former = read_cert(tmp_path / "copy" / "pki" / "server.pem")
    renew_server(tmp_path / "copy", ["localhost", "b.example"])
    rows = {row.number: row for row in Office(tmp_path / "copy").rows()}
    new = rows[read_cert(tmp_path / "copy" / "pki" / "server.pem").serial_number]
    assert (new.name, rows[former.serial_number].name.startswith("server-")) == ("server", True)
    assert Office(tmp_path / "copy").revoke(rows[former.serial_number].name, "superseded").number == former.serial_number


# --- a sandbox made before ----------------------------------------------------------------------------------------------


def as_before(sandbox: Path, folder: Path) -> Path:
    """What the first version of the PKI wrote: no register, no OCSP, no INSI-MANU, lists for three years, one revocation."""
    old = folder / "sandbox"
    shutil.copytree(sandbox, old)
    pki = old / "pki"
    shutil.rmtree(pki / "emis", ignore_errors=True)
    for pattern in ("ocsp*", "*.auth_manu.*", "*persons*", FILE_NAME, "LISEZMOI.md"):
        for path in pki.glob(pattern):
            path.unlink(missing_ok=True)
    gone = 987654321  # a certificate whose files somebody removed
    revoked = [read_cert(pki / "refused-revoked.pem").serial_number, gone]
    former = [_three_years(read_pair(pki / "issuing"), revoked), _three_years(read_pair(pki / "root"), [])]
    write(pki / "crl.pem", lists.write_lists(former))
    identity = {"cn": "INSI-AUTO", "cert": "pki/0B0990008.auth_cli.pem", "password": "ouvre-toi"}
    structure = {"finess_et": SUBJECT.finess_et, "struct_id": SUBJECT.struct_id, "name": SUBJECT.name}
    manifest = {"version": 1, "structures": [{**structure, "auth_cli": identity, "sign": {"cn": "SOCLE-SIGN"}}]}
    (old / "sandbox.json").write_bytes(orjson.dumps(manifest))
    return folder


def _three_years(issuer: Pair, revoked: list[int]) -> x509.CertificateRevocationList:
    start = now() - timedelta(days=90)
    builder = x509.CertificateRevocationListBuilder(issuer.cert.subject, start, start + timedelta(days=3 * 365))
    for serial in revoked:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, start).build())
    return builder.add_extension(x509.CRLNumber(1), critical=False).sign(issuer.key, hashes.SHA256())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sandbox_made_before_gets_what_it_lacks_and_keeps_what_it_has(sandbox: Path, tmp_path: Path) -> None:
    data = as_before(sandbox, tmp_path)
    before = contents(data)
    complete(data)
    after = contents(data)
    assert {name for name, content in before.items() if after[name] != content} == {"sandbox/sandbox.json"}
    assert {"sandbox/pki/register.json", "sandbox/pki/ocsp.key", "sandbox/pki/LISEZMOI.md"} <= set(after)
    former, manifest = json.loads(before["sandbox/sandbox.json"]), json.loads(after["sandbox/sandbox.json"])
    manual = manifest["structures"][0].pop("auth_manu")
    assert manifest == former, "only added to"
    _, cert, _ = pkcs12.load_key_and_certificates((data / "sandbox" / manual["p12"]).read_bytes(), b"ouvre-toi")
    assert manual["cn"] == "INSI-MANU" and cert is not None
    rows = {row.name: row for row in Office(data / "sandbox").rows()}
    assert rows["refused-revoked"].state(now()) == "revoked"
    assert (rows["0B0990008.auth_cli"].profile, rows["0B0990008.sign"].profile) == ("auth_cli", "sign")
    assert rows["refused-foreign"].branch == "foreign"
    complete(data)
    assert contents(data) == after, "a second time changes nothing"


@pytest.mark.parametrize(("name", "said"), [("issuing.key", "issuing.key"), ("server.pem", "n'est pas un certificat")])
def test_what_cannot_be_read_is_said_in_french(sandbox: Path, tmp_path: Path, name: str, said: str) -> None:
    data = as_before(sandbox, tmp_path)
    path = data / "sandbox" / "pki" / name
    if path.suffix == ".key":
        path.unlink()
    else:
        path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(CannotComplete) as refused:
        complete(data)
    assert said in str(refused.value) and "effacez" in str(refused.value)


def test_what_an_old_list_revoked_stays_revoked(sandbox: Path, tmp_path: Path) -> None:
    data = as_before(sandbox, tmp_path)
    complete(data)
    Office(data / "sandbox").revoke("0B0990008.sign", "superseded")
    listed = read_lists((data / "sandbox" / "pki" / "crl.pem").read_bytes())[0]
    revoked = {one.serial_number for one in listed}
    old = {read_cert(data / "sandbox" / "pki" / f"{name}.pem").serial_number for name in ("refused-revoked", "0B0990008.sign")}
    assert revoked == {*old, 987654321}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (data / "sandbox" / "pki").glob("*.key"))
