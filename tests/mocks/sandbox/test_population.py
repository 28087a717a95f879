import csv
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.nomenclatures.identifiers import is_matricule, is_rpps
from connectors.nomenclatures.names import normalise_birth_name, normalise_first_names
from connectors.nomenclatures.oids import INS_NIA, INS_NIR
from mocks.sandbox.persons import PLENTY
from mocks.sandbox.places import is_nowhere
from mocks.sandbox.professionals import rpps
from mocks.sandbox.seeding import make_people, white_list
from mocks.sandbox.situations import SITUATIONS, situations_of
from mocks.sandbox.structures import Structure, read_structures

SIZES = {"130786502": 125, "830019196": 14, "130038748": 3}
STRUCTURES = read_structures(
    [{"finess_et": finess, "finess_ej": "130804289", "name": f"STRUCTURE {finess}", "persons": n} for finess, n in SIZES.items()]
)


def made(structures: list[Structure], seed: int) -> dict[str, Any]:
    people = make_people(structures, seed=seed)
    return {"persons": people.persons, "professionals": people.professionals, "mailboxes": people.outside}


@pytest.fixture(scope="module")
def population() -> dict[str, Any]:
    return made(STRUCTURES, seed=1)


@pytest.fixture(scope="module")
def generated(population: dict[str, Any]) -> list[dict[str, Any]]:
    return [person for person in population["persons"] if person["source"] == "generated"]


def test_the_same_seed_makes_the_same_bytes(population: dict[str, Any]) -> None:
    assert orjson.dumps(made(STRUCTURES, seed=1)) == orjson.dumps(population)
    assert orjson.dumps(made(STRUCTURES, seed=2)) != orjson.dumps(population)


def test_a_structure_more_changes_nobody_already_there(population: dict[str, Any]) -> None:
    fewer = made(STRUCTURES[:2], seed=1)
    assert population["persons"][: len(fewer["persons"])] == fewer["persons"]
    staff = [one for one in fewer["professionals"] if one["structure"]]
    assert population["professionals"][: len(staff)] == staff


def test_each_structure_has_the_persons_asked(population: dict[str, Any]) -> None:
    assert Counter(person["structure"] for person in population["persons"] if person["structure"]) == SIZES


def test_every_matricule_holds_and_is_one_person_s(population: dict[str, Any]) -> None:
    matricules = [person["matricule"] for person in population["persons"]]
    assert all(is_matricule(matricule) for matricule in matricules)
    assert len(set(matricules)) == len(matricules)


def test_no_generated_matricule_can_be_a_real_person_s(generated: list[dict[str, Any]]) -> None:
    """Communes stop before 990 in a mainland department and before 90 overseas; 98x is no country (insi §14)."""
    for person in generated:
        assert person["birth_place"] == person["matricule"][5:10]
        for identity in (person, *person["history"]):
            place = identity["matricule"][5:10]
            assert place.startswith("9998") or place[2:4] == "99" or (place[:2] == "97" and place[3] == "9"), place
            assert is_nowhere(place)


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
    opposed = {"opposed"} if len(persons) >= PLENTY else set()
    assert {person["dmp"] for person in persons} == {"active", "none", "closed"} | opposed
    assert {person["mes"] for person in persons} == {"open", "none", "closed"}
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


