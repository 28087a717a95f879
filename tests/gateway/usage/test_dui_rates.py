"""The three rates of the DUI: from the extraction that stands, or a declared value, and they say which."""
from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Literal

from gateway.grappes.extraction import OPERATION, Extraction, detail_of
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.journal.record import Record
from gateway.usage.counting import Counting
from gateway.usage.measure import Measure
from gateway.usage.parts import Vector
from gateway.usage.rates import measures
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, EVECHE, MURIERS

LATER = datetime(2027, 6, 1, tzinfo=UTC)
FIRST = date(2026, 11, 1), date(2027, 2, 1)


def extracted(
    finess_et: str, active: int, project: int, event: int, on: date = date(2027, 2, 2), *,
    window: tuple[date, date] = FIRST, source: Literal["extraction", "declaration"] = "extraction",
) -> Record:  # fmt: skip
    one = Extraction(finess_et, *window, 60, active, project, event, on, source)
    at = datetime(2027, 2, 2, 9, tzinfo=UTC)
    return Record(OPERATION, event_time=at, outcome="ok", finess_et=finess_et, attribution="appel", detail=detail_of([one]))


def read(fill: Fill, *records: Record, vector: Vector | None = None) -> dict[tuple[str, str | None, str], Measure]:
    rows = measures(fill(*records), Registry([example("marseille-hyeres")]), "bac_a_sable", FIRST[0], 4, now=LATER, vector=vector)
    return {(row.level, row.finess_et, row.indicator): row for row in rows if row.window.kind == "premiere" and row.level != "og"}


def test_each_rate_has_its_own_denominator(fill: Fill) -> None:
    rows = read(fill, extracted(CARMES, 55, 50, 44))
    told = {name: rows["essms", CARMES, f"IND-DUI-0{name}"] for name in (1, 2, 3)}
    assert [(row.numerator, row.denominator, row.reached) for row in told.values()] == [
        (55, 61, True), (50, 55, True), (44, 55, False),
    ]  # fmt: skip
    assert {(row.source, row.source_detail) for row in told.values()} == {
        ("extraction", "extraction du DUI du 02/02/2027, entrée 1/0"),
    }  # fmt: skip
    assert {row.target for row in told.values()} == {90}


def test_the_later_extraction_stands_whatever_came_last(fill: Fill) -> None:
    rows = read(
        fill, extracted(CARMES, 50, 1, 1, date(2027, 2, 9)), extracted(CARMES, 40, 1, 1, date(2027, 2, 3), source="declaration")
    )
    assert (rows["essms", CARMES, "IND-DUI-01"].numerator, rows["essms", CARMES, "IND-DUI-01"].source) == (50, "extraction")


def test_a_declared_value_says_so(fill: Fill) -> None:
    row = read(fill, extracted(CARMES, 40, 1, 1, source="declaration"))["essms", CARMES, "IND-DUI-01"]
    assert (row.source, row.source_detail) == ("declaration", "valeur déclarée du 02/02/2027, entrée 1/0")


def test_a_vector_knows_only_what_was_there(fill: Fill) -> None:
    records = extracted(CARMES, 40, 1, 1, date(2027, 2, 2)), extracted(CARMES, 50, 1, 1, date(2027, 2, 9))
    assert read(fill, *records, vector=((1, 1),))["essms", CARMES, "IND-DUI-01"].numerator == 40


def test_without_an_extraction_of_the_very_window_there_is_no_rate(fill: Fill) -> None:
    rows = read(fill, extracted(CARMES, 40, 1, 1, window=(date(2027, 1, 1), date(2027, 2, 1))))
    assert {rows["essms", CARMES, f"IND-DUI-0{name}"].status for name in (1, 2, 3)} == {"non_calculable"}


def test_the_grappe_sums_those_that_have_one(fill: Fill) -> None:
    rows = read(fill, extracted(CARMES, 55, 50, 44), extracted(EVECHE, 100, 90, 80), extracted(MURIERS, 10, 9, 8))
    whole = rows["grappe", None, "IND-DUI-01"]
    assert (whole.numerator, whole.denominator, whole.calculable) == (155, 186, 2)  # the twelfth has no number of persons
    second = rows["grappe", None, "IND-DUI-02"]
    assert (second.numerator, second.denominator, second.calculable, second.source) == (149, 165, 3, "extraction")


def test_no_active_file_is_no_denominator(fill: Fill) -> None:
    rows = read(fill, extracted(CARMES, 0, 0, 0))
    assert [rows["essms", CARMES, f"IND-DUI-0{name}"].status for name in (1, 2)] == ["calcule", "non_calculable"]


def test_another_environment_has_its_own_extractions(fill: Fill) -> None:
    fill(extracted(CARMES, 40, 1, 1), environment="recette")
    assert read(fill)["essms", CARMES, "IND-DUI-01"].source_detail is None


def test_counting_knows_the_journal_s_environments(fill: Fill) -> None:
    journal = fill(extracted(CARMES, 40, 1, 1), environment="recette")
    with journal:
        assert [Counting(journal, name).any_entry() for name in ("recette", "production")] == [True, False]
