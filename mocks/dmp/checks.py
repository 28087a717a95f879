"""What a submission set must be to enter the DMP (reference dmp §9.4, §16, §22.4): pure, a list of errors or nothing."""
from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.nomenclatures import xds as codes
from connectors.nomenclatures.xds import NS_HL7
from connectors.wire import xmlsafe
from mocks.dmp.xds import RegistryObject, Submission

_CX = re.compile(r"([0-9A-Za-z]{15})\^\^\^&([0-9.]+)&ISO\^NH(?:\^\^[0-9]{8}(?:[0-9]{6})?)?")
_SIGNATURE_FORMATS = frozenset({"http://www.w3.org/2000/09/xmldsig#", "urn:ihe:iti:dsg:detached:2014"})
_MIME_TYPES = ("text/xml", "application/xslt+xml")
_TITLE_MAX = 128
_MAX_ENTRIES = 64  # ours: one message must not cost the sandbox more than this
_MAX_CDA = 32 * 1024 * 1024
_FORMAT_OF_BODY = {
    "application/pdf": "urn:ihe:iti:xds-sd:pdf:2008",
    "text/plain": "urn:ihe:iti:xds-sd:text:2008",
    "text/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "image/jpeg": "urn:ihe:iti-fr:xds-sd:jpeg:2010",
    "image/tiff": "urn:ihe:iti-fr:xds-sd:tiff:2010",
}
_SLOTS = ("creationTime", "languageCode", "legalAuthenticator", "serviceStartTime", "sourcePatientId")
_TIMES = ("creationTime", "serviceStartTime", "serviceStopTime")
_CODED = (
    ("classCode", codes.DOC_CLASS, "J57"),
    ("typeCode", codes.DOC_TYPE, "X16"),
    ("formatCode", codes.DOC_FORMAT, "J60"),
    ("healthcareFacilityTypeCode", codes.DOC_FACILITY, "J02"),
    ("practiceSettingCode", codes.DOC_PRACTICE, "J04"),
)


@dataclass(frozen=True, slots=True)
class Error:
    """``code`` is a published XDS or DMP code; ``context`` says what, where, in French."""

    code: str
    context: str


def read_patient(text: str) -> tuple[str, str] | None:
    """(matricule, OID) of a patientId; a CX.7 date is accepted."""
    match = _CX.fullmatch(text)
    return (match[1], match[2]) if match else None


def check(submission: Submission, *, known: Callable[[str], bool]) -> list[Error]:
    """Every error of the set. ``known`` tells whether a uniqueId is already in the registry."""
    shape = list(_shape(submission))
    if shape:
        return shape
    errors = [*_patients(submission), *_unique_ids(submission, known), *_documents(submission), *_set_metadata(submission.set)]
    for entry in submission.entries:
        errors += _entry_metadata(entry)
    return errors or [error for entry in submission.entries for error in _content(entry, submission.documents[entry.id] or b"")]


def _shape(submission: Submission) -> Iterator[Error]:
    if len(submission.packages) != 1 or codes.SET_NODE not in submission.set.nodes:
        yield _metadata("le lot doit avoir exactement un SubmissionSet, et aucun classeur")
        return
    if not 0 < len(submission.entries) <= _MAX_ENTRIES:
        yield _metadata(f"le lot doit contenir de 1 à {_MAX_ENTRIES} fiches de document")
    elif all(_is_signature(entry) for entry in submission.entries):
        yield _metadata("le lot n'a aucun document, que sa signature")
    if submission.repeated or not all(one.id for one in (*submission.packages, *submission.entries)):
        yield _metadata("identifiant d'objet ou de document joint absent, ou donné deux fois")
    for item in (*submission.packages, *submission.entries):
        for name in sorted(item.repeated):
            yield _metadata(f"Slot ou ExternalIdentifier donné deux fois : {name[:64]}")
    ids = {one.id for one in (*submission.packages, *submission.entries)}
    for association in submission.associations:
        inside = association.target in ids or association.target.startswith("urn:uuid:")
        if association.source not in ids or not inside:
            yield Error("UnresolvedReferenceException", "une association désigne un objet absent du lot")
    members = {
        one.target for one in submission.associations if one.type == codes.HAS_MEMBER and one.source == submission.set.id
    }
    if {entry.id for entry in submission.entries} - members:
        yield _metadata("une fiche n'est pas rattachée au lot par HasMember")


