"""Checks of the INS (programme-indicateurs §14.1)."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.nomenclatures.oids import INS_NIA, INS_OIDS
from gateway.conformance.facts.places import (
    CDA_PATIENT,
    CODE_CR,
    INSACTIF,
    OWN_TRAITS,
    PATIENT_ROLE,
    RCPT_TO,
    SUBJECT,
    TIQ,
    X_MSS_INS,
    XDM_PATIENT,
)
from gateway.conformance.model import Call, CallRule, FactValues, Finding, Run, RunRule
from gateway.conformance.rules import ins_before, ins_message, ins_reuse
from gateway.conformance.rules.base import (
    IN_WORDS,
    TOO_LARGE,
    carries_ins,
    cdas,
    conforme,
    documents_of,
    is_ins,
    is_the_gateways,
    judged,
    names,
    non_applicable,
    non_conforme,
    non_observe,
)
from gateway.conformance.rules.ins_steps import CARD, FEED, MAIL, SEARCH

_TRACED = frozenset({"birth_name", "first_name", "birth_date", "sex", "birth_place"})
_PERSON = f"{PATIENT_ROLE}/patient"
_PLACES = {
    "birth_name": f"{_PERSON}/name/family[@qualifier='BR']", "first_name": f"{_PERSON}/name/given[@qualifier='BR']",
    "birth_date": f"{_PERSON}/birthTime/@value", "sex": f"{_PERSON}/administrativeGenderCode/@code",
    "birth_place": f"{_PERSON}/birthplace/place/addr/county",
}  # fmt: skip


def a_search_succeeds(run: Run) -> Iterator[Finding]:
    """CHK-INS-01: by the traits; by a carte Vitale too when somebody tried it, which is not enough."""
    by_traits = list(_succeeds(run, SEARCH, "une recherche par traits aboutie (CR00)"))
    by_card = list(_succeeds(run, CARD, "une recherche par carte Vitale aboutie (CR00)"))
    yield from by_traits or [non_observe("aucune recherche par les traits dans la fenêtre : jouez le scénario")]
    yield from by_card if by_traits else (one for one in by_card if one.state != "conforme")
    if not by_card:
        yield non_observe("recherche par carte Vitale non observée")


def _succeeds(run: Run, operation: str, expected: str) -> Iterator[Finding]:
    searches = 0
    for call in run.calls(operation):
        searches += 1
        if call.ok:
            yield conforme(CODE_CR, f"CR00, {operation}", call)
            return
    if searches:
        yield non_conforme(CODE_CR, expected, "aucune CR00")


def the_result_is_traced(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-INS-02."""
    answer = facts["answer"]
    if answer["kind"] == "fault":
        return [non_applicable("le téléservice a répondu une erreur, sans code de résultat")]
    if answer["kind"] == "none":
        return [non_observe("aucune réponse du téléservice")]
    if answer["kind"] != "result" or answer["code"] not in ("00", "01", "02"):
        return [non_conforme(CODE_CR, "code 00, 01 ou 02 conservé", "réponse illisible ou code inconnu")]
    return judged(_untraced(answer), CODE_CR, f"code {answer['code']}")


def _untraced(answer: FactValues) -> Iterator[Finding]:
    identity = answer["identity"]
    if answer["code"] != "00":
        return
    if identity is None or identity["ins"] is None or not is_ins(identity):
        yield non_conforme(INSACTIF, "matricule de 15 caractères et OID d'INS", "absent ou mal formé")
        return
    missing = _TRACED - set(identity["present"])
    if missing:
        yield non_conforme(TIQ, "cinq traits stricts conservés", f"absent : {names(missing)}")


