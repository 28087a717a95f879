"""CDA R2 N1: header facts (reference dmp §18) and the properties of PDF/A-1b that can be read off the bytes."""
from __future__ import annotations

import base64
import re
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from connectors.nomenclatures.xds import NS_HL7, code_list, find_code, utc_time
from connectors.wire import cda

AT = datetime(2026, 11, 21, 9, 15, tzinfo=UTC)
PATIENT = cda.Patient(
    matricule="269054958815780", oid="1.2.250.1.213.1.4.10", birth_name="EXEMPLE", first_names=("ALICE", "MARIE"), sex="F",
    birth_date=date(1969, 5, 22), birth_place="49588", local_id="U-4711", local_oid="1.2.250.1.999.7.1",
)  # fmt: skip
AUTHOR = cda.Author("3750999999/ed.12", "DUPONT", "CLAIRE", code_list("X16")["80788-3", "2.16.840.1.113883.6.1"])
STRUCTURE = cda.Structure("1750999999", "FAM LES TILLEULS", find_code("J02", "SA16"), find_code("J04", "ESSMS"))
DOCUMENT = cda.Document(
    unique_id="1.2.250.1.999.7.3.5001", set_id="1.2.250.1.999.7.4.77", type=code_list("X16")["80788-3", "2.16.840.1.113883.6.1"],
    title="Projet personnalisé", at=AT, service_start=datetime(2026, 11, 20, 23, 0, tzinfo=UTC),
    stay_start=datetime(2026, 7, 1, 10, 0, tzinfo=UTC), pdf=b"%PDF-1.4 sample",
)  # fmt: skip
H = f"{{{NS_HL7}}}"


def built(zone: ZoneInfo = cda.PARIS) -> etree._Element:
    return etree.fromstring(cda.build(DOCUMENT, PATIENT, AUTHOR, STRUCTURE, zone=zone))


def test_the_header_elements_come_in_the_order_of_the_schema() -> None:
    assert [etree.QName(child).localname for child in built()] == [
        "realmCode", "typeId", "templateId", "templateId", "templateId", "id", "code", "title", "effectiveTime",
        "confidentialityCode", "languageCode", "setId", "versionNumber", "recordTarget", "author", "custodian",
        "legalAuthenticator", "documentationOf", "componentOf", "component",
    ]  # fmt: skip


def test_times_are_local_with_their_offset_where_xds_is_utc() -> None:
    root = built()
    assert root.find(f"{H}effectiveTime").get("value") == "20261121101500+0100"  # type: ignore[union-attr]
    start = root.find(f"{H}documentationOf/{H}serviceEvent/{H}effectiveTime/{H}low")
    assert start is not None
    assert (start.get("value"), utc_time(DOCUMENT.service_start)) == ("20261121000000+0100", "20261120230000")
    stay = root.find(f"{H}componentOf/{H}encompassingEncounter/{H}effectiveTime/{H}low")
    assert stay is not None
    assert stay.get("value") == "20260701120000+0200"  # summer


def test_overseas_the_offset_is_the_structure_s_own() -> None:
    assert built(ZoneInfo("Indian/Reunion")).find(f"{H}effectiveTime").get("value") == "20261121131500+0400"  # type: ignore[union-attr]


def test_a_qualified_ins_comes_first_with_its_five_traits() -> None:
    role = built().find(f"{H}recordTarget/{H}patientRole")
    assert role is not None
    first = role.find(f"{H}id")
    assert first is not None
    assert (first.get("root"), first.get("extension")) == (PATIENT.oid, PATIENT.matricule)
    person = role.find(f"{H}patient")
    assert person is not None
    names = [(one.get("qualifier"), one.text) for one in person.find(f"{H}name")]  # type: ignore[union-attr]
    assert names == [("BR", "EXEMPLE"), (None, "ALICE MARIE"), ("BR", "ALICE")]
    assert person.find(f"{H}administrativeGenderCode").get("code") == "F"  # type: ignore[union-attr]
    assert person.find(f"{H}birthTime").get("value") == "19690522"  # type: ignore[union-attr]
    assert person.findtext(f"{H}birthplace/{H}place/{H}addr/{H}county") == "49588"


