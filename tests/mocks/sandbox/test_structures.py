from typing import Any

import pytest

from connectors.nomenclatures.identifiers import is_finess
from mocks.sandbox.structures import InvalidStructures, read_structures, slug

GOOD: dict[str, Any] = {"finess_et": "130786502", "finess_ej": "130804289", "name": "RESIDENCE L'EVECHE", "persons": 125}


def test_without_a_file_two_fictitious_structures() -> None:
    structures = read_structures()
    assert [structure.persons for structure in structures] == [25, 25]
    assert all(is_finess(structure.finess_et) and is_finess(structure.finess_ej) for structure in structures)
    assert all(structure.finess_et[1] == "B" for structure in structures)  # the range of test numbers


def test_a_structure_of_a_file() -> None:
    [structure] = read_structures([GOOD], persons=3)
    assert (structure.struct_id, structure.persons, structure.tenant) == ("1130786502", 125, "dui-exemple")
    assert structure.contact == "contact@residence-l-eveche.bac-a-sable.mssante.fr"


def test_a_finess_whose_key_is_wrong_is_kept_as_typed() -> None:
    [structure] = read_structures([{**GOOD, "finess_et": "130045133"}])
    assert structure.finess_et == "130045133"


def test_two_structures_of_one_name_have_two_domains() -> None:
    one, other = read_structures([GOOD, {**GOOD, "finess_et": "130790199"}])
    assert one.domain != other.domain


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({}, "liste JSON"),
        ([], "1 à 200"),
        ("130786502", "liste JSON"),
        ([3], "Structure 1 : un objet"),
        ([GOOD, {**GOOD, "finess_et": "1306784507"}], "Structure 2 : « finess_et »"),
        ([{**GOOD, "finess_et": "../../etc"}], "finess_et"),
        ([{**GOOD, "finess_ej": None}], "finess_ej"),
        ([{**GOOD, "name": " "}], "name"),
        ([{**GOOD, "persons": -1}], "persons"),
        ([{**GOOD, "persons": "12"}], "persons"),
        ([{**GOOD, "tenant": "Éditeur Un"}], "tenant"),
        ([GOOD, GOOD], "déjà pris"),
    ],
)
def test_a_wrong_list_is_refused_and_says_what_to_change(rows: Any, reason: str) -> None:
    with pytest.raises(InvalidStructures, match=reason):
        read_structures(rows)


@pytest.mark.parametrize(
    ("text", "expected"), [("SAAD CCAS D'HYÈRES", "saad-ccas-d-hyeres"), ("***", "structure"), ("A" * 60, "a" * 40)]
)
def test_slug(text: str, expected: str) -> None:
    assert slug(text) == expected
