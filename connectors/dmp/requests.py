"""What a request to the DMP says, whoever wrote it: the DUI's own bytes are read to be journaled, never judged.

Nothing here is verified: the VIHF's signature and the rules of the set are the DMP's to check (reference dmp §22).
"""
from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_HL7, NS_LCM, NS_QUERY, NS_RIM, NS_SAML, NS_XDSB, NS_XOP
from connectors.wire import mtom, saml, soap, xmlsafe

Kind = Literal["existence", "feed", "search", "other"]

MAX_INLINE = 12 * 1024 * 1024  # a message that is not multipart may carry its document inside
MAX_DOCUMENTS = 64  # a set with more is relayed, but not read: one message must not fill the journal

_R = f"{{{NS_RIM}}}"
_H = f"{{{NS_HL7}}}"
_Element = soap.Element


class NotReadable(ValueError):
    """Not a SOAP 1.2 message, plain or multipart; ``reason`` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Feed:
    """A submission set. Lists follow the order of the message; what cannot be read is absent or empty.

    The document that signs the set (§10) is left out everywhere: it is new at each sending, and no search shows it.

    set_id, unique_ids   submission set and documents
    institutions         Struct_IdNat of the first author of each document, then of the set; "" when there is none
    type_code            of the first document, when it is a type of the DMP
    commitment           SHA-256 over the SHA-256 of each document, in order; None when one is missing
    """

    set_id: str | None = None
    unique_ids: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    type_code: str | None = None
    commitment: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """``patient`` is (matricule, OID) as the body says it, else as the VIHF does."""

    kind: Kind
    patient: tuple[str, str] | None = field(default=None, repr=False)
    name_id: str | None = field(default=None, repr=False)
    lps_version: str | None = None
    feed: Feed | None = None


def read_envelope(content_type: str | None, body: bytes) -> soap.Envelope:
    """The envelope of a message, with its parts when it is multipart. Raises NotReadable."""
    try:
        parts = mtom.split(content_type or "", body) if mtom.is_multipart(content_type) else None
        root, cap = (body, MAX_INLINE) if parts is None else (bytes(parts.root.body), soap.MAX_BYTES)
        return replace(soap.read_envelope(root, max_bytes=cap), parts=parts)
    except mtom.MtomError as error:
        raise NotReadable(error.reason) from error
    except xmlsafe.MalformedXml as error:
        raise NotReadable("xml") from error
    except soap.NotAnEnvelope as error:
        raise NotReadable("soap11" if error.soap11 else "envelope") from error


def read_request(envelope: soap.Envelope) -> Seen:
    """Raises NotReadable for an empty Body; anything inside is read as far as it goes."""
    body = envelope.body
    if body is None:
        raise NotReadable("empty-body")
    kind = _kind(body)
    attributes = dict(_vihf_attributes(envelope))
    patient = xds.read_cx(attributes.get(saml.RESOURCE_ID, ""))
    feed = None
    if kind == "existence":
        value = body.find(f".//{_H}patientIdentifier/{_H}value")
        if value is not None and value.get("extension"):
            patient = (value.get("extension", ""), value.get("root", ""))
    elif kind == "feed":
        feed, stated = _feed(body, envelope.parts)
        patient = stated or patient
    return Seen(kind, patient, attributes.get("NameID") or None, attributes.get("LPS_Version"), feed)


def _kind(body: _Element) -> Kind:
    """By the body element: the action is written in several ways (§2.4)."""
    if body.tag == f"{{{NS_XDSB}}}ProvideAndRegisterDocumentSetRequest":
        return "feed"
    if body.tag == f"{{{NS_QUERY}}}AdhocQueryRequest":
        return "search"
    if body.tag == f"{_H}PRPA_IN201307UV02":
        reason = body.find(f"{_H}controlActProcess/{_H}reasonCode")
        if reason is not None and reason.get("code") == "TEST_EXST":  # TD1.3a has the same element
            return "existence"
    return "other"


def _vihf_attributes(envelope: soap.Envelope) -> Iterator[tuple[str, str]]:
    security = envelope.block(soap.WSSE, "Security")
    assertion = None if security is None else security.find(f"{{{NS_SAML}}}Assertion")
    if assertion is None:
        return
    yield "NameID", assertion.findtext(f"{{{NS_SAML}}}Subject/{{{NS_SAML}}}NameID", "").strip()
    for attribute in assertion.iter(f"{{{NS_SAML}}}Attribute"):
        value = attribute.find(f"{{{NS_SAML}}}AttributeValue")
        if value is not None:
            yield attribute.get("Name", ""), (value.text or "").strip()


def _feed(body: _Element, parts: mtom.Multipart | None) -> tuple[Feed, tuple[str, str] | None]:
    listed = body.find(f"{{{NS_LCM}}}SubmitObjectsRequest/{_R}RegistryObjectList")
    package = None if listed is None else listed.find(f"{_R}RegistryPackage")
    entries = [] if listed is None else listed.findall(f"{_R}ExtrinsicObject")
    if len(entries) > MAX_DOCUMENTS:
        return Feed(), None
    signatures = {entry.get("id") for entry in entries if _type(entry) == xds.SIGNATURE_TYPE}
    entries = [entry for entry in entries if entry.get("id") not in signatures]
    set_id = None if package is None else _identifier(package, xds.SET_UNIQUE_ID)
    unique_ids = [_identifier(entry, xds.DOC_UNIQUE_ID) for entry in entries]
    institutions = [_institution(entry, xds.DOC_AUTHOR) for entry in entries]
    if package is not None:
        institutions.append(_institution(package, xds.SET_AUTHOR))
    stated = [_identifier(entry, xds.DOC_PATIENT_ID) for entry in entries]
    if package is not None:
        stated.append(_identifier(package, xds.SET_PATIENT_ID))
    patient = next((found for text in stated if text and (found := xds.read_cx(text))), None)
    feed = Feed(
        set_id=set_id,
        unique_ids=tuple(one for one in unique_ids if one),
        institutions=tuple(institutions),
        type_code=next((code for entry in entries if (code := _type_code(entry))), None),
        commitment=_commitment(body, parts, signatures),
    )
    return feed, patient


def _identifier(element: _Element, scheme: str) -> str | None:
    for one in element.iterfind(f"{_R}ExternalIdentifier"):
        if one.get("identificationScheme") == scheme:
            return one.get("value") or None
    return None


def _institution(element: _Element, scheme: str) -> str:
    for one in element.iterfind(f"{_R}Classification"):
        if one.get("classificationScheme") == scheme:
            slots = (slot for slot in one.iterfind(f"{_R}Slot") if slot.get("name") == "authorInstitution")
            texts = (slot.findtext(f"{_R}ValueList/{_R}Value", "").strip() for slot in slots)
            return next((found for text in texts if (found := xds.read_institution(text))), "")
    return ""


def _type_code(entry: _Element) -> str | None:
    """The type when the DMP has it: another text is the client's own, and could say anything."""
    code = _type(entry)
    return code if code in _dmp_types() else None


