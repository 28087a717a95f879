"""The certificates, checked by the OpenSSL command line: another implementation than the one that made them."""
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from mocks.sandbox.pki import Made, Subject, make_pki, public_hosts

LONG_NAME = "RÉSIDENCE AUTONOMIE DE LA FONTAINE AUX OISEAUX BLEUS"
SUBJECTS = [Subject("0B0990008", "10B0990008", LONG_NAME), Subject("130786502", "1130786502", "RESIDENCE L'EVECHE")]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def made(sandbox: Path) -> Made:
    return make_pki(sandbox, SUBJECTS, password="ouvre-toi", hosts=["localhost", "127.0.0.1", "::1", "socle.example"])


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False)


def verify(sandbox: Path, made: Made, cert: str, purpose: str, *more: str) -> str:
    """OpenSSL's verdict with the sandbox's root alone as trust anchor, and its revocation lists."""
    pki = made.pki
    done = openssl(
        "verify", "-x509_strict", "-CAfile", sandbox / pki["root"], "-untrusted", sandbox / pki["issuing"],
        "-CRLfile", sandbox / pki["crl"], "-crl_check_all", "-purpose", purpose, *more, sandbox / cert,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_each_profile_serves_its_purpose_and_no_other(sandbox: Path, made: Made) -> None:
    structure = made.structures["0B0990008"]
    assert [structure[part]["cn"] for part in ("auth_cli", "auth_manu")] == ["INSI-AUTO", "INSI-MANU"]
    for part in ("auth_cli", "auth_manu"):
        assert verify(sandbox, made, structure[part]["cert"], "sslclient").endswith(": OK\n")
    assert verify(sandbox, made, structure["sign"]["cert"], "smimesign").endswith(": OK\n")
    assert verify(sandbox, made, made.pki["server"]["cert"], "sslserver").endswith(": OK\n")
    assert "unsuitable certificate purpose" in verify(sandbox, made, structure["auth_cli"]["cert"], "sslserver")
    assert "unsuitable certificate purpose" in verify(sandbox, made, structure["sign"]["cert"], "sslclient")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("foreign", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("not_yet_valid", "certificate is not yet valid"),
        ("revoked", "certificate revoked"),
    ],
)
def test_what_must_be_refused_is_refused_for_its_own_reason(sandbox: Path, made: Made, name: str, reason: str) -> None:
    assert reason in verify(sandbox, made, made.pki["refused"][name]["cert"], "sslclient")


def test_a_certificate_of_another_use_differs_by_its_name_only(sandbox: Path, made: Made) -> None:
    other = made.pki["refused"]["other_use"]
    assert verify(sandbox, made, other["cert"], "sslclient").endswith(": OK\n")
    assert other["cn"] != "INSI-AUTO"


@pytest.mark.parametrize("host", ["localhost", "socle.example"])
def test_the_server_answers_to_its_names(sandbox: Path, made: Made, host: str) -> None:
    cert = made.pki["server"]["cert"]
    assert ": OK" in verify(sandbox, made, cert, "sslserver", "-verify_hostname", host)
    assert "hostname mismatch" in verify(sandbox, made, cert, "sslserver", "-verify_hostname", "ailleurs.example")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_server_answers_to_its_addresses(sandbox: Path, made: Made, address: str) -> None:
    assert ": OK" in verify(sandbox, made, made.pki["server"]["cert"], "sslserver", "-verify_ip", address)


def test_leaves_say_where_their_status_and_their_issuer_are(sandbox: Path, made: Made) -> None:
    structure = made.structures["0B0990008"]
    for path in (*(structure[part]["cert"] for part in ("auth_cli", "auth_manu", "sign")), made.pki["server"]["cert"]):
        shown = openssl("x509", "-in", sandbox / path, "-noout", "-ext", "authorityInfoAccess,crlDistributionPoints").stdout
        assert "OCSP - URI:http://localhost:9103/OCSP" in shown
        assert "CA Issuers - URI:http://localhost:9103/AC/ACI-EL-ORG-SANDBOX.cer" in shown
        assert "URI:http://localhost:9103/CRL/ACI-EL-ORG-SANDBOX.crl" in shown


