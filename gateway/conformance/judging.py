"""Applying rules: to one call while it passes, to a window afterwards (design §4). Pure."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from gateway.conformance.model import FactValues, Finding, Rule, State
from gateway.conformance.rules import ALL, rule_set
from gateway.conformance.rules.base import not_the_duis

#: The first of these that was found is the state of the whole.
_ORDER: tuple[State, ...] = ("non_conforme", "conforme", "non_applicable", "non_observe")


def judge_call(rule: Rule, facts: FactValues, entry: Mapping[str, Any]) -> list[Finding]:
    """What ``rule`` finds in one call; nothing when it is not about this operation, or judges windows only.

    Facts that the message itself left partial may lack what the rule reads: it then observed nothing. Of a message that the
    gateway wrote, only what is the DUI's is judged.
    """
    if rule.on_call is None or entry["operation"] not in rule.operations:
        return []
    apart = not_the_duis(rule, facts)
    if apart is not None:
        return [apart]
    try:
        return list(rule.on_call(facts, entry))
    except (KeyError, TypeError):
        if not facts["partial"]:
            raise
        return [Finding("non_observe", found="message lu en partie")]


def state_of(findings: Iterable[Finding]) -> State:
    """One deviation makes a non-conformity; with nothing found, nothing was observed."""
    states = {finding.state for finding in findings}
    return next((state for state in _ORDER if state in states), "non_observe")


def judge_all(facts: FactValues, entry: Mapping[str, Any]) -> dict[str, list[Finding]]:
    """What every rule finds in one call, by check; those that found nothing are left out."""
    return {rule.id: found for rule in _about(str(entry["operation"])) if (found := judge_call(rule, facts, entry))}


@cache
def _about(operation: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in rule_set(ALL).rules if rule.on_call is not None and operation in rule.operations)


def verdict_of(found: Mapping[str, list[Finding]]) -> dict[str, Any] | None:
    """The verdict of an entry, of what ``judge_all`` found: which set judged it, how many checks it conforms to, which it does
    not. None: none applied."""
    rules = rule_set(ALL)
    states = {check: state_of(findings) for check, findings in found.items()}
    failing = [check for check, state in states.items() if state == "non_conforme"]
    passing = sum(state == "conforme" for state in states.values())
    if not failing and not passing:
        return None
    named = {"rule_set": rules.name, "version": rules.version, "sha256": rules.sha256}
    return {**named, "conforme": passing, "non_conforme": failing}


def first(findings: Sequence[Finding], state: State) -> Finding | None:
    return next((finding for finding in findings if finding.state == state), None)