def unqualified_carries_no_ins(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-INS-05: what a message declares as not qualified (``X-MSS-INS: N``) holds neither matricule nor OID."""
    if not facts["whole"]:
        return [non_observe(TOO_LARGE)]
    if facts["x_mss_ins"] != "N":
        return [non_applicable("rien n'est déclaré avec une identité non qualifiée")]
    return judged(_leaks(facts), X_MSS_INS, "ni matricule ni OID")


def _leaks(facts: FactValues) -> Iterator[Finding]:
    expected = "ni matricule ni OID d'INS"
    documents = documents_of(facts)
    for document in documents:
        if carries_ins(document["entry"]["patient"]):
            yield non_conforme(XDM_PATIENT, expected, "OID d'INS présent")
    for cda in cdas(documents):
        if carries_ins(cda["identity"]):
            yield non_conforme(CDA_PATIENT, expected, "OID d'INS présent")
    if facts["subject"]["matricule"]:
        yield non_conforme(SUBJECT, expected, "15 caractères en forme de matricule")
    if any(one["ins"] for one in facts["recipients"]):
        yield non_conforme(RCPT_TO, expected, "adresse d'usager construite sur un matricule")


def the_traits_are_those_of_insi(run: Run) -> Iterator[Finding]:
    """CHK-INS-09: traits sent, against the last answer of INSi for the same person."""
    last: dict[str, FactValues] = {}
    for call in run.calls(SEARCH, CARD, FEED, MAIL):
        if call.facts is None or call.facts["partial"]:
            continue
        if call.entry["operation"] in (SEARCH, CARD):
            identity = call.facts["answer"].get("identity")
            if identity and identity["ins"]:
                last[identity["ins"]] = identity
            continue
        for cda, traits in _sent(call):
            yield from _compared(call, cda, traits, last, run.environment)


def _sent(call: Call) -> Iterator[tuple[FactValues, FactValues]]:
    """(identity of each CDA, traits of its XDS entry)."""
    for document in documents_of(call.facts or {}):
        if document["cda"]["kind"] == "cda":
            yield document["cda"]["identity"], document["entry"]["traits"]


def _compared(
    call: Call, identity: FactValues, entry_traits: FactValues, last: Mapping[str, FactValues], environment: str
) -> Iterator[Finding]:
    known = last.get(identity["ins"] or "")
    if known is None:
        if carries_ins(identity):
            yield non_observe("aucune réponse d'INSi pour cette personne dans la fenêtre")
        return
    places = OWN_TRAITS if is_the_gateways(call.facts) else _PLACES
    wrong = [name for name, digest in identity["digests"].items() if not _is_that_of(known, name, digest)]
    for name in wrong:
        yield non_conforme(places[name], f"{IN_WORDS[name]} de la dernière réponse d'INSi", "autre valeur", call)
    for name, digest in entry_traits["digests"].items():
        if name not in wrong and not _is_that_of(known, name, digest):
            wrong.append(name)
            place = "DocumentEntry : Slot sourcePatientInfo"
            yield non_conforme(place, f"{IN_WORDS[name]} de la dernière réponse d'INSi", "autre valeur", call)
    if not _same_nature(identity["oid"], known["oid"], environment):
        wrong.append("oid")
        yield non_conforme(f"{CDA_PATIENT}/@root", "OID de la dernière réponse d'INSi", "autre OID", call)
    if not wrong:
        yield conforme(PATIENT_ROLE, "traits identiques", call)


def _is_that_of(known: FactValues, name: str, digest: str) -> bool:
    """A first first-name may be several words of the list that INSi answers: its beginning is what counts (EXI ID 10)."""
    if name == "first_name" and known.get("first_names"):
        return digest in known["first_names"]
    return bool(known["digests"].get(name, digest) == digest)


def _same_nature(sent: str | None, known: str | None, environment: str) -> bool:
    """Outside production the DMP wants a test OID where INSi answers the real one: only the nature is then compared."""
    if environment == "production":
        return sent == known
    return {sent, known} <= INS_OIDS and (sent == INS_NIA) == (known == INS_NIA)


CALL: dict[str, CallRule] = {
    "CHK-INS-02": the_result_is_traced, "CHK-INS-05": unqualified_carries_no_ins, **ins_message.CALL,
}  # fmt: skip
RUN: dict[str, RunRule] = {
    "CHK-INS-01": a_search_succeeds, "CHK-INS-09": the_traits_are_those_of_insi, **ins_message.RUN, **ins_reuse.RUN,
    **ins_before.RUN,
}  # fmt: skip
