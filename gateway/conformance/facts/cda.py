"""Facts of one CDA R2 document: level, body, identity and identifiers of its header (reference dmp §18).

``read_cda`` returns facts for any bytes: what is not a CDA is said so, and a detached signature is told apart.
"""
from __future__ import annotations

import base64
import binascii
import re
from functools import cache

from lxml import etree

from connectors.nomenclatures.identifiers import finess_of_struct_id
from connectors.nomenclatures.oids import INS_OIDS
from connectors.nomenclatures.xds import NS_DS, NS_HL7, NS_XSI, OID_STRUCTURE, code_list
from connectors.wire import xmlsafe
from gateway.conformance.facts.identity import OTHER, leads, patient_facts, traits_facts
from gateway.conformance.facts.places import CDA_FIRST_NAME, CDA_MEDIA, CDA_PATIENT, CDA_REPRESENTATION
from gateway.conformance.model import Eyes, FactValues, Made

MAX_BYTES = 12 * 1024 * 1024
_H = f"{{{NS_HL7}}}"
_PDF_A1 = re.compile(rb"pdfaid:part\s*(?:=\s*[\"']|>)\s*1\s*[\"'<]")
_AUTHOR = f"{_H}author/{_H}assignedAuthor/{_H}representedOrganization/{_H}id"
_CUSTODIAN = f"{_H}custodian/{_H}assignedCustodian/{_H}representedCustodianOrganization/{_H}id"
_Element = etree._Element


def read_cda(data: bytes, eyes: Eyes, made: Made) -> FactValues:
    """``kind``: cda, signature or other. Lists and absent values are always there: a rule asks, it never guesses."""
    content = eyes.digest("document.content", data)
    try:
        root = xmlsafe.parse(data, max_bytes=MAX_BYTES)
    except xmlsafe.MalformedXml:
        return {"kind": OTHER, "content": content}
    if root.tag in (f"{{{NS_DS}}}Signature", f"{{{NS_DS}}}Signatures"):
        return {"kind": "signature", "content": content}
    if root.tag != f"{_H}ClinicalDocument":
        return {"kind": OTHER, "content": content}
    code = _attribute(root, "code", "code")
    return {
        "kind": "cda",
        "content": content,
        "id": _identifier(root.find(f"{_H}id"), eyes),
        "version": _version(root, eyes),
        "code": known_type(code),
        "code_ref": None if code is None else code_digest(code, eyes),
        "identity": _identity(root, eyes, made),
        "author_finess": _finess(root.find(_AUTHOR)),
        "custodian_finess": _finess(root.find(_CUSTODIAN)),
        **_body(root, eyes, made),
    }


def pdf_kind(data: bytes) -> str:
    """``PDF/A-1`` when the XMP packet claims it and nothing is encrypted, ``PDF``, or ``autre``."""
    if not data.startswith(b"%PDF-"):
        return OTHER
    return "PDF/A-1" if _PDF_A1.search(data) and b"/Encrypt" not in data else "PDF"


def known_type(code: str | None) -> str | None:
    """A document type of the DMP as it is; any other is only said to be another: it is the client's own text."""
    return code if code is None or code in _types() else OTHER


@cache
def _types() -> frozenset[str]:
    return frozenset(code for code, _ in code_list("X16"))


def code_digest(code: str, eyes: Eyes) -> str:
    """A code that may be anything the client wrote, for comparing only."""
    return eyes.digest("code", code)


def document_digest(unique_id: str, eyes: Eyes) -> str:
    """How a document is named in every fact: XDS uniqueId and CDA id are one name (dmp §6.2)."""
    return eyes.digest("document", unique_id)