def _type(entry: _Element) -> str | None:
    found = (one for one in entry.iterfind(f"{_R}Classification") if one.get("classificationScheme") == xds.DOC_TYPE)
    return next((one.get("nodeRepresentation") for one in found), None)


@cache
def _dmp_types() -> frozenset[str]:
    return frozenset(code for code, _ in xds.code_list("X16"))


def _commitment(body: _Element, parts: mtom.Multipart | None, signatures: set[str | None]) -> bytes | None:
    documents = [one for one in body.iterfind(f"{{{NS_XDSB}}}Document") if one.get("id") not in signatures]
    if not 0 < len(documents) <= MAX_DOCUMENTS:
        return None
    by_part: dict[str, bytes] = {}  # documents may share a part: it is hashed once
    digests = [_digest(document, parts, by_part) for document in documents]
    return None if None in digests else hashlib.sha256(b"".join(one for one in digests if one)).digest()


def _digest(document: _Element, parts: mtom.Multipart | None, by_part: dict[str, bytes]) -> bytes | None:
    include = document.find(f"{{{NS_XOP}}}Include")
    try:
        if include is None:
            return hashlib.sha256(base64.b64decode("".join((document.text or "").split()), validate=True)).digest()
        name = mtom.content_id_of(include.get("href", ""))
        if name not in by_part:
            if parts is None:
                return None
            by_part[name] = hashlib.sha256(parts.part(name).body).digest()
        return by_part[name]
    except (binascii.Error, ValueError, KeyError):
        return None
