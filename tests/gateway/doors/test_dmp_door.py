"""What the DMP door decides, call by call, without a socket."""
from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.dmp.client import DmpCall
from connectors.nomenclatures import xds
from connectors.nomenclatures.oids import INS_NIR, INS_NIR_TEST
from connectors.wire import mtom, soap
from connectors.wire.http import Answer
from gateway.access.callers import Access, Caller, Identity
from gateway.door import Barred
from gateway.doors.dmp import EXISTENCE, FEED, INDICATOR, SEARCH, DmpDoor
from gateway.grappes.registry import Attribution
from gateway.journal.record import Count, Dui, Intent, Named, Record
from gateway.operations import OPERATIONS
from gateway.road import Refusal, Request
from mocks.dmp import answers, frame
from mocks.dmp.checks import Error
from mocks.dmp.frame import Faulted
from mocks.dmp.state import Person
from mocks.sandbox.build import init
from tests.connectors.dmp import samples

AT = datetime(2026, 11, 21, 9, 15, tzinfo=UTC)
DER = b"certificate of the EHPAD"
CALLER = Caller(
    tenant="editeur", struct_id="10B0990008", finess_et="0B0990008", entitled_ej=frozenset({"0B0990107"}),
    dui=Dui("NIL1", "DUI EXEMPLE", "0.9"), identity=Identity(Path("c"), Path("k")),
)  # fmt: skip
BARE = replace(CALLER, identity=None)
ACCESS = Access(_certificates={hashlib.sha256(DER).hexdigest(): CALLER, hashlib.sha256(b"bare").hexdigest(): BARE})
MATRICULE = "269054958815780"
PERSON = {
    "matricule": MATRICULE, "birth_name": "EXEMPLE", "first_names": ["ALICE"], "sex": "F", "birth_date": "1969-05-22",
    "birth_place": "49588",
}  # fmt: skip


