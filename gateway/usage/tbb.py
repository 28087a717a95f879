"""Counts of the Ségur dashboard of the socle services, SC.TBB/va1.01, .03 and .05 (programme-indicateurs §9)."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from gateway.journal.connection import Connection
from gateway.usage.counting import Counting
from gateway.usage.flows import Flow, flows
from gateway.usage.periods import add_months


class Period(NamedTuple):
    """Local days, the second one excluded."""

    name: str
    start: date
    end: date

    @property
    def last_day(self) -> date:
        return self.end - timedelta(days=1)


class Key(NamedTuple):
    """One line: where, when, by what channel, what, with what INS, with what outcome."""

    finess_et: str
    period: str
    channel: str
    document_type: str
    ins_status: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    """``events`` and ``documents`` by line; both in the same order, that of their keys."""

    periods: tuple[Period, ...]
    events: dict[Key, int]
    documents: dict[Key, int]


def periods(month: date) -> tuple[Period, ...]:
    """Current month, current year up to it, previous year; ``month`` is the first day of the current one."""
    end, january = add_months(month, 1), date(month.year, 1, 1)
    return (
        Period("mois_courant", month, end),
        Period("annee_courante", january, end),
        Period("annee_precedente", date(month.year - 1, 1, 1), january),
    )


def dashboard(journal: Connection, counting: Counting, numbers: Iterable[str], month: date) -> Dashboard:
    """The lines of these ESSMS. Each event is read once, whatever the periods it is in."""
    known = periods(month)
    events, documents = Counter[Key](), Counter[Key]()
    for number in numbers:
        for flow in flows(journal, counting, number, known[-1].start, known[0].end):
            for key in _keys(flow, known):
                events[key] += 1
                documents[key] += flow.documents
    names = [one.name for one in known]
    order = sorted(events, key=lambda key: (key.finess_et, names.index(key.period), *key[2:]))
    return Dashboard(known, {key: events[key] for key in order}, {key: documents[key] for key in order})


def _keys(flow: Flow, known: Iterable[Period]) -> list[Key]:
    return [
        Key(flow.finess_et, one.name, flow.channel, flow.document_type, flow.ins_status, flow.accepted)
        for one in known
        if one.start <= flow.day < one.end
    ]
