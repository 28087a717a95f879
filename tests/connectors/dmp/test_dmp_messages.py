"""Requests as the DMP wants them, and its answers read (reference dmp §2.3, §7, §9, §12, §15)."""
from __future__ import annotations

import pytest
from lxml import etree

from connectors.dmp import messages
from connectors.dmp.errors import DmpFault, DmpUnreadable
from connectors.dmp.messages import Existence, Found, RegistryAnswer
from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_HL7, NS_QUERY, NS_RIM, NS_RS, NS_SOAP, NS_WSA, NS_WSSE
from connectors.wire import mtom
from tests.connectors.dmp.samples import LPS, NOW, Dui

DETAIL = '<acknowledgementDetail><code code="DMPClosed"/></acknowledgementDetail>'
MATRICULE, OID = "269054958815780", xds.OID_INS_TEST


def envelope(body: str) -> bytes:
    return f'<s:Envelope xmlns:s="{NS_SOAP}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def existence(ack: str = '<acknowledgement typeCode="AA"/>', status: str | None = "active", found: str = "OK") -> bytes:
    patient = "" if status is None else f'<subject><patient><statusCode code="{status}"/></patient></subject>'
    query = f'<queryAck><queryResponseCode code="{found}"/></queryAck>'
    control = f"<controlActProcess>{patient}{query}</controlActProcess>"
    return envelope(f'<PRPA_IN201308UV02 xmlns="{NS_HL7}">{ack}{control}</PRPA_IN201308UV02>')


def registry(status: str, *errors: tuple[str, str]) -> bytes:
    told = "".join(f'<RegistryError errorCode="{code}" codeContext="{context}" severity="x"/>' for code, context in errors)
    listed = f"<RegistryErrorList>{told}</RegistryErrorList>" if errors else ""
    return envelope(f'<RegistryResponse xmlns="{NS_RS}" status="{status}">{listed}</RegistryResponse>')


def fault(code: str, subcode: str | None, text: str = "Non") -> bytes:
    sub = "" if subcode is None else f"<s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>"
    reason = f"<s:Reason><s:Text xml:lang='fr'>{text}</s:Text></s:Reason>"
    return envelope(f"<s:Fault><s:Code><s:Value>s:{code}</s:Value>{sub}</s:Code>{reason}</s:Fault>")


def read(data: bytes, content_type: str = "application/soap+xml") -> messages.Answer:
    return messages.read_answer(content_type, data)


def test_the_frame_has_the_four_addressing_headers_and_the_assertion(dui: Dui) -> None:
    root = etree.fromstring(dui.existence().body)
    header = root.find(f"{{{NS_SOAP}}}Header")
    assert header is not None
    assert header.findtext(f"{{{NS_WSA}}}MessageID", "").startswith("urn:uuid:")
    assert header.find(f"{{{NS_WSA}}}To") is not None
    assert header.findtext(f"{{{NS_WSA}}}ReplyTo/{{{NS_WSA}}}Address") == "http://www.w3.org/2005/08/addressing/anonymous"
    assert header.findtext(f"{{{NS_WSA}}}Action") == "urn:hl7-org:v3:PRPA_IN201307UV02"
    security = header.find(f"{{{NS_WSSE}}}Security")
    assert security is not None
    assert [etree.QName(child).localname for child in security] == ["Assertion"]


def test_existence_asks_for_one_person() -> None:
    root = messages.existence_request(MATRICULE, OID, LPS, at=NOW)
    value = root.find(f".//{{{NS_HL7}}}parameterList/{{{NS_HL7}}}patientIdentifier/{{{NS_HL7}}}value")
    assert value is not None
    assert (value.get("root"), value.get("extension")) == (OID, MATRICULE)
    assert root.find(f".//{{{NS_HL7}}}reasonCode").get("code") == "TEST_EXST"  # type: ignore[union-attr]
    assert root.find(f"{{{NS_HL7}}}creationTime").get("value") == "20261121091500"  # type: ignore[union-attr]


def test_the_reference_search_is_get_documents_by_unique_id_with_object_refs() -> None:
    root = messages.lookup_request(["1.2.3", "1.2.4"])
    assert root.find(f"{{{NS_QUERY}}}ResponseOption").get("returnType") == "ObjectRef"  # type: ignore[union-attr]
    query = root.find(f"{{{NS_RIM}}}AdhocQuery")
    assert query is not None
    assert query.get("id") == "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
    assert root.findtext(f".//{{{NS_RIM}}}Value") == "('1.2.3','1.2.4')"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (existence(), Existence("open", "OK")),
        (existence(status="terminated"), Existence("closed", "terminated")),
        (existence(status=None, found="NF"), Existence("none", "NF")),
        (existence(f'<acknowledgement typeCode="AE">{DETAIL}</acknowledgement>'), Existence("error", "DMPClosed")),
        (existence('<acknowledgement typeCode="AR"/>'), Existence("error", "AR")),
    ],
    ids=["open", "closed", "none", "coded error", "error"],
)
def test_existence_follows_the_decision_table(data: bytes, expected: Existence) -> None:
    assert read(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        existence(ack=""),
        existence(status=None),
        existence(status="nullified"),
        existence(found="??"),
        registry("urn:unknown"),
        envelope("<other/>"),
        envelope(""),
        b"<html>",
        b"",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x/>',
    ],
)
def test_an_answer_that_promises_nothing_known_is_unreadable(data: bytes) -> None:
    with pytest.raises(DmpUnreadable):
        read(data)


def test_success_and_failure_of_a_feed() -> None:
    assert read(registry(xds.SUCCESS)) == RegistryAnswer(True)
    failure = read(registry(xds.FAILURE, ("XDSRegistryMetadataError", "practiceSettingCode"), ("DMPClosed", "")))
    assert failure == RegistryAnswer(False, (("XDSRegistryMetadataError", "practiceSettingCode"), ("DMPClosed", "")))
    assert isinstance(failure, RegistryAnswer)
    assert failure.first_code == "XDSRegistryMetadataError"


def test_a_multipart_answer_is_read_like_a_plain_one() -> None:
    content_type, data = mtom.build(registry(xds.SUCCESS), [], action="urn:x")
    assert read(data, content_type) == RegistryAnswer(True)
    with pytest.raises(DmpUnreadable, match="MtomError"):
        read(data[:-10], content_type)


def test_found_references() -> None:
    refs = '<ObjectRef id="urn:uuid:1"/><ObjectRef id="urn:uuid:2"/>'
    body = (
        f'<q:AdhocQueryResponse xmlns:q="{NS_QUERY}" status="{xds.SUCCESS}">'
        f'<RegistryObjectList xmlns="{NS_RIM}">{refs}</RegistryObjectList></q:AdhocQueryResponse>'
    )
    assert read(envelope(body)) == Found(RegistryAnswer(True), ("urn:uuid:1", "urn:uuid:2"))


@pytest.mark.parametrize("subcode", ["soap:DMPInvalidCertificate", "s:DMPInvalidCertificate", "DMPInvalidCertificate"])
def test_a_fault_is_told_by_its_local_code(subcode: str) -> None:
    with pytest.raises(DmpFault) as raised:
        read(fault("Sender", subcode, "Le certificat"))
    assert (raised.value.code, raised.value.subcode, raised.value.text) == ("Sender", "DMPInvalidCertificate", "Le certificat")


def test_a_fault_without_subcode() -> None:
    with pytest.raises(DmpFault) as raised:
        read(fault("Receiver", None))
    assert (raised.value.code, raised.value.subcode) == ("Receiver", None)
