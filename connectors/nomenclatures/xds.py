"""XDS of the DMP: identifiers of attributes, queries and statuses, and the code lists it accepts.

Source: reference dmp §6, §12, §15-§17. The lists (JDV_J02, J04, J57, J58, J59, J60 and the type to class table ASS_X16)
are in ``dmp_codes.tsv``. JDV_J66, the DMP's own list of types, is not published with them: the keys of X16 stand for it.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

# Namespaces.
NS_SOAP = "http://www.w3.org/2003/05/soap-envelope"
NS_WSA = "http://www.w3.org/2005/08/addressing"
NS_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
NS_SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
NS_DS = "http://www.w3.org/2000/09/xmldsig#"
NS_XDSB = "urn:ihe:iti:xds-b:2007"
NS_RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
NS_RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
NS_LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
NS_QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
NS_XOP = "http://www.w3.org/2004/08/xop/include"
NS_HL7 = "urn:hl7-org:v3"
NS_XSI = "http://www.w3.org/2001/XMLSchema-instance"
NS_XML = "http://www.w3.org/XML/1998/namespace"

# wsa:Action of each request; the answer's is beside it (§2.4).
ACTION_FEED = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
ACTION_FEED_ANSWER = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse"
ACTION_QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
ACTION_QUERY_ANSWER = "urn:ihe:iti:2007:RegistryStoredQueryResponse"
ACTION_EXISTENCE = "urn:hl7-org:v3:PRPA_IN201307UV02"
ACTION_EXISTENCE_ANSWER = "urn:hl7-org:v3:PRPA_IN201308UV02"

# Submission set (§16.2).
SET_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
SET_AUTHOR = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
SET_CONTENT_TYPE = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
SET_PATIENT_ID = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_SOURCE_ID = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
SET_UNIQUE_ID = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"

# Document entry (§16.1).
STABLE_DOCUMENT = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
DOC_AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
DOC_CLASS = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
DOC_TYPE = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
DOC_CONFIDENTIALITY = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
DOC_FORMAT = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
DOC_FACILITY = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
DOC_PRACTICE = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
DOC_PATIENT_ID = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
DOC_UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"

#: Type of the document that signs a set (§10): it is of the set, it is not one of the person's documents.
SIGNATURE_TYPE = "E1762"

# Associations, statuses, severities, queries.
HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
SIGNS = "urn:ihe:iti:2007:AssociationType:signs"
APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
FAILURE = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"
SEVERITY_ERROR = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"
QUERY_GET_DOCUMENTS = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
#: Every stored query that the registry knows (§12), by id.
STORED_QUERIES = {
    "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d": "FindDocuments",
    "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9": "FindSubmissionSets",
    QUERY_GET_DOCUMENTS: "GetDocuments",
    "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155": "GetAssociations",
    "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a": "GetDocumentsAndAssociations",
    "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83": "GetSubmissionSetAndContents",
}

# OIDs (§6, §7).
OID_STRUCTURE = "1.2.250.1.71.4.2.2"
OID_PROFESSIONAL = "1.2.250.1.71.4.2.1"
OID_INS_NIR, OID_INS_NIA, OID_INS_TEST, OID_INS_DEMO = (f"1.2.250.1.213.1.4.{n}" for n in (8, 9, 10, 11))
OID_INS = frozenset({OID_INS_NIR, OID_INS_NIA, OID_INS_TEST, OID_INS_DEMO})
OID_DMP_DEVICE = "1.2.250.1.213.4.1.1.1"
OID_SECTOR = "1.2.250.1.71.4.2.4"
OID_PURPOSE = "1.2.250.1.213.1.1.4.248"
OID_REASON = "1.2.250.1.213.1.1.4.11"

_OID = re.compile(r"(?:[0-2])(?:\.(?:0|[1-9][0-9]*))+")


@dataclass(frozen=True, slots=True)
class Code:
    """One concept of a list. ``class_code`` is set in X16 only: the class that the type imposes."""

    code: str
    system: str
    label: str
    class_code: str = ""


@cache
def code_list(name: str) -> dict[tuple[str, str], Code]:
    """A list by name (``J02`` … ``X16``), keyed by (code, system). KeyError when the list is not shipped."""
    lists: dict[str, dict[tuple[str, str], Code]] = {}
    text = files(__package__).joinpath("dmp_codes.tsv").read_text("utf-8")
    for line in text.splitlines()[1:]:
        set_name, code, system, label, class_code = line.split("\t")
        lists.setdefault(set_name, {})[code, system] = Code(code, system, label, class_code)
    return lists[name]


def find_code(name: str, code: str) -> Code:
    """The concept of this code, whatever its system; the last one listed wins (the fine systems come last). KeyError if none."""
    found = [concept for (key, _), concept in code_list(name).items() if key == code]
    if not found:
        raise KeyError(f"{code} is not in {name}")
    return found[-1]


def class_of(type_code: str, system: str) -> Code:
    """The class that a document type imposes (ASS_X16): derived, never chosen. KeyError: not a DMP type."""
    return find_code("J57", code_list("X16")[type_code, system].class_code)


def is_oid(text: str) -> bool:
    """A bare OID of at most 64 characters, no arc with a leading zero (§6.2)."""
    return len(text) <= 64 and _OID.fullmatch(text) is not None


def is_utc_time(text: str) -> bool:
    """An XDS time: ``yyyy`` to ``yyyymmddhhmmss``, two digits at a time, naming a real instant (§9.4)."""
    if not re.fullmatch(r"[0-9]{4}(?:[0-9]{2}){0,5}", text):
        return False
    full = text + "00000101000000"[len(text) :]
    try:
        datetime.strptime(full, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def utc_time(at: datetime) -> str:
    """An aware datetime in the form of XDS metadata: UTC, to the second, no offset (§9.4)."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def cx(identifier: str, oid: str, kind: str = "NH") -> str:
    """HL7 CX as the DMP writes it; ``NH`` for an INS, ``PI`` for a local identifier (§6.1)."""
    return f"{identifier}^^^&{oid}&ISO^{kind}"


def read_cx(text: str) -> tuple[str, str] | None:
    """(identifier, OID) of a CX; a CX.7 date suffix is accepted. None when the text is not one (§6.1)."""
    parts = text.split("^")
    if len(parts) < 5 or parts[1] or parts[2]:
        return None
    authority = parts[3].split("&")
    if len(authority) != 3 or authority[0] or authority[2] != "ISO" or not parts[0] or not is_oid(authority[1]):
        return None
    return parts[0], authority[1]


def read_institution(text: str) -> str | None:
    """The Struct_IdNat of an authorInstitution (XON-10, authority ``1.2.250.1.71.4.2.2``), else None (§6.3)."""
    parts = text.split("^")
    if len(parts) < 10 or OID_STRUCTURE not in parts[5].split("&"):
        return None
    return parts[9] or None