class Attributes:
    """A registry that writes down what it is asked and always gives the same ESSMS."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], Caller, datetime]] = []

    def attribute(self, institutions: Sequence[str], caller: Caller, at: datetime) -> Attribution:
        self.asked.append((tuple(institutions), caller, at))
        return Attribution("0B0990008", "0B0990107", "metadonnee")


@pytest.fixture(scope="module")
def dui(tmp_path_factory: pytest.TempPathFactory) -> samples.Dui:
    folder = tmp_path_factory.mktemp("door")
    return samples.Dui(folder / "sandbox", init(folder, persons=1)["structures"][0], PERSON)


@pytest.fixture
def registry() -> Attributes:
    return Attributes()


@pytest.fixture
def door(registry: Attributes) -> DmpDoor:
    return DmpDoor("https://localhost:9111/", registry, lambda: AT)  # type: ignore[arg-type]


def asked(call: DmpCall, der: bytes | None = DER) -> Request:
    return Request("dmp", "POST", f"/si-dmp-server/v2/services/{call.endpoint}?x=%2F", list(call.headers), call.body, der)


def edited(call: DmpCall, pattern: str, replacement: str) -> DmpCall:
    body, made = re.subn(pattern.encode(), replacement.encode(), call.body, flags=re.DOTALL)
    assert made
    return replace(call, body=body)


def read(door: DmpDoor, call: DmpCall) -> tuple[Record, Intent | None]:
    record = Record(None, dui=CALLER.dui)
    return record, door.read(asked(call), record, CALLER)


def concluded(door: DmpDoor, call: DmpCall, answer: Answer) -> Record:
    record, _ = read(door, call)
    door.conclude(record, asked(call), answer)
    return record


def reply(body: str) -> Answer:
    envelope = frame.answer(body, action="x", relates_to=None)
    return Answer(200, [(b"Content-Type", b"application/soap+xml; charset=UTF-8")], envelope)


def faulted(role: str, subcode: str | None) -> Answer:
    body = frame.fault(Faulted(role, "Refus", subcode), None)
    return Answer(500, [(b"content-type", b"application/soap+xml")], body)


# --- whose call, and where it goes -----------------------------------------------------------------------------------------


def test_a_deposited_certificate_names_its_caller(door: DmpDoor, dui: samples.Dui) -> None:
    assert door.identify(asked(dui.existence()), ACCESS) is CALLER
    assert door.lends_identity


@pytest.mark.parametrize("der", [None, b"unknown", b"bare"])
def test_nothing_is_lent_to_a_stranger(door: DmpDoor, dui: samples.Dui, der: bytes | None) -> None:
    refusal = door.identify(asked(dui.existence(), der), ACCESS)
    assert isinstance(refusal, Refusal)
    assert refusal.flag == "V-IDENTITE"
    answer = door.refuse(refusal, asked(dui.existence()))
    assert (answer.status, answer.header("x-socle-fault")) == (500, "V-IDENTITE")
    fault = soap.read_fault(soap.read_envelope(answer.body))
    assert fault is not None
    assert (fault.code, fault.subcode, fault.reason) == ("Sender", None, refusal.text)


def test_path_and_query_go_upstream_as_received(door: DmpDoor, dui: samples.Dui) -> None:
    assert door.upstream(asked(dui.feed())) == "https://localhost:9111/si-dmp-server/v2/services/repository?x=%2F"


# --- what a request says ---------------------------------------------------------------------------------------------------


def test_a_feed_is_read_whole(door: DmpDoor, dui: samples.Dui, registry: Attributes) -> None:
    record, intent = read(door, dui.feed())
    struct_id = dui.structure["struct_id"]
    assert record.operation == FEED
    assert (record.dui, record.flags) == (Dui("NIL1", "DUI EXEMPLE", "1.0"), [])
    assert record.person == Named("person", MATRICULE)
    assert record.professional == Named("professional", f"3{struct_id[1:]}/ed.12")
    assert (record.ins_status, record.document_type) == ("qualifiee", "80788-3")
    assert record.documents == [Named("document", "1.2.250.1.999.7.3.1")]
    assert record.counts_for == [Count("IND-DMP-01", Named("person", MATRICULE))]
    assert (record.finess_et, record.finess_ej, record.attribution) == ("0B0990008", "0B0990107", "metadonnee")
    assert registry.asked == [((struct_id, struct_id), CALLER, AT)]
    assert intent is not None
    assert intent.key == Named("submission", "1.2.250.1.999.7.2.1\n1.2.250.1.999.7.3.1")
    assert intent.deadline_s == OPERATIONS[FEED].deadline_s
    assert intent.blob is not None
    assert orjson.loads(intent.blob) == {
        "matricule": MATRICULE, "oid": xds.OID_INS_TEST, "unique_ids": ["1.2.250.1.999.7.3.1"], "struct_id": "10B0990008",
    }  # fmt: skip


def test_a_message_is_held_as_it_was_read_unless_its_tree_is_large(door: DmpDoor, dui: samples.Dui) -> None:
    """The root alone has a tree: documents are views of the body, which the request holds anyway."""
    large_root = edited(dui.feed(), "</soap:Envelope>", " " * 64 * 1024 + "</soap:Envelope>")
    for call, parts in ((dui.existence(), None), (dui.feed(pdf=samples.pdf() + b" " * 64 * 1024), 1), (large_root, None)):
        request = asked(call)
        door.read(request, Record(None, dui=CALLER.dui), CALLER)
        held = request.envelope_read
        assert (held is None) == (call is large_root)
        assert held is None or (held.parts and len(held.parts.parts)) == parts


@pytest.mark.parametrize("name", ["feed", "existence"])
def test_the_identity_of_a_fictitious_person_ends_at_the_door_of_production(door: DmpDoor, dui: samples.Dui, name: str) -> None:
    call = getattr(dui, name)()
    real = replace(call, body=call.body.replace(INS_NIR_TEST.encode(), INS_NIR.encode()))
    assert INS_NIR_TEST.encode() in call.body and real.body != call.body
    with pytest.raises(Barred, match=re.escape(INS_NIR_TEST)):
        door.read(asked(call), Record(None, environment="production"), CALLER)
    for environment, given_call in (("production", real), ("bac_a_sable", call), ("recette", call)):
        record = Record(None, environment=environment)
        door.read(asked(given_call), record, CALLER)
        assert record.operation == {"feed": FEED, "existence": EXISTENCE}[name]


def test_the_indicator_is_the_operation_s() -> None:
    assert OPERATIONS[FEED].indicator == INDICATOR


def test_a_retry_has_the_same_key_and_commitment(door: DmpDoor, dui: samples.Dui) -> None:
    """Its VIHF, its boundary and its MessageID differ: only the set and its documents may count."""
    first, again = dui.feed(), dui.feed()
    assert first.body != again.body
    (_, one), (_, two), (_, other) = read(door, first), read(door, again), read(door, dui.feed(title="Autre"))
    assert one is not None
    assert two is not None
    assert other is not None
    assert (one.key, one.commitment) == (two.key, two.commitment)
    assert one.commitment is not None
    assert (other.key, other.commitment == one.commitment) == (one.key, False)


def test_the_document_s_institution_comes_before_the_set_s(door: DmpDoor, dui: samples.Dui, registry: Attributes) -> None:
    institution = rf"(<ExtrinsicObject .*?ISO\^IDNST\^\^\^){dui.structure['struct_id']}"
    read(door, edited(dui.feed(), institution, r"\g<1>1130000018"))
    assert registry.asked[0][0] == ("1130000018", dui.structure["struct_id"])


@pytest.mark.parametrize("scheme", ["96fdda7c-d067-4183-912e-bf5ee74998a8", "2e82c1f6-a085-4c72-9da3-8640a32e42ab"])
def test_a_feed_without_its_ids_is_relayed_without_a_key(door: DmpDoor, dui: samples.Dui, scheme: str) -> None:
    record, intent = read(door, edited(dui.feed(), scheme, "x"))
    assert (record.operation, record.flags) == (FEED, ["V-CLE-ABSENTE"])
    assert intent is not None
    assert intent.key is None


def test_a_feed_of_nobody_counts_nobody_and_asks_nothing(door: DmpDoor, dui: samples.Dui) -> None:
    call = edited(dui.feed(), rf"{MATRICULE}\^\^\^&amp;", "x")
    record, intent = read(door, call)
    assert (record.person, record.ins_status, record.counts_for) == (None, None, [])
    assert intent is not None
    assert intent.blob is None


def test_a_text_that_the_client_chose_is_not_a_type(door: DmpDoor, dui: samples.Dui) -> None:
    record, _ = read(door, edited(dui.feed(), 'nodeRepresentation="80788-3"', 'nodeRepresentation="Mme EXEMPLE"'))
    assert record.document_type is None


def test_a_version_that_the_client_chose_is_a_number_or_nothing(door: DmpDoor, dui: samples.Dui) -> None:
    record, _ = read(door, edited(dui.feed(), r'(Name="LPS_Version"><[^>]*>)1\.0', r"\g<1>Mme EXEMPLE"))
    assert record.dui == CALLER.dui


@pytest.mark.parametrize(("name", "operation"), [("existence", EXISTENCE), ("lookup", SEARCH)])
def test_a_read_has_no_intent(door: DmpDoor, dui: samples.Dui, name: str, operation: str) -> None:
    call = dui.existence() if name == "existence" else dui.lookup("1.2.3")
    record, intent = read(door, call)
    assert (record.operation, intent, record.flags) == (operation, None, [])
    assert record.person == Named("person", MATRICULE)
    assert (record.counts_for, record.attribution, record.finess_et) == ([], "appel", "0B0990008")


@pytest.mark.parametrize(
    ("body", "flag"),
    [(b"<s:Envelope xmlns:s=", "V-SOAP"), (b"<!DOCTYPE a><a/>", "V-SOAP"), (b"", "V-SOAP")],
)
def test_what_cannot_be_read_is_unknown_and_relayed(door: DmpDoor, dui: samples.Dui, body: bytes, flag: str) -> None:
    record, intent = read(door, replace(dui.feed(), body=body))
    assert (record.operation, record.flags, intent) == ("DMP.INCONNUE", [flag], None)


def test_another_transaction_is_unknown(door: DmpDoor, dui: samples.Dui) -> None:
    record, intent = read(door, edited(dui.existence(), "TEST_EXST", "CNSLT_DATA"))
    assert (record.operation, record.flags, intent) == ("DMP.INCONNUE", ["V-OPERATION"], None)


def test_the_order_of_documents_does_not_change_the_key(door: DmpDoor, dui: samples.Dui) -> None:
    call = two_documents(dui)
    keys = [read(door, one)[1] for one in (call, swapped(call))]
    assert all(intent is not None and intent.key is not None for intent in keys)
    assert {intent.key.value for intent in keys if intent and intent.key} == {
        "1.2.250.1.999.7.2.1\n1.2.250.1.999.7.3.1\n1.2.250.1.999.7.3.2"
    }


DAMAGE = [b"", b"<", b"\x00", b"&a;", b"\r\n--", b"\r\n\r\n", b"<!DOCTYPE a>", b'"', b":"]


@settings(derandomize=True, max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 2), start=st.integers(0, 9000), length=st.integers(0, 30), filler=st.sampled_from(DAMAGE),
    boundary=st.sampled_from(["", '; start="<none>"', "; x", "; boundary=b"]),
)  # fmt: skip
def test_the_door_and_the_mock_count_a_damaged_message_alike(
    door: DmpDoor, dui: samples.Dui, which: int, start: int, length: int, filler: bytes, boundary: str
) -> None:
    """They read with no code in common; an operation that one sees and the other does not would break the reconciliation."""
    call = _calls(dui)[which]
    content_type = dict(call.headers)[b"content-type"].decode() + boundary
    body = call.body[:start] + filler + call.body[start + length :]
    record, _ = read(door, replace(call, headers=[(b"content-type", content_type.encode())], body=body))
    try:
        operation = frame.read(content_type, body).operation
    except Faulted:
        operation = frame.UNKNOWN
    assert record.operation == operation


@cache
def _calls(dui: samples.Dui) -> list[DmpCall]:
    return [dui.feed(), dui.existence(), dui.lookup("1.2.3")]


# --- what the DMP answers --------------------------------------------------------------------------------------------------


def test_a_success_is_ok(door: DmpDoor, dui: samples.Dui) -> None:
    record = concluded(door, dui.feed(), reply(answers.registry(())))
    assert (record.outcome, record.service_code, record.flags) == ("ok", "Success", [])


@pytest.mark.parametrize(
    ("code", "outcome", "flags"),
    [
        ("XDSRegistryMetadataError", "refused", ["V-METADONNEES"]),
        ("XDSDuplicateUniqueIdInRegistry", "refused", ["V-DOUBLON"]),
        ("DMPClosed", "refused", []),
        ("XDSUnknownPatientId", "refused", []),
        ("DMPAccessDeniedByRightsService", "unauthorised", ["V-DROITS"]),
        ("XDSRepositoryBusy", "failed", ["N-INDISPONIBLE"]),
        ("SomethingNew", "refused", ["V-METADONNEES"]),
    ],
)
def test_a_failure_in_http_200_is_told_by_its_first_code(
    door: DmpDoor, dui: samples.Dui, code: str, outcome: str, flags: list[str]
) -> None:
    failure = answers.registry([Error(code, "ctx"), Error("XDSRegistryError", "other")])
    record = concluded(door, dui.feed(), reply(failure))
    assert (record.outcome, record.service_code, record.flags) == (outcome, code, flags)


@pytest.mark.parametrize(
    ("role", "subcode", "outcome", "flag", "code"),
    [
        ("Sender", "DMPInvalidCertificate", "unauthorised", "V-VIHF", "DMPInvalidCertificate"),
        ("Sender", "FailedCheck", "unauthorised", "V-VIHF", "FailedCheck"),
        ("Sender", "InvalidSecurityToken", "unauthorised", "V-VIHF", "InvalidSecurityToken"),
        ("Sender", "DMPAccessDeniedByRightsService", "unauthorised", "V-DROITS", "DMPAccessDeniedByRightsService"),
        ("Sender", None, "invalid", "V-SOAP", "Sender"),
        ("Receiver", None, "failed", "N-INDISPONIBLE", "Receiver"),
    ],
)
def test_a_fault_says_whose_it_is(
    door: DmpDoor, dui: samples.Dui, role: str, subcode: str | None, outcome: str, flag: str, code: str
) -> None:
    record = concluded(door, dui.feed(), faulted(role, subcode))
    assert (record.outcome, record.flags, record.service_code) == (outcome, [flag], code)


PAUL = Person(MATRICULE, "EXEMPLE", "ALICE", "F", "19690522", "active", True)


@pytest.mark.parametrize(
    ("person", "outcome", "code"),
    [(PAUL, "ok", "OK"), (replace(PAUL, dmp="terminated"), "refused", "terminated"), (None, "refused", "NF")],
    ids=["open", "closed", "none"],
)
def test_existence_is_ok_only_when_open(
    door: DmpDoor, dui: samples.Dui, person: Person | None, outcome: str, code: str
) -> None:
    call = dui.existence()
    body = answers.existence(etree.fromstring(call.body)[1][0], person, (MATRICULE, xds.OID_INS_TEST), AT)
    record = concluded(door, call, reply(body))
    assert (record.outcome, record.service_code, record.flags) == (outcome, code, [])


def test_a_search_that_finds_nothing_is_ok(door: DmpDoor, dui: samples.Dui) -> None:
    assert concluded(door, dui.lookup("1.2"), reply(answers.query(()))).outcome == "ok"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, [(b"content-type", b"text/html")], b"<html>oops"),
        Answer(200, [], b""),
        Answer(503, [(b"content-type", b"text/plain")], b"panne"),
        reply(answers.query(())),  # an answer to another question
    ],
    ids=["html", "empty", "503", "other answer"],
)
def test_a_feed_whose_answer_nobody_can_read_is_in_doubt(door: DmpDoor, dui: samples.Dui, answer: Answer) -> None:
    record = concluded(door, dui.feed(), answer)
    code = "HTTP 503" if answer.status == 503 else None
    assert (record.outcome, record.flags, record.service_code) == ("in_doubt", ["N-ILLISIBLE"], code)


@pytest.mark.parametrize(
    ("status", "outcome", "flag"),
    [(404, "invalid", "V-SOAP"), (415, "invalid", "V-SOAP"), (403, "unauthorised", "V-DROITS")],
)
def test_a_feed_that_http_did_not_take_is_not_in_doubt(
    door: DmpDoor, dui: samples.Dui, status: int, outcome: str, flag: str
) -> None:
    record = concluded(door, dui.feed(), Answer(status, [(b"content-type", b"text/plain")], b"non"))
    assert (record.outcome, record.flags, record.service_code) == (outcome, [flag], f"HTTP {status}")


@pytest.mark.parametrize(("status", "flag"), [(200, "N-ILLISIBLE"), (503, "N-INDISPONIBLE")])
def test_a_read_whose_answer_nobody_can_read_failed(door: DmpDoor, dui: samples.Dui, status: int, flag: str) -> None:
    record = concluded(door, dui.existence(), Answer(status, [], b"panne"))
    assert (record.outcome, record.flags) == ("failed", [flag])


def test_a_code_that_is_not_a_code_is_not_kept(door: DmpDoor, dui: samples.Dui) -> None:
    record = concluded(door, dui.feed(), reply(answers.registry([Error("Mme EXEMPLE, née le 22/05/1969", "")])))
    assert (record.outcome, record.service_code) == ("refused", None)


def two_documents(dui: samples.Dui) -> DmpCall:
    """A set of two documents: the second is the first under another id."""
    call = dui.feed()
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    root = bytes(parts.root.body)
    [entry] = re.findall(rb"<ExtrinsicObject.*?</ExtrinsicObject>", root, re.DOTALL)
    [document] = re.findall(rb"<xdsb:Document .*?</xdsb:Document>", root, re.DOTALL)
    second = entry.replace(b"Document01", b"Document02").replace(b"1.2.250.1.999.7.3.1", b"1.2.250.1.999.7.3.2")
    root = root.replace(entry, entry + second).replace(document, document + document.replace(b"Document01", b"Document02"))
    content_type, body = mtom.build(
        root, [mtom.Attachment("document01@dui", "text/xml", bytes(parts.parts[0].body))], action=xds.ACTION_FEED
    )
    return DmpCall("repository", [(b"content-type", content_type.encode())], body)


def swapped(call: DmpCall) -> DmpCall:
    return edited(call, r"(<ExtrinsicObject.*?</ExtrinsicObject>)(<ExtrinsicObject.*?</ExtrinsicObject>)", r"\2\1")


