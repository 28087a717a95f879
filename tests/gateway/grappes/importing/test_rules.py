"""Rules R0 to R9 one by one, on made-up numbers, and where the table of rules is silent (decision 0028)."""
from __future__ import annotations

import pytest

from connectors.nomenclatures.identifiers import luhn_key
from gateway.grappes.importing import numbers
from gateway.grappes.importing.legal import judge_legal
from gateway.grappes.importing.rules import Expected, Verdict, judge, shared
from tests.gateway.grappes.importing import oracle

AIN = Expected("01", certain=True)
GOOD, OTHER = "010000008", "010000016"
WRONG_KEY = "010000009"
CORSICAN = "2A0000014"


def short(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.retenu, verdict.statut, verdict.regle


def test_a_correction_that_two_rows_claim_stays_as_typed() -> None:
    short_number = next(GOOD[:at] + GOOD[at + 1 :] for at in range(9) if judge([GOOD[:at] + GOOD[at + 1 :]], AIN).regle == "R3")
    alone, pair = judge([short_number], AIN), [judge([short_number], AIN)] * 2
    assert shared([alone]) == [alone] and (alone.retenu, alone.statut) == (GOOD, "corrige_propose")
    assert [(one.retenu, one.statut, one.regle, one.choix) for one in shared(pair)] == [
        (short_number, "a_verifier", "R8", (GOOD,))
    ] * 2


@pytest.mark.parametrize("typed, expected", [
    ([GOOD], (GOOD, "confirme", "R0")),
    ([GOOD, GOOD], (GOOD, "confirme", "R0")),
    (["01 000 000 8"], (GOOD, "confirme", "R1")),
    ([GOOD, "01 000 000-8"], (GOOD, "confirme", "R1")),
    ([f" {GOOD}"], (GOOD, "confirme", "R1")),
    ([GOOD, WRONG_KEY], (GOOD, "confirme", "R2")),
    ([WRONG_KEY, GOOD], (GOOD, "confirme", "R2")),
    ([WRONG_KEY, WRONG_KEY, GOOD], (GOOD, "confirme", "R2")),
    (["0100000081", GOOD], (GOOD, "confirme", "R2")),
    ([GOOD, "10000008"], (GOOD, "confirme", "R4")),
    ([GOOD, "01000008"], (GOOD, "confirme", "R4")),
    ([GOOD, "22222222"], (GOOD, "confirme", "R2")),  # eight digits, and not this number minus one
    (["10000008"], (GOOD, "corrige_propose", "R3")),
    (["10000008", "1000000 8"], (GOOD, "corrige_propose", "R3")),
    ([WRONG_KEY], (WRONG_KEY, "a_verifier", "R6")),
    ([WRONG_KEY, WRONG_KEY], (WRONG_KEY, "a_verifier", "R6")),  # two tables that agree prove nothing
    ([GOOD, OTHER], (GOOD, "a_verifier", "R2")),  # both hold: neither wins
    (["950000018"], ("950000018", "a_verifier", "R7")),
    (["1234567"], ("1234567", "a_verifier", "R6")),
    (["01000000812"], ("01000000812", "a_verifier", "R6")),
    (["99000000200016"], ("99000000200016", "a_verifier", "R6")),
    ([], ("", "a_verifier", "R6")),
    (["", "...", "néant", "XXXXX", "en cours"], ("", "a_verifier", "R6")),
    (["", GOOD], (GOOD, "confirme", "R0")),
    (["6,60785E+08"], ("660785E08", "a_verifier", "R6")),
    (["010000008.0"], (GOOD, "confirme", "R1")),
])  # fmt: skip
def test_one_establishment(typed: list[str], expected: tuple[str, str, str]) -> None:
    assert short(judge(typed, AIN)) == expected


def test_two_insertions_are_no_proposal() -> None:
    lost = GOOD[:4] + GOOD[5:]
    verdict = judge([lost], AIN)
    assert short(verdict) == (lost, "a_verifier", "R6")
    assert set(verdict.choix) == oracle.insertions(lost, "01000")
    assert GOOD in verdict.choix


def test_the_only_deletion_is_proposed() -> None:
    longer = GOOD[:2] + "4" + GOOD[2:]
    found = oracle.deletions(longer, "01000")
    assert found == {GOOD}
    assert short(judge([longer], AIN)) == (GOOD, "corrige_propose", "R5")


@pytest.mark.parametrize("taken", [{"others": {GOOD}}, {"legal": {GOOD}}])
def test_a_proposal_never_lands_on_another_row_nor_on_a_legal_entity(taken: dict[str, set[str]]) -> None:
    assert short(judge(["10000008"], AIN)) == (GOOD, "corrige_propose", "R3")
    assert short(judge(["10000008"], AIN, **taken)) == ("10000008", "a_verifier", "R6")


def test_a_department_known_by_the_entity_alone_helps_and_never_doubts() -> None:
    by_entity = Expected("01")
    assert short(judge(["10000008"], by_entity)) == (GOOD, "corrige_propose", "R3")
    assert short(judge(["950000018"], by_entity)) == ("950000018", "confirme", "R0")
    assert judge(["10000008"], Expected()).statut == "a_verifier"


def test_a_siren_is_no_finess() -> None:
    verdict = judge(["990000002"], Expected())
    assert short(verdict) == ("990000002", "a_verifier", "R7")
    assert "SIREN" in verdict.justification


def test_the_number_of_a_legal_entity_is_no_establishment() -> None:
    assert short(judge([GOOD], AIN, legal={GOOD})) == (GOOD, "a_verifier", "R8")
    assert short(judge([GOOD, OTHER], AIN, legal={OTHER})) == (GOOD, "confirme", "R2")


@pytest.mark.parametrize("typed", ["O10000008", "0I0000008", "01OOOO008", "o1oooooo8"])
def test_letters_read_for_digits_are_offered_and_never_kept(typed: str) -> None:
    verdict = judge([typed], AIN)
    assert short(verdict) == (typed.upper(), "a_verifier", "R6")
    assert verdict.choix == (GOOD,)
    assert short(judge([typed, GOOD], AIN)) == (GOOD, "confirme", "R2")


def test_a_number_of_another_territory_says_which() -> None:
    assert "préfixe 97 (département 974)" in judge(["970400008"], Expected("971", certain=True)).justification
    assert "préfixe 98 (département 976)" in judge(["980000004"], Expected("974", certain=True)).justification


def test_a_test_number_holds_without_a_department() -> None:
    assert judge(["0B0990008"], Expected()).regle == "R0"
    assert judge(["0B0990008"], AIN).regle == "R7"


@pytest.mark.parametrize("number, postcode, holds", [
    (CORSICAN, "20000", True), (CORSICAN, "20200", False), ("2B0000020", "20200", True), ("2B0000020", "20167", False),
    ("970100000" + "", "97110", None), ("980000000", "97600", None),
])  # fmt: skip
def test_corsica_and_overseas(number: str, postcode: str, holds: bool | None) -> None:
    if holds is None:
        number = number[:8] + luhn_key(number[:8])
    found = judge([number], Expected(numbers.department_of_postcode(postcode), certain=True))
    assert found.regle == ("R7" if holds is False else "R0")


def test_a_corsican_number_of_wrong_key_is_kept_and_asked_about() -> None:
    assert short(judge(["2A0000015"], Expected("2A", certain=True))) == ("2A0000015", "a_verifier", "R6")


def test_a_corsican_letter_that_was_lost_is_found_again() -> None:
    verdict = judge(["20000014"], Expected("2A", certain=True))
    assert short(verdict) == (CORSICAN, "corrige_propose", "R3")


@pytest.mark.parametrize("postcode, department", [
    ("01000", "01"), ("20000", "2A"), ("20190", "2A"), ("20200", "2B"), ("20620", "2B"), ("97110", "971"), ("97500", "975"),
    ("97600", "976"), ("97800", "971"), ("98000", None), ("00100", None),
])  # fmt: skip
def test_departments_of_postcodes(postcode: str, department: str | None) -> None:
    assert numbers.department_of_postcode(postcode) == department


@pytest.mark.parametrize("text, postcode, department", [
    ("66160", "66160", "66"), ("66 160", "66160", "66"), ("1000", "01000", "10"), ("66", None, "66"), ("6", None, "06"),
    ("2a", None, "2A"), ("974", None, "974"), ("Gard (30)", None, "30"), ("Paris", None, None),
    ("BP 12345, 95000 VILLE", "95000", None), ("", None, None),
])  # fmt: skip
def test_places_in_cells(text: str, postcode: str | None, department: str | None) -> None:
    assert numbers.postcode_in(text) == postcode
    if postcode is None:
        assert numbers.department_in(text) == department


def test_one_number_on_several_rows_is_asked_about_on_each() -> None:
    rows = [judge([number], AIN) for number in (GOOD, OTHER, GOOD)] + [judge([], AIN), judge([], AIN)]
    assert [one.regle for one in shared(rows)] == ["R8", "R0", "R8", "R6", "R6"]
    assert [one.statut for one in shared(rows)] == ["a_verifier", "confirme", "a_verifier", "a_verifier", "a_verifier"]


@pytest.mark.parametrize("typed, expected", [
    ([GOOD], (GOOD, "confirme", "R0")),
    ([GOOD, GOOD], (GOOD, "confirme", "R0")),
    (["01 000 000 8"], (GOOD, "confirme", "R1")),
    ([GOOD, GOOD, WRONG_KEY], (GOOD, "confirme", "R9")),
    ([WRONG_KEY, WRONG_KEY, GOOD], (GOOD, "confirme", "R9")),  # the majority among those that hold
    ([GOOD, GOOD, OTHER], (GOOD, "confirme", "R9")),
    ([GOOD, OTHER], (GOOD, "a_verifier", "R9")),
    ([WRONG_KEY], (WRONG_KEY, "a_verifier", "R6")),
    (["99000000200016"], ("99000000200016", "a_verifier", "R6")),
])  # fmt: skip
def test_one_legal_entity(typed: list[str], expected: tuple[str, str, str]) -> None:
    assert short(judge_legal(typed)) == expected