def test_subject_has_the_order_and_types_of_the_igc(sandbox: Path, made: Made) -> None:
    subject = openssl("x509", "-in", sandbox / made.structures["0B0990008"]["auth_cli"]["cert"], "-noout", "-subject", "-nameopt",
                      "RFC2253,-dn_rev,show_type,utf8,-esc_msb").stdout  # fmt: skip
    assert subject.strip() == (
        f"subject=C=PRINTABLESTRING:FR,ST=UTF8STRING:Bac à sable (00),O=UTF8STRING:{LONG_NAME[:40]},"
        "OU=UTF8STRING:10B0990008,CN=UTF8STRING:INSI-AUTO"
    )
    marseille = x509.load_pem_x509_certificate((sandbox / made.structures["130786502"]["sign"]["cert"]).read_bytes())
    assert marseille.subject.get_attributes_for_oid(NameOID.STATE_OR_PROVINCE_NAME)[0].value == "Bouches-du-Rhône (13)"


def test_every_authority_says_that_it_is_a_sandbox(sandbox: Path, made: Made) -> None:
    for name in ("root", "issuing"):
        cert = x509.load_pem_x509_certificate((sandbox / made.pki[name]).read_bytes())
        assert "SANDBOX" in cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        assert "SANDBOX" in cert.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_a_signing_certificate_says_how_long_its_key_may_sign(sandbox: Path, made: Made) -> None:
    cert = x509.load_pem_x509_certificate((sandbox / made.structures["0B0990008"]["sign"]["cert"]).read_bytes())
    period = cert.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    assert period.not_after is not None
    assert 29 <= (cert.not_valid_after_utc.replace(tzinfo=None) - period.not_after.replace(tzinfo=None)).days <= 31


def test_lists_bear_a_number_and_their_issuer(sandbox: Path, made: Made) -> None:
    text = (sandbox / made.pki["crl"]).read_bytes()
    for pem in text.split(b"-----END X509 CRL-----\n")[:-1]:
        crl = x509.load_pem_x509_crl(pem + b"-----END X509 CRL-----\n")
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1
        assert crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_openssl_opens_every_p12_and_the_trust_store(sandbox: Path, made: Made) -> None:
    identity = made.structures["0B0990008"]["auth_cli"]
    opened = openssl("pkcs12", "-in", sandbox / identity["p12"], "-passin", "pass:ouvre-toi", "-nodes")
    assert opened.stdout.count("BEGIN CERTIFICATE") == 3 and "BEGIN PRIVATE KEY" in opened.stdout, opened.stderr
    assert "invalid password" in openssl("pkcs12", "-in", sandbox / identity["p12"], "-passin", "pass:non", "-nodes").stderr
    store = openssl("pkcs12", "-in", sandbox / made.pki["truststore_p12"], "-passin", "pass:ouvre-toi", "-nokeys")
    assert store.stdout.count("BEGIN CERTIFICATE") == 2


def test_the_fingerprint_is_that_of_the_der(sandbox: Path, made: Made) -> None:
    identity = made.structures["130786502"]["auth_cli"]
    cert = x509.load_pem_x509_certificate((sandbox / identity["cert"]).read_bytes())
    assert cert.fingerprint(hashes.SHA256()).hex() == identity["fingerprint"]


def test_keys_are_for_their_owner_only(sandbox: Path, made: Made) -> None:
    secrets = [path for path in (sandbox / "pki").iterdir() if path.suffix == ".key" or path.name.endswith("auth_cli.p12")]
    assert len(secrets) > 10
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert (sandbox / "pki").stat().st_mode & 0o777 == 0o700


def test_hosts_of_the_deployment_are_added_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_PUBLIC_HOSTS", "socle.example, 192.0.2.7,localhost,")
    assert public_hosts() == ["localhost", "127.0.0.1", "::1", "socle.example", "192.0.2.7"]
