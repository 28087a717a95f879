"""CDA R2 of level N1: the header of the CI-SIS and a PDF/A-1 in base64 (reference dmp §18).

Times are aware datetimes; the header writes them local with their offset, in the zone of the structure, where the XDS
metadata of the same document writes them in UTC (§9.4).
"""
from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

import typst
from lxml import etree

from connectors.nomenclatures.xds import NS_HL7, NS_XSI, OID_PROFESSIONAL, OID_STRUCTURE, Code, find_code

PARIS = ZoneInfo("Europe/Paris")
TITLE_MAX = 128

_TEMPLATES = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1", "1.3.6.1.4.1.19376.1.2.20")
_GENDERS = {"F": "Féminin", "M": "Masculin", "U": "Inconnu"}
_GENDER_SYSTEM = "2.16.840.1.113883.5.1"


@dataclass(frozen=True, slots=True)
class Patient:
    """The five traits of a qualified INS, the INS itself, and the local identifier (IPP) with its domain."""

    matricule: str = field(repr=False)
    oid: str
    birth_name: str = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str  # F or M
    birth_date: date = field(repr=False)
    birth_place: str = field(repr=False)  # COG code
    local_id: str = field(repr=False)
    local_oid: str


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote the document. ``id_nat`` is a PS_IdNat: ``8`` + RPPS, or ``3`` + FINESS/internal id (§6.3)."""

    id_nat: str = field(repr=False)
    family: str = field(repr=False)
    given: str = field(repr=False)
    specialty: Code
    function: Code | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """``struct_id`` is a Struct_IdNat: ``1`` + FINESS ET. ``facility`` comes from J02, ``practice`` from J04."""

    struct_id: str
    name: str
    facility: Code
    practice: Code


@dataclass(frozen=True, slots=True)
class Document:
    """One document: ``unique_id`` and ``set_id`` are bare OIDs, ``title`` has at most 128 characters.

    ``confidentiality`` is N, R or V: how the document is hidden from some readers is metadata of its entry.
    """

    unique_id: str
    set_id: str
    type: Code
    title: str
    at: datetime
    service_start: datetime
    stay_start: datetime
    pdf: bytes = field(repr=False)
    version: int = 1
    confidentiality: str = "N"


def build(document: Document, patient: Patient, author: Author, structure: Structure, *, zone: ZoneInfo = PARIS) -> bytes:
    """The CDA, UTF-8 with its prologue. Raises ValueError when the title is too long or a time has no zone."""
    if not 0 < len(document.title) <= TITLE_MAX:
        raise ValueError(f"title of {len(document.title)} characters, {TITLE_MAX} at most")
    root = etree.Element(f"{{{NS_HL7}}}ClinicalDocument", nsmap={None: NS_HL7, "xsi": NS_XSI})
    _identity(root, document, zone)
    _record_target(root, patient)
    _author(root, author, structure, document, zone)
    custodian = _sub(_sub(_sub(root, "custodian"), "assignedCustodian"), "representedCustodianOrganization")
    _organization_id(custodian, structure)
    _unknown(custodian, "telecom", "addr")
    legal = _sub(root, "legalAuthenticator")
    _sub(legal, "time", value=local_time(document.at, zone))
    _sub(legal, "signatureCode", code="S")
    _person(_sub(legal, "assignedEntity"), author, structure)
    _documentation(root, author, structure, document, zone)
    encounter = _sub(_sub(root, "componentOf"), "encompassingEncounter")
    _sub(_sub(encounter, "effectiveTime"), "low", value=local_time(document.stay_start, zone))
    place = _sub(_sub(encounter, "location"), "healthCareFacility")
    _code(place, "code", structure.facility)
    text = _sub(_sub(_sub(root, "component"), "nonXMLBody"), "text", mediaType="application/pdf", representation="B64")
    text.text = base64.b64encode(document.pdf).decode("ascii")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def local_time(at: datetime, zone: ZoneInfo = PARIS) -> str:
    """``yyyymmddhhmmss+zzzz`` in the structure's zone (§18.1). ValueError when the datetime has no zone."""
    if at.tzinfo is None:
        raise ValueError("a time of a CDA needs a zone")
    return at.astimezone(zone).strftime("%Y%m%d%H%M%S%z")


