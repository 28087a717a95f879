"""Rates over a real journal file: what counts, when, for whom (programme-indicateurs §6)."""
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.grappes.model import Denominator
from gateway.grappes.reading import RegistryError, example
from gateway.grappes.registry import Registry
from gateway.journal.connection import Connection
from gateway.usage.counting import Counting
from gateway.usage.indicators import SOCLE
from gateway.usage.measure import Measure
from gateway.usage.rates import measures
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, EVECHE, MURIERS, fed, sent, settled

NOVEMBER = date(2026, 11, 1)
LATER = datetime(2027, 6, 1, tzinfo=UTC)


Rows = dict[tuple[str | None, str, str], Measure]


def read(journal: Connection, registry: Registry, *, environment: str = "bac_a_sable", now: datetime = LATER) -> Rows:
    found = measures(journal, registry, environment, NOVEMBER, 4, now=now, indicators=SOCLE)
    return {(row.finess_et, row.indicator, row.window.kind): row for row in found if row.level != "og"}


def cell(rows: Rows, finess_et: str | None, indicator: str = "IND-DMP-01", window: str = "premiere") -> tuple[int, int]:
    row = rows[finess_et, indicator, window]
    return row.numerator, row.in_doubt


def test_persons_are_counted_once_in_each_window(fill: Fill, registry: Registry) -> None:
    rows = read(fill(
        fed("p1", "2026-11-03T10:00"), fed("p1", "2026-12-03T10:00"),  # twice in the first period: once
        fed("p1", "2027-02-03T10:00"), fed("p2", "2027-02-04T10:00"),  # and again in the month that follows
    ), registry)  # fmt: skip
    assert cell(rows, CARMES) == (1, 0)
    assert cell(rows, CARMES, window="mensuelle") == (2, 0)


def test_the_same_person_in_two_essms_counts_in_both(fill: Fill, registry: Registry) -> None:
    rows = read(fill(fed("p1", "2026-11-03T10:00", CARMES), fed("p1", "2026-11-04T10:00", EVECHE)), registry)
    assert (cell(rows, CARMES), cell(rows, EVECHE), cell(rows, None)) == ((1, 0), (1, 0), (2, 0))


def test_a_message_id_sent_again_next_month_counts_once_in_the_first(fill: Fill, registry: Registry) -> None:
    rows = read(fill(
        sent("<1@dui>", "2027-01-20T10:00"), sent("<1@dui>", "2027-02-02T10:00"), sent("<2@dui>", "2027-02-02T10:00"),
    ), registry)  # fmt: skip
    assert cell(rows, CARMES, "IND-MSS-01") == (1, 0)
    assert cell(rows, CARMES, "IND-MSS-01", "mensuelle") == (1, 0)


@pytest.mark.parametrize("at, counted", [
    ("2026-10-31T22:59:59.999999", 0),
    ("2026-10-31T23:00", 1),
    ("2026-10-31T23:30", 1),  # already November in Paris
    ("2027-01-31T22:59:59.999999", 1),
    ("2027-01-31T23:00", 0),  # February in Paris: the month that follows
])
def test_windows_are_bounded_by_midnights_in_paris(fill: Fill, registry: Registry, at: str, counted: int) -> None:
    assert cell(read(fill(fed("p1", at)), registry), CARMES) == (counted, 0)


def test_summer_time_moves_the_border(fill: Fill, registry: Registry) -> None:
    journal = fill(fed("p1", "2026-03-31T22:30"))  # 1 April, 00:30 in Paris
    rows = measures(journal, registry, "bac_a_sable", date(2026, 1, 1), 4, now=LATER)
    assert {row.window.kind: row.numerator for row in rows if (row.finess_et, row.indicator) == (CARMES, "IND-DMP-01")} == {
        "premiere": 0, "mensuelle": 1,
    }  # fmt: skip


def test_an_essms_without_a_number_of_persons_is_not_calculable_and_stays_out_of_the_sums(fill: Fill, registry: Registry) -> None:
    rows = read(fill(fed("p1", "2026-11-03T10:00", MURIERS), fed("p2", "2026-11-03T10:00", CARMES)), registry)
    alone, together = rows[MURIERS, "IND-DMP-01", "premiere"], rows[None, "IND-DMP-01", "premiere"]
    assert (alone.numerator, alone.denominator, alone.status) == (1, None, "non_calculable")
    assert (alone.rate, alone.reached) == (None, None)
    assert (together.numerator, together.denominator, together.calculable, together.members) == (1, 646, 11, 12)
    assert together.status == "calcule"


def test_a_denominator_of_zero_is_not_calculable(fill: Fill, registry: Registry) -> None:
    grappe = example("marseille-hyeres")
    nobody = (Denominator(date(2025, 6, 6), 0, "declaration_essms"),)
    empty = [replace(one, denominators=nobody) for one in grappe.essms]
    rows = read(fill(), Registry([replace(grappe, essms=tuple(empty))]))
    assert {row.status for row in rows.values()} == {"non_calculable"}
    assert rows[None, "IND-DMP-01", "premiere"].calculable == 0


