"""Searches of the Annuaire, without a socket (psc-annuaire §18-§20)."""
from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.organization import Organization
from fhir.resources.R4B.practitioner import Practitioner
from fhir.resources.R4B.practitionerrole import PractitionerRole

from connectors.nomenclatures.annuaire import TRE_R02, TRE_R60
from mocks.annuaire.behaviour import Directory, FhirError, bundle, find, included, parse_search
from mocks.annuaire.resources import resources
from tests.mocks.psc.sandboxes import PROFESSIONALS, STRUCTURES

UPDATED = "2026-11-03T04:12:31.000+01:00"
MODELS: dict[str, Any] = {"Practitioner": Practitioner, "PractitionerRole": PractitionerRole, "Organization": Organization}


@pytest.fixture(scope="module")
def people() -> Directory:
    return Directory(resources(STRUCTURES, PROFESSIONALS, UPDATED))


def found(people: Directory, kind: str, query: str) -> list[str]:
    """Family names, establishment names or role identifiers of what a search finds."""
    resources = find(people, parse_search(kind, query))
    return [
        row["name"]
        if kind == "Organization"
        else row["name"][0]["family"]
        if kind == "Practitioner"
        else row["identifier"][0]["value"]
        for row in resources
    ]


@pytest.mark.parametrize(
    ("kind", "query", "expected"),
    [
        ("Practitioner", "identifier=99700990015", ["TESTIDE"]),
        ("Practitioner", "identifier=https://rpps.esante.gouv.fr|99700990015", ["TESTIDE"]),
        ("Practitioner", "identifier=urn:oid:1.2.250.1.71.4.2.1|899700990015", ["TESTIDE"]),
        ("Practitioner", "identifier=urn:oid:1.2.250.1.71.4.2.1|99700990015", []),
        ("Practitioner", "identifier=99700990015,99700990023", ["TESTIDE", "TESTEDUC"]),
        ("Practitioner", "identifier=99700990015&identifier=99700990023", []),
        ("Practitioner", "identifier=|99700990015", []),
        ("Practitioner", "family=testi", ["TESTIDE"]),
        ("Practitioner", "family=testmed", ["TESTMÉD"]),
        ("Practitioner", "family=MED", []),
        ("Practitioner", "family:contains=MED", ["TESTMÉD"]),
        ("Practitioner", "family:exact=TESTMÉD", ["TESTMÉD"]),
        ("Practitioner", "family:exact=TESTMED", []),
        ("Practitioner", "given:contains=acha&active=true", ["TESTIDE"]),
        ("Practitioner", "active=false", []),
        ("Practitioner", "name=zoe", ["TESTMÉD"]),
        ("Practitioner", "qualification-code=51", ["TESTEDUC"]),
        ("Practitioner", "qualification-code:not=51,60,99", ["TESTMÉD"]),
        ("Practitioner", "identifier-type=RPPS&family=testr", ["TESTROLE"]),
        ("Practitioner", f"data-registration-authority={TRE_R60}|ENREG", ["TESTEDUC", "TESTROLE"]),
        ("Practitioner", "data-information-system=FINESS", []),
        ("Practitioner", "_id=003-00990015-0990015", ["TESTIDE"]),
        ("Practitioner", "_lastUpdated=ge2026-11-03&_lastUpdated=lt2026-11-04&family=testi", ["TESTIDE"]),
        ("Practitioner", "_lastUpdated=gt2026-11-03", []),
        ("Practitioner", "_lastUpdated=2026-11&family=testi", ["TESTIDE"]),
        ("Practitioner", "_lastUpdated=le2025", []),
        ("Practitioner", "_lastUpdated=ge2026-11-03T04:00:00%2B01:00&family=testi", ["TESTIDE"]),
        ("Practitioner", "type-smartcard=CPS", []),
        ("PractitionerRole", "role=326", ["1000990023"]),
        ("PractitionerRole", "practitioner=003-00990015-0990015", ["1000990015"]),
        ("PractitionerRole", "practitioner=Practitioner/003-00990015-0990015", ["1000990015"]),
        ("PractitionerRole", "organization=001-01-0110990024", ["1000990023"]),
        ("PractitionerRole", "mailbox-mss=sacha.testide@pro.mssante.example", ["1000990015"]),
        ("Organization", "identifier=https://finess.esante.gouv.fr|0B0990016", ["EHPAD LES AJONCS"]),
        ("Organization", "identifier=https://finess.esante.gouv.fr|&identifier-type=FINEJ", ["ORGANISME GESTIONNAIRE 0B0990008"]),
        ("Organization", f"type={TRE_R02}|SA17&mailbox-mss:contains=%40", ["EHPAD LES AJONCS"]),
        ("Organization", "type=182,500", ["EHPAD LES AJONCS", "SESSAD LES AJONCS"]),
        ("Organization", "mailbox-mss:exact=dui@ehpad-ajoncs.mssante.example", ["EHPAD LES AJONCS"]),
        ("Organization", "mailbox-mss:exact=DUI@ehpad-ajoncs.mssante.example", []),
        ("Organization", "mailbox-mss=dui@", ["EHPAD LES AJONCS"]),
        ("Organization", "partof=001-01-0110990008&name=sessad", ["SESSAD LES AJONCS"]),
        ("Organization", "address=0B&name=ehpad", ["EHPAD LES AJONCS"]),
        ("Device", "status=active", []),
    ],
)
def test_searches(people: Directory, kind: str, query: str, expected: list[str]) -> None:
    assert found(people, kind, query) == expected


