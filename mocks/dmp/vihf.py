"""Checks a VIHF as the DMP would: signature, signer, attributes (reference dmp §4, §22.2).

Verified by signxml, whereas the connectors sign with their own code. Only what the signature covers is read.
"""
from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature as WrongIssuer
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidCertificate, InvalidDigest, InvalidInput, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from connectors.nomenclatures.xds import NS_DS, NS_HL7, NS_SAML, OID_PURPOSE, OID_SECTOR
from mocks.dmp.frame import Element, Faulted

_DS = {"ds": NS_DS}
_SUBJECT_ID = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
_ROLE = "urn:oasis:names:tc:xacml:2.0:subject:role"
_RESOURCE = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
_PURPOSE = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
_REQUIRED = ("vihf_version", "identifiant_structure", "secteur_activite", "ressource_urn", "lps_nom", "lps_version",
             "lps_id_homologation_dmp", "authentification_mode")  # fmt: skip
_MODES = ("DIRECTE", "INDIRECTE", "INDIRECTE_RENFORCEE")
_PURPOSES = ("normal", "bris de glace", "centre15")
_DOCTOR, _PHARMACIST = "10", "21"
_G15 = "1.2.250.1.71.1.2.7"
_R291 = "1.2.250.1.213.1.6.1.140"
_RESOURCE_FORM = re.compile(r"([0-9A-Za-z]{15})\^\^\^&([0-9.]+)&ISO\^NH")
_SHA1 = re.compile(r"sha1$")


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may sign. ``revoked`` are serial numbers; ``accept_sha1`` opens the algorithms of the samples of 2019 (§4.3)."""

    authorities: tuple[x509.Certificate, ...]
    revoked: frozenset[int] = frozenset()
    accept_sha1: bool = False

    @classmethod
    def from_files(cls, ca: Path, crl: Path | None, *, accept_sha1: bool = False) -> Trust:
        authorities = tuple(x509.load_pem_x509_certificates(ca.read_bytes()))
        revoked: set[int] = set()
        if crl is not None:
            blocks = re.findall(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n?", crl.read_bytes(), re.DOTALL)
            for block in blocks:
                revoked |= {entry.serial_number for entry in x509.load_pem_x509_crl(block)}
        return cls(authorities, frozenset(revoked), accept_sha1)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a checked VIHF says."""

    mode: str
    struct_id: str
    name_id: str = field(repr=False)
    role: str
    patient: tuple[str, str] | None = field(repr=False)  # (matricule, OID)


def check(assertion: Element | None, trust: Trust, at: datetime) -> Identity:
    """The whole pipeline; ``at`` is real time. Raises Faulted, each refusal with its own text."""
    if assertion is None:
        raise Faulted("Sender", "VIHF absent : wsse:Security ne contient pas d'assertion SAML 2.0.", "InvalidSecurity")
    certificate = _signer(assertion, trust, at)
    signed = _verified(assertion, certificate, trust)
    _check_issuer(signed, certificate)
    attributes = _attributes(signed)
    _check_attributes(attributes)
    struct_id = attributes["identifiant_structure"][0]
    units = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    if struct_id not in units:
        raise Faulted("Sender", "Identifiant_Structure n'est pas la structure (OU) du certificat qui signe le VIHF.",
                      "DMPAccessDeniedByRightsService")  # fmt: skip
    name_id = signed.findtext(f"{{{NS_SAML}}}Subject/{{{NS_SAML}}}NameID", "").strip()
    if not name_id:
        raise _invalid("NameID absent : qui utilise le logiciel ?")
    roles = _roles(signed)
    return Identity(attributes["authentification_mode"][0], struct_id, name_id, roles[0], _patient(attributes))


def _signer(assertion: Element, trust: Trust, at: datetime) -> x509.Certificate:
    """The signer's certificate: of ours, in its dates, not revoked, made to sign."""
    signature = assertion.find("ds:Signature", _DS)
    if signature is None:
        raise Faulted("Sender", "Signature absente : le VIHF n'est pas signé.", "InvalidSecurity")
    try:
        text = signature.findtext("ds:KeyInfo/ds:X509Data/ds:X509Certificate", "", _DS)
        certificate = x509.load_der_x509_certificate(base64.b64decode(text))
        _ = certificate.subject, certificate.extensions
    except ValueError:
        raise _bad_certificate("KeyInfo ne contient pas un certificat lisible") from None
    if not any(_issued(certificate, authority) for authority in trust.authorities):
        raise _bad_certificate("il n'est pas émis par une autorité reconnue")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise _bad_certificate("il n'est pas dans sa période de validité")
    if certificate.serial_number in trust.revoked:
        raise _bad_certificate("il est révoqué")
    if not _may_sign(certificate):
        raise _bad_certificate("Not a valid signature certificate")
    return certificate


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, WrongIssuer):
        return False
    return True


def _may_sign(certificate: x509.Certificate) -> bool:
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


