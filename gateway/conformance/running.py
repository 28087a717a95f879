"""A run: every rule of a set over one window, and what it found, with its proofs (design §4)."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.conformance.judging import judge_call, state_of
from gateway.conformance.model import Call, Finding, Rule, Run, State, Vendor
from gateway.conformance.rules import RuleSet
from gateway.journal.filters import PARIS, Period

MAX_FINDINGS = 20  # kept a check, deviations first; all are counted
MAX_PROOFS = 3
Item = dict[str, Any]


@dataclass(slots=True)
class Result:
    """What one check found. ``observations`` counts what was judged, ``deviations`` what did not conform."""

    rule: Rule
    observations: int = 0
    deviations: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.observations += finding.state in ("conforme", "non_conforme")
        self.deviations += finding.state == "non_conforme"
        kept = sum(one.state == finding.state for one in self.findings)
        if kept < (MAX_FINDINGS if finding.state == "non_conforme" else MAX_PROOFS):
            self.findings.append(finding)

    @property
    def state(self) -> State:
        return state_of(self.findings)

    @property
    def proofs(self) -> list[str]:
        """Ids of entries that show a conformity or its contrary, the first ones met."""
        if self.state not in ("conforme", "non_conforme"):
            return []
        shown = [entry for one in self.findings if one.state == self.state for entry in one.entries]
        return list(dict.fromkeys(shown))[:MAX_PROOFS]


def run_rules(window: Run, rules: RuleSet) -> list[Result]:
    """In the order of the set."""
    results = {rule.id: Result(rule) for rule in rules.rules}
    by_operation: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in rules.rules:
        for operation in rule.operations if rule.on_call is not None else ():
            by_operation[operation].append(rule)
    seen: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for call in window.calls(*{operation for rule in rules.rules for operation in rule.operations}):
        seen[call.entry["operation"]] += 1
        told[call.entry["operation"]] += call.facts is not None
        _judge(call, by_operation[call.entry["operation"]], results)
    for rule in rules.rules:
        for finding in rule.on_run(window) if rule.on_run is not None else ():
            results[rule.id].add(finding)
        if not results[rule.id].findings:
            results[rule.id].add(_unseen(rule, seen, told))
    return list(results.values())


def _judge(call: Call, rules: list[Rule], results: dict[str, Result]) -> None:
    if call.facts is None:
        return
    for rule in rules:
        for finding in judge_call(rule, call.facts, call.entry):
            results[rule.id].add(finding if finding.entries else replace(finding, entries=(call.id,)))


def _unseen(rule: Rule, seen: Counter[str], told: Counter[str]) -> Finding:
    """Why nothing was found: no such call, none that shows what is judged, or calls of which no facts are left."""
    passed, read = (sum(counter[operation] for operation in rule.operations) for counter in (seen, told))
    if not passed:
        named = ", ".join(rule.operations) or "de ce genre"
        return Finding("non_observe", found=f"aucun appel {named} dans la fenêtre : jouez le scénario")
    if not read:
        return Finding("non_observe", found=f"{passed} appel(s), sans faits : effacés, illisibles ou antérieurs aux contrôles")
    return Finding("non_observe", found=f"{read} appel(s), dont aucun ne montre la situation : jouez le scénario")


@dataclass(frozen=True, slots=True)
class Header:
    """What every proof must show (programme-indicateurs-2 §10)."""

    vendor: Vendor
    environment: str
    tenant: str | None
    period: Period
    made_at: datetime  # aware


def run_item(
    header: Header, rules: RuleSet, results: list[Result], describe: Callable[[str], Mapping[str, Any] | None]
) -> Item:
    """The run as JSON: what ``report`` lays out. ``describe`` gives the evidence of one entry id, None when it is unknown."""
    checks = [_check(result) for result in results]
    proofs = dict.fromkeys(entry for check in checks for entry in check["preuves"])
    counts = {state: sum(check["etat"] == state for check in checks) for state in _STATES}
    return {
        "version": 1,
        "simule": header.environment != "production",
        "entete": {
            **asdict(header.vendor),
            "environnement": header.environment,
            "editeur": header.tenant,
            "depuis": header.period.start,
            "jusqu_a": header.period.end,
            "genere_le": header.made_at.astimezone(PARIS).isoformat(timespec="seconds"),
        },
        "regles": {"nom": rules.name, "version": rules.version, "sha256": rules.sha256, "libelle": rules.label},
        "applicabilite": "proxy",
        "resume": counts,
        "controles": checks,
        "preuves": {entry: described for entry in proofs if (described := describe(entry)) is not None},
    }


_STATES: tuple[State, ...] = ("conforme", "non_conforme", "non_observe", "non_applicable")


def rule_item(rule: Rule) -> Item:
    """A check as ``rules`` lists it."""
    return {
        "id": rule.id, "titre": rule.title, "texte": rule.text, "scenario": rule.scenario, "famille": rule.family,
        "profil": rule.profile, "criticite": rule.criticality, "lieu": rule.place, "attendu": rule.expected,
        "operations": list(rule.operations), "a_provoquer": rule.provoked, "portes_simples": rule.own_doors,
        "applicabilite": "proxy",
        "exigences": [
            {
                "source": one.source, "version": one.version, "id": one.id, "libelle": one.label, "sha256": one.sha256,
                "statut": one.status, "remplacee_par": one.replaced_by,
            }
            for one in rule.requirements
        ],
    }  # fmt: skip


def _check(result: Result) -> Item:
    return {
        **rule_item(result.rule),
        "etat": result.state,
        "observations": result.observations,
        "ecarts": result.deviations,
        "constats": [
            {"etat": one.state, "lieu": one.place, "attendu": one.expected, "trouve": one.found, "entrees": list(one.entries)}
            for one in sorted(result.findings, key=lambda one: one.state != "non_conforme")
        ],
        "preuves": result.proofs,
    }
