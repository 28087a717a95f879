"""The worked examples of the reference, on a real journal: note 1 §6.3, and the dashboard scenario of §9 (note 2, C11)."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from gateway.grappes.model import Denominator, Grappe
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.journal.connection import Connection
from gateway.journal.record import Recipients, Record
from gateway.usage.indicators import SOCLE
from gateway.usage.measure import Measure
from gateway.usage.parts import Options
from gateway.usage.periods import add_months
from gateway.usage.rates import measures
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, EVECHE, fed, sent

LATER = datetime(2029, 1, 1, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)


def with_persons(**persons: int) -> Registry:
    """Marseille-Hyères reduced to a few ESSMS, with these numbers of persons."""
    grappe = example("marseille-hyeres")
    declared = {number: (Denominator(date(2025, 6, 6), count, "declaration"),) for number, count in persons.items()}
    essms = [replace(one, denominators=declared[f"n{one.finess_et}"]) for one in grappe.essms if f"n{one.finess_et}" in declared]
    return Registry([replace(grappe, essms=tuple(essms))])


def read(journal: Connection, registry: Registry, **asked: Any) -> list[Measure]:
    return measures(journal, registry, "bac_a_sable", asked.pop("start", NOVEMBER), asked.pop("months", 4), now=LATER, **asked)


def of(rows: list[Measure], level: str, indicator: str, number: str | None = None) -> Measure:
    [row] = [row for row in rows if (row.level, row.indicator) == (level, indicator) and row.finess_et == number]
    return row


def test_every_essms_at_its_target_costs_more_than_the_grappe(fill: Fill) -> None:
    grappe: Grappe = example("marseille-hyeres")
    rows = [row for row in read(fill(), Registry([grappe]), months=3) if row.indicator == "IND-MSS-01"]
    alone = {row.name: row.needed for row in rows if row.level == "essms"}
    assert [value for value in alone.values() if value] == [18, 56, 27, 88, 43, 34, 56, 10, 11, 81, 32]
    assert sum(value or 0 for value in alone.values()) == 456
    [whole] = [row for row in rows if row.level == "grappe"]
    assert (whole.denominator, whole.needed, whole.calculable, whole.members) == (646, 453, 11, 12)


def test_a_legal_entity_is_the_ratio_of_the_sums_of_its_own(fill: Fill) -> None:
    journal = fill(fed("p1", "2026-11-03T10:00"), fed("p2", "2026-11-03T10:00", EVECHE))
    rows = read(journal, Registry([example("marseille-hyeres")]))
    own = [row for row in rows if (row.level, row.indicator, row.window.kind) == ("og", "IND-DMP-01", "premiere")]
    assert [(row.finess_ej, row.numerator, row.denominator, row.members) for row in own] == [
        ("130804289", 2, 457, 7), ("830210126", 0, 189, 5),
    ]  # fmt: skip


def test_the_contractual_level_is_named(fill: Fill) -> None:
    journal = fill()
    for level in ("essms", "og", "grappe"):
        grappe = replace(example("marseille-hyeres"), contractual_level=level)
        assert {row.level for row in read(journal, Registry([grappe])) if row.contractual} == {level}


def test_a_first_measure_reached_falls_to_a_third_the_month_after(fill: Fill) -> None:
    first = [sent(f"<{n}@dui>", f"2026-{11 + n % 2}-05T10:00") for n in range(60)]
    month = [sent(f"<m{n}@dui>", "2027-02-05T10:00") for n in range(20)]
    rows = read(fill(*first, *month), with_persons(n130790199=80), trend=True)
    judged = [row for row in rows if (row.level, row.indicator) == ("essms", "IND-MSS-01")]
    assert [(row.rate, row.reached) for row in judged] == [(75.0, True), (25.0, False)]
    assert [(past.numerator, past.denominator) for past in judged[-1].trend] == [(60, 80), (20, 80)]


def test_options_change_the_number_and_are_named(fill: Fill) -> None:
    pro = replace(sent("<1@dui>", "2026-11-03T10:00"), recipients=Recipients(pro=3, refused=1), channel="mss_pro")
    both = replace(sent("<2@dui>", "2026-11-03T10:00"), recipients=Recipients(pro=1, citoyen=1), channel="mss_pro")
    usager = replace(sent("<3@dui>", "2026-11-03T10:00"), recipients=Recipients(citoyen=2), channel="mss_citoyenne")
    journal, registry = fill(pro, both, usager), with_persons(n130790199=80)

    def counted(options: Options) -> int:
        row = of(read(journal, registry, months=3, options=options), "essms", "IND-MSS-01", CARMES)
        assert row.options.label == options.label
        return row.numerator

    assert [counted(one) for one in (
        Options(), Options(per="destinataire"), Options(patients=False), Options(per="destinataire", patients=False),
    )] == [3, 7, 2, 4]  # fmt: skip
    assert "une unité par destinataire" in Options(per="destinataire").label


def test_the_first_period_may_be_said_to_end_earlier(fill: Fill) -> None:
    ends = Options(premiere_mesure_fin=date(2027, 3, 31))
    rows = read(fill(), Registry([example("marseille-hyeres")]), start=None, options=ends)
    assert (rows[0].window.start, rows[0].window.end) == (date(2027, 1, 1), date(2027, 4, 1))


def test_an_essms_that_starts_later_has_its_own_first_period(fill: Fill) -> None:
    grappe = replace(example("marseille-hyeres"), date_demarrage=NOVEMBER)
    late = tuple(replace(one, date_demarrage=date(2027, 1, 10)) if one.finess_et == CARMES else one for one in grappe.essms)
    rows = read(fill(), Registry([replace(grappe, essms=late)]), start=None, months=7)
    mine = [row.window for row in rows if (row.finess_et, row.indicator) == (CARMES, "IND-DMP-01")]
    assert [(window.kind, window.start, window.end) for window in mine] == [
        ("premiere", date(2027, 2, 1), date(2027, 5, 1)), ("mensuelle", date(2027, 5, 1), date(2027, 6, 1)),
    ]  # fmt: skip
    first = next(row for row in rows if (row.level, row.indicator) == ("grappe", "IND-DMP-01"))
    assert (first.window.start, first.calculable, first.members) == (NOVEMBER, 10, 12)


def test_an_ahi_structure_that_sons_does_not_pay_is_out_of_scope(fill: Fill) -> None:
    grappe = example("marseille-hyeres")
    ahi = tuple(replace(one, ahi=True) if one.finess_et == CARMES else one for one in grappe.essms)
    rows = read(fill(sent("<1@dui>", "2026-11-03T10:00")), Registry([replace(grappe, essms=ahi)]), months=3)
    row, whole = of(rows, "essms", "IND-MSS-01", CARMES), of(rows, "grappe", "IND-MSS-01")
    assert (row.numerator, row.status, row.reached, row.remaining) == (1, "hors_champ", None, None)
    assert (whole.numerator, whole.denominator, whole.calculable) == (0, 585, 10)
    assert of(rows, "essms", "IND-DUI-01", CARMES).status == "non_calculable"


def dashboard() -> Iterator[Record]:
    """Ten fictitious documents a month over two years, each fed, sent to a professional and sent to its person; one failure of
    each of the three."""
    for month in range(24):
        day = add_months(date(2026, 1, 1), month)
        for n in range(10):
            at = f"{day:%Y-%m}-{n + 5:02d}T09:00"
            document = fed(f"p{n}", at)
            yield replace(document, document_type="34133-9", ins_status="qualifiee")
            for channel, taken in (("mss_pro", Recipients(pro=1)), ("mss_citoyenne", Recipients(citoyen=1))):
                message = sent(f"<{channel}{month}-{n}@dui>", at)
                yield replace(message, channel=channel, recipients=taken, person=document.person)
    yield replace(fed("p1", "2027-12-20T09:00"), outcome="refused")
    yield replace(sent("<e1@dui>", "2027-12-20T09:00"), outcome="failed", channel="mss_pro")
    yield replace(sent("<e2@dui>", "2027-12-20T09:00"), outcome="refused", channel="mss_citoyenne")


def test_the_dashboard_scenario_gives_seven_hundred_and_twenty_successes_and_three_failures(fill: Fill) -> None:
    rows = read(fill(*dashboard()), with_persons(n130790199=80), start=date(2026, 1, 1), months=24, breakdown=True)
    mine = [row for row in rows if row.level == "essms" and row.breakdown is not None]
    dmp, mss = ([row.breakdown for row in mine if row.indicator == name and row.breakdown] for name in reversed(SOCLE))
    assert sum(one.events for one in (*dmp, *mss)) == 720
    assert (sum(one.events for one in dmp), sum(one.messages for one in mss)) == (240, 480)
    assert {name: sum(one.by_channel[name] for one in mss) for name in ("mss_pro", "mss_citoyenne")} == {
        "mss_pro": 240, "mss_citoyenne": 240,
    }  # fmt: skip
    assert sum(one.by_document_type["34133-9"] for one in dmp) == sum(one.by_ins_status["qualifiee"] for one in dmp) == 240
    assert {one.persons for one in (*dmp, *mss)} == {10}
    assert sum(row.failures for row in mine) == 3
    assert {row.numerator for row in mine if row.indicator == "IND-DMP-01"} == {10}


def test_a_person_of_two_essms_is_one_person_of_the_grappe(fill: Fill) -> None:
    journal = fill(fed("p1", "2026-11-03T10:00", CARMES), fed("p1", "2026-11-04T10:00", EVECHE))
    rows = read(journal, with_persons(n130790199=20, n130786502=100), months=3, breakdown=True)
    whole = of(rows, "grappe", "IND-DMP-01")
    assert whole.breakdown is not None
    assert (whole.numerator, whole.breakdown.persons) == (2, 1)


def test_the_scenario_is_as_long_as_it_says() -> None:
    assert len(list(islice(dashboard(), 1000))) == 723
