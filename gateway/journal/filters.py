"""What may be asked of the journal (design §5.7): values that an entry holds, and periods.

Each value asked becomes a *term* such as ``operation=DMP.TD2.1``. An entry's own terms are what the search index stores and
what the final check compares, so the two cannot disagree.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from gateway.journal.canonical import text_of

PARIS = ZoneInfo("Europe/Paris")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EQUAL = (
    "kind", "service", "operation", "outcome", "finess_et", "tenant", "environment", "settles", "professional_ref", "message_ref",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Period:
    """``start <= time < end``, as the journal writes times; None leaves that side open."""

    start: str | None = None
    end: str | None = None

    @property
    def empty(self) -> bool:
        """It ends before it begins: a slip of whoever asked."""
        return self.start is not None and self.end is not None and self.start >= self.end

    def __contains__(self, moment: str) -> bool:
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


ALWAYS = Period()


@dataclass(frozen=True, slots=True)
class Filters:
    """What an entry must be; None asks nothing. ``kind`` tells calls from settlements, admin and gap entries.

    within       of one of these ESSMS, while this period of business time lasted; None asks nothing, an empty tuple is nobody's
    flags        any of them; empty asks nothing
    person_refs  any of them; None asks nothing, an empty tuple is a person that nobody has named
    id_prefix    how the entry's id begins
    event        business time; ``recorded`` real time of the commit
    """

    kind: str | None = None
    service: str | None = None
    operation: str | None = None
    outcome: str | None = None
    finess_et: str | None = None
    tenant: str | None = None
    settles: str | None = None
    environment: str | None = None
    professional_ref: str | None = None
    message_ref: str | None = None
    document_ref: str | None = None
    id_prefix: str | None = None
    within: tuple[tuple[str, Period], ...] | None = None
    flags: tuple[str, ...] = ()
    person_refs: tuple[str, ...] | None = None
    event: Period = ALWAYS
    recorded: Period = ALWAYS

    def groups(self) -> list[tuple[str, ...]]:
        """The terms asked: an entry must have one of each group."""
        asked: list[tuple[str, ...]] = [(f"{name}={value}",) for name in _EQUAL if (value := getattr(self, name)) is not None]
        if self.document_ref is not None:
            asked.append((f"document_ref={self.document_ref}",))
        if self.within is not None:
            asked.append(tuple(f"finess_et={number}" for number, _ in self.within))
        if self.flags:
            asked.append(tuple(f"flag={flag}" for flag in self.flags))
        if self.person_refs is not None:
            asked.append(tuple(f"person_ref={ref}" for ref in self.person_refs))
        return asked

    def asked(self) -> list[str]:
        """The names of what is asked; what was typed may be anything, and is not told."""
        return [item.name for item in fields(self) if getattr(self, item.name) != item.default]

    def admit(self, entry: Mapping[str, Any]) -> bool:
        """Whether this entry (its JSON, read) is asked for."""
        if entry["event_time"] not in self.event or entry["recorded_at"] not in self.recorded:
            return False
        if self.id_prefix is not None and not entry["id"].startswith(self.id_prefix):
            return False
        if self.within is not None and not is_within(entry, self.within):
            return False
        groups = self.groups()
        if not groups:
            return True
        terms = terms_of(entry)
        return all(not terms.isdisjoint(group) for group in groups)


EVERYTHING = Filters()


def is_within(entry: Mapping[str, Any], places: tuple[tuple[str, Period], ...]) -> bool:
    """Whether an entry is of one of these ESSMS, at a business time of its period."""
    number, at = entry["finess_et"], entry["event_time"]
    return any(number == one and at in during for one, during in places)


def terms_of(entry: Mapping[str, Any]) -> set[str]:
    """Every term of one entry."""
    terms = {f"{name}={value}" for name in (*_EQUAL, "person_ref") if (value := entry[name]) is not None}
    terms.update(f"flag={flag}" for flag in entry["flags"])
    terms.update(f"document_ref={ref}" for ref in entry["document_refs"])
    return terms


def bound(text: str, side: Literal["start", "end"]) -> str:
    """One side of a period as the journal writes times. Raises ValueError for what is not a date or a time.

    A date is a whole local day of Europe/Paris, its end included; a time without offset is local time there too.
    """
    if _DAY.fullmatch(text):
        day = date.fromisoformat(text) + timedelta(days=1 if side == "end" else 0)
        return text_of(datetime.combine(day, time(), PARIS))
    moment = datetime.fromisoformat(text)
    return text_of(moment if moment.tzinfo is not None else moment.replace(tzinfo=PARIS))


def period(start: str | None, end: str | None) -> Period:
    """From what a user typed. Raises ValueError with the text at fault."""
    sides: list[str | None] = []
    for text, side in ((start, "start"), (end, "end")):
        try:
            sides.append(None if text is None else bound(text, "start" if side == "start" else "end"))
        except (ValueError, OverflowError):
            raise ValueError(text) from None
    return Period(*sides)