def pdf_a1(title: str, lines: Sequence[str], *, at: datetime) -> bytes:
    """A PDF/A-1b of a title and paragraphs, dated, fonts inside; the same arguments give the same bytes."""
    moment = [at.year, at.month, at.day, at.hour, at.minute, at.second]
    data = json.dumps({"title": title, "lines": list(lines), "at": moment})
    made = typst.compile(_PAGE, format="pdf", pdf_standards=["a-1b"], sys_inputs={"data": data}, ignore_system_fonts=True)
    return bytes(made)


_PAGE = b"""
#let data = json(bytes(sys.inputs.data))
#let (year, month, day, hour, minute, second) = data.at
#set document(title: data.title, date: datetime(year: year, month: month, day: day, hour: hour, minute: minute, second: second))
#set page(paper: "a4", margin: 2.5cm)
#set text(lang: "fr", font: "Libertinus Serif")
#heading(data.title)
#for line in data.lines { par(line) }
"""


def _identity(root: etree._Element, document: Document, zone: ZoneInfo) -> None:
    _sub(root, "realmCode", code="FR")
    _sub(root, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    for template in _TEMPLATES:
        _sub(root, "templateId", root=template)
    _sub(root, "id", root=document.unique_id)
    _code(root, "code", document.type)
    _sub(root, "title").text = document.title
    _sub(root, "effectiveTime", value=local_time(document.at, zone))
    _code(root, "confidentialityCode", find_code("J58", document.confidentiality))
    _sub(root, "languageCode", code="fr-FR")
    _sub(root, "setId", root=document.set_id)
    _sub(root, "versionNumber", value=str(document.version))


def _record_target(root: etree._Element, patient: Patient) -> None:
    role = _sub(_sub(root, "recordTarget"), "patientRole")
    _sub(role, "id", root=patient.oid, extension=patient.matricule)
    _sub(role, "id", root=patient.local_oid, extension=patient.local_id)
    _unknown(role, "addr", "telecom")
    person = _sub(role, "patient")
    name = _sub(person, "name")
    _sub(name, "family", qualifier="BR").text = patient.birth_name
    _sub(name, "given").text = " ".join(patient.first_names)
    _sub(name, "given", qualifier="BR").text = patient.first_names[0]
    gender = _GENDERS[patient.sex]
    _sub(person, "administrativeGenderCode", code=patient.sex, displayName=gender, codeSystem=_GENDER_SYSTEM)
    _sub(person, "birthTime", value=patient.birth_date.strftime("%Y%m%d"))
    _sub(_sub(_sub(_sub(person, "birthplace"), "place"), "addr"), "county").text = patient.birth_place


def _author(root: etree._Element, author: Author, structure: Structure, document: Document, zone: ZoneInfo) -> None:
    element = _sub(root, "author")
    if author.function is not None:
        _code(element, "functionCode", author.function)
    _sub(element, "time", value=local_time(document.at, zone))
    _person(_sub(element, "assignedAuthor"), author, structure)


def _person(element: etree._Element, author: Author, structure: Structure) -> None:
    _sub(element, "id", root=OID_PROFESSIONAL, extension=author.id_nat)
    _code(element, "code", author.specialty)
    _unknown(element, "addr", "telecom")
    name = _sub(_sub(element, "assignedPerson"), "name")
    _sub(name, "family").text = author.family
    _sub(name, "given").text = author.given
    _organization_id(_sub(element, "representedOrganization"), structure)


def _documentation(root: etree._Element, author: Author, structure: Structure, document: Document, zone: ZoneInfo) -> None:
    event = _sub(_sub(root, "documentationOf"), "serviceEvent")
    _sub(_sub(event, "effectiveTime"), "low", value=local_time(document.service_start, zone))
    entity = _sub(_sub(event, "performer", typeCode="PRF"), "assignedEntity")
    _sub(entity, "id", root=OID_PROFESSIONAL, extension=author.id_nat)
    organization = _sub(entity, "representedOrganization")
    _organization_id(organization, structure)
    _code(organization, "standardIndustryClassCode", structure.practice)


def _organization_id(element: etree._Element, structure: Structure) -> None:
    _sub(element, "id", root=OID_STRUCTURE, extension=structure.struct_id)
    _sub(element, "name").text = structure.name


def _unknown(element: etree._Element, *tags: str) -> None:
    for tag in tags:
        _sub(element, tag, nullFlavor="NASK")


def _code(parent: etree._Element, tag: str, code: Code) -> None:
    _sub(parent, tag, code=code.code, displayName=code.label, codeSystem=code.system)


def _sub(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NS_HL7}}}{tag}", attributes)
