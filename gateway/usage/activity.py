"""What a COPROJ follows ESSMS by ESSMS (programme-indicateurs §8): sends by week, failures, who and what is missing."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from gateway.grappes.model import Essms
from gateway.journal.connection import Connection
from gateway.journal.filters import Filters
from gateway.journal.query import JournalReader
from gateway.usage.counting import Counting, Slot
from gateway.usage.flows import DMP, flows
from gateway.usage.periods import Window
from gateway.usage.vector import selected

#: The value of a sealed reference, None when it cannot be opened.
Opened = Callable[[str], str | None]
_BEGINNING = date(2020, 1, 1)  # before the first grappe
_PSC = ("PSC.TOKEN", "PSC.USERINFO")
_QUALIFIED = "qualifiee"


class Week(NamedTuple):
    """An ISO week of one channel: ``2027-S05``."""

    week: str
    channel: str


@dataclass(frozen=True, slots=True)
class Activity:
    """One ESSMS between two days.

    sent, failed     events by week and channel
    codes            failures by channel and code, the most frequent first
    professionals    distinct professionals who sent something, as far as entries name them
    without_psc      those of them whom nobody saw connect by Pro Santé Connect
    qualified        distinct persons fed with a qualified INS
    never_fed        persons eligible to the DMP whom nothing ever fed: at least so many; None without a denominator
    silent           registered mailboxes that sent nothing; None when references cannot be opened
    tenants          vendors whose software sent something
    """

    finess_et: str
    sent: dict[Week, int]
    failed: dict[Week, int]
    codes: list[tuple[str, str, int]]
    professionals: int
    without_psc: int
    qualified: int
    never_fed: int | None
    silent: tuple[str, ...] | None
    tenants: tuple[str, ...]


def activity(
    journal: Connection, counting: Counting, essms: Essms, start: date, end: date, connected: Collection[str], opened: Opened
) -> Activity:
    """Between two local days, the second one excluded. ``connected``: as ``psc_users`` gives it."""
    sent, failed = Counter[Week](), Counter[Week]()
    codes = Counter[tuple[str, str]]()
    professionals: set[str] = set()
    persons: set[str] = set()
    messages: list[str] = []
    tenants: set[str] = set()
    for flow in flows(journal, counting, essms.finess_et, start, end):
        (sent if flow.accepted else failed)[_week(flow.day, flow.channel)] += 1
        tenants.add(flow.tenant)
        if not flow.accepted:
            codes[flow.channel, flow.code or ""] += 1
        if flow.professional_ref is not None:
            professionals.add(flow.professional_ref)
        if flow.accepted and flow.channel == DMP and flow.ins_status == _QUALIFIED and flow.person_ref is not None:
            persons.add(flow.person_ref)
        if flow.accepted and flow.message_ref is not None:
            messages.append(flow.message_ref)
    return Activity(
        essms.finess_et, dict(sorted(sent.items())), dict(sorted(failed.items())),
        [(channel, code, n) for (channel, code), n in sorted(codes.items(), key=lambda one: (-one[1], one[0]))],
        len(professionals), len(professionals.difference(connected)), len(persons),
        _never_fed(counting, essms, end), _silent(essms, start, end, messages, opened),
        tuple(sorted(tenants)),
    )  # fmt: skip


def psc_users(reader: JournalReader, counting: Counting) -> set[str]:
    """References of the professionals whom Pro Santé Connect ever let in, in this environment and vector."""
    asked = (Filters(operation=one, outcome="ok", environment=counting.environment) for one in _PSC)
    return {entry["professional_ref"] for filters in asked for entry in selected(reader, filters, counting.vector)} - {None}


def _never_fed(counting: Counting, essms: Essms, end: date) -> int | None:
    declared = essms.denominator(end)
    if declared is None:
        return None
    fed = counting.numerator(Slot("IND-DMP-01", essms.finess_et, Window("mensuelle", _BEGINNING, end)))
    return max(0, declared.of("IND-DMP-01") - fed)


def _silent(essms: Essms, start: date, end: date, messages: list[str], opened: Opened) -> tuple[str, ...] | None:
    known = {one.address.lower() for one in essms.mailboxes if one.since < end and (one.until is None or one.until > start)}
    for ref in messages:
        value = opened(ref)
        if value is None:
            return None
        known.discard(value.partition("\n")[0].lower())
    return tuple(sorted(known))


def _week(day: date, channel: str) -> Week:
    year, week, _ = day.isocalendar()
    return Week(f"{year}-S{week:02d}", channel)
