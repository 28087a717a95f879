"""A certification authority shaped like IGC-Santé « élémentaire organisations » (reference psc-annuaire §23).

Two things differ on purpose: every name says SANDBOX, and keys are RSA 2048 throughout, so that a sandbox is ready in
seconds. Times are real time: an expired certificate is really expired (design §7).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from connectors.wire.clock import SystemClock

Profile = Literal["auth_cli", "sign", "server"]

_VALID = timedelta(days=3 * 365)  # the life of real leaves
_CA_VALID = timedelta(days=20 * 365)
_BACKDATED = timedelta(minutes=5)  # a client whose clock is slow still accepts a certificate made this minute
_MONTH = timedelta(days=30)

_ANY_POLICY = ObjectIdentifier("2.5.29.32.0")
_TEST_POLICY = ObjectIdentifier("1.2.250.1.213.1.7.2.1.1.1.1")  # borne by every test leaf, whatever its profile
_GIP_MARK = x509.UnrecognizedExtension(ObjectIdentifier("1.2.250.1.71.1.2.5"), b"\x04\x01\x83")  # high bit: test

#: Where a sandbox publishes its lists and authorities: the fixed port of the CRL listener.
PUBLISHED_AT = "http://localhost:9103"
CRL_PATH = "/CRL/ACI-EL-ORG-SANDBOX.crl"
ROOT_CRL_PATH = "/CRL/ACR-EL-SANDBOX.crl"
ISSUER_PATH = "/AC/ACI-EL-ORG-SANDBOX.cer"
ROOT_PATH = "/AC/ACR-EL-SANDBOX.cer"

_EXTENDED = {
    "auth_cli": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "sign": [ExtendedKeyUsageOID.EMAIL_PROTECTION],
    "server": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    cert: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """A root, the issuing authority below it, and both revocation lists."""

    root: Pair
    issuing: Pair

    def mint(
        self, profile: Profile, subject: x509.Name, key: rsa.RSAPrivateKey, *, hosts: Sequence[str] = (),
        start: datetime | None = None, end: datetime | None = None,
    ) -> Pair:
        """A leaf of one profile. ``hosts`` (names or addresses) are the alternative names of a server."""
        start = start or _now() - _BACKDATED
        end = end or start + _VALID
        builder = _builder(subject, self.issuing.cert.subject, key, start, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        builder = builder.add_extension(_issuer_key_id(self.issuing), critical=False)
        builder = builder.add_extension(_key_usage(profile), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(_EXTENDED[profile]), critical=False)
        builder = builder.add_extension(_policy(_TEST_POLICY), critical=False)
        builder = builder.add_extension(_published_crl(CRL_PATH), critical=False)
        builder = builder.add_extension(_published_issuer(), critical=False)
        builder = builder.add_extension(_GIP_MARK, critical=False)
        if profile == "sign":
            builder = builder.add_extension(x509.PrivateKeyUsagePeriod(start, max(start, end - _MONTH)), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        return Pair(builder.sign(self.issuing.key, hashes.SHA256()), key)

    def crl(self, revoked: Sequence[x509.Certificate], *, number: int = 1) -> x509.CertificateRevocationList:
        """The issuing authority's list."""
        return _crl(self.issuing, revoked, number)

    def root_crl(self) -> x509.CertificateRevocationList:
        """The root's list: the issuing authority is not revoked."""
        return _crl(self.root, (), 1)


def new_authority(root_key: rsa.RSAPrivateKey, issuing_key: rsa.RSAPrivateKey, *, label: str = "SANDBOX") -> Authority:
    """A new root and issuing authority; another ``label`` makes a stranger's."""
    start = _now() - _BACKDATED
    root_name = _authority_name(label, f"{label} AC RACINE IGC-SANTE ELEMENTAIRE")
    name = _authority_name(label, f"{label} AC IGC-SANTE ELEMENTAIRE ORGANISATIONS")
    root_builder = _ca(_builder(root_name, root_name, root_key, start, start + _CA_VALID), path_length=None)
    root = Pair(root_builder.sign(root_key, hashes.SHA256()), root_key)
    builder = _ca(_builder(name, root_name, issuing_key, start, start + _CA_VALID - timedelta(days=1)), path_length=0)
    builder = builder.add_extension(_issuer_key_id(root), critical=False)
    builder = builder.add_extension(_published_crl(ROOT_CRL_PATH), critical=False)
    return Authority(root, Pair(builder.sign(root_key, hashes.SHA256()), issuing_key))


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def organisation_name(*, department: str, organisation: str, struct_id: str, cn: str) -> x509.Name:
    """Subject of an organisation's certificate, in the order of psc-annuaire §23.2; ``organisation`` is cut at 40 characters."""
    return _name(
        (NameOID.STATE_OR_PROVINCE_NAME, department),
        (NameOID.ORGANIZATION_NAME, organisation[:40]),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, struct_id),
        (NameOID.COMMON_NAME, cn),
    )


def _authority_name(label: str, cn: str) -> x509.Name:
    return _name(
        (NameOID.ORGANIZATION_NAME, f"SOCLE {label}"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, f"IGC-SANTE {label}"),
        (NameOID.COMMON_NAME, cn),
    )


def _name(*attributes: tuple[ObjectIdentifier, str]) -> x509.Name:
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")
    return x509.Name([country, *(x509.NameAttribute(oid, value) for oid, value in attributes)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(public).serial_number(x509.random_serial_number())
        .not_valid_before(start).not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )  # fmt: skip


def _ca(builder: x509.CertificateBuilder, *, path_length: int | None) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return builder.add_extension(_policy(_ANY_POLICY), critical=False)


def _crl(issuer: Pair, revoked: Sequence[x509.Certificate], number: int) -> x509.CertificateRevocationList:
    now = _now() - _BACKDATED
    # As long as the leaves: a sandbox has nobody to publish a fresh list every day.
    builder = x509.CertificateRevocationListBuilder(issuer.cert.subject, now, now + _VALID)
    for cert in revoked:
        entry = x509.RevokedCertificateBuilder(cert.serial_number, now).build()
        builder = builder.add_revoked_certificate(entry)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(_issuer_key_id(issuer), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _key_usage(profile: Profile) -> x509.KeyUsage:
    return _usage(
        digital_signature=True,
        content_commitment=profile == "sign",
        key_encipherment=profile == "server",
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def _issuer_key_id(issuer: Pair) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _policy(oid: ObjectIdentifier) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(oid, None)])


def _published_crl(path: str) -> x509.CRLDistributionPoints:
    where = x509.UniformResourceIdentifier(PUBLISHED_AT + path)
    return x509.CRLDistributionPoints([x509.DistributionPoint([where], None, None, None)])


def _published_issuer() -> x509.AuthorityInformationAccess:
    where = x509.UniformResourceIdentifier(PUBLISHED_AT + ISSUER_PATH)
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _now() -> datetime:
    return SystemClock().real().replace(microsecond=0)
