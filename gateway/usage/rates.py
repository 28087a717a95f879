"""Usage rates of the grappes: distinct units over persons accompanied (programme-indicateurs §5, §6; design §6)."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import apsw

from gateway.grappes.finess import zone_of
from gateway.grappes.model import Essms, Grappe
from gateway.grappes.registry import Registry
from gateway.operations import TARGETS
from gateway.usage.counting import Beside, Counting, Slot
from gateway.usage.measure import Measure, Status
from gateway.usage.periods import Window, windows

#: A window stays provisional for so long while a call of it is in doubt.
GRACE = timedelta(days=5)


def measures(
    journal: apsw.Connection, registry: Registry, environment: str, first_period_start: date, months: int,
    *, now: datetime, grappe: str | None = None,
) -> list[Measure]:
    """Every rate of ``months`` months from a month's first day: the first three together, then each alone.

    journal  a connection that may read it; everything is read in one transaction
    now      business time, which decides what is still provisional
    grappe   one grappe only; all of the registry's otherwise
    Order: grappe, window, indicator, ESSMS as registered, then the grappe itself (finess_et None).
    Raises RegistryError for an unknown grappe, ValueError as ``periods.windows`` does.
    """
    periods = windows(first_period_start, months)
    chosen = [registry.grappe(grappe)] if grappe is not None else list(registry.grappes.values())
    with journal:
        counting = Counting(journal, environment)
        beside = counting.beside(periods)
        tables = [_Table(one, counting, beside, environment, now) for one in chosen]
        found = [table.rows(indicator, window) for table in tables for window in periods for indicator in TARGETS]
    return [measure for rows in found for measure in rows]


@dataclass(frozen=True, slots=True)
class _Table:
    """The rates of one grappe."""

    grappe: Grappe
    counting: Counting
    beside: Beside
    environment: str
    now: datetime

    def rows(self, indicator: str, window: Window) -> list[Measure]:
        members = [one for one in self.grappe.essms if _was_member(one, window)]
        rows = [self._of_essms(one, Slot(indicator, one.finess_et, window)) for one in members]
        return [*rows, self._of_grappe(indicator, window, rows)]

    def _of_essms(self, essms: Essms, slot: Slot) -> Measure:
        denominator = essms.denominator(slot.window.last_day)
        persons = None if denominator is None else denominator.of(slot.indicator)
        in_doubt = self.counting.added_if_succeeded(slot, self.beside.doubts.get(slot, set()))
        return Measure(
            grappe=self.grappe.id,
            finess_et=essms.finess_et,
            finess_ej=essms.finess_ej,
            name=essms.name,
            indicator=slot.indicator,
            window=slot.window,
            numerator=self.counting.numerator(slot),
            in_doubt=in_doubt,
            denominator=persons,
            denominator_label=self.grappe.denominator_label,
            denominator_since=None if denominator is None else denominator.since,
            target=TARGETS[slot.indicator],
            status=self._status(slot, in_doubt) if persons else "non_calculable",
            environment=self.environment,
            failures=self.beside.failures[slot],
            unattributed=None,
            detail_sha256=self.counting.detail_sha256(slot),
            calculable=1 if persons else 0,
            members=1,
            finess_statut=essms.statut,
            finess_saisi=essms.saisi,
        )

    def _of_grappe(self, indicator: str, window: Window, rows: Sequence[Measure]) -> Measure:
        """The ratio of the sums, over the ESSMS that have a denominator; never the mean of their rates."""
        summed = [row for row in rows if row.status != "non_calculable"]
        details = "".join(f"{row.finess_et} {row.detail_sha256}\n" for row in rows)
        return Measure(
            grappe=self.grappe.id,
            finess_et=None,
            finess_ej=None,
            name=self.grappe.name,
            indicator=indicator,
            window=window,
            numerator=sum(row.numerator for row in summed),
            in_doubt=sum(row.in_doubt for row in summed),
            denominator=sum(row.denominator or 0 for row in summed) or None,
            denominator_label=self.grappe.denominator_label,
            denominator_since=max((row.denominator_since for row in summed if row.denominator_since), default=None),
            target=TARGETS[indicator],
            status=_together(summed),
            environment=self.environment,
            failures=sum(row.failures for row in rows),
            unattributed=self.beside.unattributed[indicator, window],
            detail_sha256=hashlib.sha256(details.encode()).hexdigest(),
            calculable=len(summed),
            members=len(rows),
        )

    def _status(self, slot: Slot, in_doubt: int) -> Status:
        _, end = slot.window.bounds(zone_of(slot.finess_et))
        return "calcule" if self.now >= (end + GRACE if in_doubt else end) else "provisoire"


def _was_member(essms: Essms, window: Window) -> bool:
    return essms.member_from < window.end and (essms.member_until is None or essms.member_until > window.start)


def _together(summed: Sequence[Measure]) -> Status:
    if not summed:
        return "non_calculable"
    return "provisoire" if any(row.status == "provisoire" for row in summed) else "calcule"
