"""Windows of measure (programme-indicateurs §6.2, design §6): one first period of three months, then each month alone.

A window is made of whole local days: [midnight of its first day, midnight of the day after its last), in the time zone
of the ESSMS. The journal dates in UTC, so one window has one pair of bounds per zone.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

FIRST_PERIOD_MONTHS = 3
#: That one question may ask.
MOST_MONTHS = 120
_AHEAD = timedelta(hours=14)  # no zone is further ahead of UTC
_MONTH = re.compile(r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Window:
    """``start`` is the first day of a month, ``end`` the first day after the window."""

    kind: Literal["premiere", "mensuelle"]
    start: date
    end: date

    @property
    def last_day(self) -> date:
        return self.end - timedelta(days=1)

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The instants, UTC, between which an event belongs to the window: first included, second excluded."""
        return _midnight(self.start, zone), _midnight(self.end, zone)


def windows(first_period_start: date, months: int) -> list[Window]:
    """The windows of ``months`` whole months from a month's first day. ValueError below three months or inside a month."""
    if months < FIRST_PERIOD_MONTHS:
        raise ValueError(f"the first measure covers {FIRST_PERIOD_MONTHS} months, {months} asked")
    if first_period_start.day != 1:
        raise ValueError("a window starts on the first day of a month")
    starts = [add_months(first_period_start, number) for number in range(months + 1)]
    monthly = zip(starts[FIRST_PERIOD_MONTHS:], starts[FIRST_PERIOD_MONTHS + 1 :], strict=False)
    first = Window("premiere", starts[0], starts[FIRST_PERIOD_MONTHS])
    return [first, *(Window("mensuelle", start, end) for start, end in monthly)]


def first_full_month(date_demarrage: date) -> date:
    """Where the first period starts: the month of the go-live when that is its first day, else the next one."""
    month = date_demarrage.replace(day=1)
    return month if date_demarrage.day == 1 else add_months(month, 1)


def add_months(month: date, number: int) -> date:
    """The first day of the month ``number`` months later."""
    years, index = divmod(month.month - 1 + number, 12)
    return date(month.year + years, index + 1, 1)


def parse_month(text: str) -> date:
    """``YYYY-MM`` as the month's first day; ValueError otherwise."""
    read = _MONTH.fullmatch(text)
    if read is None or read["year"] == "0000":
        raise ValueError(f"not a month: {text!r}")
    return date(int(read["year"]), int(read["month"]), 1)


def begun(day: date, now: datetime) -> bool:
    """Whether it has begun anywhere."""
    return day <= (now.astimezone(UTC) + _AHEAD).date()


def may_end(month: date, now: datetime) -> bool:
    """Whether a window that has begun may end in this month: a first period ends two months after the one it begins in."""
    return begun(add_months(month, 1 - FIRST_PERIOD_MONTHS), now)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
