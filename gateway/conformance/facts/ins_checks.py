"""Facts of the verifications of an INS, one by one or by lots (reference insi §7; requests and answers are assumed there)."""
from __future__ import annotations

from connectors.insi import answers, codes
from connectors.insi.identities import child_of, read_identity, texts_of
from connectors.nomenclatures.identifiers import is_matricule
from connectors.wire import soap
from gateway.conformance.facts.identity import OTHER, leads, patient_facts, people_digests
from gateway.conformance.facts.ins import answered, asker
from gateway.conformance.facts.places import GIVEN, GIVEN_FIRST_NAMES, LOT_GIVEN, LOT_RESULT, VERIFIED
from gateway.conformance.model import Eyes, FactValues, Made, Message

_Element = soap.Element


def verification_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """``asked`` {finess_et, caller, identity, people} and ``answer`` {kind: check, code, holds}."""
    envelope = message.soap_envelope()
    individual = None if envelope.body is None else envelope.body.find(f"{{{codes.VERIFY}}}IndividuVerifie")
    identity, people = _to_verify(individual, GIVEN, eyes, made)
    made.values["asked"] = {**asker(envelope, eyes, made), "identity": identity, "people": people}
    reply = answered(message.response)
    if isinstance(reply, answers.Verification):
        made.show(VERIFIED, reply.service_code)
        reply = {"kind": "check", "code": _code(reply.code), "holds": reply.holds}
    made.values["answer"] = reply if isinstance(reply, dict) else {"kind": "unreadable"}


def deposit_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """``asked`` {finess_et, caller, individuals [{id, identity, people}]} and ``answer`` {kind: lot, code, lot}."""
    envelope = message.soap_envelope()
    listed = [] if envelope.body is None else envelope.body.findall(f"{{{codes.LOT}}}IndividuVerifie")
    individuals = [_of_lot(one, eyes, made) for one in listed[: codes.LOT_MAX]]
    made.values["asked"] = {**asker(envelope, eyes, made), "individuals": individuals}
    made.values["answer"] = _lot(message.response, eyes, made)


def retrieval_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """``asked`` {finess_et, caller} and ``answer`` {kind: lot, code, lot, state, results [[id, holds]]}."""
    made.values["asked"] = asker(message.soap_envelope(), eyes, made)
    made.values["answer"] = _lot(message.response, eyes, made)


def _of_lot(individual: _Element, eyes: Eyes, made: Made) -> FactValues:
    identity, people = _to_verify(individual, LOT_GIVEN, eyes, made)
    return {"id": _name(individual.get("Id"), eyes), "identity": identity, "people": people}


def _to_verify(individual: _Element | None, place: str, eyes: Eyes, made: Made) -> tuple[FactValues, list[str]]:
    """What was given of one person: the INS as it was written, and whom the traits name."""
    read = None if individual is None else read_identity(individual, "INSFourni", "TraitsIdentiteIndividu")
    if read is None or individual is None:
        made.show(place, None)
        return patient_facts(None, eyes, made) | {"first_in_list": None}, []
    stated = read.active
    made.show(place, f"{stated.matricule} ({stated.oid})")
    civil = texts_of(child_of(individual, "TraitsIdentiteIndividu"))
    first, every = civil.get("Prenom") or "", civil.get("ListePrenom") or ""
    if place == GIVEN:
        made.show(GIVEN_FIRST_NAMES, first or None)
    identity = patient_facts((stated.completed, stated.oid), eyes, made)
    identity |= {"form": is_matricule(stated.matricule), "first_in_list": leads(first, every)}
    traits = {"birth_name": read.birth_name, "sex": read.sex, "birth_date": read.birth_date}
    return identity, people_digests(traits, [first, every], eyes)


def _lot(response: bytes, eyes: Eyes, made: Made) -> FactValues:
    reply = answered(response)
    if isinstance(reply, dict):
        return reply
    if not isinstance(reply, answers.Lot):
        return {"kind": "unreadable"}
    for _, holds in reply.results[:3]:
        made.show(LOT_RESULT, codes.HOLDS if holds else codes.HOLDS_NOT)
    return {
        "kind": "lot", "code": _code(reply.code), "state": reply.state,
        "lot": None if reply.lot_id is None else eyes.digest("lot", reply.lot_id),
        "results": [[_name(one, eyes), holds] for one, holds in reply.results[: codes.LOT_MAX]],
    }  # fmt: skip


def _name(text: str | None, eyes: Eyes) -> str | None:
    """How the caller names a person of a lot: it may be a local identifier."""
    return eyes.digest("lot.individual", text) if text else None


def _code(code: str) -> str:
    return code if code in (codes.INSI_OK, codes.INSI_NOBODY) else OTHER
