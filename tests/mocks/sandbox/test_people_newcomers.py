"""Who may be added: every mistake is told by line and column, nothing is taken when there is one, nobody real gets in."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.nomenclatures.identifiers import is_matricule, is_rpps, matricule_key
from connectors.nomenclatures.oids import INS_NIA, INS_NIR
from mocks.sandbox.newcomer_staff import PROFESSIONAL_COLUMNS, read_professionals
from mocks.sandbox.newcomers import PERSON_COLUMNS, read_persons
from mocks.sandbox.places import is_nowhere
from mocks.sandbox.population import Population
from mocks.sandbox.seeding import make_people
from mocks.sandbox.structures import read_structures

STRUCTURES = [
    {
        "finess_et": one.finess_et,
        "mailboxes": [{"address": one.contact, "type": "ORG"}, {"address": one.application, "type": "APP"}],
    }
    for one in read_structures(None, persons=1)
]
TILLEULS, PASSERELLE = "0B0990008", "0B0990016"
SHARED = STRUCTURES[0]["mailboxes"][0]["address"]
DOMAIN = SHARED.partition("@")[2]
PERSON = {"birth_name": "DUPONT", "first_names": "ANNE", "sex": "F", "birth_date": "1950-02-03", "birth_place": "35238"}
NURSE = {"family": "SAULNIER", "given": "HODA", "profession": "60", "profession_oid": "1.2.250.1.71.1.2.7", "structure": TILLEULS}


def matricule(thirteen: str) -> str:
    return thirteen + matricule_key(thirteen)


@pytest.fixture(scope="module")
def people() -> Population:
    made = make_people(read_structures(None, persons=1), seed=1)
    return Population.holding(made.persons, made.professionals, made.outside)


def persons(people: Population, *rows: dict[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    read, problems = read_persons(rows, people, [TILLEULS, PASSERELLE], ["editeur-a"])
    return read, [(one.line, one.column) for one in problems]


def staff(people: Population, *rows: dict[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    read, problems = read_professionals(rows, people, STRUCTURES, ["editeur-a"])
    return read, [(one.line, one.column) for one in problems]


def test_a_person_gets_what_was_left_out(people: Population) -> None:
    [read], problems = persons(people, PERSON)
    assert problems == []
    assert (read["dmp"], read["mes"], read["insi"], read["oid"], read["source"]) == ("active", "open", "found", INS_NIR, "added")
    assert is_matricule(read["matricule"]) and is_nowhere(read["matricule"][5:10]) and read["matricule"][5:7] == "35"
    assert read["birth_place"] == "35238"  # the place of the traits is the person's; that of the number is nobody's


def test_the_same_rows_get_the_same_numbers_and_two_rows_two_numbers(people: Population) -> None:
    rows = [PERSON, {**PERSON, "birth_name": "DURAND"}]
    first, again = persons(people, *rows)[0], persons(people, *rows)[0]
    assert first == again and first[0]["matricule"] != first[1]["matricule"]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"birth_name": ""}, "birth_name"), ({"birth_name": "Dupont"}, "birth_name"), ({"birth_name": "DUPONT2"}, "birth_name"),
        ({"birth_name": 7}, "birth_name"), ({"used_name": "Martin"}, "used_name"), ({"birth_rank": "0"}, "birth_rank"),
        ({"birth_rank": "12"}, "birth_rank"), ({"ouvrant_droit": matricule("2500235238001")}, "ouvrant_droit"),
        ({"first_names": ""}, "first_names"), ({"first_names": "Anne"}, "first_names"),
        ({"first_names": ["ANNE-"]}, "first_names"),
        ({"first_names": 3}, "first_names"), ({"sex": "X"}, "sex"), ({"sex": ""}, "sex"),
        ({"birth_date": "1950-02-30"}, "birth_date"), ({"birth_date": "03/02/1950"}, "birth_date"),
        ({"birth_date": "1850-01-01"}, "birth_date"),
        ({"birth_place": "3523"}, "birth_place"), ({"birth_place": "2C001"}, "birth_place"),
        ({"oid": "1.2.250.1.213.1.4.10"}, "oid"), ({"dmp": "ouvert"}, "dmp"), ({"mes": "active"}, "mes"),
        ({"insi": "CR00"}, "insi"),
        ({"structure": "130786502"}, "structure"), ({"owner": "editeur-b"}, "owner"), ({"nom": "DUPONT"}, "nom"),
        ({"insi": "none", "dmp": "active"}, "insi"), ({"insi": "ambiguous"}, "insi"),
        ({"matricule": "25002359900112"}, "matricule"), ({"matricule": "250023599001100"}, "matricule"),
        ({"matricule": matricule("2500235238001")}, "matricule"), ({"matricule": "275126322074974"}, "matricule"),
        ({"history": matricule("2500235238001")}, "history"), ({"history": matricule("2500235990001") + "/1.2.3"}, "history"),
        ({"birth_name": "ADRUN", "first_names": "ZOE", "birth_date": "1975-12-31"}, "birth_name"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_by_its_line_and_column(people: Population, change: dict[str, Any], column: str) -> None:
    assert persons(people, {**PERSON, "birth_name": "AUTRE"}, {**PERSON, **change})[1] == [(2, column)]


@pytest.mark.parametrize(
    "change",
    [
        {"oid": INS_NIA}, {"dmp": "opposed", "mes": "none"}, {"insi": "none"}, {"structure": TILLEULS, "owner": "editeur-a"},
        {"matricule": matricule("2500235990001")}, {"matricule": matricule("2501299980001"), "birth_place": "99255"},
        {"history": f"{matricule('8500235990001')}/{INS_NIA}"}, {"used_name": "LE GALL"}, {"birth_place": "2A004"},
        {"ouvrant_droit": matricule("2500235990001"), "birth_rank": "2"},
        {"history": [{"matricule": matricule("8500235990001"), "oid": INS_NIA, "start": None, "end": None}]},
        {"sert_a": ["insi-trouve"], "source": "generated"},  # what a list tells may be given back
    ],
)  # fmt: skip
def test_each_of_these_is_taken(people: Population, change: dict[str, Any]) -> None:
    assert persons(people, {**PERSON, **change})[1] == []


def test_why_a_number_that_may_be_somebody_s_is_refused_is_said_in_french(people: Population) -> None:
    _, [problem] = read_persons([{**PERSON, "matricule": matricule("2500235238001")}], people, [], [])
    assert "pourrait être celui d'une personne réelle" in problem.why and "Laissez « matricule » vide" in problem.why


def test_every_mistake_of_every_line_is_told_at_once(people: Population) -> None:
    wrong = persons(people, {**PERSON, "sex": "X", "birth_place": "1"}, PERSON, {"birth_name": "SEUL"})[1]
    assert wrong == [
        (1, "birth_place"), (1, "sex"), (3, "birth_date"), (3, "birth_place"), (3, "sex"), (3, "first_names"),
    ]  # fmt: skip


def test_two_persons_with_the_same_traits_are_both_ambiguous_and_born_elsewhere(people: Population) -> None:
    twin = {**PERSON, "insi": "ambiguous", "first_names": "ANNE LISE"}
    assert persons(people, {**PERSON, "insi": "ambiguous"}, {**twin, "birth_place": "29019"})[1] == []
    assert persons(people, {**PERSON, "insi": "ambiguous"}, twin)[1] == [(1, "insi"), (2, "insi")]
    assert persons(people, PERSON, {**PERSON, "birth_place": "29019"})[1] == [(1, "insi"), (2, "insi")]


def test_one_number_is_one_person_s(people: Population) -> None:
    number = matricule("2500235990001")
    rows = [{**PERSON, "matricule": number}, {**PERSON, "birth_name": "AUTRE", "matricule": number}]
    assert persons(people, *rows)[1] == [(2, "matricule")]


def test_a_professional_gets_a_number_and_a_mailbox(people: Population) -> None:
    first, second = staff(people, NURSE, NURSE)[0]
    assert is_rpps(first["rpps"]) and first["rpps"].startswith("9970099") and first["id_nat"] == "8" + first["rpps"]
    assert people.professional(first["id_nat"]) is None and first["rpps"] != second["rpps"]
    assert (first["mailbox"], second["mailbox"]) == (f"hoda.saulnier@{DOMAIN}", f"hoda.saulnier2@{DOMAIN}")
    assert (first["profession_label"], first["origin"]) == ("infirmier", "RPPS")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"family": ""}, "family"), ({"given": ""}, "given"), ({"profession": ""}, "profession"),
        ({"civility": "DR"}, "civility"),
        ({"profession_oid": "1.2.3"}, "profession_oid"), ({"rpps": "1000123456"}, "rpps"), ({"rpps": "99700990008"}, "rpps"),
        ({"rpps": "10005531586"}, "rpps"), ({"rpps": "99700990007"}, "rpps"), ({"structure": "130786502"}, "structure"),
        ({"mailbox": "hoda@ailleurs.mssante.fr"}, "mailbox"), ({"mailbox": SHARED}, "mailbox"), ({"mailbox": "hoda"}, "mailbox"),
        ({"may_open": "contact@ailleurs.mssante.fr"}, "may_open"), ({"also_in": TILLEULS}, "also_in"),
        ({"also_in": "x"}, "also_in"),
        ({"owner": "editeur-b"}, "owner"), ({"nom": "X"}, "nom"),
    ],
)  # fmt: skip
def test_each_mistake_about_a_professional_is_told(people: Population, change: dict[str, Any], column: str) -> None:
    assert staff(people, {**NURSE, **change})[1] == [(1, column)]


@pytest.mark.parametrize(
    "change",
    [
        {"rpps": "99700427885"}, {"rpps": None, "structure": ""}, {"mailbox": f"Hoda@{DOMAIN}"}, {"may_open": [SHARED]},
        {"also_in": [PASSERELLE]}, {"also_in": [{"structure": PASSERELLE, "mailbox": "x"}]},
        {"civility": "M", "owner": "editeur-a"},
    ],
)  # fmt: skip
def test_each_of_these_professionals_is_taken(people: Population, change: dict[str, Any]) -> None:
    assert staff(people, {**NURSE, **change})[1] == []


def test_without_structure_there_is_no_mailbox(people: Population) -> None:
    [read], _ = staff(people, {**NURSE, "structure": ""})
    assert (read["structure"], read["mailbox"], read["also_in"]) == (None, None, [])


_LISTS = st.lists(st.text(max_size=5) | st.integers(), max_size=3)
_ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | _LISTS
_ROWS = st.lists(st.dictionaries(st.sampled_from([*PERSON_COLUMNS, *PROFESSIONAL_COLUMNS, "x"]), _ANYTHING), max_size=3)


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(rows=_ROWS)
def test_whatever_is_sent_is_read_or_refused_and_never_breaks(people: Population, rows: list[dict[str, Any]]) -> None:
    for read in (persons, staff):
        assert all(1 <= line <= len(rows) for line, _ in read(people, *rows)[1])
