from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.insi import codes, messages
from connectors.insi.errors import Unreadable
from connectors.wire import soap
from tests.connectors.insi import samples
from tests.connectors.insi.samples import DATA, canonical
from tests.connectors.insi.samples import reference as reference

SOFTWARE = messages.Software("SOCLEDUI0001", "DUI & Cie", "2.3", "44444444-4444-4444-8444-444444444444")
STAMP = messages.Stamp(
    datetime(2026, 3, 2, 8, 5, 0, 7000, tzinfo=UTC),
    "uuid:11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
    "33333333-3333-4333-8333-333333333333",
)
DARTAGNAN = messages.Traits("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN", "M", "2001-06-17")


def test_a_request_is_the_golden_one() -> None:
    request = messages.search_request(DARTAGNAN, SOFTWARE, "1130000018", STAMP)

    assert canonical(request) == canonical((DATA / "request.xml").read_bytes())


def test_a_request_is_the_one_of_the_reference(reference: Path) -> None:
    sample = (reference / "samples" / "request-traits-mtls.xml").read_bytes().replace(b"<wsse:Security/>", b"")
    traits = messages.Traits("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN", "M", "2001-06-17", "63220")

    assert canonical(messages.search_request(traits, samples.SOFTWARE, "1750000001", samples.STAMP)) == canonical(sample)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("ctxlps", f".//{{{codes.LPS}}}ContexteLPS"),
        ("ctxbam", f".//{{{codes.BAM}}}ContexteBAM"),
        ("insi-recsans", f".//{codes.ROOT_TRAITS}"),
    ],
)
def test_each_part_of_a_request_is_valid_under_the_reference_schemas(reference: Path, schema: str, path: str) -> None:
    part = etree.fromstring(messages.search_request(DARTAGNAN, SOFTWARE, "1130000018", STAMP)).find(path)
    assert part is not None
    etree.XMLSchema(etree.parse(reference / "schemas" / f"{schema}.xsd")).assertValid(part)


def test_the_birth_place_comes_last_when_given() -> None:
    traits = messages.Traits("ADRTROIS", "TOUSSAINT", "M", "1960-01-01", "2B020")

    body = etree.fromstring(messages.search_request(traits, SOFTWARE, "1130000018", STAMP)).find(f".//{codes.ROOT_TRAITS}")

    assert body is not None
    assert [etree.QName(child).localname for child in body][-1] == "LieuNaissance"
    assert body[-1].text == "2B020"


def test_two_stamps_share_nothing_and_the_message_id_is_not_a_urn() -> None:
    first, second = messages.new_stamp(STAMP.at), messages.new_stamp(STAMP.at)

    assert first.message_id.startswith("uuid:")
    assert len({first.message_id, first.lps_id, first.bam_id, second.message_id, second.lps_id, second.bam_id}) == 6


def test_an_answer_is_returned_as_received() -> None:
    answer = messages.read_answer((DATA / "answer-00.xml").read_bytes())

    assert isinstance(answer, messages.Result) and answer.identity is not None
    assert (answer.code, answer.label, answer.service_code) == ("00", "OK", "CR00")
    assert (answer.identity.active.matricule, answer.identity.active.oid) == ("180032B02040123", "1.2.250.1.213.1.4.8")
    [former] = answer.identity.history  # dates before the identifier, end before start, wrong key: all kept
    assert (former.number, former.key, former.start, former.end) == ("2810363220456", "10", "2019-03-01", "2019-02-28")
    assert answer.identity.first_names == ("ANTHONY", "PAUL")
    assert (answer.identity.birth_name, answer.identity.birth_place) == ("CORSE", "2B020")


def test_nobody_is_named_unless_one_person_was_found() -> None:
    data = (DATA / "answer-00.xml").read_bytes()
    assert isinstance(found := messages.read_answer(data), messages.Result) and found.identity is not None  # the twin

    for code in (b"01", b"02"):
        several = messages.read_answer(data.replace(b"<CodeCR>00<", b"<CodeCR>" + code + b"<"))
        assert isinstance(several, messages.Result)
        assert (several.code, several.identity) == (code.decode(), None)


