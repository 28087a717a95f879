"""What INSi answers to one request: order of checks (reference: insi §9.2), then what each operation decides.

Pure: no socket, no clock. Every line of ledger.toml cites a test of these modules or of the application around them.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mocks.insi import contexts, faults, fields, scenarios, search, verification, wire
from mocks.insi.callers import Caller
from mocks.insi.faults import Faulted
from mocks.insi.operations import BY_CARD, BY_TRAITS, DEPOSIT, RETRIEVE, SEARCHES, VERIFY, Operation
from mocks.insi.scenarios import ORDINARY, Circumstances
from mocks.insi.state import Register

_LABELS = {"CR01": "Aucune identite trouvee", "CR02": "Plusieurs identites trouvees"}
_NO_LOT = "Aucun lot trouve"
_OK = "OK"


@dataclass(slots=True)
class Reply:
    """``code`` is the most precise one answered: CR00, CR00 OK, insi_19, desir_550, siram_10, Sender."""

    status: int
    code: str
    body: bytes = field(repr=False)
    delay_s: float = 0.0


@dataclass(slots=True)
class _Request:
    """A request that passed its checks. ``names``: birth names of those it is about; ``about``: as its operation reads it."""

    operation: Operation
    about: Any = field(repr=False)
    names: tuple[str | None, ...] = field(repr=False)
    owner: str = field(repr=False)


def answer(message: wire.Message, caller: Caller, register: Register, here: Circumstances = ORDINARY) -> Reply:
    """Answer one well-formed request."""
    try:
        request = _checked(message, caller, register, here)
    except Faulted as refusal:
        return fault(refusal.text, message)
    code = scenarios.forced(request.names, here, register)
    reply = forced(code, message) if code is not None else _DECIDE[request.operation](request, message, register, here)
    delay_s = scenarios.delay_s(request.names, here, register)
    return replace(reply, delay_s=delay_s) if delay_s else reply


def fault(text: wire.FaultText, message: wire.Message) -> Reply:
    return plain_fault(text) if text.code is None else known_fault(text.code, message)


def known_fault(code: str, message: wire.Message) -> Reply:
    """A fault of the table, in the shape of its family: insi_* by the application, desir_* by the front gateway."""
    text = faults.FAULTS[code]
    body = wire.application_fault(text) if code.startswith("insi_") else wire.gateway_fault(text, message.message_id)
    return Reply(500, code, body)


def plain_fault(text: wire.FaultText) -> Reply:
    """A fault for which no official code is known: none is invented."""
    return Reply(500, text.subcode or text.role, wire.gateway_fault(text, None))


def forced(code: str, message: wire.Message) -> Reply:
    """An answer armed by the control API or by a scenario: a fault of the table, or what the operation answers without one."""
    if code in faults.FAULTS:
        return known_fault(code, message)
    operation = message.operation
    if operation is None or code not in scenarios.ANSWERS.get(operation, ()):
        return plain_fault(faults.UNKNOWN_INJECTED)
    if operation is VERIFY:
        return _verified(False)
    return _no_lot("") if operation is RETRIEVE else _no_person(code)


def sought(message: wire.Message | None, register: Register) -> list[str]:
    """The matricules that a request is about, former ones included: who may be touched by a fault."""
    operation = None if message is None else message.operation
    if message is None or operation is None or operation is RETRIEVE or message.body is None:
        return []
    try:
        about = _read(operation, message.body, register)
    except Faulted:
        return []
    if operation in SEARCHES:
        found = search.by_traits(about, register) if operation is BY_TRAITS else search.by_card(about, register)
        return [one["matricule"] for person in found for one in (person, *person.get("history", ()))]
    return [one.matricule for one in (about if operation is DEPOSIT else [about])]


def _checked(message: wire.Message, caller: Caller, register: Register, here: Circumstances) -> _Request:
    """The checks of insi §9.2, in their order. Raises Faulted."""
    caller.check_connection()
    if contexts.check(message) not in register.idams:
        raise Faulted(faults.FAULTS["desir_550"])
    owner, emitter = caller.identified(message, register, here.real)
    if register.rules.strict:
        contexts.check_strictly(message, emitter)
    operation, body = message.operation, message.body
    if operation is None or body is None or body.tag != operation.root:
        raise Faulted(faults.UNKNOWN_OPERATION)
    about = _read(operation, body, register)
    return _Request(operation, about, _names(about), owner)


def _read(operation: Operation, body: wire.Element, register: Register) -> Any:
    strict = register.rules.strict
    if operation is BY_TRAITS:
        return fields.read_search(body, strict=strict)
    if operation is BY_CARD:
        return search.read_card(body)
    if operation is VERIFY:
        return verification.read_unit(body, strict=strict)
    return verification.read_lot(body, strict=strict) if operation is DEPOSIT else verification.read_retrieval(body)


def _names(about: Any) -> tuple[str | None, ...]:
    if isinstance(about, fields.Asked | search.Card):
        return (about.birth_name,)
    individuals = [about] if isinstance(about, verification.Individual) else about if isinstance(about, list) else []
    return tuple(one.traits.birth_name for one in individuals)


def _by_traits(request: _Request, message: wire.Message, register: Register, _here: Circumstances) -> Reply:
    return _found(search.by_traits(request.about, register), message, register)


def _by_card(request: _Request, message: wire.Message, register: Register, _here: Circumstances) -> Reply:
    return _found(search.by_card(request.about, register), message, register)


def _found(persons: list[Any], message: wire.Message, register: Register) -> Reply:
    if not persons and register.rules.unknown_person != "cr01":
        return known_fault(register.rules.unknown_person, message)
    code = scenarios.told("CR00", register) if len(persons) == 1 else "CR02" if persons else "CR01"
    return Reply(200, code, wire.result("00", _OK, persons[0])) if code == "CR00" else _no_person(code)


def _no_person(code: str) -> Reply:
    return Reply(200, code, wire.result(code.removeprefix("CR"), _LABELS[code]))


def _verify(request: _Request, _message: wire.Message, register: Register, _here: Circumstances) -> Reply:
    return _verified(verification.holds(request.about, register))


def _verified(holds: bool) -> Reply:
    return Reply(200, f"CR00 {'OK' if holds else 'KO'}", wire.verified(holds))


def _deposit(request: _Request, _message: wire.Message, register: Register, here: Circumstances) -> Reply:
    results = [(one.id, verification.holds(one, register)) for one in request.about]
    lot = register.lots.deposit(request.owner, results, here.business)
    return Reply(200, "CR00", wire.lot("00", _OK, lot.id))


def _retrieve(request: _Request, _message: wire.Message, register: Register, here: Circumstances) -> Reply:
    lot = register.lots.find(request.about, request.owner)
    if lot is None:
        return _no_lot(request.about)
    if not lot.is_done(here.business, register.rules.batch_delay_s):
        return Reply(200, "CR00", wire.lot("00", _OK, lot.id, "EN_COURS"))
    return Reply(200, "CR00", wire.lot("00", _OK, lot.id, "TERMINE", lot.results))


def _no_lot(lot_id: str) -> Reply:
    return Reply(200, "CR01", wire.lot("01", _NO_LOT, lot_id))


_DECIDE: dict[Operation, Callable[[_Request, wire.Message, Register, Circumstances], Reply]] = {
    BY_TRAITS: _by_traits, BY_CARD: _by_card, VERIFY: _verify, DEPOSIT: _deposit, RETRIEVE: _retrieve,
}  # fmt: skip
