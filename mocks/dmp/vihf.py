"""Checks a VIHF as the DMP would: signature, signer, attributes (reference dmp §4, §22.2).

Only what the signature covers is read (mocks/sandbox/signatures.py).
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from connectors.nomenclatures.xds import NS_DS, NS_HL7, NS_SAML, OID_PURPOSE, OID_SECTOR
from mocks.dmp.frame import Element, Faulted
from mocks.sandbox.signatures import (
    CoversSomethingElse,
    SignatureFails,
    Trust,
    covered,
    is_name_of,
    may_sign,
    signer,
    why_untrusted,
)

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
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_SKEW = timedelta(minutes=5)  # ours: how far a clock may be in front of the other one
_CLASS = f"{{{NS_SAML}}}AuthnContext/{{{NS_SAML}}}AuthnContextClassRef"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a checked VIHF says."""

    mode: str
    struct_id: str
    name_id: str = field(repr=False)
    role: str
    patient: tuple[str, str] | None = field(repr=False)  # (matricule, OID)


def check(assertion: Element | None, trust: Trust, at: datetime, *, accept_sha1: bool = False) -> Identity:
    """The whole pipeline; ``at`` is real time. Raises Faulted, each refusal with its own text.

    accept_sha1  opens the algorithms of the samples of 2019 (§4.3)
    """
    if assertion is None:
        raise Faulted("Sender", "VIHF absent, ou plusieurs : wsse:Security doit avoir une assertion SAML 2.0.", "InvalidSecurity")
    certificate = _signer(assertion, trust, at)
    signed = _verified(assertion, certificate, accept_sha1=accept_sha1)
    _check_issuer(signed, certificate)
    _check_times(signed, at)
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
    certificate = signer(signature)
    if certificate is None:
        raise _bad_certificate("KeyInfo ne contient pas un certificat lisible")
    why = why_untrusted(certificate, trust, at)
    if why is not None or not may_sign(certificate):
        raise _bad_certificate(why or "Not a valid signature certificate")
    return certificate


def _verified(assertion: Element, certificate: x509.Certificate, *, accept_sha1: bool) -> Element:
    """The subtree that the signature covers; it must be the assertion itself."""
    signature = assertion.find("ds:Signature", _DS)
    assert signature is not None
    covers = [one.get("URI") for one in signature.iterfind("ds:SignedInfo/ds:Reference", _DS)]
    if covers != [f"#{assertion.get('ID')}"]:
        raise Faulted("Sender", "La Signature ne porte pas sur l'assertion : Reference à son ID attendue.", "FailedCheck")
    used = [one.get("Algorithm", "") for one in signature.iter(f"{{{NS_DS}}}SignatureMethod", f"{{{NS_DS}}}DigestMethod")]
    if not accept_sha1 and any(_SHA1.search(one) for one in used):
        raise Faulted("Sender", "Signature du VIHF en SHA-1 : utilisez RSA-SHA256.", "UnsupportedAlgorithm")
    methods, digests = {SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512}, {
        DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}  # fmt: skip
    if accept_sha1:
        methods.add(SignatureMethod.RSA_SHA1)
        digests.add(DigestAlgorithm.SHA1)
    try:
        return covered(assertion, certificate, methods, digests)
    except CoversSomethingElse:
        raise Faulted("Sender", "La Signature ne porte pas sur l'assertion.", "FailedCheck") from None
    except SignatureFails:
        raise Faulted("Sender", "Signature du VIHF invalide : le message a été modifié ou mal canonisé.", "FailedCheck") from None


def _check_issuer(signed: Element, certificate: x509.Certificate) -> None:
    if not is_name_of(signed.findtext(f"{{{NS_SAML}}}Issuer", ""), certificate):
        raise _invalid("Issuer n'est pas le nom (DN) du certificat qui signe")


def _check_times(signed: Element, at: datetime) -> None:
    """Version, times and means of login (§4.1). How old IssueInstant may be is not known; Conditions, when there are, hold."""
    issued = signed.get("IssueInstant", "")
    if signed.get("Version") != "2.0" or not issued.endswith("Z") or _moment(issued) is None:
        raise _invalid("Version 2.0 et IssueInstant en UTC (Z) attendus")
    logins = signed.findall(f"{{{NS_SAML}}}AuthnStatement")
    if len(logins) != 1 or _moment(logins[0].get("AuthnInstant", "")) is None or not logins[0].findtext(_CLASS, "").strip():
        raise _invalid("AuthnStatement doit avoir AuthnInstant et AuthnContextClassRef")
    for conditions in signed.iterfind(f"{{{NS_SAML}}}Conditions"):
        if conditions.find(f"{{{NS_SAML}}}AudienceRestriction") is not None:
            raise _invalid("AudienceRestriction ne doit pas être renseigné")
        opens, closes = (conditions.get(name) for name in ("NotBefore", "NotOnOrAfter"))
        begins, ends = (at if text is None else _moment(text) for text in (opens, closes))
        if begins is None or ends is None or begins > at + _SKEW or (closes is not None and ends <= at):
            raise _invalid("l'heure n'est pas entre NotBefore et NotOnOrAfter (Conditions)")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _MOMENT.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None


def _attributes(signed: Element) -> dict[str, list[str]]:
    """Text of each attribute value, by name in lower case: the case of names varies between sources (§4.2). One given twice
    could be read in two ways, but for the roles, which are several."""
    found: dict[str, list[str]] = {}
    for attribute in signed.iterfind(f"{{{NS_SAML}}}AttributeStatement/{{{NS_SAML}}}Attribute"):
        values = [(value.text or "").strip() for value in attribute.iterfind(f"{{{NS_SAML}}}AttributeValue")]
        name = attribute.get("Name", "").lower()
        if name in found and name != _ROLE:
            raise _invalid(f"attribut {name[:64]} donné deux fois")
        found[name] = values
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
    if mode == "DIRECTE":  # whoever this trusts is a structure
        raise _invalid("le mode DIRECTE veut la signature d'une carte, non d'une structure")
    if not any(attributes.get(_SUBJECT_ID, [])):
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
