"""A signed SAML assertion, as a service checks it: whose certificate signed, and whether the signature covers the assertion.

Verified by signxml, whereas the connectors sign with their own code. Only what the signature covers may be read.
"""
from __future__ import annotations

import base64
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature as WrongIssuer
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidCertificate, InvalidDigest, InvalidInput, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from connectors.nomenclatures.xds import NS_DS
from connectors.wire import xmlsafe
from mocks.sandbox.lists import read_lists, revoked_in

Element = etree._Element

_DS = {"ds": NS_DS}


class SignatureFails(ValueError):
    """It does not hold: the message was changed, or signed in a way that is not accepted."""


class CoversSomethingElse(SignatureFails):
    """It holds for what is not the assertion."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may sign. ``revoked`` are serial numbers."""

    authorities: tuple[x509.Certificate, ...]
    revoked: frozenset[int] = frozenset()

    @classmethod
    def from_files(cls, ca: Path, crl: Path | None) -> Trust:
        authorities = tuple(x509.load_pem_x509_certificates(ca.read_bytes()))
        lists = [] if crl is None else read_lists(crl.read_bytes())
        return cls(authorities, frozenset(line.serial for one in lists for line in revoked_in(one)))


def signer(signature: Element) -> x509.Certificate | None:
    """The certificate that a Signature names; None when KeyInfo holds none that can be read."""
    try:
        text = signature.findtext("ds:KeyInfo/ds:X509Data/ds:X509Certificate", "", _DS)
        certificate = x509.load_der_x509_certificate(base64.b64decode(text))
        _ = certificate.subject, certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None
    return certificate


def why_untrusted(certificate: x509.Certificate, trust: Trust, at: datetime) -> str | None:
    """Why nobody may rely on this certificate, in French; None when they may. ``at`` is real time."""
    if not is_issued(certificate, trust):
        return "il n'est pas émis par une autorité reconnue"
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return "il n'est pas dans sa période de validité"
    return "il est révoqué" if certificate.serial_number in trust.revoked else None


def is_issued(certificate: x509.Certificate, trust: Trust) -> bool:
    """Whether one of these authorities signed it, whatever became of it since."""
    return any(_issued(certificate, authority) for authority in trust.authorities)


def may_sign(certificate: x509.Certificate) -> bool:
    """A signature certificate: non-repudiation, or digital signature without being made for client authentication."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    try:
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        authenticates = ExtendedKeyUsageOID.CLIENT_AUTH in extended
    except x509.ExtensionNotFound:
        authenticates = False
    return not authenticates and (usage.content_commitment or usage.digital_signature)


def covered(
    assertion: Element, certificate: x509.Certificate, methods: set[SignatureMethod], digests: set[DigestAlgorithm]
) -> Element:
    """What the signature covers: the assertion itself. Raises SignatureFails, CoversSomethingElse."""
    written = etree.tostring(assertion)
    if len(written) > xmlsafe.MAX_SIGNED:
        raise SignatureFails("too long")
    config = SignatureConfiguration(
        location="./", expect_references=1, signature_methods=frozenset(methods), digest_algorithms=frozenset(digests)
    )
    try:
        result = XMLVerifier().verify(
            written, x509_cert=certificate, id_attribute="ID", validate_schema=False, expect_config=config
        )
    except (InvalidSignature, InvalidDigest, InvalidInput, InvalidCertificate, ValueError, etree.LxmlError) as error:
        raise SignatureFails(type(error).__name__) from None
    signed: Element | None = None if isinstance(result, list) else result.signed_xml
    if signed is None or signed.tag != assertion.tag or signed.get("ID") != assertion.get("ID"):
        raise CoversSomethingElse
    return signed


def is_name_of(text: str, certificate: x509.Certificate) -> bool:
    """Whether a DN written as text is the subject's. Both orders and both separators are seen: the parts are compared."""
    tidy = re.sub(r",\s+(?=[A-Za-z0-9.]+=)", ",", text.strip())
    tidy = re.sub(r"(?:^|(?<=[,+]))[A-Za-z]+=", lambda one: one[0].upper(), tidy)
    overrides = {"S": NameOID.STATE_OR_PROVINCE_NAME, "G": NameOID.GIVEN_NAME, "GN": NameOID.GIVEN_NAME, "SN": NameOID.SURNAME,
                 "T": NameOID.TITLE, "TITLE": NameOID.TITLE}  # fmt: skip
    try:
        written = x509.Name.from_rfc4514_string(tidy, overrides)
    except ValueError:
        return False
    return _parts(written) == _parts(certificate.subject)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, WrongIssuer):
        return False
    return True


def _parts(name: x509.Name) -> Counter[tuple[str, str]]:
    return Counter((one.oid.dotted_string, " ".join(str(one.value).split()).casefold()) for one in name)
