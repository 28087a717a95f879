"""Messages of the DMP: frame with WS-Addressing and VIHF, TD0.2, TD3.1b, and the reading of every answer.

Source: reference dmp §2.3 (frame), §7 (TD0.2), §12 (TD3.1), §15 (errors). The body of TD2.1 is in ``metadata``.
"""
from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lxml import etree

from connectors.dmp.errors import DmpFault, DmpUnreadable
from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_HL7, NS_QUERY, NS_RIM, NS_RS, NS_XSI
from connectors.wire import mtom, soap, xmlsafe

_EXISTENCE_ANSWER = f"{{{NS_HL7}}}PRPA_IN201308UV02"
_QUERY_ANSWER = f"{{{NS_QUERY}}}AdhocQueryResponse"
_REGISTRY_ANSWER = f"{{{NS_RS}}}RegistryResponse"


@dataclass(frozen=True, slots=True)
class Lps:
    """The software that speaks. ``oid`` is its own root, under which its messages, sets and documents are numbered."""

    name: str
    version: str
    homologation: str
    oid: str


@dataclass(frozen=True, slots=True)
class Existence:
    """Answer of TD0.2 (decision table of §7): feed only when ``state`` is ``open``.

    ``code`` is ``OK`` or ``NF``, ``terminated`` for a closed record, or the DMP's error code when ``state`` is ``error``.
    """

    state: Literal["open", "closed", "none", "error"]
    code: str


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """``errors`` are (code, context) in the order of the answer, empty on success."""

    success: bool
    errors: tuple[tuple[str, str], ...] = ()

    @property
    def first_code(self) -> str | None:
        return self.errors[0][0] if self.errors else None


@dataclass(frozen=True, slots=True)
class Found:
    """Answer of TD3.1b: entryUUIDs of the documents that the registry holds."""

    answer: RegistryAnswer
    entries: tuple[str, ...] = ()


Answer = Existence | RegistryAnswer | Found


def frame(body: etree._Element, assertion: etree._Element, *, action: str, to: str = "") -> bytes:
    """The envelope of one request: the four WS-Addressing headers (all required) and the signed VIHF, then the body."""
    message_id, address, reply, act = (etree.Element(f"{{{soap.WSA}}}{tag}") for tag in ("MessageID", "To", "ReplyTo", "Action"))
    message_id.text, address.text, act.text = f"urn:uuid:{uuid.uuid4()}", to, action
    etree.SubElement(reply, f"{{{soap.WSA}}}Address").text = soap.WSA_ANONYMOUS
    for block in (reply, act):
        block.set(f"{{{soap.SOAP12}}}mustUnderstand", "true")
    security = etree.Element(f"{{{soap.WSSE}}}Security", nsmap={"wsse": soap.WSSE})
    security.append(assertion)
    return soap.envelope([message_id, address, reply, act, security], body)


def existence_request(matricule: str, oid: str, lps: Lps, *, at: datetime) -> etree._Element:
    """TD0.2: does this person have a DMP, and is it open? ``at`` is written in UTC."""
    root = etree.Element(f"{{{NS_HL7}}}PRPA_IN201307UV02", {"ITSVersion": "XML_1.0"}, nsmap={None: NS_HL7, "xsi": NS_XSI})
    _hl7(root, "id", root=f"{lps.oid}.9", extension=str(uuid.uuid4()))
    _hl7(root, "creationTime", value=xds.utc_time(at))
    _hl7(root, "interactionId", root="2.16.840.1.113883.1.6", extension="PRPA_IN201307UV02")
    for tag, code in (("processingCode", "D"), ("processingModeCode", "T"), ("acceptAckCode", "AL")):
        _hl7(root, tag, code=code)
    _device(_hl7(root, "receiver", typeCode="RCV"), xds.OID_DMP_DEVICE, "DMP")
    _device(_hl7(root, "sender", typeCode="SND"), lps.oid, lps.name)
    process = _hl7(root, "controlActProcess", classCode="CACT", moodCode="EVN")
    _hl7(process, "reasonCode", code="TEST_EXST", codeSystem=xds.OID_REASON, displayName="Test d'existence de dossier")
    query = _hl7(process, "queryByParameter")
    _hl7(query, "queryId", root=f"{lps.oid}.8", extension=str(uuid.uuid4()))
    _hl7(query, "statusCode", code="new")
    parameters = _hl7(query, "parameterList")
    _hl7(parameters, "dataSource").set(f"{{{NS_XSI}}}nil", "true")
    patient = _hl7(parameters, "patientIdentifier")
    _hl7(patient, "value", root=oid, extension=matricule)
    _hl7(patient, "semanticsText").text = "Patient.id"
    return root


