"""The ebXML body of TD2.1: one submission set, one document entry, their association (reference dmp §9.2, §16).

Everything comes from the objects that made the CDA, so the two cannot disagree; the class is derived from the type.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lxml import etree

from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_LCM, NS_RIM, NS_XDSB, NS_XML, NS_XOP, Code
from connectors.wire.cda import Author, Document, Patient, Structure

SET_ID, DOCUMENT_ID = "SubmissionSet01", "Document01"

_FORMAT_PDF = "urn:ihe:iti:xds-sd:pdf:2008"
_LANGUAGE = "fr-FR"


@dataclass(frozen=True, slots=True)
class Submission:
    """A set of one document. ``unique_id`` and ``source_id`` are bare OIDs; ``at`` is the submission's time, aware."""

    unique_id: str
    source_id: str
    at: datetime
    content_type: Code
    document: Document
    patient: Patient = field(repr=False)
    author: Author = field(repr=False)
    structure: Structure


def provide_and_register(submission: Submission, *, content_id: str) -> etree._Element:
    """The body element of ITI-41; the document is a part named by ``content_id``. KeyError: not a DMP document type."""
    prefixes = {"xdsb": NS_XDSB, None: NS_RIM, "lcm": NS_LCM}
    request = etree.Element(f"{{{NS_XDSB}}}ProvideAndRegisterDocumentSetRequest", nsmap=prefixes)
    objects = _rim(etree.SubElement(request, f"{{{NS_LCM}}}SubmitObjectsRequest"), "RegistryObjectList")
    _submission_set(objects, submission)
    _document_entry(objects, submission)
    member = _rim(
        objects, "Association", id="a1", associationType=xds.HAS_MEMBER, sourceObject=SET_ID, targetObject=DOCUMENT_ID
    )
    _slot(member, "SubmissionSetStatus", "Original")
    document = etree.SubElement(request, f"{{{NS_XDSB}}}Document", {"id": DOCUMENT_ID})
    etree.SubElement(document, f"{{{NS_XOP}}}Include", {"href": f"cid:{content_id}"}, nsmap={"xop": NS_XOP})
    return request


def _submission_set(objects: etree._Element, submission: Submission) -> None:
    package = _rim(objects, "RegistryPackage", id=SET_ID)
    _slot(package, "submissionTime", xds.utc_time(submission.at))
    _name(package, submission.document.title)
    _author(package, "c1", xds.SET_AUTHOR, SET_ID, submission, role=False)
    _classification(package, "c2", xds.SET_CONTENT_TYPE, SET_ID, submission.content_type)
    _rim(package, "Classification", id="c3", classificationNode=xds.SET_NODE, classifiedObject=SET_ID)
    patient = _patient_cx(submission.patient)
    _identifier(package, "e1", xds.SET_PATIENT_ID, SET_ID, patient, "XDSSubmissionSet.patientId")
    _identifier(package, "e2", xds.SET_SOURCE_ID, SET_ID, submission.source_id, "XDSSubmissionSet.sourceId")
    _identifier(package, "e3", xds.SET_UNIQUE_ID, SET_ID, submission.unique_id, "XDSSubmissionSet.uniqueId")


def _document_entry(objects: etree._Element, submission: Submission) -> None:
    document, patient = submission.document, submission.patient
    entry = _rim(objects, "ExtrinsicObject", id=DOCUMENT_ID, mimeType="text/xml", objectType=xds.STABLE_DOCUMENT)
    for name, values in _slots(submission):
        _slot(entry, name, *values)
    _name(entry, document.title)
    _author(entry, "c4", xds.DOC_AUTHOR, DOCUMENT_ID, submission, role=True)
    for number, (scheme, code) in enumerate(_codes(submission), start=5):
        _classification(entry, f"c{number}", scheme, DOCUMENT_ID, code)
    _identifier(entry, "e4", xds.DOC_PATIENT_ID, DOCUMENT_ID, _patient_cx(patient), "XDSDocumentEntry.patientId")
    _identifier(entry, "e5", xds.DOC_UNIQUE_ID, DOCUMENT_ID, document.unique_id, "XDSDocumentEntry.uniqueId")


