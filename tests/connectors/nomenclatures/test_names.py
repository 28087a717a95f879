from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lefèvre", "LEFEVRE"),
        ("d’Ægir", "D'AEGIR"),
        ("Le-Gall", "LE-GALL"),
        ("Muller--Ørsted", "MULLER--ORSTED"),
        ("'t Hooft", "'T HOOFT"),
        ("Œuvrard", "OEUVRARD"),
        ("Ǽgir Ǿrsted", "AEGIR ORSTED"),
    ],
)
def test_birth_names_are_folded_and_keep_their_hyphens(text: str, expected: str) -> None:
    assert normalise_birth_name(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("DURAND3", "character"),
        ("DURAND/MOREL", "character"),
        ("-DURAND", "character"),
        ("L' HERITIER", "punctuation"),
        ("LE  GOFF", "punctuation"),
        ("LE---GOFF", "punctuation"),
        ("A" * 101, "length"),
    ],
)
def test_what_insi_cannot_take_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidName) as refusal:
        normalise_birth_name(text)
    assert refusal.value.reason == reason
    assert normalise_birth_name("DURAND") == "DURAND"


@pytest.mark.parametrize("text", ["ANNE--LISE", "ANNE-", "JEAN'"])
def test_first_names_are_stricter(text: str) -> None:
    assert normalise_birth_name(text) == text
    with pytest.raises(InvalidName, match="punctuation"):
        normalise_first_names(text)


def test_a_list_of_first_names_keeps_its_spaces() -> None:
    assert normalise_first_names("Anne-Lise Noël") == "ANNE-LISE NOEL"


@given(st.text(max_size=120))
def test_what_is_accepted_is_already_normalised_afterwards(text: str) -> None:
    try:
        normalised = normalise_birth_name(text)
    except InvalidName:
        return
    assert normalise_birth_name(normalised) == normalised


def test_published_vectors(reference: Callable[[str], list[dict[str, str]]]) -> None:
    for row in reference("insi/normalisation-vectors.csv"):
        normalise = normalise_birth_name if row["field"] == "nom" else normalise_first_names
        if row["verdict"] == "accept":
            assert normalise(row["input"]) == row["expected"], row["why"]
        else:
            with pytest.raises(InvalidName):
                normalise(row["input"])
