"""The months of a grappe, planned before anything is sent: who feeds whom, who writes to whom, and what goes wrong.

Pure and seeded: the same ESSMS, population, months and seed give the same plan, hence the same rates. Dates are left
out (``month``, ``day`` of the plan); ``calendar`` puts them on business days of real months.
"""
from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from loadtests import failures
from loadtests.world import Person

FIRST_PERIOD_MONTHS = 3  # the first measure covers three months, each later one a month (programme-indicateurs §5)
DAYS_PER_MONTH = 3
TARGET = 0.70

#: Shares of the persons accompanied, on each side of the target. Wide enough to show, far enough from it to be plain.
_REACHING = (0.72, 0.86)
_BELOW = (0.25, 0.62)
_DMP, _MSS = "IND-DMP-01", "IND-MSS-01"

Kind = Literal["feed", "message"]
To = Literal["pro", "citoyen"]


@dataclass(frozen=True, slots=True)
class Player:
    """One ESSMS as the plan sees it. ``denominator`` is None when nobody declared a number: it plays all the same."""

    finess_et: str
    denominator: int | None
    persons: tuple[Person, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing a professional does.

    feed     TD0.2 then TD2.1 for ``person``; ``search`` asks INSi for the INS first
    message  one MSSanté message about ``person``, to a professional or to the person
    """

    kind: Kind
    person: Person = field(repr=False)
    search: bool = False
    to: To = "pro"


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that goes wrong on purpose; ``why`` is what the DUI will read (loadtests.failures).

    operation  the operation it happens on
    resent     the DUI sends the same message again afterwards: accepted then, and counted once
    """

    finess_et: str
    why: str
    operation: str
    person: Person | None = field(default=None, repr=False)
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the plan: each ESSMS's acts, then the incidents, one at a time, when everything else is quiet."""

    month: int
    day: int  # 0 .. DAYS_PER_MONTH - 1
    acts: dict[str, tuple[Act, ...]]
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    days: tuple[Day, ...]
    #: units to be counted: {(FINESS ET, indicator, window number): n}; window 0 is the first period
    expected: dict[tuple[str, str, int], int]


def plan(players: Sequence[Player], months: int, seed: int, strangers: Sequence[Person] = ()) -> Plan:
    """``strangers``: persons of no ESSMS, for what needs somebody in particular.

    Raises ValueError when there is nobody to play or no month to play in.
    """
    if months < 1 or not any(player.persons for player in players):
        raise ValueError("a plan needs at least one month and one person")
    draw = random.Random(f"scenario:{seed}")
    later = (range(month, month + 1) for month in range(FIRST_PERIOD_MONTHS, months))
    windows = [range(min(FIRST_PERIOD_MONTHS, months)), *later]
    slots: dict[tuple[int, int], dict[str, list[Act]]] = {(m, d): {} for m in range(months) for d in range(DAYS_PER_MONTH)}
    expected: dict[tuple[str, str, int], int] = {}
    searched: set[str] = set()
    for number, window in enumerate(windows):
        for indicator in (_DMP, _MSS):
            shares = _shares(players, draw)
            for player in players:
                acts = _acts(player, indicator, shares[player.finess_et], draw)
                expected[player.finess_et, indicator, number] = _units(acts, indicator)
                _spread(acts, player.finess_et, window, slots, draw)
    days = _with_incidents(tuple(_day(key, acts, searched) for key, acts in slots.items()), players, strangers, draw)
    for day in days:
        for incident in day.incidents:
            expected[incident.finess_et, _MSS, window_of(day.month)] += incident.resent
    return Plan(days, expected)


def window_of(month: int) -> int:
    """The number of the window that holds a month of the plan."""
    return max(0, month - FIRST_PERIOD_MONTHS + 1)


def calendar(plan: Plan, after: date) -> list[tuple[date, Day]]:
    """The days of the plan on weekdays of the months that follow ``after``, in order."""
    first = _first_of_next_month(after)
    return [(_weekday(_month(first, day.month), 4 + day.day * 8), day) for day in plan.days]


def end_of(plan: Plan, after: date) -> date:
    """The first day after the last month played: every window is over then."""
    return _month(_first_of_next_month(after), max(day.month for day in plan.days) + 1)


def _shares(players: Sequence[Player], draw: random.Random) -> dict[str, float]:
    """Half of the ESSMS reach the target and half do not, whoever they are, for one indicator and one window."""
    order = [player.finess_et for player in players]
    draw.shuffle(order)
    reaching = set(order[: (len(order) + 1) // 2])
    return {one: draw.uniform(*(_REACHING if one in reaching else _BELOW)) for one in sorted(order)}


def _acts(player: Player, indicator: str, share: float, draw: random.Random) -> list[Act]:
    asked = len(player.persons) if player.denominator is None else player.denominator
    units = math.ceil(share * asked) if share >= TARGET else math.floor(share * asked)
    if indicator == _DMP:
        able = [person for person in player.persons if person.can_be_fed]
        fed = draw.sample(able, min(units, len(able)))
        again = fed[: len(fed) // 10]  # a second document in the same DMP counts once
        return [Act("feed", person) for person in [*fed, *again]]
    return [_message(draw.choice(player.persons), draw) for _ in range(units if player.persons else 0)]


def _units(acts: list[Act], indicator: str) -> int:
    """A message is a unit; a DMP is one, however many documents were put in it (programme-indicateurs §6.1)."""
    return len({act.person.matricule for act in acts}) if indicator == _DMP else len(acts)


def _message(person: Person, draw: random.Random) -> Act:
    citizen = person.mes == "open" and person.insi == "found" and draw.random() < 0.3
    return Act("message", person, to="citoyen" if citizen else "pro")


def _spread(
    acts: list[Act], finess_et: str, window: range, slots: dict[tuple[int, int], dict[str, list[Act]]], draw: random.Random
) -> None:
    keys = [(month, day) for month in window for day in range(DAYS_PER_MONTH)]
    for act in acts:
        slots[draw.choice(keys)].setdefault(finess_et, []).append(act)


def _day(key: tuple[int, int], acts: dict[str, list[Act]], searched: set[str]) -> Day:
    """INSi is asked once for each person, at the first feed; ``searched`` goes from day to day."""
    return Day(*key, {finess_et: tuple(_search_once(act, searched) for act in done) for finess_et, done in acts.items()})


def _search_once(act: Act, searched: set[str]) -> Act:
    if act.kind != "feed" or act.person.matricule in searched:
        return act
    searched.add(act.person.matricule)
    return Act(act.kind, act.person, search=True, to=act.to)


def _with_incidents(
    days: tuple[Day, ...], players: Sequence[Player], strangers: Sequence[Person], draw: random.Random
) -> tuple[Day, ...]:
    """Every provoked failure once, each on a day of its own choice but the first: an old token needs a day before it."""
    able = [player for player in players if any(person.can_be_fed for person in player.persons)] or list(players)
    closed = [person for player in players for person in player.persons if person.dmp == "closed" and person.insi == "found"]
    closed += [person for person in strangers if person.dmp == "closed" and person.insi == "found"]
    placed: dict[int, list[Incident]] = {}
    for why, operation, resent in _INCIDENTS:
        player = draw.choice(able)
        incident = Incident(player.finess_et, why, operation, _victim(why, player, closed, draw), resent)
        number = len(days) - 1 if why in _NEED_A_PAST else draw.randrange(1, len(days))
        placed.setdefault(number, []).append(incident)
    return tuple(Day(day.month, day.day, day.acts, tuple(placed.get(number, ()))) for number, day in enumerate(days))


#: They use what earlier days left: a token, a document already fed.
_NEED_A_PAST = (failures.EXPIRED_TOKEN, failures.DUPLICATE_UNIQUE_ID)

#: What goes wrong, on which operation, and whether the DUI tries again.
_INCIDENTS = (
    (failures.CR_01, "INS.RECHERCHE_TRAITS", False),
    (failures.CR_02, "INS.RECHERCHE_TRAITS", False),
    (failures.INSI_FAULT, "INS.RECHERCHE_TRAITS", False),
    (failures.UPSTREAM_TIMEOUT, "INS.RECHERCHE_TRAITS", False),
    (failures.MALFORMED_SOAP, "INS.INCONNUE", False),
    (failures.MALFORMED_SOAP, "DMP.INCONNUE", False),
    (failures.DMP_CLOSED, "DMP.TD2.1", False),
    (failures.VIHF_REFUSED, "DMP.TD2.1", False),
    (failures.DUPLICATE_UNIQUE_ID, "DMP.TD2.1", False),
    (failures.UNKNOWN_MAILBOX, "MSS.SOUMISSION", False),
    (failures.FOREIGN_DOMAIN, "MSS.SOUMISSION", False),
    (failures.UPSTREAM_TIMEOUT, "MSS.SOUMISSION", False),  # stays in doubt: printed beside the numerator
    (failures.UPSTREAM_TIMEOUT, "MSS.SOUMISSION", True),  # settled by the second sending: counted once
    (failures.EXPIRED_TOKEN, "MSS.SESSION_SMTP", False),
)


def _victim(why: str, player: Player, closed: Sequence[Person], draw: random.Random) -> Person | None:
    """Whom it happens to. None: nobody in particular (nothing readable is sent), or the sandbox's ambiguous identity.

    Raises ValueError when nobody's DMP is closed.
    """
    if why in (failures.CR_02, failures.MALFORMED_SOAP):
        return None
    if why != failures.DMP_CLOSED:
        return draw.choice([person for person in player.persons if person.can_be_fed] or player.persons)
    if not closed:
        raise ValueError("a plan needs one person whose DMP is closed")
    return next((person for person in closed if person.structure == player.finess_et), closed[0])


def _first_of_next_month(day: date) -> date:
    return _month(day.replace(day=1), 1)


def _month(first: date, later: int) -> date:
    index = first.month - 1 + later
    return date(first.year + index // 12, index % 12 + 1, 1)


def _weekday(first: date, day: int) -> date:
    wanted = first + timedelta(days=day)
    return wanted + timedelta(days=max(0, 7 - wanted.weekday()) if wanted.weekday() > 4 else 0)
