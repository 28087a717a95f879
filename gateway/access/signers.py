"""Who calls INSi by an assertion: the professional whose card signed it, or the client of the Pro Santé Connect token beside it
(design §8, « Whose call »; insi §2.3 to §2.5; decision 0051).

The service judges dates, revocation and rights. Here a signature proves one thing: that this call is this vendor's, and that
nobody else can make calls be written under its name.
"""
from __future__ import annotations

import base64
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature as WrongIssuer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from connectors.nomenclatures.xds import NS_DS, NS_SAML
from connectors.wire import soap, xmlsafe
from connectors.wire.tls import Stamp, stamp
from gateway.access.callers import UNKNOWN, Access, Caller
from gateway.access.tokens import bearing_client

logging.getLogger("signxml").setLevel(logging.INFO)  # at DEBUG it writes what was signed, and by whom

_SAML = {"saml": NS_SAML}
_DS = {"ds": NS_DS}
_BILLING = "identifiantfacturation"  # names of attributes are compared without their case (insi §2.5)
_EXPECTED = SignatureConfiguration(
    location="./", expect_references=1,
    signature_methods=frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512}),
    digest_algorithms=frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}),
)  # fmt: skip


@dataclass(slots=True)
class Authorities:
    """Who may have issued a signer's certificate: PEM files, read again when one changes, absent ones included."""

    paths: tuple[Path, ...]
    _read: tuple[Stamp | None, ...] | None = None
    _known: list[x509.Certificate] = field(default_factory=list)

    def issued(self, certificate: x509.Certificate) -> bool:
        return any(_issued(certificate, authority) for authority in self._fresh())

    def _fresh(self) -> list[x509.Certificate]:
        now = tuple(map(stamp, self.paths))
        if now != self._read:
            present = [path.read_bytes() for path, found in zip(self.paths, now, strict=True) if found is not None]
            self._known = [one for pem in present for one in x509.load_pem_x509_certificates(pem)]
            self._read = now
        return self._known


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion says of who calls; nothing of it is proved. ``place``: FINESS ET, when it names one."""

    element: soap.Element = field(repr=False)
    name_id: str | None = field(repr=False)
    place: str | None

    @property
    def certificate(self) -> x509.Certificate | None:
        """The one that its signature shows; None when there is none to read."""
        text = self.element.findtext("ds:Signature/ds:KeyInfo/ds:X509Data/ds:X509Certificate", "", _DS)
        try:
            found = x509.load_der_x509_certificate(base64.b64decode(text))
            _ = found.subject
        except ValueError:
            return None
        return found

    @property
    def certificate_der(self) -> bytes | None:
        found = self.certificate
        return None if found is None else found.public_bytes(Encoding.DER)

    def signed_by(self, certificate: x509.Certificate) -> bool:
        """Whether the signature covers this very assertion, and is of this certificate's key."""
        written = etree.tostring(self.element, with_tail=False)
        if len(written) > xmlsafe.MAX_SIGNED:
            return False
        try:
            result = XMLVerifier().verify(
                written, x509_cert=certificate, id_attribute="ID", validate_schema=False,
                expect_config=_EXPECTED,
            )  # fmt: skip
        except (SignXMLException, ValueError, TypeError, UnsupportedAlgorithm, etree.LxmlError):
            return False
        covered = None if isinstance(result, list) else result.signed_xml
        return covered is not None and (covered.tag, covered.get("ID")) == (self.element.tag, self.element.get("ID"))


def read_assertion(message: soap.Envelope) -> Assertion | None:
    """The only assertion of ``wsse:Security``; None when there is none, or several of which one would have to be chosen."""
    security = message.block(soap.WSSE, "Security")
    found = [] if security is None else security.findall("saml:Assertion", _SAML)
    if len(found) != 1:
        return None
    [element] = found
    name_id = element.findtext("saml:Subject/saml:NameID", "", _SAML).strip()
    return Assertion(element, name_id or None, _place(element.iterfind("saml:AttributeStatement/saml:Attribute", _SAML)))


def caller_of(assertion: Assertion | None, authorization: str | None, access: Access, authorities: Authorities) -> Caller:
    """By the card that signed, else by the token's client; UNKNOWN when neither names a vendor. Lends no identity.

    A card's bearer is taken where the assertion says to work, if that is one of the places known, else at the first one. A
    client's structure is the one that the assertion names, if it is of the same vendor.
    """
    place = None if assertion is None else assertion.place
    certificate = None if assertion is None else assertion.certificate
    if assertion is not None and certificate is not None:
        places = access.workplaces(_bearer(certificate))
        proved = places and authorities.issued(certificate) and assertion.signed_by(certificate)
        return next((one for one in places if one.finess_et == place), places[0]) if proved else UNKNOWN
    client = access.by_client_id(bearing_client(authorization) or "")
    structure = None if place is None else access.workplace(place)
    return structure if structure is not None and structure.tenant == client.tenant else client


def _place(attributes: Iterable[soap.Element]) -> str | None:
    for attribute in attributes:
        if attribute.get("Name", "").lower() == _BILLING:
            return attribute.findtext("saml:AttributeValue", "", _SAML).strip() or None
    return None


def _bearer(certificate: x509.Certificate) -> str:
    """The national identifier on a card; empty on what names nobody: the CN of an organisation's is what it asked for."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    nominative = certificate.subject.get_attributes_for_oid(NameOID.SURNAME)
    return str(names[0].value) if len(names) == 1 and nominative else ""


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, UnsupportedAlgorithm, WrongIssuer):
        return False
    return True
