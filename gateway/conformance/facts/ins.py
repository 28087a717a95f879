"""Facts of a search of the INS by traits: what was asked, by class only, and what the answer holds (reference insi §4, §5)."""
from __future__ import annotations

from collections.abc import Callable

from connectors.insi import codes, messages
from connectors.insi.errors import Unreadable
from connectors.nomenclatures.identifiers import finess_of_struct_id
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from connectors.wire import soap
from gateway.conformance.facts.classes import class_of
from gateway.conformance.facts.identity import OTHER, patient_facts, traits_facts
from gateway.conformance.facts.places import CODE_CR, INSACTIF
from gateway.conformance.model import Eyes, FactValues, Made, Message

_ASKED = {
    "birth_name": "NomNaissance", "first_name": "Prenom", "sex": "Sexe", "birth_date": "DateNaissance",
    "birth_place": "LieuNaissance",
}  # fmt: skip
_CODES = (codes.INSI_OK, codes.INSI_NOBODY, codes.INSI_SEVERAL)


def search_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """``asked`` {finess_et, classes, normalised} and ``answer`` {kind, code, identity}. ``none``: nothing came back."""
    made.values["asked"] = _asked(message.request)
    if not message.response:
        made.values["answer"] = {"kind": "none"}
        return
    try:
        reply = messages.read_answer(message.response)
    except Unreadable:
        made.values["answer"] = {"kind": "unreadable"}
        return
    made.values["answer"] = {"kind": "fault"} if isinstance(reply, messages.Fault) else _result(reply, eyes, made)


def _asked(request: bytes) -> FactValues:
    envelope = soap.read_envelope(request)
    body, context = envelope.body, envelope.block(codes.LPS, "ContexteLPS")
    emetteur = None if context is None else (context.findtext(f"{{{codes.LPS}}}Emetteur") or "").strip()
    traits = {name: None if body is None else body.findtext(f"{{{codes.TRAITS}}}{tag}") for name, tag in _ASKED.items()}
    return {
        "finess_et": finess_of_struct_id(emetteur or ""),
        "classes": {name: class_of(text) for name, text in traits.items() if text is not None},
        "normalised": _is_normalised(traits["birth_name"], normalise_birth_name)
        and _is_normalised(traits["first_name"], normalise_first_names),
    }


def _is_normalised(text: str | None, normalise: Callable[[str], str]) -> bool:
    try:
        return text is not None and normalise(text) == text
    except InvalidName:
        return False


def _result(result: messages.Result, eyes: Eyes, made: Made) -> FactValues:
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
        "history": len(identity.history),
        "birth_date_00": "00" in (identity.birth_date or "").split("-")[1:],
    }
    return {"kind": "result", "code": code, "identity": facts}
