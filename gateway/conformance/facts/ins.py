"""Facts of the searches of an INS: what was asked, by class only, by whom, and what the answer holds.

Reference: insi §2.5 (assertion), §4 (requests), §5 (answer).
"""
from __future__ import annotations

from collections.abc import Callable

from connectors.insi import answers, codes
from connectors.insi.errors import Unreadable
from connectors.nomenclatures.identifiers import finess_of_struct_id
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from connectors.nomenclatures.xds import NS_SAML
from connectors.wire import soap
from gateway.conformance.facts.classes import class_of
from gateway.conformance.facts.dmp import professional_facts
from gateway.conformance.facts.identity import (
    OTHER,
    beginnings,
    normalised,
    patient_facts,
    people_digests,
    traits_facts,
)
from gateway.conformance.facts.places import CODE_CR, INSACTIF, NAME_ID
from gateway.conformance.model import Eyes, FactValues, Made, Message

_ASKED = {
    name: f"{{{codes.TRAITS}}}{tag}"
    for name, tag in (
        ("birth_name", "NomNaissance"), ("first_name", "Prenom"), ("sex", "Sexe"), ("birth_date", "DateNaissance"),
        ("birth_place", "LieuNaissance"),
    )
}  # fmt: skip
_CODES = (codes.INSI_OK, codes.INSI_NOBODY, codes.INSI_SEVERAL)


def search_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """``asked`` {finess_et, caller, classes, normalised, people}, ``answer`` {kind, code, identity}. ``none``: nothing came."""
    envelope = message.soap_envelope()
    traits = _traits(envelope.body)
    made.values["asked"] = {
        **asker(envelope, eyes, made),
        "classes": {name: class_of(text) for name, text in traits.items() if text is not None},
        "normalised": _is_normalised(traits["birth_name"], normalise_birth_name)
        and _is_normalised(traits["first_name"], normalise_first_names),
        "people": people_digests(traits, [traits["first_name"] or ""], eyes),
    }
    made.values["answer"] = _answer(message.response, eyes, made)


def card_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """Of a search by the data of a carte Vitale: ``asked`` {finess_et, caller, identity}; the answer is that of a search."""
    envelope = message.soap_envelope()
    holder = None if envelope.body is None else envelope.body.find(f"{{{codes.VITALE}}}MatriculeIndividu")
    number, key = ("" if holder is None else holder.findtext(f"{{{codes.VITALE}}}{tag}", "").strip() for tag in _MATRICULE)
    made.values["asked"] = {**asker(envelope, eyes, made), "identity": patient_facts((number + key, None), eyes, made)}
    made.values["answer"] = _answer(message.response, eyes, made)


_MATRICULE = ("NumIdentifiant", "Cle")


def asker(envelope: soap.Envelope, eyes: Eyes, made: Made) -> FactValues:
    """``finess_et`` of the contexts; ``caller`` {by: structure, carte or psc; user}: only an assertion names a user (§2)."""
    context = envelope.block(codes.LPS, "ContexteLPS")
    emetteur = "" if context is None else (context.findtext(f"{{{codes.LPS}}}Emetteur") or "").strip()
    security = envelope.block(soap.WSSE, "Security")
    assertion = None if security is None else security.find(f"{{{NS_SAML}}}Assertion")
    caller: FactValues = {"by": "structure", "user": None}
    if assertion is not None:
        name = assertion.find(f"{{{NS_SAML}}}Subject/{{{NS_SAML}}}NameID")
        id_nat = "" if name is None else (name.text or "").strip()
        made.show(NAME_ID, id_nat or None)
        by = "psc" if name is not None and name.get("NameQualifier") == "PSC" else "carte"
        caller = {"by": by, "user": professional_facts(id_nat, eyes, made)}
    return {"finess_et": finess_of_struct_id(emetteur), "caller": caller}


def answered(response: bytes) -> answers.Answer | FactValues:
    """What INSi answered, or the fact that stands for it when it is neither a result nor readable."""
    if not response:
        return {"kind": "none"}
    try:
        reply = answers.read(response)
    except Unreadable:
        return {"kind": "unreadable"}
    return {"kind": "fault"} if isinstance(reply, answers.Fault) else reply


def _traits(body: soap.Element | None) -> dict[str, str | None]:
    """As they are written, None for an absent one; the first of each name."""
    written = dict[str, str]()
    for child in () if body is None else body:
        written.setdefault(str(child.tag), child.text or "")
    return {name: written.get(tag) for name, tag in _ASKED.items()}


def _is_normalised(text: str | None, normalise: Callable[[str], str]) -> bool:
    try:
        return text is not None and normalise(text) == text
    except InvalidName:
        return False


def _answer(response: bytes, eyes: Eyes, made: Made) -> FactValues:
    reply = answered(response)
    if isinstance(reply, dict):
        return reply
    return _result(reply, eyes, made) if isinstance(reply, answers.Result) else {"kind": "unreadable"}


def _result(result: answers.Result, eyes: Eyes, made: Made) -> FactValues:
    code = result.code if result.code in _CODES else OTHER
    made.show(CODE_CR, result.code)
    if result.identity is None:
        return {"kind": "result", "code": code, "identity": None}
    identity = result.identity
    matricule = identity.active.completed
    made.show(INSACTIF, f"{identity.active.matricule} ({identity.active.oid})")
    traits = {
        "birth_name": identity.birth_name, "first_name": next(iter(identity.first_names), None), "sex": identity.sex,
        "birth_date": identity.birth_date, "birth_place": identity.birth_place,
    }  # fmt: skip
    facts = {
        **patient_facts((matricule, identity.active.oid), eyes, made),
        **traits_facts(matricule, traits, eyes),
        "first_names": [
            eyes.digest("trait.first_name", f"{matricule}\n{normalised('first_name', one)}")
            for one in beginnings(identity.first_names)
        ],
        "history": len(identity.history),
        "birth_date_00": "00" in (identity.birth_date or "").split("-")[1:],
    }
    return {"kind": "result", "code": code, "identity": facts}
