"""What each kind of certificate says of itself: key usages, extensions, where its status is published (psc-annuaire §23.3)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ObjectIdentifier

Profile = Literal["auth_cli", "sign", "server", "ps_auth", "ps_sign", "ocsp"]

#: Where a sandbox publishes its lists, its authorities and the status of its certificates: the fixed port of that listener.
PUBLISHED_AT = "http://localhost:9103"
OCSP_PATH = "/OCSP"


@dataclass(frozen=True, slots=True)
class Branch:
    """An issuing authority of the sandbox: its files, what its name ends with, and where it publishes."""

    stem: str
    name: str
    crl_path: str
    issuer_path: str


ORGANISATIONS = Branch("issuing", "ORGANISATIONS", "/CRL/ACI-EL-ORG-SANDBOX.crl", "/AC/ACI-EL-ORG-SANDBOX.cer")
PERSONS = Branch("persons", "PERSONNES", "/CRL/ACI-EL-PERS-SANDBOX.crl", "/AC/ACI-EL-PERS-SANDBOX.cer")
ROOT = Branch("root", "RACINE", "/CRL/ACR-EL-SANDBOX.crl", "/AC/ACR-EL-SANDBOX.cer")

_MONTH = timedelta(days=30)
_ANY_POLICY = ObjectIdentifier("2.5.29.32.0")
_TEST_POLICY = ObjectIdentifier("1.2.250.1.213.1.7.2.1.1.1.1")  # borne by every test leaf, whatever its profile
_GIP_MARK = x509.UnrecognizedExtension(ObjectIdentifier("1.2.250.1.71.1.2.5"), b"\x04\x01\x83")  # high bit: test

_EXTENDED = {
    "auth_cli": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "sign": [ExtendedKeyUsageOID.EMAIL_PROTECTION],
    "server": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    "ps_auth": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "ps_sign": [ExtendedKeyUsageOID.EMAIL_PROTECTION],
    "ocsp": [ExtendedKeyUsageOID.OCSP_SIGNING],
}


def extensions_of(
    profile: Profile, branch: Branch, start: datetime, end: datetime, hosts: Sequence[str] = ()
) -> list[tuple[x509.ExtensionType, bool]]:
    """Each with whether it is critical. ``hosts`` (names or addresses) are the alternative names of a server."""
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), False),
        (_key_usage(profile), True),
        (x509.ExtendedKeyUsage(_EXTENDED[profile]), False),
        (_policy(_TEST_POLICY), False),
        (_GIP_MARK, False),
    ]
    if profile == "ocsp":  # who answers for the others is not asked about itself (RFC 6960 §4.2.2.2.1)
        return [*found, (x509.OCSPNoCheck(), False)]
    found += publication_of(branch)
    if profile == "sign":
        found.append((x509.PrivateKeyUsagePeriod(start, max(start, end - _MONTH)), False))
    if hosts:
        found.append((x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False))
    return found


def authority_extensions(path_length: int | None) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_usage(key_cert_sign=True, crl_sign=True), True),
        (_policy(_ANY_POLICY), False),
    ]


def publication_of(issuer: Branch) -> list[tuple[x509.ExtensionType, bool]]:
    """Where its list, its status and its issuer are found."""
    crl = x509.DistributionPoint([_at(issuer.crl_path)], None, None, None)
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, _at(issuer.issuer_path)),
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _at(OCSP_PATH)),
    ]
    return [(x509.CRLDistributionPoints([crl]), False), (x509.AuthorityInformationAccess(access), False)]


def _key_usage(profile: Profile) -> x509.KeyUsage:
    return _usage(
        digital_signature=profile != "ps_sign",
        content_commitment=profile in ("sign", "ps_sign"),
        key_encipherment=profile == "server",
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def _policy(oid: ObjectIdentifier) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(oid, None)])


def _at(path: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(PUBLISHED_AT + path)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
