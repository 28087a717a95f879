"""Windows (programme-indicateurs §6.2): three months, then one by one, between local midnights."""
from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from gateway.grappes.finess import zone_of
from gateway.usage.periods import Window, first_full_month, parse_month, windows

PARIS = zone_of("130790199")


def test_the_first_period_is_three_months_then_each_month_alone() -> None:
    assert windows(date(2026, 11, 1), 5) == [
        Window("premiere", date(2026, 11, 1), date(2027, 2, 1)),
        Window("mensuelle", date(2027, 2, 1), date(2027, 3, 1)),
        Window("mensuelle", date(2027, 3, 1), date(2027, 4, 1)),
    ]
    assert windows(date(2026, 11, 1), 3) == [Window("premiere", date(2026, 11, 1), date(2027, 2, 1))]


@pytest.mark.parametrize("start, months, reason", [
    (date(2026, 11, 1), 2, "covers 3 months"), (date(2026, 11, 2), 3, "first day"),
])
def test_what_is_not_a_measure_is_refused(start: date, months: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        windows(start, months)


@pytest.mark.parametrize("go_live, first", [
    (date(2026, 11, 1), date(2026, 11, 1)),  # on the first of a month, that month counts
    (date(2026, 11, 2), date(2026, 12, 1)),
    (date(2026, 12, 31), date(2027, 1, 1)),
])
def test_the_first_period_starts_with_the_first_full_month(go_live: date, first: date) -> None:
    assert first_full_month(go_live) == first


@pytest.mark.parametrize("zone, start, end", [
    ("130790199", "2026-10-31T23:00", "2026-11-30T23:00"),  # Paris in winter
    ("970100012", "2026-11-01T04:00", "2026-12-01T04:00"),  # Guadeloupe
    ("970400012", "2026-10-31T20:00", "2026-11-30T20:00"),  # Réunion
])
def test_november_is_bounded_by_local_midnights(zone: str, start: str, end: str) -> None:
    november = Window("mensuelle", date(2026, 11, 1), date(2026, 12, 1))
    assert november.bounds(zone_of(zone)) == tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))


def test_a_month_with_a_change_of_hour_has_bounds_at_two_offsets() -> None:
    october = Window("mensuelle", date(2026, 10, 1), date(2026, 11, 1))
    assert october.bounds(PARIS) == (datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC))
    assert october.last_day == date(2026, 10, 31)


def test_months_are_read_strictly() -> None:
    assert parse_month("2026-11") == date(2026, 11, 1)
    for wrong in ("2026-13", "2026-1", "11-2026", "2026-11-01", "0000-01", ""):
        with pytest.raises(ValueError, match="not a month"):
            parse_month(wrong)
