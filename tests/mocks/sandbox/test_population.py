from collections import Counter
from typing import Any

import orjson
import pytest

from connectors.nomenclatures.identifiers import is_matricule, is_rpps
from connectors.nomenclatures.names import normalise_birth_name, normalise_first_names
from mocks.sandbox.population import make_population, white_list
from mocks.sandbox.professionals import rpps
from mocks.sandbox.structures import read_structures

SIZES = {"130786502": 125, "830019196": 14, "130038748": 3}
STRUCTURES = read_structures(
    [{"finess_et": finess, "finess_ej": "130804289", "name": f"STRUCTURE {finess}", "persons": n} for finess, n in SIZES.items()]
)


@pytest.fixture(scope="module")
def population() -> dict[str, Any]:
    return make_population(STRUCTURES, seed=1)


@pytest.fixture(scope="module")
def generated(population: dict[str, Any]) -> list[dict[str, Any]]:
    return [person for person in population["persons"] if person["source"] == "generated"]


def test_the_same_seed_makes_the_same_bytes(population: dict[str, Any]) -> None:
    assert orjson.dumps(make_population(STRUCTURES, seed=1)) == orjson.dumps(population)
    assert orjson.dumps(make_population(STRUCTURES, seed=2)) != orjson.dumps(population)


def test_a_structure_more_changes_nobody_already_there(population: dict[str, Any]) -> None:
    fewer = make_population(STRUCTURES[:2], seed=1)
    assert population["persons"][: len(fewer["persons"])] == fewer["persons"]
    assert population["professionals"][: len(fewer["professionals"])] == fewer["professionals"]


def test_each_structure_has_the_persons_asked(population: dict[str, Any]) -> None:
    assert Counter(person["structure"] for person in population["persons"] if person["structure"]) == SIZES


def test_every_matricule_holds_and_is_one_person_s(population: dict[str, Any]) -> None:
    matricules = [person["matricule"] for person in population["persons"]]
    assert all(is_matricule(matricule) for matricule in matricules)
    assert len(set(matricules)) == len(matricules)


def test_no_generated_matricule_can_be_a_real_person_s(generated: list[dict[str, Any]]) -> None:
    """Communes stop before 990 in a mainland department and before 90 overseas; 98x is no country (insi §14)."""
    for person in generated:
        place = person["birth_place"]
        assert place == person["matricule"][5:10]
        assert place.startswith("9998") or place[2:4] == "99" or (place[:2] == "97" and place[3] == "9"), place


def test_people_are_born_everywhere(generated: list[dict[str, Any]]) -> None:
    places = [person["birth_place"] for person in generated]
    assert any(place.startswith(("2A", "2B")) for place in places)
    assert any(place.startswith("99") for place in places)
    assert sum(place.startswith("13") for place in places) > 30


def test_names_are_already_what_insi_takes(population: dict[str, Any]) -> None:
    for person in population["persons"]:
        assert normalise_birth_name(person["birth_name"]) == person["birth_name"]
        assert normalise_first_names(" ".join(person["first_names"])) == " ".join(person["first_names"])


def test_traits_tell_everybody_apart_except_the_ambiguous(population: dict[str, Any]) -> None:
    same = Counter(
        (person["birth_name"], person["first_names"][0], person["sex"], person["birth_date"]) for person in population["persons"]
    )
    for person in population["persons"]:
        count = same[person["birth_name"], person["first_names"][0], person["sex"], person["birth_date"]]
        assert count == (2 if person["insi"] == "ambiguous" else 1)


def test_two_ambiguous_persons_differ_by_their_place(generated: list[dict[str, Any]]) -> None:
    places: dict[tuple[str, str], set[str]] = {}
    for person in generated:
        if person["insi"] == "ambiguous":
            places.setdefault((person["birth_name"], person["birth_date"]), set()).add(person["birth_place"])
    assert places and all(len(found) == 2 for found in places.values())


@pytest.mark.parametrize("finess", ["130786502", "830019196"])
def test_a_structure_meets_every_case_and_can_still_reach_the_target(generated: list[dict[str, Any]], finess: str) -> None:
    persons = [person for person in generated if person["structure"] == finess]
    assert {person["insi"] for person in persons} == {"found", "ambiguous", "none"}
    assert {person["dmp"] for person in persons} == {person["mes"] for person in persons} - {"open"} | {"active"}
    assert sum(person["dmp"] == "active" for person in persons) >= 0.7 * len(persons)


def test_who_is_unknown_to_insi_has_neither_dmp_nor_mailbox(generated: list[dict[str, Any]]) -> None:
    unknown = [person for person in generated if person["insi"] == "none"]
    assert unknown and all((person["dmp"], person["mes"]) == ("none", "none") for person in unknown)


def test_the_published_identities_are_there(population: dict[str, Any]) -> None:
    by_matricule = {person["matricule"]: person for person in population["persons"]}
    assert by_matricule["275126322074974"]["birth_name"] == "ADRUN"
    assert by_matricule["109076322088835"]["oid"] == "1.2.250.1.213.1.4.9"
    assert by_matricule["279035121518989"]["birth_name"] == "PAT-TROIS"
    assert [past["matricule"] for past in by_matricule["109076322083489"]["history"]] == ["209076322083439"]


def test_professionals_are_distinct_and_hold_a_mailbox_of_their_structure(population: dict[str, Any]) -> None:
    professionals = population["professionals"]
    domains = {structure.finess_et: structure.domain for structure in STRUCTURES}
    assert len({professional["rpps"] for professional in professionals}) == len(professionals) == 12
    assert len({professional["mailbox"] for professional in professionals}) == 12
    for professional in professionals:
        assert is_rpps(professional["rpps"]) and professional["rpps"].startswith("9970099")
        assert professional["mailbox"].endswith("@" + domains[professional["structure"]])


def test_some_may_open_the_structure_s_mailbox_and_some_may_not(population: dict[str, Any]) -> None:
    opened = [bool(professional["may_open"]) for professional in population["professionals"]]
    assert any(opened) and not all(opened)


def test_every_domain_is_ours_and_in_the_white_list(population: dict[str, Any]) -> None:
    domains = white_list(STRUCTURES)
    addresses = [mailbox["address"] for mailbox in population["mailboxes"]]
    addresses += [professional["mailbox"] for professional in population["professionals"]]
    assert {address.partition("@")[2] for address in addresses} <= set(domains)
    assert all(domain == "patient.mssante.fr" or domain.endswith(".bac-a-sable.mssante.fr") for domain in domains)


def test_rpps_stay_in_their_range() -> None:
    assert is_rpps(rpps(0)) and is_rpps(rpps(999))
    with pytest.raises(ValueError, match="1000"):
        rpps(1000)
