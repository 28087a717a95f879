"""Usage rates of the grappes, version by version (programme-indicateurs §5, §6; design §6; decision 0032).

A measure is a function of the rules, of a version of the registry and of a vector of the journal. While a window is open the
last two are those of now; once it is closed they are those that its closing wrote down, until something later gives another
number: then it is the next version, with its causes.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.grappes.extraction import extractions, latest
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal.connection import Connection
from gateway.usage import table
from gateway.usage.causes import causes, touching
from gateway.usage.closings import Closed, Closings, key_of, same
from gateway.usage.counting import Counting
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import DEFINITION_VERSION, Measure
from gateway.usage.parts import STANDARD, Cause, Options, Past, Vector
from gateway.usage.periods import Window, begun
from gateway.usage.series import Series, declared_start, months_until, window_ending_in
from gateway.usage.table import View
from gateway.usage.variants import check

#: Version ``n`` of a grappe of the registry; raises RegistryError when nobody kept it.
Versions = Callable[[str, int], Grappe]
_TREND = 3
_PARIS = ZoneInfo("Europe/Paris")
ALL = tuple(INDICATORS)


class NoSuchVersion(LookupError):
    """A version that was never closed. ``known``: the last one that was; 0 for none."""

    def __init__(self, known: int) -> None:
        super().__init__(known)
        self.known = known


class NotReproduced(Exception):
    """A closed version that the journal does not give again: rows or entries under its vector have changed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What measures are asked.

    start    first day of the first period; None: as the registry declares it, a closing fixed it or the first unit gives it
    months   whole months from there; None: up to the month of ``now``
    month    only the windows that end in this month (its first day) and have begun
    version  of those windows; None: the latest
    trend    also the two windows before, in ``Measure.trend``
    digests  without them, ``detail_sha256`` is empty in what is not closed, and nothing opens the detail
    """

    environment: str
    now: datetime
    start: date | None = None
    months: int | None = None
    month: date | None = None
    version: int | None = None
    indicators: Sequence[str] = ALL
    options: Options = STANDARD
    vector: Vector | None = None
    digests: bool = True
    breakdown: bool = False
    trend: bool = False
    snapshot_root: str | None = None


def measures(
    journal: Connection, registry: Registry, environment: str, first_period_start: date | None, months: int | None,
    *, now: datetime, grappe: str | None = None, indicators: Sequence[str] = ALL, options: Options = STANDARD,
    vector: Vector | None = None, digests: bool = True, breakdown: bool = False, trend: bool = False,
    snapshot_root: str | None = None, versions: Versions | None = None,
) -> list[Measure]:
    """Every rate of ``months`` months from a month's first day: the first three together, then each alone.

    journal   a connection that may read it; everything is read in one transaction
    now       business time, which decides what is still open
    grappe    one grappe only; all of the registry's otherwise
    versions  earlier versions of the registry, for what is closed; without it, the present one stands for them
    The rest as ``Asked``. Order: grappe, window, indicator, ESSMS as registered, legal entities, then the grappe itself.
    Raises RegistryError for an unknown grappe, ValueError as ``periods.windows`` does, NoSuchOption.
    """
    asked = Asked(
        environment, now, first_period_start, months, indicators=indicators, options=options, vector=vector, digests=digests,
        breakdown=breakdown, trend=trend, snapshot_root=snapshot_root,
    )  # fmt: skip
    return answer(journal, registry, asked, grappe, versions)


def answer(
    journal: Connection, registry: Registry, asked: Asked, grappe: str | None = None, versions: Versions | None = None
) -> list[Measure]:
    """As ``measures``, and raises NoSuchVersion and NotReproduced when a version is asked."""
    check(asked.options)
    chosen = [registry.grappe(grappe)] if grappe is not None else list(registry.grappes.values())
    with journal:
        source = _Source(journal, asked, versions or (lambda name, _number: registry.grappe(name)))
        found = [source.of(one) for one in chosen]
    if asked.version is not None and not any(found):
        raise NoSuchVersion(0)
    return [measure for rows in found for measure in rows]


def start_of(journal: Connection, grappe: Grappe, asked: Asked) -> date:
    """The first day of the first period of a grappe, when nobody asks for another."""
    with journal:
        source = _Source(journal, asked, lambda _name, _number: grappe)
        start = source.start_of(grappe)
    return start  # noqa: RET504 - the transaction ends first


def unclosed(journal: Connection, grappe: Grappe, asked: Asked) -> list[list[Measure]]:
    """The measures of each window of a grappe whose last closed version says something else, or that has none; no causes yet."""
    with journal:
        found = _Source(journal, asked, lambda _name, _number: grappe).unclosed(grappe)
    return found  # noqa: RET504 - the transaction ends first


class _Source:
    """One journal at one moment."""

    def __init__(self, journal: Connection, asked: Asked, versions: Versions) -> None:
        self._db, self._asked, self._versions = journal, asked, versions
        self._counting = Counting(journal, asked.environment, asked.vector)
        self._closings = Closings(journal, asked.environment, self._counting.vector)
        self._standing = self._standing_at(self._counting.vector)
        self._as_of = self._counting.last_event()

    def of(self, grappe: Grappe) -> list[Measure]:
        """The measures of one grappe."""
        asked, view = self._asked, self._view(grappe)
        known = view.series.all() if asked.version is None else self._closings.windows(grappe.id)
        windows = known
        if asked.month is not None:
            windows = [window for window in window_ending_in(known, asked.month) if begun(window.start, asked.now)]
        return [measure for window in windows for measure in self._window(view, window)]

    def unclosed(self, grappe: Grappe) -> list[list[Measure]]:
        """As the function of that name."""
        view = self._view(grappe)
        found = [(self._rows(view, window), self._closings.of(grappe.id, window)) for window in view.series.all()]
        return [rows for rows, known in found if not known or not same(rows, known[-1])]

    def _view(self, grappe: Grappe) -> View:
        asked, start = self._asked, self.start_of(grappe)
        last = asked.month or asked.now.astimezone(_PARIS).date()
        series = Series(grappe, start, asked.months or months_until(start, last), uniform=asked.start is not None)
        return View(
            self._counting, series, self._standing, asked.now, self._as_of, asked.options, asked.digests, asked.breakdown,
            asked.snapshot_root,
        )  # fmt: skip

    def start_of(self, grappe: Grappe) -> date:
        """The first day of the first period: asked, or the grappe's own."""
        return self._asked.start or self._own_start(grappe)

    def _own_start(self, grappe: Grappe) -> date:
        """Declared, closed so, or the month of the first unit, or this month."""
        declared = declared_start(grappe, self._asked.options)
        if declared is not None:
            return declared
        closed = self._closings.series_start(grappe.id)
        if closed is not None:
            return closed
        numbers = [one.finess_et for one in grappe.essms]
        return (self._counting.first_day(numbers) or self._asked.now.astimezone(_PARIS).date()).replace(day=1)

    def _window(self, view: View, window: Window) -> list[Measure]:
        known = self._closings.of(view.grappe.id, window) if self._is_the_registry_s(view, window) else []
        if self._asked.version is not None:
            closed = next((one for one in known if one.version == self._asked.version), None)
            if closed is None:
                raise NoSuchVersion(known[-1].version if known else 0)
            return self._again(view, window, closed)
        if known and same(self._rows(view.plain, window), known[-1]):
            return self._again(view, window, known[-1])
        rows = self._rows(view, window)
        if not known:
            return self._with_trend(view, rows)
        why = causes(view, window, known[-1], self._kept(view.grappe, known[-1].registry_version))
        return self._with_trend(view, _stamped(view, rows, known[-1].version + 1, why))

    def _is_the_registry_s(self, view: View, window: Window) -> bool:
        """Whether these measures are the grappe's own. Other options, or a start that makes other members measured than theirs,
        are a reading: no version of anything."""
        asked = self._asked
        if asked.options != STANDARD:
            return False
        if asked.start is None or asked.version is not None:
            return True
        own = Series(view.grappe, self._own_start(view.grappe), view.series.months)
        return own.measured(window) == view.series.measured(window)

    def _again(self, view: View, window: Window, closed: Closed) -> list[Measure]:
        """A closed version, from what it rests on. Raises NotReproduced."""
        if closed.definition_version != DEFINITION_VERSION:
            raise NotReproduced(f"rules {closed.definition_version}")
        known = self._kept if self._asked.version is None else self._version
        grappe = known(view.grappe, closed.registry_version)
        counting = Counting(self._db, view.counting.environment, closed.vector)
        series = Series(grappe, closed.series_start, months_until(closed.series_start, window.last_day))
        then = replace(
            view, counting=counting, series=series, standing=self._standing_at(closed.vector),
            as_of=counting.last_event(), snapshot_root=closed.snapshot_root, now=closed.place.at,
        )  # fmt: skip
        rows = self._rows(then, window)
        digests = {key_of(row): closed.rows[key_of(row)].detail_sha256 for row in rows if key_of(row) in closed.rows}
        if not same(rows, closed) or (view.digests and any(row.detail_sha256 != digests[key_of(row)] for row in rows)):
            raise NotReproduced(f"{closed.grappe} {window.start} version {closed.version}")
        rows = [replace(row, detail_sha256=digests[key_of(row)]) for row in rows]
        why = [replace(row, state="clos", closing=closed.place) for row in _stamped(then, rows, closed.version, closed.causes)]
        return self._with_trend(then, why)

    def _rows(self, view: View, window: Window) -> list[Measure]:
        return [row for indicator in self._asked.indicators for row in table.rows(view, window, indicator)]

    def _with_trend(self, view: View, rows: list[Measure]) -> list[Measure]:
        if not self._asked.trend:
            return rows
        window = rows[0].window
        earlier = [one for one in view.series.all() if one.end <= window.start][-(_TREND - 1):]
        past: dict[tuple[str, str | None, str | None, str], list[Past]] = {}
        for one in [*(self._rows(view.plain, other) for other in earlier), rows]:
            for row in one:
                kept = past.setdefault((row.level, row.finess_et, row.finess_ej, row.indicator), [])
                kept.append(Past(row.window, row.numerator, row.denominator))
        return [replace(row, trend=tuple(past[row.level, row.finess_et, row.finess_ej, row.indicator])) for row in rows]

    def _version(self, grappe: Grappe, number: int) -> Grappe:
        return self._versions(grappe.id, number)

    def _kept(self, grappe: Grappe, number: int) -> Grappe:
        """A version of the registry; the present one stands for a version that nobody kept."""
        try:
            return self._versions(grappe.id, number)
        except RegistryError:
            return grappe

    def _standing_at(self, vector: Vector) -> table.Standing:
        return latest(extractions(self._db, self._asked.environment, dict(vector)))


def _stamped(view: View, rows: Sequence[Measure], version: int, why: Sequence[Cause]) -> list[Measure]:
    """The version on each row, with the causes that touch it."""
    numbers = {row.finess_ej: [one.finess_et for one in view.grappe.essms if one.finess_ej == row.finess_ej] for row in rows}
    every = [one.finess_et for one in view.grappe.essms]
    return [
        replace(
            row, version=version,
            causes=touching(
                why, [row.finess_et] if row.finess_et else numbers[row.finess_ej] if row.finess_ej else every, row.indicator
            ),
        )
        for row in rows
    ]  # fmt: skip