@pytest.mark.parametrize("bad", ["xyz", "mailbox-mss-type", "organization.identifier", "_sort"])
def test_unknown_parameters_are_named(bad: str) -> None:
    with pytest.raises(FhirError) as refused:
        parse_search("Practitioner", f"{bad}=1&family=a")
    assert (refused.value.status, refused.value.diagnostics) == (400, f"Parameter {bad} not found for resource Practitioner")
    with pytest.raises(FhirError) as switched:
        parse_search("Practitioner", f"{bad}=1", unknown_status=500)
    assert switched.value.status == 500


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("_count=ten", "_count parameter must be in the FHIR format"),
        ("_count=0", "_count parameter must be"),
        ("_total=maybe", "Bad value for the _total parameter"),
        ("_include=Practitioner:organization", "Parameter Practitioner:organization not found"),
        ("_revinclude=Device:organization", "Parameter Device:organization not found"),
        ("family:sounds=a", "Modifier sounds is not supported"),
        ("_lastUpdated=yesterday", "Invalid value for parameter _lastUpdated"),
        ("_lastUpdated=xx2026-01-01", "Invalid value for parameter _lastUpdated"),
    ],
)
def test_refused_values(people: Directory, query: str, words: str) -> None:
    with pytest.raises(FhirError, match=words) as refused:
        find(people, parse_search("Practitioner", query))
    assert refused.value.status == 400
    assert find(people, parse_search("Practitioner", "_count=10&_total=none&_lastUpdated=ge2020"))


def test_includes_bring_linked_resources_once(people: Directory) -> None:
    roles = parse_search("PractitionerRole", "_include=*&_include=PractitionerRole:organization")
    page = find(people, roles)
    beside = included(people, roles, page)
    assert [row["resourceType"] for row in beside] == ["Organization"] * 2 + ["Practitioner"] * 3
    assert len({row["id"] for row in beside}) == len(beside)

    person = parse_search("Practitioner", "identifier=99700990015&_revinclude=PractitionerRole:practitioner")
    [role] = included(people, person, find(people, person))
    assert role["identifier"][0]["value"] == "1000990015"

    structure = parse_search("Organization", "name=ehpad&_include=Organization:partof&_revinclude=PractitionerRole:organization")
    beside = included(people, structure, find(people, structure))
    assert [row["resourceType"] for row in beside] == ["Organization", "PractitionerRole", "PractitionerRole"]


def test_mailboxes_belong_to_their_bearer(people: Directory) -> None:
    per = [row["telecom"][0] for row in people.all("PractitionerRole")]
    assert all(box["extension"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "PER" for box in per)
    assert [row["name"][0]["family"] for row in people.all("Practitioner") if "telecom" in row] == ["TESTMÉD"]
    codes = [
        box["extension"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"]
        for row in people.all("Organization")
        for box in row.get("telecom", ())
    ]
    assert codes == ["ORG", "APP", "ORG"]


def test_resources_are_valid_fhir(people: Directory) -> None:
    """Structure only: unknown members and malformed values are refused by the models (R4B reads our R4)."""
    for kind, prefix in (("Practitioner", "003-"), ("PractitionerRole", "005-"), ("Organization", "001-")):
        for row in people.all(kind):
            assert MODELS[kind].model_validate(row).id.startswith(prefix)
            assert "display" not in str(row)
    search = parse_search("Practitioner", "_count=2&_total=accurate")
    found_rows = find(people, search)
    raw = bundle(
        "https://a.example/fhir/v2",
        search,
        found_rows[:2],
        [],
        total=4,
        own="https://a.example/self",
        next_page="https://a.example/n",
    )
    read = Bundle.model_validate_json(raw)
    assert (read.total, len(read.entry), [link.relation for link in read.link]) == (4, 2, ["next", "self"])
    with pytest.raises(ValueError):
        Practitioner.model_validate({"resourceType": "Practitioner", "unknown": 1})


def test_elements_give_a_tagged_subset(people: Directory) -> None:
    search = parse_search("Organization", "_elements=identifier,telecom&name=ehpad")
    raw = bundle("https://a.example", search, find(people, search), [], total=1, own="https://a.example/self", next_page=None)
    resource = Bundle.model_validate_json(raw).entry[0].resource
    assert resource.meta.tag[0].code == "SUBSETTED" and resource.name is None and len(resource.telecom) == 2