def test_every_patient_of_the_notes_is_there(population: dict[str, Any]) -> None:
    """Traits and matricule of each one, the used name too (dmp-test-patients.csv, test-identities.json)."""
    if "SOCLE_REFERENCE_DATA" not in os.environ:
        pytest.skip("the reference data are not here")
    data = Path(os.environ["SOCLE_REFERENCE_DATA"]) / "insi"
    by_matricule = {person["matricule"]: person for person in population["persons"]}
    with (data / "dmp-test-patients.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 75
    for row in rows:
        person = by_matricule[row["matricule15"]]
        used = row["nomUtilise"] if row["nomUtilise"] != row["nomNaissance"] else None
        assert (person["birth_name"], " ".join(person["first_names"])) == (row["nomNaissance"], row["listePrenoms"])
        assert (person["sex"], person["birth_date"]) == (row["sexe"], row["dateNaissance"])
        assert person["used_name"] == used
    for identity in orjson.loads((data / "test-identities.json").read_bytes())["identities"]:
        person = by_matricule[identity["insActif"]["num"] + identity["insActif"]["cle"]]
        assert (person["oid"], person["birth_place"]) == (identity["insActif"]["oid"], identity["lieuNaissance"])
        assert [one["matricule"] for one in person["history"]] == [one["num"] + one["cle"] for one in identity["insHisto"]]


def test_a_structure_meets_every_rare_identity(generated: list[dict[str, Any]]) -> None:
    found = Counter(name for person in generated if person["structure"] == "130786502" for name in situations_of(person))
    rare = {"nia", "historique", "nia-devenu-nir", "jour-inconnu", "mois-inconnu", "date-inconnue", "homonyme", "jumeaux"}
    assert {name for name in rare if found[name] >= 1} == rare
    assert set(SITUATIONS) - {name for person in generated for name in situations_of(person)} <= {
        "sexe-du-nir", "cnda-2.03", "cnda-2.04", "cnda-2.05", "cnda-2.06", "cnda-2.07", "cnda-2.08", "cnda-3.05",
    }


def marked(generated: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    found = [person for person in generated if name in situations_of(person)]
    assert found
    return found


def test_twins_differ_by_their_first_name_alone(generated: list[dict[str, Any]]) -> None:
    twins: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for person in marked(generated, "jumeaux"):
        key = (person["birth_name"], person["birth_date"], person["birth_place"], person["sex"], person["matricule"][:10])
        twins.setdefault(key, []).append(person)
    assert all(len({person["first_names"][0] for person in pair}) == len(pair) == 2 for pair in twins.values())


def test_homonyms_are_born_on_two_days(generated: list[dict[str, Any]]) -> None:
    namesakes: dict[tuple[str, ...], set[str]] = {}
    for person in marked(generated, "homonyme"):
        namesakes.setdefault((person["birth_name"], person["first_names"][0], person["sex"]), set()).add(person["birth_date"])
    assert all(len(days) == 2 for days in namesakes.values())


def test_a_nia_says_so_by_its_oid(generated: list[dict[str, Any]]) -> None:
    assert all((one["oid"], one["matricule"][0] in "78") == (INS_NIA, True) for one in marked(generated, "nia"))
    for person in marked(generated, "nia-devenu-nir"):
        [past] = person["history"]
        assert (person["oid"], past["oid"], past["matricule"][0] in "78") == (INS_NIR, INS_NIA, True)


def test_an_incomplete_date_is_written_as_identity_rules_say(generated: list[dict[str, Any]]) -> None:
    """insi §14: the first of the month, January, or 31 December; the matricule's month is none when it is not known."""
    known, unknown = range(1, 13), range(20, 43)
    written = {"jour-inconnu": (r"..-01", known), "mois-inconnu": (r"01-..", unknown), "date-inconnue": (r"12-31", unknown)}
    for name, (form, months) in written.items():
        for person in marked(generated, name):
            assert re.fullmatch(form, person["birth_date"][5:]) and int(person["matricule"][3:5]) in months


def test_a_load_meets_the_mix_of_the_field() -> None:
    """insi §8: 75.2 % of calls found, 24.4 % not, 0.4 % ambiguous, when one searches by the name that the file holds."""
    row = {"finess_et": "130786502", "finess_ej": "130804289", "name": "GRANDE", "sector": "SA17", "persons": 6000}
    persons = [one for one in make_people(read_structures([row]), seed=1).persons if one["structure"]]
    codes = Counter("none" if one["used_name"] else one["insi"] for one in persons)
    shares = {code: count / len(persons) for code, count in codes.items()}
    assert shares["found"] == pytest.approx(0.752, abs=0.03)
    assert shares["none"] == pytest.approx(0.244, abs=0.03)
    assert shares["ambiguous"] == pytest.approx(0.004, abs=0.002)


def test_professionals_are_distinct_and_hold_a_mailbox_of_their_structure(population: dict[str, Any]) -> None:
    professionals = [one for one in population["professionals"] if one["structure"]]
    domains = {structure.finess_et: structure.domain for structure in STRUCTURES}
    places = [place for one in professionals for place in (one, *one["also_in"])]
    assert len({professional["rpps"] for professional in professionals}) == len(professionals) == 12
    assert len({place["mailbox"] for place in places}) == len(places) == 14
    for professional in professionals:
        assert is_rpps(professional["rpps"]) and professional["rpps"].startswith("9970099")
    assert all(place["mailbox"].endswith("@" + domains[place["structure"]]) for place in places)


def test_a_professional_works_in_two_structures_of_one_legal_entity(population: dict[str, Any]) -> None:
    twice = [one for one in population["professionals"] if one["also_in"]]
    assert [(one["structure"], [place["structure"] for place in one["also_in"]]) for one in twice] == [
        ("830019196", ["130786502"]), ("130038748", ["830019196"]),
    ]


def test_somebody_connects_without_rpps(population: dict[str, Any]) -> None:
    without = [(one["origin"], one["id_nat"]) for one in population["professionals"] if one["rpps"] is None]
    assert without == [("EDIT", "ANS20260101090000"), ("FINESS", "30B0990008/CPET0001")]


def test_some_may_open_the_structure_s_mailbox_and_some_may_not(population: dict[str, Any]) -> None:
    opened = [bool(professional["may_open"]) for professional in population["professionals"]]
    assert any(opened) and not all(opened)


def test_every_domain_is_ours_and_in_the_white_list(population: dict[str, Any]) -> None:
    domains = white_list(STRUCTURES)
    addresses = [mailbox["address"] for mailbox in population["mailboxes"]]
    addresses += [professional["mailbox"] for professional in population["professionals"] if professional["mailbox"]]
    assert {address.partition("@")[2] for address in addresses} <= set(domains)
    assert all(domain == "patient.mssante.fr" or domain.endswith(".bac-a-sable.mssante.fr") for domain in domains)


def test_rpps_stay_in_their_range() -> None:
    assert is_rpps(rpps(0)) and is_rpps(rpps(999))
    with pytest.raises(ValueError, match="1000"):
        rpps(1000)
