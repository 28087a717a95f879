"""The SAML assertion of the one-way listener: signed by a professional's card (variant B), or of Pro Santé Connect (variant C).

What it holds is in insi §2.3 to §2.5. Which fault refuses it nobody saw: the siram_100 family, with a sentence of ours.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from connectors.nomenclatures.xds import NS_DS, NS_SAML
from mocks.insi.faults import Faulted, not_allowed
from mocks.insi.rules import Rules
from mocks.insi.wire import Element
from mocks.sandbox.signatures import SignatureFails, Trust, covered, is_issued, is_name_of, may_sign, signer, why_untrusted

SAML = f"{{{NS_SAML}}}"
_DS = f"{{{NS_DS}}}"

LIFE = timedelta(hours=1)
CARD_LIFE = timedelta(minutes=20)  # of one that goes with a carte Vitale (CNDA 1.02)
_AHEAD = timedelta(minutes=5)  # how far a clock may be in front of ours

_QUALIFIERS = ("CPS", "CPF", "CDE-CPE", "CPA")  # by the value of the certificate's extension
_NO_QUALIFIER, _PSC = "CPX", "PSC"
_CARD_KIND = ObjectIdentifier("1.2.250.1.71.1.2.2")

_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_METHOD = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
_TRANSFORMS = ["http://www.w3.org/2000/09/xmldsig#enveloped-signature", _EXCLUSIVE]
_NAME_FORMAT = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z")
_REQUIRED = ("identifiantfacturation", "secteuractivite")  # compared in lower case (insi §2.5)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who calls. ``billing``: the identifier of invoicing, a FINESS or a SIRET for an establishment; empty when there is none."""

    name_id: str = field(repr=False)
    billing: str = ""


def check(
    security: Element | None, trust: Trust, claims: Mapping[str, Any] | None, rules: Rules, at: datetime, life: timedelta = LIFE
) -> Bearer:
    """The whole pipeline. Raises Faulted, each refusal with its own sentence.

    claims  of the access token that came with the call, when our Pro Santé Connect issued it
    at      real time
    """
    assertion = _only(security)
    name = assertion.find(f"{SAML}Subject/{SAML}NameID")
    qualifier = "" if name is None else name.get("NameQualifier", "")
    if qualifier not in (*_QUALIFIERS, _NO_QUALIFIER, _PSC):
        raise Faulted(not_allowed("NameQualifier de l'assertion inconnu."))
    if qualifier == _PSC:
        signed = assertion
        _check_token(signed, claims, rules)
    else:
        signed = _signed(assertion, trust, at, rules)
    _check_age(signed, at, life)
    attributes = _attributes(signed)
    missing = [one for one in _REQUIRED if not attributes.get(one)]
    if rules.strict and missing:
        raise Faulted(not_allowed(f"attribut {missing[0]} absent de l'assertion."))
    return Bearer(_name_id(signed), attributes.get("identifiantfacturation", ""))


def card_of(security: Element | None, trust: Trust) -> str | None:
    """The national identifier on the card that really signed, even one that is expired or revoked; None when none did."""
    try:
        made = _only(security)
    except Faulted:
        return None
    signature = made.find(f"{_DS}Signature")
    certificate = None if signature is None else signer(signature)
    if signature is None or certificate is None or not _is_nominative(certificate) or not is_issued(certificate, trust):
        return None
    if not _is_as_published(signature, made):
        return None
    try:
        covered(made, certificate, {SignatureMethod.RSA_SHA256}, {DigestAlgorithm.SHA256})
    except SignatureFails:
        return None
    return _common_name(certificate) or None


def _only(security: Element | None) -> Element:
    found = [] if security is None else security.findall(f"{SAML}Assertion")
    if len(found) != 1 or found[0].get("Version") != "2.0" or not found[0].get("ID"):
        raise Faulted(not_allowed("wsse:Security doit avoir une assertion SAML 2.0."))
    return found[0]


