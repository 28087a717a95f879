"""Which windows an ESSMS is measured in: three whole months from its go-live, then each month (programme-indicateurs §6.2)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from gateway.grappes.model import Essms, Grappe
from gateway.usage.parts import Options
from gateway.usage.periods import FIRST_PERIOD_MONTHS, Window, add_months, first_full_month, windows


@dataclass(frozen=True, slots=True)
class Series:
    """The windows of one grappe, ESSMS by ESSMS: one that starts later has its own first period.

    start    first day of the grappe's first period
    months   whole months from there
    uniform  every ESSMS starts with the grappe, whatever the registry says
    """

    grappe: Grappe
    start: date
    months: int
    uniform: bool = False

    def of(self, essms: Essms) -> list[Window]:
        """Empty for an ESSMS that starts when fewer than three months are left."""
        start = self._start_of(essms)
        months = self.months - _months_between(self.start, start)
        return windows(start, months) if months >= FIRST_PERIOD_MONTHS else []

    def all(self) -> list[Window]:
        """Every window of any ESSMS, by its last day, the longest first."""
        found = {window for essms in self.grappe.essms for window in self.of(essms)} | set(windows(self.start, self.months))
        return sorted(found, key=lambda window: (window.end, window.start))

    def members(self, window: Window) -> list[Essms]:
        """ESSMS that belonged to the grappe on some day of the window."""
        return [one for one in self.grappe.essms if was_member(one, window)]

    def measured(self, window: Window) -> list[Essms]:
        """Those of them for which it is a window of measure."""
        return [one for one in self.members(window) if self._measures(one, window)]

    def _measures(self, essms: Essms, window: Window) -> bool:
        start = self._start_of(essms)
        if window.kind == "premiere":
            return window.start == start
        return window.start >= add_months(start, FIRST_PERIOD_MONTHS)

    def _start_of(self, essms: Essms) -> date:
        if self.uniform or essms.date_demarrage is None:
            return self.start
        return max(self.start, first_full_month(essms.date_demarrage))


def declared_start(grappe: Grappe, options: Options) -> date | None:
    """First day of the first period, as the project declares it or the options say; None when nobody does."""
    if options.premiere_mesure_fin is not None:
        return add_months((options.premiere_mesure_fin + timedelta(days=1)).replace(day=1), -FIRST_PERIOD_MONTHS)
    starts = [start for one in grappe.essms if (start := grappe.start_of(one)) is not None]
    return first_full_month(min(starts)) if starts else None


def months_until(start: date, day: date) -> int:
    """Whole months to look at so that a day is in the last of them; three at least."""
    return max(FIRST_PERIOD_MONTHS, _months_between(start, day.replace(day=1)) + 1)


def was_member(essms: Essms, window: Window) -> bool:
    return essms.member_from < window.end and (essms.member_until is None or essms.member_until > window.start)


def window_ending_in(found: Iterable[Window], month: date) -> list[Window]:
    """Those whose last month this is: a month may end one ESSMS's first period and be another's month."""
    return [window for window in found if add_months(window.end, -1) == month]


def _months_between(first: date, second: date) -> int:
    return (second.year - first.year) * 12 + second.month - first.month