def lookup_request(unique_ids: Sequence[str]) -> etree._Element:
    """TD3.1b: GetDocuments by uniqueId with ObjectRef, the only search open to INDIRECTE (§12)."""
    root = etree.Element(f"{{{NS_QUERY}}}AdhocQueryRequest", nsmap={"q": NS_QUERY, None: NS_RIM})
    etree.SubElement(root, f"{{{NS_QUERY}}}ResponseOption", {"returnComposedObjects": "true", "returnType": "ObjectRef"})
    query = etree.SubElement(root, f"{{{NS_RIM}}}AdhocQuery", {"id": xds.QUERY_GET_DOCUMENTS})
    slot = etree.SubElement(query, f"{{{NS_RIM}}}Slot", {"name": "$XDSDocumentEntryUniqueId"})
    value = etree.SubElement(etree.SubElement(slot, f"{{{NS_RIM}}}ValueList"), f"{{{NS_RIM}}}Value")
    value.text = "({})".format(",".join(f"'{one}'" for one in unique_ids))
    return root


def read_answer(content_type: str | None, data: bytes) -> Answer:
    """What the DMP answered, plain or multipart (§24: both are seen). Raises DmpFault and DmpUnreadable."""
    try:
        root = bytes(mtom.split(content_type or "", data).root.body) if mtom.is_multipart(content_type) else data
        envelope = soap.read_envelope(root)
    except (mtom.MtomError, xmlsafe.MalformedXml, soap.NotAnEnvelope) as error:
        raise DmpUnreadable(type(error).__name__) from error
    fault = soap.read_fault(envelope)
    if fault is not None:
        raise DmpFault(fault.code, fault.subcode, fault.reason)
    body = envelope.body
    if body is None:
        raise DmpUnreadable("empty-body")
    if body.tag == _EXISTENCE_ANSWER:
        return _existence(body)
    if body.tag == _QUERY_ANSWER:
        refs = tuple(ref.get("id", "") for ref in body.iter(f"{{{NS_RIM}}}ObjectRef", f"{{{NS_RIM}}}ExtrinsicObject"))
        return Found(_registry(body), refs)
    if body.tag == _REGISTRY_ANSWER:
        return _registry(body)
    raise DmpUnreadable("unknown-body")


def _existence(body: etree._Element) -> Existence:
    acknowledgement = body.find(f"{{{NS_HL7}}}acknowledgement")
    if acknowledgement is None:
        raise DmpUnreadable("no-acknowledgement")
    if acknowledgement.get("typeCode") != "AA":
        code = acknowledgement.find(f"{{{NS_HL7}}}acknowledgementDetail/{{{NS_HL7}}}code")
        told = None if code is None else code.get("code")
        return Existence("error", told or str(acknowledgement.get("typeCode")))
    response = body.find(f".//{{{NS_HL7}}}queryAck/{{{NS_HL7}}}queryResponseCode")
    found = response.get("code") if response is not None else None
    if found == "NF":
        return Existence("none", "NF")
    status = body.find(f".//{{{NS_HL7}}}patient/{{{NS_HL7}}}statusCode")
    if found != "OK" or status is None or status.get("code") not in ("active", "terminated"):
        raise DmpUnreadable("no-patient-status")
    return Existence("open", "OK") if status.get("code") == "active" else Existence("closed", "terminated")


def _registry(body: etree._Element) -> RegistryAnswer:
    status = body.get("status")
    if status not in (xds.SUCCESS, xds.FAILURE):
        raise DmpUnreadable("no-status")
    errors = tuple((one.get("errorCode", ""), one.get("codeContext", "")) for one in body.iter(f"{{{NS_RS}}}RegistryError"))
    return RegistryAnswer(status == xds.SUCCESS, errors)


def _device(parent: etree._Element, oid: str, name: str) -> None:
    device = _hl7(parent, "device", classCode="DEV", determinerCode="INSTANCE")
    _hl7(device, "id", root=oid)
    _hl7(device, "softwareName").text = name


def _hl7(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NS_HL7}}}{tag}", attributes)