def _signed(assertion: Element, trust: Trust, at: datetime, rules: Rules) -> Element:
    """The assertion as its signature covers it; the rest may be anybody's."""
    signature = assertion.find(f"{_DS}Signature")
    if signature is None:
        raise Faulted(not_allowed("l'assertion d'une carte doit être signée."))
    certificate = signer(signature)
    if certificate is None:
        raise Faulted(not_allowed("KeyInfo ne contient pas un certificat lisible."))
    why = why_untrusted(certificate, trust, at) or _not_a_card(certificate)
    if why is not None:
        raise Faulted(not_allowed(f"certificat de l'assertion refusé : {why}."))
    if not _is_as_published(signature, assertion):
        raise Faulted(not_allowed("Signature : exc-c14n, rsa-sha256, sha256 et une Reference à l'assertion sont attendus."))
    try:
        signed = covered(assertion, certificate, {SignatureMethod.RSA_SHA256}, {DigestAlgorithm.SHA256})
    except SignatureFails:
        raise Faulted(not_allowed("signature de l'assertion invalide : elle a été modifiée ou mal canonisée.")) from None
    issuer = signed.find(f"{SAML}Issuer")
    if issuer is None or issuer.get("Format") != _NAME_FORMAT or not is_name_of(issuer.text or "", certificate):
        raise Faulted(not_allowed("Issuer n'est pas le nom (DN) du certificat qui signe."))
    if _name_id(signed) != _common_name(certificate):
        raise Faulted(not_allowed("NameID n'est pas l'identifiant national (CN) du certificat qui signe."))
    if rules.strict and signed.find(f"{SAML}Subject/{SAML}NameID").get("NameQualifier") != _kind(certificate):  # type: ignore[union-attr]
        raise Faulted(not_allowed("NameQualifier n'est pas le type de la carte."))
    return signed


def _is_as_published(signature: Element, assertion: Element) -> bool:
    """Algorithms and transforms of insi §2.5, and one Reference, to this assertion."""
    info = signature.find(f"{_DS}SignedInfo")
    references = [] if info is None else info.findall(f"{_DS}Reference")
    if info is None or len(references) != 1 or references[0].get("URI") != f"#{assertion.get('ID')}":
        return False
    algorithms = {
        name: [one.get("Algorithm") for one in info.iter(f"{_DS}{name}")]
        for name in ("CanonicalizationMethod", "SignatureMethod", "DigestMethod", "Transform")
    }
    return algorithms == {
        "CanonicalizationMethod": [_EXCLUSIVE], "SignatureMethod": [_METHOD], "DigestMethod": [_DIGEST], "Transform": _TRANSFORMS,
    }  # fmt: skip


def _not_a_card(certificate: x509.Certificate) -> str | None:
    """A nominative card's certificate of signature, with somebody's name (insi §2.3)."""
    if not may_sign(certificate):
        return "ce n'est pas un certificat de signature"
    return None if _is_nominative(certificate) else "ce n'est pas une carte nominative"


def _is_nominative(certificate: x509.Certificate) -> bool:
    """Whether it has somebody's name; an organisation's has none, and its CN may be any number that it asked for."""
    return bool(certificate.subject.get_attributes_for_oid(NameOID.SURNAME))


def _check_token(assertion: Element, claims: Mapping[str, Any] | None, rules: Rules) -> None:
    if not rules.psc_token:
        return
    if claims is None:
        raise Faulted(not_allowed("jeton d'accès Pro Santé Connect absent, expiré ou inconnu (Authorization: Bearer)."))
    if claims.get("SubjectNameID") != _name_id(assertion):
        raise Faulted(not_allowed("NameID n'est pas le porteur du jeton Pro Santé Connect."))


def _check_age(assertion: Element, at: datetime, life: timedelta) -> None:
    text = assertion.get("IssueInstant", "")
    try:
        issued = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC) if _INSTANT.fullmatch(text) else None
    except ValueError:
        issued = None
    if issued is None:
        raise Faulted(not_allowed("IssueInstant doit être une date UTC, aaaa-MM-jjTHH:mm:ss.fffZ."))
    if not -_AHEAD <= at - issued < life:
        raise Faulted(not_allowed(f"l'assertion a expiré ou n'est pas encore valable : {life // timedelta(minutes=1)} minutes."))


def _attributes(assertion: Element) -> dict[str, str]:
    """First value of each, by name in lower case: the case of names varies between clients (insi §2.5)."""
    found: dict[str, str] = {}
    for attribute in assertion.iterfind(f"{SAML}AttributeStatement/{SAML}Attribute"):
        found.setdefault(attribute.get("Name", "").lower(), (attribute.findtext(f"{SAML}AttributeValue") or "").strip())
    return found


def _name_id(assertion: Element) -> str:
    return assertion.findtext(f"{SAML}Subject/{SAML}NameID", "").strip()


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _kind(certificate: x509.Certificate) -> str:
    """The qualifier that goes with the certificate (insi §2.5)."""
    try:
        value = certificate.extensions.get_extension_for_oid(_CARD_KIND).value
    except x509.ExtensionNotFound:
        return _NO_QUALIFIER
    raw = value.value if isinstance(value, x509.UnrecognizedExtension) else b""
    return _QUALIFIERS[raw[-1]] if raw and raw[-1] < len(_QUALIFIERS) else _NO_QUALIFIER