def test_a_matricule_and_traits_do_not_show_in_repr() -> None:
    answer = messages.read_answer((DATA / "answer-00.xml").read_bytes())

    shown = repr(answer) + repr(DARTAGNAN)

    assert not any(secret in shown for secret in ("180032B020401", "CORSE", "1980-03-02", "ARTAGNAN", "2001-06-17"))


def test_both_shapes_of_fault_read_alike() -> None:
    application = messages.read_answer((DATA / "fault-application.xml").read_bytes())
    gateway = messages.read_answer((DATA / "fault-gateway.xml").read_bytes())

    assert isinstance(application, messages.Fault) and isinstance(gateway, messages.Fault)
    assert (application.role, application.subcode, application.service_code) == ("Receiver", "siram_40", "insi_102")
    assert (application.family, application.severity, application.text) == ("siram_40", "fatal", "Erreur technique.")
    assert application.message_id is None
    assert (gateway.role, gateway.subcode, gateway.service_code) == ("Sender", "siram_100", "desir_550")
    assert (gateway.family, gateway.severity, gateway.message_id) == ("siram_100", "erreur", STAMP.message_id)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("response-00.xml", "CR00"), ("response-00-histo.xml", "CR00"), ("response-00-nia.xml", "CR00"),
        ("response-01.xml", "CR01"), ("response-02.xml", "CR02"),
        ("fault-insi-102.xml", "insi_102"), ("fault-desir-550.xml", "desir_550"),
        ("fault-desir-550-older-shape.xml", "desir_550"), ("fault-desir-1020.xml", "desir_1020"),
    ],
)  # fmt: skip
def test_the_samples_of_the_reference_are_read(reference: Path, sample: str, expected: str) -> None:
    answer = messages.read_answer((reference / "samples" / sample).read_bytes())

    assert answer.service_code == expected
    if isinstance(answer, messages.Fault):
        assert answer.family == codes.FAULTS[expected].subcode
    else:
        assert (answer.identity is not None) == (expected == "CR00")


def test_every_fault_code_of_the_reference_is_in_the_table(reference: Path) -> None:
    rows = [line.split(",") for line in (reference / "fault-codes.csv").read_text("utf-8").splitlines()[1:]]

    assert {row[4] for row in rows} == set(codes.FAULTS)
    assert {row[4]: row[3].removesuffix(" ?") for row in rows} == {code: known.subcode for code, known in codes.FAULTS.items()}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-9], "not well-formed"),
        (lambda data: data.replace(b"?>", b"?><!DOCTYPE x>", 1), "DOCTYPE"),
        (lambda data: data.replace(soap.SOAP12.encode(), soap.SOAP11.encode()), "SOAP 1.1"),
        (lambda data: data.replace(b"INSiResultat", b"Autre"), "neither RESULTAT, "),
        (lambda data: data.replace(b"CodeCR", b"Code"), "without CodeCR"),
        (lambda data: data.replace(b"INDIVIDU", b"PERSONNE"), "CR 00 with 0 INDIVIDU"),
        (lambda data: re.sub(b"(<INDIVIDU.*</INDIVIDU>)", rb"\1\1", data, flags=re.DOTALL), "CR 00 with 2 INDIVIDU"),
        (lambda data: re.sub(b"(<INSACTIF.*</INSACTIF>)", rb"\1\1", data, flags=re.DOTALL), "without one INSACTIF"),
        (lambda data: data.replace(b"INSACTIF", b"INSACTU"), "without one INSACTIF"),
        (lambda data: data.replace(b"NumIdentifiant", b"Num"), "without NumIdentifiant"),
        (lambda data: data.replace(b"<OID>1.2.250.1.213.1.4.9</OID>", b""), "without NumIdentifiant or OID"),  # of a former INS
    ],
)
def test_what_is_neither_a_result_nor_a_fault_is_unreadable(change, reason: str) -> None:
    data = (DATA / "answer-00.xml").read_bytes()
    messages.read_answer(data)  # the twin

    with pytest.raises(Unreadable, match=reason):
        messages.read_answer(change(data))


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise(data: bytes) -> None:
    with pytest.raises(Unreadable):
        messages.read_answer(data)