def test_the_denominator_is_the_one_in_force_at_the_end_of_the_window(fill: Fill) -> None:
    grappe = example("marseille-hyeres")
    dated = (Denominator(date(2025, 6, 6), 61, "declaration_projet"), Denominator(date(2027, 1, 31), 70, "declaration_essms"))
    changed = tuple(replace(one, denominators=dated) if one.finess_et == CARMES else one for one in grappe.essms)
    rows = read(fill(), Registry([replace(grappe, essms=changed)]))
    assert [rows[CARMES, "IND-MSS-01", window].denominator for window in ("premiere", "mensuelle")] == [70, 70]
    earlier = measures(fill(), Registry([replace(grappe, essms=changed)]), "bac_a_sable", date(2026, 10, 1), 3, now=LATER)
    assert {row.denominator for row in earlier if row.finess_et == CARMES and row.source == "journal"} == {61}


def test_the_grappe_s_rate_is_the_ratio_of_the_sums(fill: Fill) -> None:
    grappe = example("marseille-hyeres")
    pair = [replace(one, denominators=(Denominator(date(2025, 6, 6), 20 if one.finess_et == CARMES else 100, "declaration"),))
            for one in grappe.essms if one.finess_et in (CARMES, EVECHE)]  # fmt: skip
    full = [fed(f"a{n}", "2026-11-03T10:00", CARMES) for n in range(20)]
    part = [fed(f"b{n}", "2026-11-03T10:00", EVECHE) for n in range(40)]
    rows = read(fill(*full, *part), Registry([replace(grappe, essms=tuple(pair))]))
    assert [rows[number, "IND-DMP-01", "premiere"].rate for number in (CARMES, EVECHE, None)] == [100.0, 40.0, 50.0]


def test_the_first_period_may_be_reached_and_the_month_not(fill: Fill) -> None:
    grappe = example("marseille-hyeres")
    carmes = next(one for one in grappe.essms if one.finess_et == CARMES)
    eighty = replace(carmes, denominators=(Denominator(date(2025, 6, 6), 80, "declaration"),))
    first = [sent(f"<{n}@dui>", f"2026-{11 + n % 2}-05T10:00") for n in range(60)]
    month = [sent(f"<m{n}@dui>", "2027-02-05T10:00") for n in range(20)]
    rows = read(fill(*first, *month), Registry([replace(grappe, essms=(eighty,))]))
    judged = [rows[CARMES, "IND-MSS-01", window] for window in ("premiere", "mensuelle")]
    assert [(row.rate, row.reached) for row in judged] == [(75.0, True), (25.0, False)]


def test_what_failed_or_belongs_to_nobody_stands_beside(fill: Fill, registry: Registry) -> None:
    rows = read(fill(
        fed("p1", "2026-11-03T10:00"),
        fed("p2", "2026-11-03T10:00", outcome="refused"), fed("p3", "2026-11-03T10:00", outcome="failed"),
        fed("p4", "2026-11-03T10:00", finess_et=None), sent("<1@dui>", "2026-11-03T10:00", outcome="refused"),
    ), registry)  # fmt: skip
    assert (cell(rows, CARMES), rows[CARMES, "IND-DMP-01", "premiere"].failures) == ((1, 0), 2)
    assert rows[CARMES, "IND-MSS-01", "premiere"].failures == 1
    together = rows[None, "IND-DMP-01", "premiere"]
    assert (together.failures, together.unattributed) == (2, 1)
    assert rows[None, "IND-DMP-01", "mensuelle"].unattributed == 0


def test_a_call_in_doubt_stands_beside_until_it_is_settled(fill: Fill, registry: Registry) -> None:
    doubts = [fed(person, "2027-01-31T22:50", outcome="in_doubt") for person in ("lost", "found", "refused", "unknowable")]
    rows = read(fill(
        fed("already", "2026-11-03T10:00"), fed("already", "2026-11-04T10:00", outcome="in_doubt"), *doubts,
        settled(doubts[1], "succeeded", "2027-01-31T22:55"), settled(doubts[2], "failed", "2027-02-01T10:00"),
        settled(doubts[3], "undecidable", "2027-02-01T10:00"),
    ), registry)  # fmt: skip
    assert cell(rows, CARMES) == (2, 2)  # "already" and "found"; "lost" and "unknowable" would be added
    assert rows[CARMES, "IND-DMP-01", "premiere"].failures == 1


def test_a_late_answer_counts_when_it_was_read(fill: Fill, registry: Registry) -> None:
    doubt = fed("p1", "2027-01-31T22:59", outcome="in_doubt")
    rows = read(fill(doubt, settled(doubt, "succeeded", "2027-01-31T23:01")), registry)
    assert (cell(rows, CARMES), cell(rows, CARMES, window="mensuelle")) == ((0, 0), (1, 0))


def test_a_doubt_settled_by_a_gateway_of_another_environment_counts_in_its_own(fill: Fill, registry: Registry) -> None:
    doubt = fed("p1", "2026-11-03T10:00", outcome="in_doubt")
    fill(doubt)
    journal = fill(settled(doubt, "succeeded", "2026-11-03T10:01"), environment="production")
    counted = [cell(read(journal, registry, environment=one), CARMES) for one in ("bac_a_sable", "production")]
    assert counted == [(1, 0), (0, 0)]


