"""What a spreadsheet makes of a cell."""
from __future__ import annotations

from fractions import Fraction

import pytest

from gateway.exports.cells import comma, csv_bytes, number_as_text, plain_text


@pytest.mark.parametrize("text", [
    "=1+1", "+33", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "＝1", "＋1", "－1", "＠1",
])
def test_a_formula_becomes_a_text(text: str) -> None:
    assert plain_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Résidence", "2 rue du Port", "L'Étoile = bien", "a@b"])
def test_another_text_is_left_alone(text: str) -> None:
    assert plain_text(text) == text


def test_a_number_that_is_none_is_neutralised_like_a_text() -> None:
    assert number_as_text("060790508") == '="060790508"'
    assert number_as_text('1";=2') == '1";=2'
    assert number_as_text("=cmd|'/c'") == "'=cmd|'/c'"
    assert number_as_text(None) == ""


def test_decimals_have_a_comma_and_round_half_up() -> None:
    assert [comma(Fraction(n, 20)) for n in (1, 3, 1399)] == ["0,1", "0,2", "70,0"]
    assert comma(Fraction(-1, 4)) == "-0,2"
    assert comma(12, 0) == "12"


def test_a_separator_or_a_quote_inside_a_cell_makes_no_other_cell() -> None:
    assert csv_bytes([["a;b", 'c"d', "e\r\nf"]]) == '\ufeff"a;b";"c""d";"e\r\nf"\r\n'.encode()
