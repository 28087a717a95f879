"""Answers that are forced, whatever the traits (insi §9.4): by the birth name, a header, a maintenance window, or at random."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mocks.insi.faults import FAULTS
from mocks.insi.operations import BY_CARD, BY_TRAITS, RETRIEVE, VERIFY, Operation
from mocks.insi.state import Register

HEADER = "x-mock-scenario"
MAGIC_FAULTS = {"FAUTE INSI102": "insi_102", "FAUTE DESIR1020": "desir_1020"}
MAGIC_SLOW = "LENT"

#: Answers that are no fault, by operation.
ANSWERS = {BY_TRAITS: ("CR01", "CR02"), BY_CARD: ("CR01", "CR02"), VERIFY: ("KO",), RETRIEVE: ("CR01",)}

_PARIS = ZoneInfo("Europe/Paris")
_AWAY = "desir_1020"


@dataclass(slots=True)
class Circumstances:
    """What a decision depends on besides the message.

    real, business  the two times (design §7)
    scenario        value of the header, one of ``possible``; None without it
    """

    real: datetime
    business: datetime
    scenario: str | None = None


#: Noon of an ordinary day, for whom the time does not matter.
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDINARY = Circumstances(_NOON, _NOON)


def possible(operation: Operation) -> tuple[str, ...]:
    """What the header may hold for this operation."""
    return (*ANSWERS.get(operation, ()), *FAULTS, MAGIC_SLOW)


def forced(birth_names: Iterable[str | None], here: Circumstances, register: Register) -> str | None:
    """The code to answer instead of deciding; None to decide. ``birth_names``: of those the request is about."""
    if here.scenario is not None and here.scenario != MAGIC_SLOW:
        return here.scenario
    rules, magic = register.rules, next((MAGIC_FAULTS[one] for one in birth_names if one in MAGIC_FAULTS), None)
    if magic is not None:
        return magic
    if rules.maintenance is not None and rules.maintenance.holds(here.business.astimezone(_PARIS).strftime("%H:%M")):
        return _AWAY
    return rules.error_code if rules.error_rate and register.dice.random() < rules.error_rate else None


def told(code: str, register: Register) -> str:
    """What a search that found one person is told, by the mix."""
    mix = register.rules.cr_mix
    return (mix.code(register.dice.random()) if mix is not None else None) or code


def delay_s(birth_names: Iterable[str | None], here: Circumstances, register: Register) -> float:
    """How long the answer takes."""
    rules = register.rules
    drawn = rules.latency.draw(register.dice) if rules.latency is not None else 0.0
    slow = here.scenario == MAGIC_SLOW or MAGIC_SLOW in birth_names
    return max(drawn, rules.slow_s) if slow else drawn
