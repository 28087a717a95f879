"""What the INSi door decides, call by call, without a socket."""
from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.insi import codes, messages
from connectors.wire import soap
from connectors.wire.http import Answer
from gateway.access.callers import Access, Caller, Identity
from gateway.door import Barred
from gateway.doors.insi import InsiDoor
from gateway.journal.record import Dui, Named, Record
from gateway.road import Refusal, Request
from mocks.insi import behaviour, faults, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.state import Register
from tests.gateway.doors.insi_messages import ACTIONS, ASKED, REQUESTS, SOFTWARE, STAMP, TRAITS, request

DER = b"certificate of the EHPAD"
CALLER = Caller(
    tenant="editeur", struct_id="1130000018", finess_et="130000018", entitled_ej=frozenset({"130000000"}),
    dui=Dui("NIL1", "DUI EXEMPLE", "1.0"), identity=Identity(Path("c"), Path("k")),
)  # fmt: skip
BARE = replace(CALLER, identity=None)
ACCESS = Access(_certificates={hashlib.sha256(DER).hexdigest(): CALLER, hashlib.sha256(b"bare").hexdigest(): BARE})
PERSON = {
    "matricule": "109076322083489", "oid": "1.2.250.1.213.1.4.8", "birth_name": "ECETINSI", "first_names": ["PIERRE-ALAIN"],
    "sex": "M", "birth_date": "2009-07-14", "birth_place": "63220", "history": [], "insi": "found",
}  # fmt: skip
SEARCH = REQUESTS["INS.RECHERCHE_TRAITS"]
DOOR = InsiDoor("https://localhost:9101/")


def asked(
    body: bytes = SEARCH, *, method: str = "POST", content_type: str = soap.content_type(), der: bytes | None = DER
) -> Request:
    return Request("insi", method, "/lps?x=1", [(b"Content-Type", content_type.encode())], body, der)


def read(request: Request) -> Record:
    record = Record(None)
    assert DOOR.read(request, record, CALLER) is None  # a read has no intent
    return record


def concluded(answer: Answer, request: Request | None = None) -> Record:
    request = request or asked()
    record = read(request)
    DOOR.conclude(record, request, answer)
    return record


def test_a_deposited_certificate_names_its_caller() -> None:
    assert DOOR.identify(asked(), ACCESS) is CALLER
    assert DOOR.lends_identity


@pytest.mark.parametrize("der", [None, b"a stranger's", b"bare"])
def test_without_a_deposited_identity_nothing_is_lent(der: bytes | None) -> None:
    refusal = DOOR.identify(asked(der=der), ACCESS)

    assert isinstance(refusal, Refusal)
    assert (refusal.flag, refusal.fault_code, refusal.status) == ("V-IDENTITE", "Sender", 500)
    assert "déposé" in refusal.text


def test_the_path_goes_upstream_as_received() -> None:
    assert DOOR.upstream(asked()) == "https://localhost:9101/lps?x=1"


def test_a_search_is_recognised_and_named() -> None:
    record = read(asked())

    assert (record.operation, record.flags) == ("INS.RECHERCHE_TRAITS", [])
    assert record.dui == Dui("NIL1", "DUI EXEMPLE", "2.3.1")
    assert (record.finess_et, record.finess_ej, record.attribution) == ("130000018", "130000000", "appel")
    assert record.person is None


def test_a_request_is_read_once_but_its_tree_is_not_held_when_it_is_large() -> None:
    """One of 64 KiB would hold ten times that while its service is slow."""
    small, large = asked(), asked(SEARCH + b" " * (64 * 1024))
    assert small.envelope() is small.envelope() is small.envelope_read
    assert large.envelope() is not None and large.envelope_read is None
    assert asked(b"<a/>").envelope() is None


@pytest.mark.parametrize("version", ["DUPONT", "180032B02040123", "1800320204012", "", "1.2.3.4.5"])
def test_a_version_that_is_not_a_dotted_number_is_not_written(version: str) -> None:
    body = messages.search_request(TRAITS, replace(SOFTWARE, version=version), "1130000018", STAMP)
    assert read(asked(body)).dui == CALLER.dui