def test_the_identifier_is_a_bare_oid() -> None:
    ident = built().find(f"{H}id")
    assert ident is not None
    assert (ident.get("root"), ident.get("extension")) == (DOCUMENT.unique_id, None)


@pytest.mark.parametrize(("code", "label"), [("N", "Normal"), ("V", "Très restreint")])
def test_confidentiality_says_its_own_name(code: str, label: str) -> None:
    root = etree.fromstring(cda.build(replace(DOCUMENT, confidentiality=code), PATIENT, AUTHOR, STRUCTURE))
    found = root.find(f"{H}confidentialityCode")
    assert found is not None
    assert (found.get("code"), found.get("displayName"), found.get("codeSystem")) == (code, label, "2.16.840.1.113883.5.25")


def test_the_body_gives_the_pdf_back() -> None:
    text = built().find(f"{H}component/{H}nonXMLBody/{H}text")
    assert text is not None
    assert (text.get("mediaType"), text.get("representation")) == ("application/pdf", "B64")
    assert base64.b64decode(text.text or "") == DOCUMENT.pdf


@pytest.mark.parametrize("title", ["", "x" * 129])
def test_a_title_that_the_dmp_refuses_is_not_built(title: str) -> None:
    assert cda.build(replace(DOCUMENT, title="x" * 128), PATIENT, AUTHOR, STRUCTURE)  # the twin
    with pytest.raises(ValueError, match="title"):
        cda.build(replace(DOCUMENT, title=title), PATIENT, AUTHOR, STRUCTURE)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        cda.build(replace(DOCUMENT, at=AT.replace(tzinfo=None)), PATIENT, AUTHOR, STRUCTURE)


def test_the_pdf_has_the_marks_of_pdf_a_1b() -> None:
    """A stated subset: header 1.4, identification in XMP, output intent with a profile, every font inside, a file
    identifier, and nothing that the standard forbids (encryption, scripts, attachments, transparency, LZW)."""
    pdf = cda.pdf_a1("Projet personnalisé", ["Un paragraphe accentué : œuvre, été."], at=AT)
    everything = pdf + b"".join(_streams(pdf))
    assert pdf.startswith(b"%PDF-1.4\n%")
    assert b"<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>" in pdf
    assert re.search(rb"/S\s*/GTS_PDFA1", everything)
    assert b"/DestOutputProfile" in everything
    assert re.search(rb"trailer.*?/ID\s*\[", pdf, re.DOTALL)
    described = re.findall(rb"<<[^<>]*/FontDescriptor\b(?!\s+\d)[^>]*>>|/Type\s*/FontDescriptor.*?>>", everything, re.DOTALL)
    assert described
    assert all(b"/FontFile" in one for one in described)
    for forbidden in (b"/Encrypt", b"/JavaScript", b"/EmbeddedFiles", b"/SMask", b"/LZWDecode", b"/Launch"):
        assert forbidden not in everything, forbidden
    assert not re.search(rb"/(?:ca|CA)\s+0", everything)


def test_the_same_arguments_give_the_same_pdf() -> None:
    assert cda.pdf_a1("T", ["a"], at=AT) == cda.pdf_a1("T", ["a"], at=AT)
    assert cda.pdf_a1("T", ["a"], at=AT) != cda.pdf_a1("T", ["b"], at=AT)


def test_text_is_data_not_typesetting_code() -> None:
    """A line that reads as markup must not reach the typesetter as markup: ``#panic`` would fail the compilation."""
    assert cda.pdf_a1('#panic("x")', ['#panic("x") $ * _ [', "]"], at=AT).startswith(b"%PDF-1.4")


def _streams(pdf: bytes) -> list[bytes]:
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            continue
    return found
