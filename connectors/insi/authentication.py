"""How INSi knows who calls: an organisation's certificate, a professional's card, or Pro Santé Connect (reference: insi §2).

The assertion of the last two is INSi's own (§2.5): nothing but its XML signature is shared with the VIHF of the DMP.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier
from lxml import etree

from connectors.insi.contexts import instant, sub
from connectors.nomenclatures.xds import NS_SAML
from connectors.wire import soap
from connectors.wire.http import Headers
from connectors.wire.saml import X509_SUBJECT, Signer, sign

PSC = "PSC"
_CARD_KIND = ObjectIdentifier("1.2.250.1.71.1.2.2")
_QUALIFIERS = {0: "CPS", 1: "CPF", 2: "CDE-CPE", 3: "CPA"}
_UNKNOWN_CARD = "CPX"
_NAMES = {NameOID.SURNAME: "SN", NameOID.GIVEN_NAME: "GN", NameOID.TITLE: "T"}


class Authentication(Protocol):
    """One of the three variants, chosen once for a client."""

    @property
    def emetteur(self) -> str:
        """What both contexts carry as Emetteur (insi §3.4)."""
        ...

    def security(self, at: datetime) -> soap.Element | None:
        """A new assertion issued at this real time; None for a variant without one."""
        ...

    def headers(self) -> Headers:
        """HTTP headers that it adds to every request."""
        ...


@dataclass(frozen=True, slots=True)
class Organisation:
    """Variant A: the transport's client certificate says all, and no professional is named in the message (§2.2).

    emetteur  the OU of that certificate: ``1`` + FINESS or ``3`` + SIRET
    """

    emetteur: str

    def security(self, at: datetime) -> None:
        return None

    def headers(self) -> Headers:
        return []


@dataclass(frozen=True, slots=True)
class Professional:
    """What an assertion says of a professional beside who it is.

    billing_id   AM number; for an establishment its geographic FINESS, else its SIRET
    sector       such as ``SA07``
    specialty    physicians only
    profession   where one has several (PSC)
    """

    billing_id: str
    sector: str
    specialty: str | None = None
    profession: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """Variant B: an assertion signed with the card's signature certificate (§2.3). Who it is comes from that certificate."""

    signer: Signer
    professional: Professional

    @property
    def emetteur(self) -> str:
        return national_id(self.signer.certificate)

    def security(self, at: datetime) -> soap.Element:
        certificate, said = self.signer.certificate, self.professional
        assertion = _assertion(
            at, subject_name(certificate), qualifier(certificate), self.emetteur,
            identifiantFacturation=said.billing_id, codeSpecialite=said.specialty, secteurActivite=said.sector,
            gipProfessionCode=said.profession,
        )  # fmt: skip
        sign(assertion, self.signer)
        return assertion

    def headers(self) -> Headers:
        return []


@dataclass(frozen=True, slots=True)
class ProSanteConnect:
    """Variant C: the assertion is not signed, an access token goes beside it (§2.4; how is assumed: an Authorization header).

    national_id  of the professional, ``8`` + RPPS for one
    issuer       the subject name that the assertion gives as its issuer
    """

    national_id: str = field(repr=False)
    issuer: str = field(repr=False)
    professional: Professional
    token: str = field(repr=False)

    @property
    def emetteur(self) -> str:
        return self.national_id

    def security(self, at: datetime) -> soap.Element:
        said = self.professional
        return _assertion(
            at, self.issuer, PSC, self.national_id,
            identifiantFacturation=said.billing_id, codeSpecialiteAMO=said.specialty, secteurActivite=said.sector,
            gipProfessionCode=said.profession,
        )  # fmt: skip

    def headers(self) -> Headers:
        return [(b"authorization", f"Bearer {self.token}".encode("ascii"))]


def subject_name(certificate: x509.Certificate) -> str:
    """The DN in RFC 4514 order with the short names that clients write, where the RFC has numbers: SN, GN, T."""
    return certificate.subject.rfc4514_string(_NAMES)


def national_id(certificate: x509.Certificate) -> str:
    """The CN of a nominative card. ValueError when it has none, or several."""
    [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


def qualifier(certificate: x509.Certificate) -> str:
    """The kind of card that its certificate tells, CPX when it tells none known (§2.5)."""
    try:
        kind = certificate.extensions.get_extension_for_oid(_CARD_KIND).value
    except x509.ExtensionNotFound:
        return _UNKNOWN_CARD
    assert isinstance(kind, x509.UnrecognizedExtension)
    return _QUALIFIERS.get(kind.value[-1] if kind.value else -1, _UNKNOWN_CARD)


def _assertion(at: datetime, issuer: str, qualified: str, name_id: str, **attributes: str | None) -> soap.Element:
    """Without Conditions or AuthnStatement; values are bare text (§2.5)."""
    root = etree.Element(f"{{{NS_SAML}}}Assertion", nsmap={None: NS_SAML})
    for name, value in (("ID", f"_{uuid4()}"), ("IssueInstant", instant(at)), ("Version", "2.0")):
        root.set(name, value)
    sub(root, "Issuer", issuer).set("Format", X509_SUBJECT)
    sub(sub(root, "Subject"), "NameID", name_id).set("NameQualifier", qualified)
    statement = sub(root, "AttributeStatement")
    for name, value in _given(attributes):
        attribute = sub(statement, "Attribute")
        attribute.set("Name", name)
        sub(attribute, "AttributeValue", value)
    return root


def _given(attributes: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    yield from ((name, value) for name, value in attributes.items() if value is not None)
