"""Exact integers (programme-indicateurs §6.1, §6.3): what is shown is rounded, what is judged is not."""
from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.usage.measure import Measure
from gateway.usage.parts import External
from gateway.usage.periods import Window

ROW = Measure(
    grappe="g", finess_et="130790199", finess_ej="130804289", name="LES CARMES", indicator="IND-MSS-01",
    window=Window("premiere", date(2026, 11, 1), date(2027, 2, 1)), numerator=0, in_doubt=0, denominator=61,
    denominator_label="personnes", denominator_since=date(2025, 6, 6), target=70, status="calcule",
    environment="bac_a_sable", failures=0, unattributed=None, detail_sha256="", calculable=1, members=1,
)  # fmt: skip


def of(numerator: int, denominator: int | None) -> Measure:
    return replace(ROW, numerator=numerator, denominator=denominator)


@pytest.mark.parametrize("persons, minimum", [
    (25, 18), (80, 56), (38, 27), (125, 88), (61, 43), (48, 34), (14, 10), (15, 11), (115, 81), (45, 32), (646, 453),
])
def test_the_least_numerator_that_reaches_seventy_percent(persons: int, minimum: int) -> None:
    assert of(minimum, persons).reached is True
    assert of(minimum - 1, persons).reached is False


@pytest.mark.parametrize("persons, minimum", [(25, 18), (80, 56), (646, 453), (0, None), (None, None)])
def test_what_is_left_is_counted_in_whole_units(persons: int | None, minimum: int | None) -> None:
    assert of(0, persons).remaining == minimum
    if minimum is not None:
        assert (of(minimum - 1, persons).remaining, of(minimum + 5, persons).remaining) == (1, 0)


def test_what_somebody_else_counted_stands_beside() -> None:
    row = replace(of(36, 61), external=External(131, "SI-DMP", date(2026, 12, 3)))
    assert (row.gap, row.numerator) == (95, 36)
    assert row.item()["external"] == {"count": 131, "origin": "SI-DMP", "gap": 95, "received": "2026-12-03"}


def test_69_96_percent_shows_as_70_and_is_not_reached() -> None:
    row = of(1749, 2500)
    assert (row.rate, row.reached) == (70.0, False)


@pytest.mark.parametrize("numerator, denominator, rate", [
    (1, 16, 6.3), (40, 48, 83.3), (60, 80, 75.0), (3, 2, 150.0), (0, 61, 0.0),
])
def test_rates_are_shown_with_one_decimal_half_up(numerator: int, denominator: int, rate: float) -> None:
    assert of(numerator, denominator).rate == rate


@pytest.mark.parametrize("denominator", [None, 0])
def test_without_a_denominator_there_is_no_rate_at_all(denominator: int | None) -> None:
    row = of(5, denominator)
    assert (row.rate, row.reached) == (None, None)


def test_an_item_begins_with_the_agreed_keys() -> None:
    item = replace(ROW, numerator=43, in_doubt=2).item()
    assert dict(list(item.items())[:16]) == {
        "grappe": "g", "finess_et": "130790199", "indicator": "IND-MSS-01", "window": "premiere",
        "period_start": "2026-11-01", "period_end": "2027-01-31", "numerator": 43, "in_doubt": 2, "denominator": 61,
        "rate": 70.5, "target": 70, "reached": True, "status": "calcule", "environment": "bac_a_sable",
        "simulated": True, "denominator_label": "personnes",
    }  # fmt: skip


def test_only_production_is_not_simulated() -> None:
    assert {name: replace(ROW, environment=name).simulated for name in ("bac_a_sable", "recette", "charge", "production")} == {
        "bac_a_sable": True, "recette": True, "charge": True, "production": False,
    }  # fmt: skip