def _patients(submission: Submission) -> Iterator[Error]:
    found = [read_patient(text) for text in submission.patient_ids()]
    if None in found:
        yield _metadata("patientId absent ou mal formé")
    elif len(set(found)) > 1:
        yield Error("XDSPatientIdDoesNotMatch", "le patientId du lot et ceux des fiches diffèrent")


def _unique_ids(submission: Submission, known: Callable[[str], bool]) -> Iterator[Error]:
    found = submission.unique_ids()
    if not all(codes.is_oid(one) for one in found):
        yield _metadata("uniqueId absent, ou qui n'est pas un OID nu d'au plus 64 caractères")
    elif len(set(found)) != len(found):
        yield Error("XDSRegistryDuplicateUniqueIdInMessage", "le même uniqueId apparaît deux fois dans le lot")
    elif any(known(one) for one in found):
        yield Error("XDSDuplicateUniqueIdInRegistry", "un uniqueId du lot est déjà enregistré")


def _documents(submission: Submission) -> Iterator[Error]:
    entries = {entry.id for entry in submission.entries}
    if any(submission.documents.get(one) is None for one in entries):
        yield Error("XDSMissingDocument", "une fiche du lot n'a pas de document joint")
    if submission.documents.keys() - entries:
        yield Error("XDSMissingDocumentMetadata", "un document joint n'a pas de fiche")


def _set_metadata(package: RegistryObject) -> Iterator[Error]:
    if len(package.authors) != 1 or not _author_ok(package):
        yield _metadata("le lot doit avoir exactement un auteur, avec authorPerson")
    if not codes.is_utc_time(package.first("submissionTime")):
        yield _metadata("submissionTime absent ou mal formé (UTC, yyyymmddhhmmss)")
    if not codes.is_oid(package.identifiers.get(codes.SET_SOURCE_ID, "")):
        yield _metadata("sourceId absent, ou qui n'est pas un OID")
    yield from _in_list(package, "contentTypeCode", codes.SET_CONTENT_TYPE, "J59")


def _entry_metadata(entry: RegistryObject) -> Iterator[Error]:
    for name in _SLOTS:
        if not entry.first(name):
            yield _metadata(f"{name} absent")
    for name in _TIMES:
        if entry.first(name) and not codes.is_utc_time(entry.first(name)):
            yield _metadata(f"{name} mal formé (UTC, yyyymmddhhmmss, sans décalage)")
    if entry.object_type != codes.STABLE_DOCUMENT:
        yield _metadata("objectType n'est pas celui d'un document")
    if entry.mime_type not in _MIME_TYPES:
        yield _metadata("mimeType inconnu : un document de LPS est un CDA (text/xml)")
    if not 0 < len(entry.title) <= _TITLE_MAX:
        yield _metadata(f"titre absent, ou de plus de {_TITLE_MAX} caractères")
    if not entry.authors or not _author_ok(entry):
        yield _metadata("auteur du document absent, ou sans authorPerson")
    for name, scheme, value_set in _CODED:
        yield from _in_list(entry, name, scheme, value_set)
    yield from _confidentiality(entry)
    yield from _class(entry)


def _confidentiality(entry: RegistryObject) -> Iterator[Error]:
    given = entry.codes.get(codes.DOC_CONFIDENTIALITY, ())
    if not 1 <= len(given) <= 4:
        yield _metadata("confidentialityCode : de 1 à 4 valeurs attendues")
    for one in given:
        if (one.code, one.system) not in codes.code_list("J58"):
            yield _metadata(f"confidentialityCode inconnu (JDV J58) : {one.code[:64]}")