def _verified(assertion: Element, certificate: x509.Certificate, trust: Trust) -> Element:
    """The subtree that the signature covers; it must be the assertion itself."""
    signature = assertion.find("ds:Signature", _DS)
    assert signature is not None
    used = [one.get("Algorithm", "") for one in signature.iter(f"{{{NS_DS}}}SignatureMethod", f"{{{NS_DS}}}DigestMethod")]
    if not trust.accept_sha1 and any(_SHA1.search(one) for one in used):
        raise Faulted("Sender", "Signature du VIHF en SHA-1 : utilisez RSA-SHA256.", "UnsupportedAlgorithm")
    methods, digests = {SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512}, {
        DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}  # fmt: skip
    if trust.accept_sha1:
        methods.add(SignatureMethod.RSA_SHA1)
        digests.add(DigestAlgorithm.SHA1)
    config = SignatureConfiguration(
        location="./", expect_references=1, signature_methods=frozenset(methods), digest_algorithms=frozenset(digests)
    )
    try:
        result = XMLVerifier().verify(
            etree.tostring(assertion), x509_cert=certificate, id_attribute="ID", validate_schema=False, expect_config=config
        )
    except (InvalidSignature, InvalidDigest, InvalidInput, InvalidCertificate, ValueError, etree.LxmlError):
        raise Faulted("Sender", "Signature du VIHF invalide : le message a été modifié ou mal canonisé.", "FailedCheck") from None
    signed: Element | None = None if isinstance(result, list) else result.signed_xml
    if signed is None or signed.tag != assertion.tag or signed.get("ID") != assertion.get("ID"):
        raise Faulted("Sender", "La Signature ne porte pas sur l'assertion.", "FailedCheck")
    return signed


def _check_issuer(signed: Element, certificate: x509.Certificate) -> None:
    written = _parsed_name(signed.findtext(f"{{{NS_SAML}}}Issuer", ""))
    if written is None or written != _name_parts(certificate.subject):
        raise _invalid("Issuer n'est pas le nom (DN) du certificat qui signe")


def _parsed_name(text: str) -> Counter[tuple[str, str]] | None:
    """Both orders and both separators are seen (§4.1): the parts are compared, not the string."""
    tidy = re.sub(r",\s+(?=[A-Za-z0-9.]+=)", ",", text.strip())
    tidy = re.sub(r"(?:^|(?<=[,+]))[A-Za-z]+=", lambda one: one[0].upper(), tidy)
    overrides = {"S": NameOID.STATE_OR_PROVINCE_NAME, "G": NameOID.GIVEN_NAME, "GN": NameOID.GIVEN_NAME, "SN": NameOID.SURNAME}
    try:
        return _name_parts(x509.Name.from_rfc4514_string(tidy, overrides))
    except ValueError:
        return None


def _name_parts(name: x509.Name) -> Counter[tuple[str, str]]:
    return Counter((one.oid.dotted_string, " ".join(str(one.value).split()).casefold()) for one in name)


def _attributes(signed: Element) -> dict[str, list[str]]:
    """Text of each attribute value, by name in lower case: the case of names varies between sources (§4.2)."""
    found: dict[str, list[str]] = {}
    for attribute in signed.iterfind(f"{{{NS_SAML}}}AttributeStatement/{{{NS_SAML}}}Attribute"):
        values = [(value.text or "").strip() for value in attribute.iterfind(f"{{{NS_SAML}}}AttributeValue")]
        found[attribute.get("Name", "").lower()] = values
    return found


def _check_attributes(attributes: Mapping[str, list[str]]) -> None:
    for name in _REQUIRED:
        if not attributes.get(name) or not attributes[name][0]:
            raise _invalid(f"attribut {name} absent")
    if attributes["vihf_version"][0] not in ("3.0", "4.0"):
        raise _invalid("VIHF_Version inconnue")
    mode = attributes["authentification_mode"][0]
    if mode not in _MODES:
        raise _invalid("Authentification_mode inconnu")
    if mode != "DIRECTE" and not any(attributes.get(_SUBJECT_ID, [])):
        raise _invalid(f"attribut {_SUBJECT_ID} absent")
    if not re.fullmatch(rf"SA\d\d\^{re.escape(OID_SECTOR)}", attributes["secteur_activite"][0]):
        raise _invalid("Secteur_Activite mal formé")
    if attributes["ressource_urn"][0] != "urn:dmp":
        raise _invalid("Ressource_URN n'est pas urn:dmp")


def _roles(signed: Element) -> list[str]:
    roles = _coded(signed, _ROLE, "Role")
    if not 1 <= len(roles) <= 2 or not all(role["code"] and role["codeSystem"] for role in roles):
        raise _invalid("le rôle doit avoir une ou deux valeurs codées")
    first = roles[0]
    needs_second = (first["codeSystem"] == _G15 and first["code"] in (_DOCTOR, _PHARMACIST)) or first["codeSystem"] == _R291
    if needs_second and len(roles) < 2:
        raise Faulted("Sender", "Aucune spécialité dans le vihf", "InvalidSecurityToken")
    purposes = _coded(signed, _PURPOSE, "PurposeOfUse")
    if len(purposes) != 1 or purposes[0]["code"] not in _PURPOSES or purposes[0]["codeSystem"] != OID_PURPOSE:
        raise _invalid("PurposeOfUse absent ou inconnu")
    return [role["code"] for role in roles]


def _coded(signed: Element, name: str, tag: str) -> list[dict[str, str]]:
    values: list[dict[str, str]] = []
    for attribute in signed.iterfind(f"{{{NS_SAML}}}AttributeStatement/{{{NS_SAML}}}Attribute"):
        if attribute.get("Name") == name:
            for element in attribute.iterfind(f"{{{NS_SAML}}}AttributeValue/{{{NS_HL7}}}{tag}"):
                values.append({key: element.get(key, "") for key in ("code", "codeSystem")})
    return values


def _patient(attributes: Mapping[str, list[str]]) -> tuple[str, str] | None:
    values: Any = attributes.get(_RESOURCE)
    if not values:
        return None
    match = _RESOURCE_FORM.fullmatch(values[0])
    if match is None:
        raise _invalid("resource-id n'est pas un INS (INS^^^&OID&ISO^NH)")
    return match[1], match[2]


def _bad_certificate(why: str) -> Faulted:
    return Faulted("Sender", f"Le certificat ayant signé le VIHF est invalide : {why}", "DMPInvalidCertificate")


def _invalid(why: str) -> Faulted:
    return Faulted("Sender", f"VIHF invalide : {why}.", "InvalidSecurityToken")
