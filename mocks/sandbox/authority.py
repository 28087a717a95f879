"""A certification authority shaped like IGC-Santé « élémentaire »: a root, organisations, persons (reference psc-annuaire §23).

Two things differ on purpose: every name says SANDBOX, and keys are RSA 2048 throughout, so that a sandbox is ready in
seconds. Times are real time: an expired certificate is really expired (design §7).
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

from connectors.wire.clock import SystemClock
from mocks.sandbox.profiles import (
    ORGANISATIONS,
    ROOT,
    Branch,
    Profile,
    authority_extensions,
    extensions_of,
    publication_of,
)

_VALID = timedelta(days=3 * 365)  # the life of real leaves
_CA_VALID = timedelta(days=20 * 365)
_BACKDATED = timedelta(minutes=5)  # a client whose clock is slow still accepts a certificate made this minute

_PROFESSION = ObjectIdentifier("1.2.250.1.71.1.2.7")
_CARD_KIND = ObjectIdentifier("1.2.250.1.71.1.2.2")  # insi §2.3: 0 CPS, 1 CPF, 2 CDE-CPE, 3 CPA


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    cert: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """A root and one issuing authority below it."""

    root: Pair
    issuing: Pair
    branch: Branch = ORGANISATIONS

    def mint(
        self, profile: Profile, subject: x509.Name, key: rsa.RSAPrivateKey, *, hosts: Sequence[str] = (),
        start: datetime | None = None, end: datetime | None = None, more: Sequence[x509.ExtensionType] = (),
    ) -> Pair:
        """A leaf of one profile. ``hosts`` (names or addresses) are the alternative names of a server."""
        start = start or now() - _BACKDATED
        end = end or start + _VALID
        return mint(self.issuing, self.branch, profile, subject, key, start, end, hosts, more)


def mint(
    issuer: Pair, branch: Branch, profile: Profile, subject: x509.Name, key: rsa.RSAPrivateKey, start: datetime, end: datetime,
    hosts: Sequence[str] = (), more: Sequence[x509.ExtensionType] = (),
) -> Pair:
    """A leaf signed by ``issuer``, which publishes as ``branch`` says."""
    builder = _builder(subject, issuer.cert.subject, key, start, end)
    builder = builder.add_extension(issuer_key_id(issuer), critical=False)
    builder = _extended(builder, extensions_of(profile, branch, start, end, hosts))
    builder = _extended(builder, [(one, False) for one in more])
    return Pair(builder.sign(issuer.key, hashes.SHA256()), key)


def new_authority(root_key: rsa.RSAPrivateKey, issuing_key: rsa.RSAPrivateKey, *, label: str = "SANDBOX") -> Authority:
    """A new root and issuing authority; another ``label`` makes a stranger's."""
    start = now() - _BACKDATED
    name = _authority_name(label, f"{label} AC RACINE IGC-SANTE ELEMENTAIRE")
    builder = _extended(_builder(name, name, root_key, start, start + _CA_VALID), authority_extensions(None))
    root = Pair(builder.sign(root_key, hashes.SHA256()), root_key)
    return Authority(root, new_issuer(root, ORGANISATIONS, issuing_key, label=label))


def new_issuer(root: Pair, branch: Branch, key: rsa.RSAPrivateKey, *, label: str = "SANDBOX") -> Pair:
    """An issuing authority of this branch, below an existing root."""
    name = _authority_name(label, f"{label} AC IGC-SANTE ELEMENTAIRE {branch.name}")
    end = root.cert.not_valid_after_utc - timedelta(days=1)
    builder = _extended(_builder(name, root.cert.subject, key, now() - _BACKDATED, end), authority_extensions(0))
    builder = builder.add_extension(issuer_key_id(root), critical=False)
    builder = _extended(builder, publication_of(ROOT))
    return Pair(builder.sign(root.key, hashes.SHA256()), key)


def new_responder(issuer: Pair, branch: Branch, key: rsa.RSAPrivateKey) -> Pair:
    """Who answers by OCSP for what ``issuer`` has issued (RFC 6960 §4.2.2.2)."""
    subject = _authority_name("SANDBOX", f"SANDBOX OCSP {branch.name}")
    start = now() - _BACKDATED
    return mint(issuer, branch, "ocsp", subject, key, start, issuer.cert.not_valid_after_utc)


def new_key(size: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


def organisation_name(*, department: str, organisation: str, struct_id: str, cn: str) -> x509.Name:
    """Subject of an organisation's certificate, in the order of psc-annuaire §23.2; ``organisation`` is cut at 40 characters."""
    return _name(
        (NameOID.STATE_OR_PROVINCE_NAME, department),
        (NameOID.ORGANIZATION_NAME, organisation[:40]),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, struct_id),
        (NameOID.COMMON_NAME, cn),
    )


def person_name(*, profession: str, family: str, given: str, id_nat: str) -> x509.Name:
    """Subject of a professional's certificate: title, then one RDN of three attributes (psc-annuaire §23.3)."""
    who = [(NameOID.GIVEN_NAME, given), (NameOID.SURNAME, family), (NameOID.COMMON_NAME, id_nat)]
    together = x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for oid, value in who])
    return x509.Name([*_name((NameOID.TITLE, profession[:64])).rdns, together])


def struct_id_of(cert: x509.Certificate) -> str | None:
    """The structure that a certificate names: the only OU of its subject (psc-annuaire §23.3)."""
    units = cert.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return str(units[0].value) if len(units) == 1 else None


def person_marks(profession: str) -> list[x509.ExtensionType]:
    """What a card says of its bearer: kind CPS, and the code of the profession, each as an octet string."""
    return [_marked(_CARD_KIND, b"\x00"), _marked(_PROFESSION, profession.encode("ascii"))]


def issuer_key_id(issuer: Pair) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def now() -> datetime:
    """Real time, in whole seconds: certificates hold no smaller ones."""
    return SystemClock().real().replace(microsecond=0)


def _marked(oid: ObjectIdentifier, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(oid, bytes((0x04, len(value))) + value)


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


def _extended(
    builder: x509.CertificateBuilder, extensions: Iterable[tuple[x509.ExtensionType, bool]]
) -> x509.CertificateBuilder:
    """With these extensions, each with whether it is critical."""
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder
