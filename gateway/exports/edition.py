"""What one export is of: the measures of one grappe in one environment, and the registry that they were made with.

Every file of an export is a function of its edition: same edition, same bytes.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gateway.exports.cells import PARIS
from gateway.exports.naming import environment_of, file_name, version_name, warning_of
from gateway.grappes.model import Essms, Grappe
from gateway.usage.measure import Measure
from gateway.usage.periods import Window


@dataclass(frozen=True)
class Edition:
    """``measures`` in the order of ``rates.measures``; ``grappe`` in their registry version; ``software``: name, version.

    What is asked for every row is computed once: ``measures`` never change.

    stakes  money of each entité juridique, a French line each        alerts  what somebody must look at, likewise
    """

    measures: tuple[Measure, ...]
    grappe: Grappe
    software: str
    stakes: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()

    @cached_property
    def environment(self) -> str:
        """ValueError when the measures are of several: two are never mixed."""
        return environment_of(self.measures)

    @cached_property
    def warning(self) -> str | None:
        """The first line of every file; None in production."""
        return warning_of(self.measures)

    @cached_property
    def as_of(self) -> datetime:
        """The date of every document: the last instant that the measures know of; without any, when their windows end."""
        known = [row.as_of for row in self.measures if row.as_of is not None]
        return max(known) if known else max(row.window.bounds(PARIS)[1] for row in self.measures)

    @property
    def known_until(self) -> datetime:
        """Up to when silence is judged: the end of the last window once it is over, before that the last instant known."""
        last = [row for row in self.measures if row.window in self.last_windows]
        return self.as_of if any(row.state == "ouvert" for row in last) else last[0].window.bounds(PARIS)[1]

    @property
    def version_name(self) -> str:
        """``v<n>`` or ``provisoire``, as in the file names."""
        return version_name(self.measures)

    @cached_property
    def last(self) -> Measure:
        """A measure that rests on the most: windows closed one after the other have each their own vector."""
        return max(self.measures, key=lambda row: sum(size for _, size in row.vector))

    @property
    def root(self) -> str | None:
        """Root of the journal's snapshot, when the log is proved."""
        return self.last.snapshot_root

    def of_window(self, window: Window) -> Measure:
        """Any measure of a window: all of them have its version, its vector and its registry."""
        return next(row for row in self.measures if row.window == window)

    @cached_property
    def windows(self) -> list[Window]:
        """The oldest first."""
        return sorted({row.window for row in self.measures}, key=lambda one: one.start)

    @cached_property
    def last_windows(self) -> list[Window]:
        """Those that end last: an ESSMS that started later may end its first period when the others end a month."""
        last = max(row.window.end for row in self.measures)
        return [one for one in self.windows if one.end == last]

    @cached_property
    def indicators(self) -> list[str]:
        """In the order of the measures."""
        return list(dict.fromkeys(row.indicator for row in self.measures))

    def name(self, what: str, extension: str) -> str:
        return file_name(self.measures, extension, what)

    def of(self, indicator: str, window: Window | None = None) -> list[Measure]:
        """An indicator's measures, of one window or of all."""
        return [row for row in self.measures if row.indicator == indicator and window in (None, row.window)]

    def essms(self) -> Iterator[Measure]:
        """The measures of ESSMS, without those of entités juridiques and of the grappe."""
        return (row for row in self.measures if row.finess_et is not None)

    def member(self, finess_et: str | None) -> Essms | None:
        return None if finess_et is None else self.grappe.find(finess_et)

    def member_name(self, finess_et: str) -> str:
        """Its number, for one that the registry has not."""
        member = self.member(finess_et)
        return finess_et if member is None else member.name