@pytest.mark.parametrize(
    ("request_", "flag"),
    [
        (asked(b""), "V-SOAP"), (asked(SEARCH[:-5]), "V-SOAP"), (asked(b"<html/>"), "V-SOAP"),
        (asked(SEARCH.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>', 1)), "V-SOAP"),
        (asked(SEARCH.replace(soap.SOAP12.encode(), soap.SOAP11.encode())), "V-SOAP"),
        (asked(SEARCH + b" " * 2 * 1024 * 1024), "V-SOAP"),
        (asked(SEARCH, method="GET"), "V-OPERATION"), (asked(SEARCH.replace(b"TraitsIdentite", b"Voyance")), "V-OPERATION"),
    ],
)  # fmt: skip
def test_what_cannot_be_recognised_says_why(request_: Request, flag: str) -> None:
    record = read(request_)
    assert (record.operation, record.flags) == ("INS.INCONNUE", [flag])


def without_action(body: bytes) -> bytes:
    return re.sub(rb"(<wsa:Action[^>]*>)[^<]+", rb"\1 ", body)


def counted(request: Request) -> str:
    """The operation under which the mock counts a request; it reads it with different code."""
    parameter = wire.action_parameter(request.header("content-type") or "")
    try:
        found = wire.read(request.body, parameter).operation if request.method == "POST" else None
    except wire.NotSoap:
        found = None
    return "INS.INCONNUE" if found is None else found.id


@pytest.mark.parametrize("operation", REQUESTS)
@pytest.mark.parametrize("told_by", ["action", "parameter", "root"])
def test_each_operation_is_told_by_its_action_else_by_its_body(operation: str, told_by: str) -> None:
    body, action = REQUESTS[operation], ACTIONS[operation]
    request = asked(
        body if told_by == "action" else without_action(body),
        content_type=soap.content_type(action if told_by == "parameter" else None),
    )
    assert (read(request).operation, read(request).flags, counted(request)) == (operation, [], operation)


@pytest.mark.parametrize(
    "request_",
    [
        asked(), asked(b"<broken"), asked(method="GET"), asked(b"<x/>"),
        asked(without_action(SEARCH), content_type=soap.content_type("urn:other")),
        asked(without_action(SEARCH).replace(b"RECSANSVITALE", b"RECVITALE")), asked(SEARCH.replace(b":1.0.0:", b":2.0.0:")),
        asked(SEARCH, content_type=soap.content_type("urn:other")),
        asked(REQUESTS["INS.LOT_DEPOT"], content_type=soap.content_type(codes.ACTION_TRAITS)),
        asked(without_action(SEARCH), content_type=soap.content_type(codes.ACTION_VERIFY)),
        asked(without_action(SEARCH), content_type='application/soap+xml;ACTION="urn:other"; charset=utf-8'),
    ],
)  # fmt: skip
def test_door_and_mock_count_a_request_under_the_same_operation(request_: Request) -> None:
    """The reconciliation of design §9 rests on their agreement."""
    assert read(request_).operation == counted(request_)


def test_one_person_is_ok_and_named_by_matricule_alone() -> None:
    record = concluded(Answer(200, [], wire.result("00", "OK", PERSON)))

    assert (record.outcome, record.service_code, record.flags) == ("ok", "CR00", [])
    assert record.person == Named("person", "109076322083489")
    assert "109076322083489" not in repr(record)


def test_a_matricule_without_its_key_names_the_same_person() -> None:
    answer = wire.result("00", "OK", PERSON).replace(b"<Cle>89</Cle>", b"")
    assert concluded(Answer(200, [], answer)).person == Named("person", "109076322083489")


def verified(individual: messages.Individual, answer: bytes, environment: str = "bac_a_sable") -> Record:
    asking, record = asked(request("INS.VERIFICATION", individual=individual)), Record(None, environment=environment)
    DOOR.read(asking, record, CALLER)
    DOOR.conclude(record, asking, Answer(200, [], answer))
    return record


@pytest.mark.parametrize(("holds", "outcome", "code"), [(True, "ok", "CR00 OK"), (False, "refused", "CR00 KO")])
def test_a_verification_names_whom_it_asked_about_whatever_the_answer(holds: bool, outcome: str, code: str) -> None:
    record = verified(ASKED, wire.verified(holds))
    assert (record.outcome, record.service_code, record.flags) == (outcome, code, [])
    assert record.person == Named("person", "109076322083489")


def test_a_verification_that_the_service_did_not_make_names_nobody() -> None:
    record = verified(ASKED, behaviour.plain_fault(faults.BAD_CONTEXT).body)
    assert (record.outcome, record.person) == ("invalid", None)


@pytest.mark.parametrize(
    ("number", "key", "person"),
    [("1090763220834", None, "109076322083489"), ("1090763220834", "12", "109076322083412"), ("DUPONT", "89", None),
     ("1090763220834", "8", None), ("180032B020401", "23", "180032B02040123")],
)  # fmt: skip
def test_only_what_has_the_form_of_a_matricule_names_a_person(number: str, key: str | None, person: str | None) -> None:
    """A wrong key is what a KO is often about; a text of the DUI's own has no place in a ref of persons."""
    record = verified(replace(ASKED, ins=messages.Ins(number, key, "1.2.250.1.213.1.4.8")), wire.verified(False))
    assert (record.outcome, record.person) == ("refused", None if person is None else Named("person", person))


@pytest.mark.parametrize("oid", ["1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"])
def test_a_fictitious_person_is_not_verified_in_production(oid: str) -> None:
    fictitious = replace(ASKED, ins=replace(ASKED.ins, oid=oid))
    with pytest.raises(Barred, match="identité d'essai"):
        verified(fictitious, b"", "production")
    with pytest.raises(Barred, match="identité d'essai"):
        DOOR.read(asked(request("INS.LOT_DEPOT", individual=fictitious)), Record(None, environment="production"), CALLER)
    assert verified(fictitious, wire.verified(True)).outcome == "ok"


@pytest.mark.parametrize(
    ("operation", "answer", "outcome", "code"),
    [
        ("INS.LOT_DEPOT", wire.lot("00", "OK", "lot-1"), "ok", "CR00"),
        ("INS.LOT_RETRAIT", wire.lot("00", "OK", "lot-1", "EN_COURS"), "ok", "CR00"),
        ("INS.LOT_RETRAIT", wire.lot("00", "OK", "lot-1", "TERMINE", [("1", True), ("2", False)]), "ok", "CR00"),
        ("INS.LOT_RETRAIT", wire.lot("01", "Lot inconnu", "lot-1"), "refused", "CR01"),
    ],
)  # fmt: skip
def test_a_lot_is_taken_or_not_and_names_nobody(operation: str, answer: bytes, outcome: str, code: str) -> None:
    record = concluded(Answer(200, [], answer), asked(REQUESTS[operation]))
    assert (record.operation, record.outcome, record.service_code, record.person) == (operation, outcome, code, None)


@pytest.mark.parametrize("operation", ["INS.RECHERCHE_TRAITS", "INS.LOT_DEPOT"])
def test_the_answer_of_another_operation_proves_nothing(operation: str) -> None:
    record = concluded(Answer(200, [], wire.verified(True)), asked(REQUESTS[operation]))
    assert (record.outcome, record.service_code, record.flags) == ("failed", None, ["N-ILLISIBLE"])


@pytest.mark.parametrize("cr", ["01", "02"])
def test_nobody_or_several_is_refused_without_a_person(cr: str) -> None:
    record = concluded(Answer(200, [], wire.result(cr, "x")))
    assert (record.outcome, record.service_code, record.flags, record.person) == ("refused", f"CR{cr}", [], None)


@pytest.mark.parametrize(
    ("code", "outcome", "flag"),
    [
        ("insi_19", "invalid", "V-TRAITS"), ("insi_27", "invalid", "V-TRAITS"), ("desir_550", "unauthorised", "V-AUTORISATION"),
        ("desir_560", "unauthorised", "V-AUTORISATION"), ("insi_102", "failed", "N-INDISPONIBLE"),
        ("insi_111", "failed", "N-INDISPONIBLE"), ("desir_1020", "failed", "N-INDISPONIBLE"),
    ],
)  # fmt: skip
def test_each_known_fault_has_its_outcome(code: str, outcome: str, flag: str) -> None:
    reply = behaviour.known_fault(code, wire.read(SEARCH, None))

    record = concluded(Answer(reply.status, [], reply.body))

    assert (record.outcome, record.service_code, record.flags, record.person) == (outcome, code, [flag], None)


@pytest.mark.parametrize(
    ("text", "request_", "code", "outcome", "flags"),
    [
        (faults.NOT_SOAP, asked(b"<broken"), "Sender", "invalid", ["V-SOAP"]),
        (faults.UNKNOWN_OPERATION, asked(SEARCH.replace(b"TraitsId", b"CarteId")), "Sender", "invalid", ["V-OPERATION"]),
        (faults.BAD_CONTEXT, asked(), "siram_10", "invalid", ["V-SOAP"]),
        (faults.UNKNOWN_INJECTED, asked(), "Receiver", "failed", ["N-INDISPONIBLE"]),
    ],
)  # fmt: skip
def test_a_fault_without_an_insi_code_tells_who_is_at_fault(
    text: wire.FaultText, request_: Request, code: str, outcome: str, flags: list[str]
) -> None:
    record = concluded(Answer(500, [], behaviour.plain_fault(text).body), request_)
    assert (record.outcome, record.service_code, record.flags) == (outcome, code, flags)


@pytest.mark.parametrize(
    ("status", "outcome", "flag"),
    [
        (200, "failed", "N-ILLISIBLE"), (302, "failed", "N-ILLISIBLE"), (403, "unauthorised", "V-AUTORISATION"),
        (405, "invalid", "V-SOAP"), (415, "invalid", "V-SOAP"),
        (500, "failed", "N-INDISPONIBLE"), (503, "failed", "N-INDISPONIBLE"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_soap_is_judged_by_its_status(status: int, outcome: str, flag: str) -> None:
    record = concluded(Answer(status, [], b"<html>"))
    code = None if status == 200 else f"HTTP {status}"
    assert (record.outcome, record.service_code, record.flags) == (outcome, code, [flag])


def test_a_strange_code_is_not_written() -> None:
    record = concluded(Answer(200, [], wire.result("D'ARTAGNAN PIERRE", "x")))
    assert (record.outcome, record.service_code) == ("refused", None)


def test_a_refusal_is_a_soap_fault_that_names_its_flag() -> None:
    answer = DOOR.refuse(Refusal("G-PLEIN", "Le journal n'a plus de place."), asked())

    fault = messages.read_answer(answer.body)
    assert isinstance(fault, messages.Fault)
    assert (answer.status, answer.header("X-Socle-Fault")) == (503, "G-PLEIN")
    assert answer.header("content-type") == "application/soap+xml; charset=utf-8"
    assert (fault.role, fault.subcode, fault.error_code) == ("Receiver", None, None)
    assert fault.reason == "Le journal n'a plus de place."


def test_the_whole_exchange_with_the_mock_of_a_person_unknown_to_it() -> None:
    register = Register.of([PERSON], idams=[SOFTWARE.idam])
    request = asked(messages.search_request(replace(TRAITS, first_name="OLA"), SOFTWARE, "1130000018", STAMP))

    reply = behaviour.answer(wire.read(request.body, None), ByCertificate("INSI-AUTO"), register)

    assert concluded(Answer(reply.status, [], reply.body), request).service_code == "CR01"
