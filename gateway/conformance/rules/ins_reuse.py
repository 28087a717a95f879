"""Checks of what must stop: using an INS after a KO, or one that INSi gave with an identity that may not be kept; asking INSi
about an identity that the DUI declared doubtful or fictitious."""
from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.conformance.model import Call, FactValues, Finding, Run, RunRule
from gateway.conformance.rules.base import names, non_observe
from gateway.conformance.rules.ins_received import Received
from gateway.conformance.rules.ins_steps import DECISION, TO_INSI, domain_of, steps
from gateway.conformance.rules.ins_watch import Watch, Words

_BLOCKING, _HOMONYM = frozenset({"DOUT", "FICT"}), "HOMA"
_NEEDED = frozenset({"birth_name", "first_name", "sex"})
_KO = "vérification KO"
_KEPT, _IDLE = "INS absente des flux qui suivent", "aucun flux du même établissement ensuite"


def nothing_goes_out_after_a_ko(run: Run) -> Iterator[Finding]:
    """CHK-INS-04: of an INS that the software knows otherwise than from a partner (that is CHK-INS-12)."""
    words = Words("plus d'usage de l'INS, statut non qualifié", "INS portée", _KEPT, _IDLE,
                  "aucune vérification KO dans la fenêtre : provoquez-en une")  # fmt: skip
    yield from _after_a_ko(run, words, received=False)


def a_refuted_ins_is_not_integrated(run: Run) -> Iterator[Finding]:
    """CHK-INS-12."""
    if not Received(run).known:
        yield non_observe(Received.UNKNOWN)
        return
    words = Words("une identité sans ce matricule", "INS intégrée", _KEPT, _IDLE, "aucune vérification KO d'une INS reçue")
    yield from _after_a_ko(run, words, received=True)


def _after_a_ko(run: Run, words: Words, *, received: bool) -> Iterator[Finding]:
    watch, partners = Watch(words), Received(run)
    for step in steps(run):
        yield from watch.close(step.domain, [*step.found, *step.holds])
        yield from watch.see(step.domain, step.carries, step.place, step.call, counts=step.is_flow)
        for ins in step.fails:
            if partners.only(step, ins) is received:
                watch.open(step.domain, [ins], step.call, _KO)
        partners.note(step)
    yield from watch.end()


def a_date_with_zeros_is_not_reused(run: Run) -> Iterator[Finding]:
    """CHK-INS-07."""
    yield from _never_reused(run, _date_with_zeros, "aucune réponse d'INSi avec 00 dans la date de naissance : à provoquer")


def an_incomplete_identity_is_not_reused(run: Run) -> Iterator[Finding]:
    """CHK-INS-08."""
    yield from _never_reused(run, _missing, "aucune réponse d'INSi sans nom, prénoms ou sexe : à provoquer")


def _never_reused(run: Run, why: Callable[[FactValues], str | None], never: str) -> Iterator[Finding]:
    watch = Watch(Words("INS jamais réutilisée", "INS portée", _KEPT, _IDLE, never))
    for step in steps(run):
        faults = {ins: why(identity) for ins, identity in step.found.items()}
        yield from watch.close(step.domain, [ins for ins, fault in faults.items() if fault is None])
        yield from watch.see(step.domain, step.carries, step.place, step.call, counts=step.is_flow)
        for ins, fault in faults.items():
            if fault is not None:
                watch.open(step.domain, [ins], step.call, fault)
    yield from watch.end()


def _date_with_zeros(identity: FactValues) -> str | None:
    return "date de naissance avec 00 dans la réponse d'INSi" if identity.get("birth_date_00") else None


def _missing(identity: FactValues) -> str | None:
    missing = _NEEDED - set(identity.get("present", _NEEDED))
    return f"absent de la réponse d'INSi : {names(missing)}" if missing else None


def insi_is_not_asked_about_the_doubtful(run: Run) -> Iterator[Finding]:
    """CHK-INS-06 (EXI ID 26): whom the traits of a call name, or the INS where it gives no others."""
    watch = Watch(Words(
        "aucun appel à INSi pour cette identité", "appel à INSi", "INSi n'est appelé que pour d'autres",
        "aucun appel à INSi ensuite : rien ne montre que le sien est bloqué",
        "aucune identité n'a été déclarée douteuse ou fictive (POST /ins/decision)",
    ))  # fmt: skip
    for call in run.calls(DECISION, *TO_INSI):
        facts = call.facts
        if facts is None or facts["partial"]:
            continue
        if call.entry["operation"] == DECISION:
            yield from _marked(watch, call, facts)
        else:
            yield from watch.see(domain_of(call), _people(facts["asked"]), "/Envelope/Body", call, counts=True)
    yield from watch.end()


def _marked(watch: Watch, call: Call, facts: FactValues) -> Iterator[Finding]:
    if facts["event"] is None:
        return
    domain, attributes = domain_of(call), set(facts["after"]["attributes"])
    named = [*facts["people"], *filter(None, [facts["before"]["identity"]["ins"]])]
    if not attributes & _BLOCKING:
        yield from watch.close(domain, named)
    elif _HOMONYM in attributes:
        yield non_observe("identité douteuse d'un homonyme avéré : rien ne la distingue de l'autre dans un appel à INSi")
    else:
        watch.open(domain, named, call, "identité déclarée douteuse ou fictive")


def _people(asked: FactValues) -> list[str]:
    if "individuals" in asked:
        return [name for one in asked["individuals"] for name in one["people"]]
    ins = asked.get("identity", {}).get("ins")
    return list(asked.get("people") or filter(None, [ins]))


RUN: dict[str, RunRule] = {
    "CHK-INS-04": nothing_goes_out_after_a_ko,
    "CHK-INS-06": insi_is_not_asked_about_the_doubtful,
    "CHK-INS-07": a_date_with_zeros_is_not_reused,
    "CHK-INS-08": an_incomplete_identity_is_not_reused,
    "CHK-INS-12": a_refuted_ins_is_not_integrated,
}