def _body(root: _Element, eyes: Eyes, made: Made) -> FactValues:
    component = root.find(f"{_H}component")
    if component is not None and component.find(f"{_H}structuredBody") is not None:
        return {"level": "N3", "media": None, "base64": False, "pdf": None, "pdf_content": None}
    text = None if component is None else component.find(f"{_H}nonXMLBody/{_H}text")
    if text is None:
        return {"level": None, "media": None, "base64": False, "pdf": None, "pdf_content": None}
    media = text.get("mediaType")
    made.show(CDA_MEDIA, media)
    made.show(CDA_REPRESENTATION, text.get("representation"))
    raw = _decoded(text.text or "") if text.get("representation") == "B64" else None
    return {
        "level": "N1",
        "media": media if media in (None, "application/pdf") else OTHER,
        "base64": raw is not None,
        "pdf": None if raw is None else pdf_kind(raw),
        "pdf_content": None if raw is None else eyes.digest("document.content", raw),
    }


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _identity(root: _Element, eyes: Eyes, made: Made) -> FactValues:
    role = root.find(f"{_H}recordTarget/{_H}patientRole")
    ids = [] if role is None else role.findall(f"{_H}id")
    ins = next((one for one in ids if one.get("root") in INS_OIDS), None)
    matricule, oid = (None, None) if ins is None else (ins.get("extension"), ins.get("root"))
    made.show(CDA_PATIENT, None if ins is None else f"{matricule} ({oid})")
    person = None if role is None else role.find(f"{_H}patient")
    traits = {} if person is None else _traits(person)
    return {
        **patient_facts((matricule, oid), eyes, made),
        **traits_facts(matricule, traits, eyes),
        "first_in_list": None if person is None else _first_in_list(person, made),
    }


def _first_in_list(person: _Element, made: Made) -> bool | None:
    """Of the first name by itself (``BR``) and the list of the civil register (no qualifier); None unless both are there."""
    givens = person.findall(f"{_H}name/{_H}given")
    first = next((one.text for one in givens if one.get("qualifier") == "BR"), None)
    made.show(CDA_FIRST_NAME, first)
    return leads(first, next((one.text for one in givens if one.get("qualifier") is None), None))


def _traits(person: _Element) -> dict[str, str | None]:
    families = {one.get("qualifier"): one.text for one in person.findall(f"{_H}name/{_H}family")}
    givens = person.findall(f"{_H}name/{_H}given")
    first = next((one.text for one in givens if one.get("qualifier") == "BR"), None)
    if first is None:  # the list of the civil register; its first word is the first first name
        first = next(iter((givens[0].text or "").split()), None) if givens else None
    birth = person.find(f"{_H}birthTime")
    county = person.find(f"{_H}birthplace/{_H}place/{_H}addr/{_H}county")
    return {
        "birth_name": families.get("BR"),
        "first_name": first,
        "birth_date": None if birth is None else birth.get("value"),
        "sex": _attribute(person, "administrativeGenderCode", "code"),
        "birth_place": None if county is None else county.text,
    }


def _version(root: _Element, eyes: Eyes) -> str | None:
    """Which version of which document: ``setId`` and ``versionNumber`` (SC.CDA/INT.18)."""
    set_id, number = root.find(f"{_H}setId"), _attribute(root, "versionNumber", "value")
    if set_id is None or not set_id.get("root") or number is None:
        return None
    return eyes.digest("document.version", f"{set_id.get('root')}^{set_id.get('extension', '')}^{number}")


def _identifier(element: _Element | None, eyes: Eyes) -> str | None:
    if element is None or not element.get("root"):
        return None
    extension = element.get("extension")
    return document_digest(f"{element.get('root')}^{extension}" if extension else str(element.get("root")), eyes)


def _finess(element: _Element | None) -> str | None:
    if element is None or element.get("root") != OID_STRUCTURE:
        return None
    return finess_of_struct_id(element.get("extension", ""))


def _attribute(parent: _Element, tag: str, name: str) -> str | None:
    element = parent.find(f"{_H}{tag}")
    if element is None or element.get(f"{{{NS_XSI}}}nil") == "true":
        return None
    return element.get(name)