def test_a_window_is_provisional_until_it_ends_and_nothing_is_in_doubt(fill: Fill, registry: Registry) -> None:
    journal = fill(fed("p1", "2026-11-03T10:00"), fed("p2", "2026-11-03T10:00", EVECHE, outcome="in_doubt"))

    def statuses(now: str) -> list[str]:
        rows = read(journal, registry, now=datetime.fromisoformat(now).replace(tzinfo=UTC))
        return [rows[number, "IND-DMP-01", "premiere"].status for number in (CARMES, EVECHE, None)]

    assert statuses("2027-01-31T22:59") == ["provisoire", "provisoire", "provisoire"]
    assert statuses("2027-01-31T23:00") == ["calcule", "provisoire", "provisoire"]
    assert statuses("2027-02-05T23:00") == ["calcule", "calcule", "calcule"]  # five days of grace


def test_environments_are_never_added(fill: Fill, registry: Registry) -> None:
    fill(fed("p1", "2026-11-03T10:00"), environment="recette")
    journal = fill(fed("p2", "2026-11-03T10:00"), fed("p3", "2026-11-03T10:00", outcome="failed"))
    assert cell(read(journal, registry, environment="recette"), CARMES) == (1, 0)
    assert cell(read(journal, registry), CARMES) == (1, 0)
    assert cell(read(journal, registry, environment="production"), CARMES) == (0, 0)
    assert read(journal, registry, environment="recette")[CARMES, "IND-DMP-01", "premiere"].failures == 0


def test_an_essms_that_is_no_member_in_the_window_has_no_row(fill: Fill) -> None:
    grappe = example("marseille-hyeres")
    gone = tuple(replace(one, member_until=date(2027, 2, 1)) if one.finess_et == CARMES else one for one in grappe.essms)
    rows = read(fill(), Registry([replace(grappe, essms=gone)]))
    assert (CARMES, "IND-MSS-01", "premiere") in rows
    assert (CARMES, "IND-MSS-01", "mensuelle") not in rows
    assert rows[None, "IND-MSS-01", "mensuelle"].members == 11


def test_the_digest_of_the_detail_changes_with_the_counted_rows(fill: Fill, registry: Registry) -> None:
    before = read(fill(fed("p1", "2026-11-03T10:00")), registry)
    after = read(fill(fed("p1", "2026-11-05T10:00")), registry)
    for number in (CARMES, None):
        assert before[number, "IND-DMP-01", "premiere"].detail_sha256 != after[number, "IND-DMP-01", "premiere"].detail_sha256
    assert before[EVECHE, "IND-DMP-01", "premiere"].detail_sha256 == after[EVECHE, "IND-DMP-01", "premiere"].detail_sha256


def test_an_unknown_grappe_is_refused(fill: Fill, registry: Registry) -> None:
    with pytest.raises(RegistryError, match="Grappe inconnue"):
        measures(fill(), registry, "bac_a_sable", NOVEMBER, 3, now=LATER, grappe="autre")


def test_the_first_period_starts_with_the_first_unit_where_it_was_counted(fill: Fill, registry: Registry) -> None:
    """The 31st of January at 23:00 in Fort-de-France is February in Paris: a period from there would leave the unit out."""
    grappe = example("marseille-hyeres")
    martinique = replace(grappe.essms[0], finess_et="970200010", mailboxes=())
    journal = fill(fed("p1", "2026-02-01T03:00", martinique.finess_et))
    rows = measures(journal, Registry([replace(grappe, essms=(martinique,))]), "bac_a_sable", None, None, now=LATER)
    first = next(row for row in rows if (row.level, row.indicator) == ("essms", "IND-DMP-01"))
    assert (first.window.start, first.numerator) == (date(2026, 1, 1), 1)


def test_the_time_of_an_environment_is_its_own(fill: Fill) -> None:
    """A sandbox's clock runs ahead: no window of production is over for that."""
    fill(fed("p1", "2027-05-03T10:00"))
    journal = fill(fed("p1", "2026-11-03T10:00"), environment="production")
    assert Counting(journal, "production").last_event() == datetime(2026, 11, 3, 10, tzinfo=UTC)
    assert Counting(journal, "recette").last_event() == datetime(2027, 5, 3, 10, tzinfo=UTC)


def test_what_was_accepted_late_and_belongs_to_nobody_is_said_too(fill: Fill, registry: Registry) -> None:
    lost, failed = (fed(name, "2026-11-03T10:00", None, outcome="in_doubt") for name in ("p1", "p2"))
    receipt = replace(fed("p3", "2026-11-03T10:00", None, outcome="in_doubt"), counts_for=[])
    rows = read(fill(
        lost, failed, receipt, settled(lost, "succeeded", "2026-11-03T10:05"), settled(failed, "failed", "2026-11-03T10:05"),
        settled(receipt, "succeeded", "2026-11-03T10:05"), fed("p4", "2026-11-04T10:00", None),
    ), registry)  # fmt: skip
    assert rows[None, "IND-DMP-01", "premiere"].unattributed == 2
