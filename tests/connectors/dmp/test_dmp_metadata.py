"""The body of TD2.1: what the registry will index (reference dmp §9.2, §16)."""
from __future__ import annotations

from collections.abc import Iterable

import pytest
from lxml import etree

from connectors.dmp import metadata
from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_RIM, NS_XDSB, NS_XOP, Code
from connectors.wire import cda, mtom
from tests.connectors.dmp.samples import Dui

R = f"{{{NS_RIM}}}"


def body(dui: Dui, **document: object) -> etree._Element:
    return metadata.provide_and_register(dui.submission(**document), content_id="doc@dui")


def slots(element: etree._Element) -> dict[str, list[str]]:
    return {one.get("name", ""): [value.text or "" for value in one.iter(f"{R}Value")] for one in element.findall(f"{R}Slot")}


def coded(element: etree._Element) -> dict[str, tuple[str, str]]:
    found = {}
    for one in element.findall(f"{R}Classification"):
        scheme = one.get("classificationScheme", "")
        if scheme and "codingScheme" in slots(one):
            found[scheme] = (one.get("nodeRepresentation", ""), slots(one)["codingScheme"][0])
    return found


def identifiers(element: etree._Element) -> dict[str, str]:
    found: Iterable[etree._Element] = element.findall(f"{R}ExternalIdentifier")
    return {one.get("identificationScheme", ""): one.get("value", "") for one in found}


@pytest.fixture
def entry(dui: Dui) -> etree._Element:
    found = body(dui).find(f".//{R}ExtrinsicObject")
    assert found is not None
    return found


@pytest.fixture
def package(dui: Dui) -> etree._Element:
    found = body(dui).find(f".//{R}RegistryPackage")
    assert found is not None
    return found


def test_children_follow_the_order_of_the_schema(entry: etree._Element, package: etree._Element) -> None:
    order = ["Slot", "Name", "Classification", "ExternalIdentifier"]
    for element in (entry, package):
        tags = [etree.QName(child).localname for child in element]
        assert tags == sorted(tags, key=order.index)


def test_times_are_utc_and_may_fall_on_the_day_before(entry: etree._Element, package: etree._Element) -> None:
    assert slots(entry)["creationTime"] == ["20261121091500"]
    assert slots(entry)["serviceStartTime"] == ["20261120230000"]
    assert slots(package)["submissionTime"] == ["20261121091500"]


def test_the_codes_of_a_personalised_project(entry: etree._Element) -> None:
    assert coded(entry) == {
        xds.DOC_CLASS: ("44", "1.2.250.1.213.1.1.4.1"),
        xds.DOC_TYPE: ("80788-3", "2.16.840.1.113883.6.1"),
        xds.DOC_CONFIDENTIALITY: ("N", "2.16.840.1.113883.5.25"),
        xds.DOC_FORMAT: ("urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3"),
        xds.DOC_FACILITY: ("SA17", "1.2.250.1.71.4.2.4"),
        xds.DOC_PRACTICE: ("ESSMS", "1.2.250.1.213.1.1.4.9"),
    }


def test_a_type_that_the_dmp_does_not_take_is_not_built(dui: Dui) -> None:
    with pytest.raises(KeyError):
        body(dui, type=Code("EXPORT_DUI", "1.2.250.1.213.1.1.4.12", "Export du DUI"))


def test_identifiers_of_the_set_and_of_the_document(entry: etree._Element, package: etree._Element) -> None:
    patient = "269054958815780^^^&1.2.250.1.213.1.4.10&ISO^NH"
    assert identifiers(entry) == {xds.DOC_PATIENT_ID: patient, xds.DOC_UNIQUE_ID: "1.2.250.1.999.7.3.1"}
    assert identifiers(package) == {
        xds.SET_PATIENT_ID: patient, xds.SET_SOURCE_ID: "1.2.250.1.999.7", xds.SET_UNIQUE_ID: "1.2.250.1.999.7.2.1",
    }  # fmt: skip


def test_the_author_names_its_institution(dui: Dui, entry: etree._Element) -> None:
    author = next(one for one in entry.findall(f"{R}Classification") if one.get("classificationScheme") == xds.DOC_AUTHOR)
    [institution] = slots(author)["authorInstitution"]
    assert xds.read_institution(institution) == dui.structure["struct_id"]
    [person] = slots(author)["authorPerson"]
    assert person.endswith("^DUPONT^CLAIRE^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^EI")
    assert slots(author)["authorRole"] == ["Membre de l'équipe de soins"]


def test_the_document_is_a_part_named_by_xop(dui: Dui) -> None:
    document = body(dui).find(f"{{{NS_XDSB}}}Document")
    assert document is not None
    assert (document.get("id"), document[0].tag) == ("Document01", f"{{{NS_XOP}}}Include")
    assert mtom.content_id_of(document[0].get("href", "")) == "doc@dui"


def test_the_feed_carries_the_cda_of_its_metadata(dui: Dui) -> None:
    call = dui.feed()
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    [document] = parts.parts
    submission = dui.submission()
    assert bytes(document.body) == cda.build(submission.document, submission.patient, submission.author, submission.structure)
