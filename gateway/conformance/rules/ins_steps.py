"""What passes about the INS of persons, call after call: the one reading of a window that several checks share.

A domain is an establishment in the hands of one DUI: what INSi told another one is no answer to it (no transitivity).
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.conformance.facts.places import (
    DECIDED,
    ENTRY_PATIENT,
    EXISTENCE_PATIENT,
    OWN_MATRICULE,
    OWN_RECIPIENTS,
    PATIENT_ROLE,
    RCPT_TO,
)
from gateway.conformance.model import Call, FactValues, Run
from gateway.conformance.rules.base import every, is_the_gateways
from gateway.journal.canonical import moment_of

SEARCH, CARD, CHECK, DECISION = "INS.RECHERCHE_TRAITS", "INS.RECHERCHE_VITALE", "INS.VERIFICATION", "INS.DECISION"
DEPOSIT, RETRIEVAL = "INS.LOT_DEPOT", "INS.LOT_RETRAIT"
EXISTENCE, FEED, MAIL = "DMP.TD0.2", "DMP.TD2.1", "MSS.SOUMISSION"
TO_INSI = (SEARCH, CARD, CHECK, DEPOSIT, RETRIEVAL)
FLOWS = (EXISTENCE, FEED, MAIL)
QUALIFIED = "QUAL"
_PLACES = {EXISTENCE: EXISTENCE_PATIENT, FEED: ENTRY_PATIENT, MAIL: f"{PATIENT_ROLE}/id ; {RCPT_TO}", DECISION: DECIDED}
_OWN_PLACES = {FEED: OWN_MATRICULE, MAIL: OWN_RECIPIENTS}
_NOTHING: frozenset[str] = frozenset()
Domain = tuple[str, str | None]
Lots = dict[str, dict[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One call, by the digests of the INS that it is about.

    found         INS that INSi gave, with the facts of the identity; of the Appli carte Vitale, declared: without facts
    holds, fails  INS that a verification confirmed, or did not
    carries       INS that left the software, or that it declares to hold after a decision
    """

    call: Call
    found: Mapping[str, FactValues] = field(default_factory=dict)
    holds: frozenset[str] = _NOTHING
    fails: frozenset[str] = _NOTHING
    carries: frozenset[str] = _NOTHING

    @property
    def operation(self) -> str:
        return str(self.call.entry["operation"])

    @property
    def domain(self) -> Domain:
        return domain_of(self.call)

    @property
    def at(self) -> datetime:
        return moment_of(self.call.entry["event_time"])

    @property
    def is_flow(self) -> bool:
        """Whether it went to the DMP or to a mailbox, whomever it was about."""
        return self.operation in FLOWS

    @property
    def place(self) -> str:
        """Where the INS that it carries stands; nowhere in a call to INSi."""
        places = _OWN_PLACES if is_the_gateways(self.call.facts) else _PLACES
        return places.get(self.operation, "")


def domain_of(call: Call) -> Domain:
    return str(call.entry["tenant"]), call.entry["finess_et"]


def steps(run: Run) -> Iterator[Step]:
    """In the order of the journal; calls that could not be read whole are left out."""
    lots: Lots = {}
    for call in run.calls(*TO_INSI, DECISION, *FLOWS):
        if call.facts is not None and not call.facts["partial"]:
            yield _READERS[str(call.entry["operation"])](call, call.facts, lots)


def _search(call: Call, facts: FactValues, lots: Lots) -> Step:
    identity = facts["answer"].get("identity")
    return Step(call, {identity["ins"]: identity} if identity and identity["ins"] else {})


def _check(call: Call, facts: FactValues, lots: Lots) -> Step:
    ins, holds = facts["asked"]["identity"]["ins"], facts["answer"].get("holds")
    return Step(call, holds=_these(ins if holds is True else None), fails=_these(ins if holds is False else None))


def _deposit(call: Call, facts: FactValues, lots: Lots) -> Step:
    lot = facts["answer"].get("lot")
    if lot is not None:
        lots[lot] = {one["id"]: one["identity"]["ins"] for one in facts["asked"]["individuals"]}
    return Step(call)


def _retrieval(call: Call, facts: FactValues, lots: Lots) -> Step:
    answer = facts["answer"]
    named = lots.get(answer.get("lot"), {})
    told = [(named.get(one), holds) for one, holds in answer.get("results", [])]
    confirmed, refuted = (_these(*(ins for ins, holds in told if holds is said)) for said in (True, False))
    return Step(call, holds=confirmed, fails=refuted)


def _decision(call: Call, facts: FactValues, lots: Lots) -> Step:
    """An INS read in the Appli carte Vitale is as good as found (insi §16.4); a KO that the DUI declares is one."""
    if facts["event"] is None:
        return Step(call)
    before, after = facts["before"]["identity"]["ins"], facts["after"]["identity"]["ins"]
    found: dict[str, FactValues] = {after: {}} if facts["event"] == "appli_vitale" and after else {}
    refuted = before if facts["event"] == "verification" and facts["valid"] is False else None
    return Step(call, found, fails=_these(refuted), carries=_these(after))


def _flow(call: Call, facts: FactValues, lots: Lots) -> Step:
    return Step(call, carries=_these(*every(facts, "ins")))


def _these(*ins: str | None) -> frozenset[str]:
    return frozenset(one for one in ins if one)


_READERS: dict[str, Callable[[Call, FactValues, Lots], Step]] = {
    SEARCH: _search, CARD: _search, CHECK: _check, DEPOSIT: _deposit, RETRIEVAL: _retrieval, DECISION: _decision,
    **dict.fromkeys(FLOWS, _flow),
}  # fmt: skip