def _class(entry: RegistryObject) -> Iterator[Error]:
    """The class is what the type imposes (ASS_X16), never a choice (§16.1)."""
    type_code, class_code = entry.code(codes.DOC_TYPE), entry.code(codes.DOC_CLASS)
    imposed = codes.code_list("X16").get((type_code.code, type_code.system)) if type_code else None
    if imposed is not None and class_code is not None and class_code.code != imposed.class_code:
        yield _metadata(f"classCode {class_code.code[:64]} : le type {imposed.code} impose la classe {imposed.class_code}")


def _in_list(item: RegistryObject, name: str, scheme: str, value_set: str) -> Iterator[Error]:
    given = item.codes.get(scheme, ())
    if len(given) != 1:
        yield _metadata(f"{name} absent ou répété")
    elif (given[0].code, given[0].system) not in codes.code_list(value_set):
        yield _metadata(f"{name} inconnu (jeu de valeurs {value_set}) : {given[0].code[:64]}")


def _author_ok(item: RegistryObject) -> bool:
    return all(any(author.get("authorPerson", ())) for author in item.authors)


def _is_signature(entry: RegistryObject) -> bool:
    type_code, format_code = entry.code(codes.DOC_TYPE), entry.code(codes.DOC_FORMAT)
    return bool(type_code and format_code and type_code.code == codes.SIGNATURE_TYPE and format_code.code in _SIGNATURE_FORMATS)


def _content(entry: RegistryObject, content: bytes) -> Iterator[Error]:
    """What is joined against what its entry says: the bytes, then the CDA."""
    if entry.first("hash") and entry.first("hash").lower() != digest(content):
        yield Error("XDSRepositoryMetadataError", "hash n'est pas le SHA-1 du document joint")
    if entry.first("size") and entry.first("size") != str(len(content)):
        yield Error("XDSRepositoryMetadataError", "size n'est pas la taille du document joint")
    if not _is_signature(entry):
        yield from _cda(entry, content)


def digest(content: bytes) -> str:
    """The hash of a document entry: SHA-1 in lower-case hex, the registry's own attribute and not a security."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _cda(entry: RegistryObject, content: bytes) -> Iterator[Error]:
    try:
        root = xmlsafe.parse(content, max_bytes=_MAX_CDA)
    except xmlsafe.MalformedXml:
        yield Error("InvalidDocumentContent", "le document n'est pas un XML lisible")
        return
    if root.tag != f"{{{NS_HL7}}}ClinicalDocument":
        yield Error("InvalidDocumentContent", "le document n'est pas un CDA R2")
        return
    ident = root.find(f"{{{NS_HL7}}}id")
    unique_id = entry.identifiers.get(codes.DOC_UNIQUE_ID)
    if ident is None or ident.get("root") != unique_id or ident.get("extension") is not None:
        yield Error("InvalidDocumentContent", "id@root du CDA n'est pas l'uniqueId de la fiche")
    patient = read_patient(entry.identifiers.get(codes.DOC_PATIENT_ID, ""))
    ids = root.iterfind(f"{{{NS_HL7}}}recordTarget/{{{NS_HL7}}}patientRole/{{{NS_HL7}}}id")
    if patient not in [(one.get("extension"), one.get("root")) for one in ids]:
        yield Error("InvalidDocumentContent", "l'INS du CDA n'est pas le patientId de la fiche")
    code, type_code = root.find(f"{{{NS_HL7}}}code"), entry.code(codes.DOC_TYPE)
    if code is None or type_code is None or (code.get("code"), code.get("codeSystem")) != (type_code.code, type_code.system):
        yield Error("InvalidDocumentContent", "code du CDA et typeCode de la fiche diffèrent")
    body = root.find(f"{{{NS_HL7}}}component/{{{NS_HL7}}}nonXMLBody/{{{NS_HL7}}}text")
    format_code = entry.code(codes.DOC_FORMAT)
    if body is not None and (format_code is None or _FORMAT_OF_BODY.get(body.get("mediaType", "")) != format_code.code):
        yield Error("InvalidDocumentContent", "formatCode de la fiche et mediaType du corps N1 ne vont pas ensemble")


def _metadata(context: str) -> Error:
    return Error("XDSRegistryMetadataError", context)
