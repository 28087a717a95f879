"""Facts of an XDS submission set and of its document entries, in a DMP feed or in an IHE_XDM archive (reference dmp §16)."""
from __future__ import annotations

from lxml import etree

from connectors.nomenclatures import xds
from connectors.nomenclatures.identifiers import finess_of_struct_id
from connectors.nomenclatures.xds import NS_LCM, NS_RIM
from gateway.conformance.facts.cda import document_digest, known_type
from gateway.conformance.facts.identity import OTHER, patient_facts, traits_facts
from gateway.conformance.facts.places import SET_PATIENT
from gateway.conformance.model import Eyes, FactValues, Made

MAX_ENTRIES = 64
#: What a document entry must carry (dmp §16.1, usage R), in the words of that table.
REQUIRED = (
    "authorPerson", "classCode", "typeCode", "confidentialityCode", "formatCode", "healthcareFacilityTypeCode",
    "practiceSettingCode", "creationTime", "serviceStartTime", "languageCode", "legalAuthenticator", "sourcePatientId",
    "title", "mimeType", "patientId", "uniqueId",
)  # fmt: skip
_CLASSIFIED = {
    xds.DOC_CLASS: "classCode", xds.DOC_TYPE: "typeCode", xds.DOC_CONFIDENTIALITY: "confidentialityCode",
    xds.DOC_FORMAT: "formatCode", xds.DOC_FACILITY: "healthcareFacilityTypeCode", xds.DOC_PRACTICE: "practiceSettingCode",
}  # fmt: skip
_VISIBILITY = frozenset({"N", "R", "V", "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"})
SIGNATURE_FORMATS = frozenset({"http://www.w3.org/2000/09/xmldsig#", "urn:ihe:iti:dsg:detached:2014"})
_R = f"{{{NS_RIM}}}"
_Element = etree._Element


def registry_of(root: _Element) -> _Element | None:
    """The RegistryObjectList of a feed's body or of a METADATA.XML."""
    if root.tag == f"{{{NS_LCM}}}SubmitObjectsRequest":
        return root.find(f"{_R}RegistryObjectList")
    return root.find(f"{{{NS_LCM}}}SubmitObjectsRequest/{_R}RegistryObjectList")


def entries_of(listed: _Element | None) -> list[_Element]:
    return [] if listed is None else listed.findall(f"{_R}ExtrinsicObject")[:MAX_ENTRIES]


def set_facts(listed: _Element | None, eyes: Eyes, made: Made) -> FactValues:
    package = None if listed is None else listed.find(f"{_R}RegistryPackage")
    if package is None:
        return {"present": False, "patient": None, "institution": None}
    patient = _identifier(package, xds.SET_PATIENT_ID)
    made.show(SET_PATIENT, patient)
    return {
        "present": True,
        "patient": _patient(patient, eyes, made),
        "institution": _institution(package, xds.SET_AUTHOR),
    }


def entry_facts(entry: _Element, place: str, eyes: Eyes, made: Made) -> FactValues:
    """``place``: the words under which the patient's identifier is shown."""
    slots = {slot.get("name", ""): slot for slot in entry.findall(f"{_R}Slot")}
    codes = _codes(entry)
    unique_id = _identifier(entry, xds.DOC_UNIQUE_ID)
    stated = _identifier(entry, xds.DOC_PATIENT_ID)
    made.show(place, stated)
    patient = xds.read_cx(stated or "")
    return {
        "unique_id": document_digest(unique_id, eyes) if unique_id else None,
        "patient": patient_facts(patient, eyes, made),
        "traits": traits_facts(patient[0] if patient else None, _pid(slots.get("sourcePatientInfo")), eyes),
        "institution": _institution(entry, xds.DOC_AUTHOR),
        "type": known_type(next(iter(codes.get("typeCode", [])), None)),
        "signature": any(one in SIGNATURE_FORMATS for one in codes.get("formatCode", [])),
        "confidentiality": [one if one in _VISIBILITY else OTHER for one in codes.get("confidentialityCode", [])],
        "missing": [name for name in REQUIRED if not _has(entry, name, slots, codes, unique_id, patient)],
    }


def slot_text(entry: _Element, name: str) -> str | None:
    """The first value of a slot."""
    for slot in entry.findall(f"{_R}Slot"):
        if slot.get("name") == name:
            return _first_value(slot)
    return None


def _has(
    entry: _Element, name: str, slots: dict[str, _Element], codes: dict[str, list[str]], unique_id: str | None,
    patient: tuple[str, str] | None,
) -> bool:  # fmt: skip
    if name in _CLASSIFIED.values():
        return bool(codes.get(name))
    if name == "authorPerson":
        return bool(_author_slot(entry, xds.DOC_AUTHOR, "authorPerson"))
    if name == "title":
        localized = entry.find(f"{_R}Name/{_R}LocalizedString")
        return localized is not None and bool(localized.get("value", "").strip())
    if name == "mimeType":
        return bool(entry.get("mimeType"))
    if name in ("patientId", "uniqueId"):
        return patient is not None if name == "patientId" else bool(unique_id)
    return name in slots and bool(_first_value(slots[name]))


def _codes(entry: _Element) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in entry.findall(f"{_R}Classification"):
        name = _CLASSIFIED.get(one.get("classificationScheme", ""))
        if name and one.get("nodeRepresentation"):
            found.setdefault(name, []).append(one.get("nodeRepresentation", ""))
    return found


def _patient(text: str | None, eyes: Eyes, made: Made) -> FactValues:
    return patient_facts(xds.read_cx(text or ""), eyes, made)


def _pid(slot: _Element | None) -> dict[str, str | None]:
    """Traits of sourcePatientInfo: ``PID-5|NOM^PRENOM…``, ``PID-7|yyyymmdd``, ``PID-8|F``."""
    texts = [] if slot is None else [one.text or "" for one in slot.findall(f"{_R}ValueList/{_R}Value")]
    fields = {name: value for name, bar, value in (text.partition("|") for text in texts) if bar}
    name = fields.get("PID-5", "").split("^")
    return {
        "birth_name": name[0],
        "first_name": name[1] if len(name) > 1 else None,
        "birth_date": fields.get("PID-7"),
        "sex": fields.get("PID-8"),
    }


def _institution(element: _Element, scheme: str) -> str | None:
    found = xds.read_institution(_author_slot(element, scheme, "authorInstitution"))
    return finess_of_struct_id(found) if found else None


def _author_slot(element: _Element, scheme: str, name: str) -> str:
    for one in element.findall(f"{_R}Classification"):
        if one.get("classificationScheme") == scheme:
            for slot in one.findall(f"{_R}Slot"):
                if slot.get("name") == name:
                    return _first_value(slot)
    return ""


def _first_value(slot: _Element) -> str:
    return (slot.findtext(f"{_R}ValueList/{_R}Value") or "").strip()


def _identifier(element: _Element, scheme: str) -> str | None:
    for one in element.findall(f"{_R}ExternalIdentifier"):
        if one.get("identificationScheme") == scheme:
            return one.get("value") or None
    return None
