"""Checks of what must come before an INS is used: its verification when it was received, an exchange and a proof of one's own."""
from __future__ import annotations

from collections.abc import Iterator

from gateway.conformance.model import Call, Finding, Run, RunRule
from gateway.conformance.rules.base import conforme, non_applicable, non_conforme, non_observe
from gateway.conformance.rules.ins_received import Received
from gateway.conformance.rules.ins_steps import DECISION, EXISTENCE, QUALIFIED, Domain, Step, steps

_PROVED = "un échange INSi propre, puis une pièce de haut niveau de confiance déclarée"
_NO_DECISION = "aucune décision déclarée pour cette personne (POST /ins/decision) : la pièce contrôlée n'est pas observable"
_NO_EXCHANGE = "aucun échange INSi pour cette personne avant son premier envoi dans la fenêtre : il peut être antérieur"


def a_received_ins_is_verified_first(run: Run) -> Iterator[Finding]:
    """CHK-INS-11."""
    partners = Received(run)
    if not partners.known:
        yield non_observe(Received.UNKNOWN)
        return
    if not partners.first:
        yield non_observe("aucune INS reçue d'un partenaire n'est déclarée")
    waiting = dict(partners.first)
    for step in steps(run):
        for ins in waiting.keys() & {*step.found, *step.holds, *step.fails, *step.carries}:
            if step.at >= waiting[ins]:
                del waiting[ins]
                yield _met(step, ins, partners)
        partners.note(step)
    for _ in waiting:
        yield non_observe("INS reçue, ni vérifiée ni employée ensuite dans la fenêtre")


def _met(step: Step, ins: str, partners: Received) -> Finding:
    """The first thing that happens to a received INS."""
    if ins not in step.carries or ins in step.found:
        return conforme("journal", "vérifiée auprès d'INSi avant tout usage", step.call)
    if partners.own(step, ins):
        return non_applicable("INS déjà récupérée ou vérifiée auprès d'INSi avant sa réception")
    return non_conforme(step.place, "une vérification avant tout autre usage", "INS reçue, employée sans vérification", step.call)


def the_first_use_rests_on_ones_own_proof(run: Run) -> Iterator[Finding]:
    """CHK-INS-13: of each person, in each domain. What came before the window cannot be seen: without it nothing is said."""
    partners = Received(run)
    exchanges: dict[tuple[Domain, str], Call] = {}
    statuses: dict[tuple[Domain, str], tuple[str, Call]] = {}
    used: set[tuple[Domain, str]] = set()
    for step in steps(run):
        if step.operation == DECISION:
            statuses.update(_declared(step))
        elif step.is_flow and step.operation != EXISTENCE:
            for ins in sorted(step.carries):
                key = step.domain, ins
                if key not in used:
                    used.add(key)
                    yield _first_use(step, exchanges.get(key), statuses.get(key), only_received=partners.only(step, ins))
        exchanges.update({(step.domain, ins): step.call for ins in {*step.found, *step.holds}})
        partners.note(step)


def _declared(step: Step) -> Iterator[tuple[tuple[Domain, str], tuple[str, Call]]]:
    """The status that a decision leaves to each INS that it names."""
    facts = step.call.facts or {}
    if facts["event"] is None:
        return
    for one in ("before", "after"):
        ins = facts[one]["identity"]["ins"]
        if ins:
            yield (step.domain, ins), (facts["after"]["status"], step.call)


def _first_use(step: Step, exchange: Call | None, declared: tuple[str, Call] | None, *, only_received: bool) -> Finding:
    if only_received:
        return non_conforme(step.place, _PROVED, "INS reçue d'un partenaire, sans échange INSi propre", step.call)
    if declared is not None and declared[0] != QUALIFIED:
        return non_conforme(step.place, _PROVED, f"identité déclarée au statut {declared[0]}", declared[1], step.call)
    if exchange is None:
        return non_observe(_NO_EXCHANGE)
    if declared is None:
        return non_observe(_NO_DECISION)
    return conforme(step.place, "échange INSi propre et identité déclarée qualifiée", exchange, declared[1], step.call)


RUN: dict[str, RunRule] = {
    "CHK-INS-11": a_received_ins_is_verified_first,
    "CHK-INS-13": the_first_use_rests_on_ones_own_proof,
}