def _slots(submission: Submission) -> Iterable[tuple[str, tuple[str, ...]]]:
    document, patient = submission.document, submission.patient
    yield "creationTime", (xds.utc_time(document.at),)
    yield "languageCode", (_LANGUAGE,)
    yield "legalAuthenticator", (_person_xcn(submission.author),)
    yield "serviceStartTime", (xds.utc_time(document.service_start),)
    yield "sourcePatientId", (xds.cx(patient.local_id, patient.local_oid, "PI"),)
    names = f"{patient.birth_name}^{patient.first_names[0]}^^^^^L"
    yield "sourcePatientInfo", (f"PID-5|{names}", f"PID-7|{patient.birth_date:%Y%m%d}", f"PID-8|{patient.sex}")


def _codes(submission: Submission) -> Iterable[tuple[str, Code]]:
    document = submission.document
    yield xds.DOC_CLASS, xds.class_of(document.type.code, document.type.system)
    yield xds.DOC_TYPE, document.type
    yield xds.DOC_CONFIDENTIALITY, xds.find_code("J58", document.confidentiality)
    yield xds.DOC_FORMAT, xds.find_code("J60", _FORMAT_PDF)
    yield xds.DOC_FACILITY, submission.structure.facility
    yield xds.DOC_PRACTICE, submission.structure.practice


def _author(parent: etree._Element, ident: str, scheme: str, target: str, submission: Submission, *, role: bool) -> None:
    author, structure = submission.author, submission.structure
    classification = _rim(
        parent, "Classification", id=ident, classificationScheme=scheme, classifiedObject=target, nodeRepresentation=""
    )
    _slot(classification, "authorInstitution", f"{structure.name}^^^^^&{xds.OID_STRUCTURE}&ISO^IDNST^^^{structure.struct_id}")
    _slot(classification, "authorPerson", _person_xcn(author))
    if role and author.function is not None:
        _slot(classification, "authorRole", author.function.label)
    specialty = author.specialty
    _slot(classification, "authorSpecialty", f"{specialty.code}^{specialty.label}^{specialty.system}")


def _person_xcn(author: Author) -> str:
    """XCN: a national identifier is IDNPS, one that the structure gives is EI (§6.3)."""
    kind = "IDNPS" if author.id_nat.startswith("8") else "EI"
    return f"{author.id_nat}^{author.family}^{author.given}^^^^^^&{xds.OID_PROFESSIONAL}&ISO^D^^^{kind}"


def _patient_cx(patient: Patient) -> str:
    return xds.cx(patient.matricule, patient.oid)


def _classification(parent: etree._Element, ident: str, scheme: str, target: str, code: Code) -> None:
    element = _rim(
        parent, "Classification", id=ident, classificationScheme=scheme, classifiedObject=target, nodeRepresentation=code.code
    )
    _slot(element, "codingScheme", code.system)
    _name(element, code.label)


def _identifier(parent: etree._Element, ident: str, scheme: str, target: str, value: str, name: str) -> None:
    element = _rim(parent, "ExternalIdentifier", id=ident, identificationScheme=scheme, registryObject=target, value=value)
    _rim(_rim(element, "Name"), "LocalizedString", value=name)


def _name(parent: etree._Element, text: str) -> None:
    _rim(_rim(parent, "Name"), "LocalizedString", **{"charset": "UTF8", f"{{{NS_XML}}}lang": "FR", "value": text})


def _slot(parent: etree._Element, name: str, *values: str) -> None:
    holder = _rim(_rim(parent, "Slot", name=name), "ValueList")
    for value in values:
        _rim(holder, "Value").text = value


def _rim(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NS_RIM}}}{tag}", attributes)
