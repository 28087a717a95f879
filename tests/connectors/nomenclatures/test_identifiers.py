from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.nomenclatures.identifiers import (
    InvalidMatricule,
    finess_of_struct_id,
    is_finess,
    is_finess_form,
    is_matricule,
    is_rpps,
    is_siren,
    is_siret,
    luhn_holds,
    luhn_key,
    matricule_key,
    parse_matricule,
)

ADRUN = "275126322074974"  # published test identity


@pytest.mark.parametrize(
    ("number", "key"),
    [
        ("2751263220749", "74"),
        ("160012B020777", "13"),  # 2B reads 18
        ("297022A020778", "78"),  # 2A reads 19
        ("1850563220068", "09"),  # leading zero
        ("1850563220077", "97"),  # a multiple of 97: never 00
    ],
)
def test_key_of_a_matricule(number: str, key: str) -> None:
    assert matricule_key(number) == key
    assert parse_matricule(number + key).text == number + key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("275126322074975", "key"),
        ("2751263220749", "form"),
        ("2751263220749740", "form"),
        ("2751263X2074974", "form"),
        ("160012b02077713", "form"),
        ("160012C02077713", "form"),
        ("A75126322074974", "form"),
        ("２75126322074974", "form"),
        ("27512632207497\n", "form"),
        ("", "form"),
    ],
)
def test_what_is_not_a_matricule_is_refused_without_being_repeated(text: str, reason: str) -> None:
    with pytest.raises(InvalidMatricule) as refusal:
        parse_matricule(text)
    assert refusal.value.reason == reason
    assert not text or text not in str(refusal.value)
    assert is_matricule(ADRUN)


def test_a_matricule_never_shows_itself() -> None:
    matricule = parse_matricule(ADRUN)
    assert ADRUN[:13] not in f"{matricule} {matricule!r}"


@given(st.from_regex(r"[1-8][0-9]{4}([0-9]{2}|2A|2B)[0-9]{6}", fullmatch=True).filter(str.isascii))
def test_every_number_has_exactly_one_key(number: str) -> None:
    accepted = [key for key in range(100) if is_matricule(f"{number}{key:02d}")]
    assert accepted == [int(matricule_key(number))]


@given(st.text(max_size=20))
def test_any_text_is_answered(text: str) -> None:
    assert is_matricule(text) in (True, False)
    assert luhn_holds(text) in (True, False)
    assert is_finess(text) in (True, False)
    assert finess_of_struct_id(text) is None or text[0] == "1"


@given(st.from_regex(r"[0-9][0-9AB][0-9]{6}", fullmatch=True).filter(str.isascii))
def test_luhn_key_makes_a_finess_that_holds(number: str) -> None:
    assert is_finess(number + luhn_key(number))


@pytest.mark.parametrize("finess", ["130786502", "2A0000014", "2B0000020", "0B0990008"])
def test_a_finess_holds_with_letters_read_1_and_2(finess: str) -> None:
    assert is_finess(finess)
    changed = finess[:-1] + str((int(finess[-1]) + 1) % 10)
    assert is_finess_form(changed) and not is_finess(changed)


def test_form_of_a_finess() -> None:
    assert is_finess_form("130045133") and not is_finess("130045133")  # kept as typed, to be checked by a person
    assert not is_finess_form("1306784507")
    assert not is_finess_form("A30045133")


def test_rpps_siren_siret() -> None:
    assert is_rpps("99700990007") and not is_rpps("99700990008") and not is_rpps("899700990007")
    assert is_siren("990000002") and not is_siren("990000003")
    assert is_siret("99000000200016") and not is_siret("99000000200017")


@pytest.mark.parametrize(
    ("struct_id", "finess"),
    [("10B0990008", "0B0990008"), ("399000000200016", None), ("1130786502", "130786502"), ("130786502", None), ("", None)],
)
def test_finess_of_a_structure_identifier(struct_id: str, finess: str | None) -> None:
    assert finess_of_struct_id(struct_id) == finess


def test_published_matricule_vectors(reference: Callable[[str], list[dict[str, str]]]) -> None:
    for row in reference("insi/nir-vectors.csv"):
        assert (matricule_key(row["num13"]) == row["cle"]) == (row["valid"] == "true"), row["why"]
        assert is_matricule(row["num13"] + row["cle"]) == (row["valid"] == "true"), row["why"]


def test_published_identifier_vectors(reference: Callable[[str], list[dict[str, str]]]) -> None:
    checks = {"FINESS": is_finess, "RPPS": is_rpps, "SIREN": is_siren, "SIRET": is_siret}
    for row in reference("psc-annuaire/identifier-vectors.csv"):
        assert checks[row["kind"]](row["value"]) == (row["luhn"] == "ok"), row["source"]
