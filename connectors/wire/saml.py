"""VIHF: the signed SAML 2.0 assertion that says who feeds or asks the DMP, in INDIRECTE mode (reference dmp §4).

The assertion is signed by the structure's *signature* certificate, never by the one of its TLS (§23.1). Signing is RSA
SHA-256 over exclusive C14N, enveloped: the signature holds when the tree moves into an envelope, not when it is touched.
"""
from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree

from connectors.nomenclatures.xds import NS_DS, NS_HL7, NS_SAML, NS_XSI, OID_PURPOSE, OID_SECTOR, cx

Element = etree._Element

SUBJECT_ID = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
SUBJECT_ROLE = "urn:oasis:names:tc:xacml:2.0:subject:role"
RESOURCE_ID = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
PURPOSE_OF_USE = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
X509_SUBJECT = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"
LOCAL_LOGIN = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"

_EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_DMP = "urn:dmp"


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate and its RSA key. ``subject`` is the DN in RFC 4514 order, as the Issuer wants it."""

    certificate: x509.Certificate
    key: RSAPrivateKey = field(repr=False)

    @property
    def subject(self) -> str:
        return self.certificate.subject.rfc4514_string()


def load_signer(cert: Path, key: Path) -> Signer:
    """From two PEM files. OSError when absent, ValueError when the key is not RSA or a file is not what it says."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, RSAPrivateKey):
        raise ValueError("a VIHF is signed with an RSA key")
    return Signer(x509.load_pem_x509_certificate(cert.read_bytes()), private)


@dataclass(frozen=True, slots=True)
class Role:
    """A profession or a role of JDV_J65, as an HL7v3 coded element."""

    code: str
    system: str
    label: str


@dataclass(frozen=True, slots=True)
class Vihf:
    """What the assertion says. ``matricule`` has 15 characters; ``name_id`` is the PS_IdNat of the user (§6.3)."""

    name_id: str = field(repr=False)
    subject_name: str = field(repr=False)
    struct_id: str
    sector: str
    roles: tuple[Role, ...]
    lps_name: str
    lps_version: str
    lps_homologation: str
    matricule: str | None = field(default=None, repr=False)
    oid: str = ""
    mode: str = "INDIRECTE"
    version: str = "3.0"  # "4.0" in the mapping page of 2026: the DMP accepts both (§4.2)
    auth_method: str = LOCAL_LOGIN


def assertion(vihf: Vihf, signer: Signer, *, at: datetime, logged_in_at: datetime) -> Element:
    """The signed assertion, to be moved into wsse:Security as it is. Times are aware; both are written in UTC (§4.1)."""
    root = _unsigned(vihf, signer.subject, at=at, logged_in_at=logged_in_at)
    sign(root, signer)
    return root


def _unsigned(vihf: Vihf, issuer: str, *, at: datetime, logged_in_at: datetime) -> Element:
    root = etree.Element(f"{{{NS_SAML}}}Assertion", nsmap={"saml2": NS_SAML, "xsi": NS_XSI})
    root.set("ID", "_" + secrets.token_hex(16))
    root.set("IssueInstant", _instant(at))
    root.set("Version", "2.0")
    _sub(root, "Issuer", issuer, Format=X509_SUBJECT)
    _sub(_sub(root, "Subject"), "NameID", vihf.name_id)
    context = _sub(_sub(root, "AuthnStatement", AuthnInstant=_instant(logged_in_at)), "AuthnContext")
    _sub(context, "AuthnContextClassRef", vihf.auth_method)
    statement = _sub(root, "AttributeStatement")
    for name, value in _plain_attributes(vihf):
        _attribute(statement, name, value)
    _coded(statement, SUBJECT_ROLE, "Role", ((r.code, r.system, "", r.label) for r in vihf.roles))
    purpose = ("normal", OID_PURPOSE, "mode acces VIHF 2.0", "Accès normal")
    _coded(statement, PURPOSE_OF_USE, "PurposeOfUse", (purpose,))
    return root


def _plain_attributes(vihf: Vihf) -> Iterable[tuple[str, str]]:
    yield "VIHF_Version", vihf.version
    yield "Authentification_mode", vihf.mode
    yield "Identifiant_Structure", vihf.struct_id
    yield "Secteur_Activite", f"{vihf.sector}^{OID_SECTOR}"
    yield SUBJECT_ID, vihf.subject_name
    if vihf.matricule is not None:
        yield RESOURCE_ID, cx(vihf.matricule, vihf.oid)
    yield "Ressource_URN", _DMP
    yield "LPS_Nom", vihf.lps_name
    yield "LPS_Version", vihf.lps_version
    yield "LPS_ID_HOMOLOGATION_DMP", vihf.lps_homologation


def _attribute(statement: Element, name: str, value: str) -> None:
    _sub(_sub(statement, "Attribute", Name=name), "AttributeValue", value)


def _coded(statement: Element, name: str, tag: str, values: Iterable[tuple[str, str, str, str]]) -> None:
    attribute = _sub(statement, "Attribute", Name=name)
    for code, system, system_name, label in values:
        value = _sub(attribute, "AttributeValue")
        element = etree.SubElement(value, f"{{{NS_HL7}}}{tag}", nsmap={None: NS_HL7})
        element.set(f"{{{NS_XSI}}}type", "CE")
        element.set("code", code)
        element.set("codeSystem", system)
        if system_name:
            element.set("codeSystemName", system_name)
        element.set("displayName", label)


def sign(root: Element, signer: Signer) -> None:
    """Put ds:Signature after the Issuer of an assertion that is not signed yet, whatever it says: the VIHF's, INSi's (insi §2.5).

    The digest is taken before: the enveloped transform removes the signature.
    """
    signature = etree.Element(f"{{{NS_DS}}}Signature", nsmap={"ds": NS_DS})
    info = _ds(signature, "SignedInfo")
    _ds(info, "CanonicalizationMethod", Algorithm=_EXC_C14N)
    _ds(info, "SignatureMethod", Algorithm=_RSA_SHA256)
    reference = _ds(info, "Reference", URI="#" + (root.get("ID") or ""))
    transforms = _ds(reference, "Transforms")
    _ds(transforms, "Transform", Algorithm=_ENVELOPED)
    _ds(transforms, "Transform", Algorithm=_EXC_C14N)
    _ds(reference, "DigestMethod", Algorithm=_SHA256)
    _ds(reference, "DigestValue").text = _b64(hashlib.sha256(_c14n(root)).digest())
    root.insert(1, signature)
    _ds(signature, "SignatureValue").text = _b64(signer.key.sign(_c14n(info), PKCS1v15(), hashes.SHA256()))
    data = _ds(_ds(signature, "KeyInfo"), "X509Data")
    _ds(data, "X509Certificate").text = _b64(signer.certificate.public_bytes(serialization.Encoding.DER))


def _c14n(element: Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _sub(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    element = etree.SubElement(parent, f"{{{NS_SAML}}}{tag}", attributes)
    element.text = text
    return element


def _ds(parent: Element, tag: str, **attributes: str) -> Element:
    return etree.SubElement(parent, f"{{{NS_DS}}}{tag}", attributes)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
