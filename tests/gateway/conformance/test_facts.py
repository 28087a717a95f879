"""Facts: never a text of the message, comparable across calls, and made whatever a message holds."""
from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import ANY

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.dmp import requests
from gateway.conformance.facts import EXTRACTORS, extract
from gateway.conformance.facts.cda import pdf_kind
from gateway.conformance.facts.classes import class_of
from gateway.conformance.facts.identity import leads, normalised, patient_facts, people_digests
from gateway.conformance.facts.mss import sasl_facts
from gateway.conformance.facts.xdm import MAX_MEMBERS, archive_facts
from gateway.conformance.judging import judge_all, verdict_of
from gateway.conformance.model import Made, Message
from gateway.operations import OPERATIONS
from tests.connectors.dmp import samples
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.world import (
    ACCEPTED,
    CARD,
    COLLEAGUE,
    EYES,
    MATRICULE,
    OTHER,
    PERSON,
    RPPS,
    Letter,
    authorize,
    by_assertion,
    by_card,
    decision,
    directory,
    feed,
    lot,
    plain,
    search,
    token,
    verification,
)


def facts_of(message: Message) -> dict[str, object]:
    made = extract(message, EYES)
    assert made is not None
    assert not made.values["partial"]
    return made.values


def existence(dui: Dui) -> Message:
    call = dui.existence()
    return Message("DMP.TD0.2", request_headers=call.headers, request=call.body)


@pytest.mark.parametrize(
    ("name", "mode", "read"),
    [
        ("Authentification_mode", "INDIRECTE", "INDIRECTE"),
        ("Authentification_Mode", "INDIRECTE_RENFORCEE", "INDIRECTE_RENFORCEE"),
        ("Authentification_mode", "AIR", "autre"),
        ("Mode", "INDIRECTE", None),
    ],
)
def test_the_mode_of_a_vihf_is_read_under_both_of_its_names(dui: Dui, name: str, mode: str, read: str | None) -> None:
    asked = existence(dui)
    body = asked.request.replace(b"Authentification_mode", name.encode()).replace(b">INDIRECTE<", b">%b<" % mode.encode())
    vihf = facts_of(replace(asked, request=body))["vihf"]
    assert isinstance(vihf, dict)
    assert vihf["mode"] == read


def messages(dui: Dui) -> list[Message]:
    return [
        search(), feed(dui), Letter(dui).sent(COLLEAGUE, f"{MATRICULE}@patient.mssante.fr"), authorize(), token(),
        directory(COLLEAGUE), existence(dui), by_card(),
        by_assertion(f"8{RPPS}"), verification(), *lot((PERSON, True), (OTHER, False)), decision(ACCEPTED, piece=CARD),
    ]  # fmt: skip


def test_what_its_door_has_read_is_not_read_again(dui: Dui) -> None:
    for message in (feed(dui), existence(dui), search()):
        read = requests.read_envelope(message.header("content-type"), message.request)
        assert facts_of(replace(message, request=b"", envelope_read=read)) == facts_of(message)


def test_every_extractor_reads_an_operation_of_the_table(dui: Dui) -> None:
    assert set(EXTRACTORS) <= set(OPERATIONS)
    assert {one.operation for one in messages(dui)} == set(EXTRACTORS)
    assert extract(Message("PSC.LOGIN"), EYES) is None


def test_no_text_of_a_message_is_in_its_facts(dui: Dui) -> None:
    secrets = (
        MATRICULE, MATRICULE[:13], "EXEMPLE", "ALICE", "1969", "49588", "DUPONT", "CLAIRE", "hoda", "ehpad", "infirmerie", "m1@",
        "Veuillez", "22/05", "etat-imprevisible", "nonce-imprevisible", "dui.test", "c0de", "U-4711", "1.2.250.1.999.7", "HODA",
        "AUTRE", "PAUL", RPPS, "ipp-", "lot-7",
    )  # fmt: skip
    for message in messages(dui):
        said = orjson.dumps(facts_of(message)).decode()
        assert [one for one in secrets if one in said] == [], message.operation


def test_the_same_person_is_recognised_across_services(dui: Dui) -> None:
    answered = facts_of(search())["answer"]["identity"]  # type: ignore[index]
    fed = facts_of(feed(dui))["documents"][0]  # type: ignore[index]
    mailed = facts_of(Letter(dui).sent())["archive"]["documents"][0]  # type: ignore[index]
    assert answered["ins"] == fed["cda"]["identity"]["ins"] == fed["entry"]["patient"]["ins"]
    assert answered["ins"] == mailed["cda"]["identity"]["ins"]
    for name in ("birth_name", "first_name", "birth_date", "sex", "birth_place"):
        assert answered["digests"][name] == fed["cda"]["identity"]["digests"][name], name
    assert fed["cda"]["id"] == fed["entry"]["unique_id"]


def test_two_persons_with_the_same_traits_share_no_digest() -> None:
    one = facts_of(search())["answer"]["identity"]  # type: ignore[index]
    other = facts_of(search({**PERSON, "matricule": "109076322083489"}))["answer"]["identity"]  # type: ignore[index]
    assert one["present"] == other["present"]
    assert not set(one["digests"].values()) & set(other["digests"].values())


def test_a_search_without_answer_digests_no_trait() -> None:
    nobody = facts_of(search({**PERSON, "insi": "none"}))
    assert nobody["answer"] == {"kind": "result", "code": "01", "identity": None}
    assert nobody["asked"]["classes"]["birth_name"] == "7 caractères, majuscules"  # type: ignore[index]
    assert "digests" not in orjson.dumps(nobody).decode()


def test_facts_say_whom_they_are_about(dui: Dui) -> None:
    made = extract(Letter(dui).sent(), EYES)
    assert made is not None
    assert made.persons == [MATRICULE]
    assert "persons" not in made.values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "absent"), ("", "vide"), ("a", "1 caractère, minuscules"), ("EIDAS", "5 caractères, majuscules"),
        ("42", "2 caractères, chiffres"),
        ("Été", "3 caractères, majuscules et minuscules, accents"), ("--", "2 caractères, sans lettre"),
    ],
)  # fmt: skip
def test_a_value_is_said_by_its_class(text: str | None, said: str) -> None:
    assert class_of(text) == said


def test_first_names_compare_with_hyphen_and_space_alike_and_birth_names_do_not() -> None:
    """reference insi §15, EXI ID 10."""
    assert normalised("first_name", "Pierre-Alain") == normalised("first_name", "PIERRE ALAIN") == "PIERRE ALAIN"
    assert normalised("birth_name", "Le-Goff") != normalised("birth_name", "LE GOFF")
    assert normalised("birth_date", "1969-05-22") == normalised("birth_date", "196905220000") == "19690522"


@pytest.mark.parametrize(
    ("first", "listed", "said"),
    [
        ("ANNE", "ANNE LISE", True), ("Anne-Lise", "ANNE LISE MARIE", True), ("ANNE", "ANNE", True), ("ANNE", "ANNELISE", False),
        ("LISE", "ANNE LISE", False), ("ANNE LISE", "ANNE", False), (None, "ANNE", None), ("ANNE", " ", None),
    ],
)  # fmt: skip
def test_a_list_begins_with_whole_words(first: str | None, listed: str, said: bool | None) -> None:
    assert leads(first, listed) is said


def test_people_are_named_by_four_traits_together_or_not_at_all() -> None:
    traits = {"birth_name": "Le Goff", "sex": "F", "birth_date": "1969-05-22"}
    one = people_digests(traits, ["ANNE", "ANNE LISE", "anne"], EYES)
    assert len(one) == 2
    assert one[:1] == people_digests({**traits, "birth_name": "LE GOFF"}, ["Anne"], EYES)
    for name, other in (("birth_name", "LEGOFF"), ("sex", "M"), ("birth_date", "1969-05-23")):
        assert not set(one) & set(people_digests({**traits, name: other}, ["ANNE"], EYES)), name
        assert people_digests({**traits, name: None}, ["ANNE"], EYES) == [], name
    assert people_digests(traits, ["", " "], EYES) == []


def test_only_the_oid_of_an_ins_is_written() -> None:
    assert patient_facts((MATRICULE, "1.2.250.1.213.1.4.8"), EYES, Made())["oid"] == "1.2.250.1.213.1.4.8"
    assert patient_facts((MATRICULE, "1.2.250.1.999.7.1"), EYES, Made())["oid"] == "autre"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda pdf: pdf, "PDF/A-1"), (lambda pdf: pdf.replace(b"<pdfaid:part>1<", b"<pdfaid:part>2<"), "PDF"),
        (lambda pdf: pdf + b"/Encrypt", "PDF"), (lambda pdf: pdf[1:], "autre"), (lambda pdf: b"", "autre"),
    ],
    ids=["a-1", "a-2", "encrypted", "no header", "empty"],
)  # fmt: skip
def test_a_pdf_is_what_it_claims_to_be(change: Callable[[bytes], bytes], kind: str) -> None:
    assert pdf_kind(change(samples.pdf())) == kind


@pytest.mark.parametrize(
    ("response", "form"),
    [
        ("user=a@b.mssante.fr\x01auth=Bearer a.b.c\x01\x01", True), ("user=a@b.mssante.fr\x01auth=Bearer a.b.c\x01", False),
        ("user=a@b.mssante.fr\x01auth=Bearer a.b.c\x01\x01x", False), ("user=a@b.mssante.fr\x01auth=Bearer \x01\x01", False),
        ("user=a@b.mssante.fr\x01auth=bearer a.b.c\x01\x01", False), ("a@b.mssante.fr\x01auth=Bearer a.b.c\x01\x01", False),
    ],
)  # fmt: skip
def test_a_sasl_response_has_one_form(response: str, form: bool) -> None:
    assert sasl_facts("XOAUTH2", base64.b64encode(response.encode()))["form"] is form


def test_two_message_ids_are_no_form(dui: Dui) -> None:
    message = plain(dui).sent()
    twice = replace(message, request=b"Message-ID: <m2@ehpad-test.mssante.fr>\r\n" + message.request)
    assert facts_of(message)["message_id"]["form"] is True  # type: ignore[index]
    assert facts_of(twice)["message_id"] | {"digest": ""} == {"count": 2, "form": False, "class": ANY, "digest": ""}  # type: ignore[operator]


def packed(*names: str, content: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not a zip", "zip"), (packed("../../etc/passwd"), "name"), (packed("/etc/passwd"), "name"),
        (packed(*(f"f{n}" for n in range(MAX_MEMBERS + 1))), "members"),
        (packed("bomb", content=bytes(40 * 1024 * 1024)), "size"),
        (packed("IHE_XDM/S/METADATA.XML")[:-30], "zip"),
    ],
    ids=["garbage", "up", "absolute", "members", "bomb", "cut"],
)  # fmt: skip
def test_a_hostile_archive_is_refused_for_its_reason(data: bytes, reason: str) -> None:
    facts = archive_facts(data, EYES, Made())
    assert (facts["readable"], facts["reason"], facts["documents"]) == (False, reason, [])


def test_an_archive_just_within_bounds_is_read() -> None:
    assert archive_facts(packed(*(f"f{n}" for n in range(MAX_MEMBERS))), EYES, Made())["readable"]


def test_an_archive_names_only_its_own_files(dui: Dui) -> None:
    letter = Letter(dui, metadata_edit=lambda body: body.replace(b"DOC0001.XML", b"../../INDEX.HTM"))
    [document] = facts_of(letter.sent())["archive"]["documents"]  # type: ignore[index]
    assert (document["uri"], document["cda"]) == (False, {"kind": "absent"})


def test_a_message_too_large_to_be_held_keeps_its_envelope(dui: Dui) -> None:
    made = extract(replace(Letter(dui).sent(), request=b"", cut=True), EYES)
    assert made is not None
    assert made.values.keys() == {"v", "partial", "author", "whole", "recipients", "applicative"}
    verdict = verdict_of(judge_all(made.values, {"operation": "MSS.SOUMISSION", "environment": "bac_a_sable"}))
    assert verdict is None


_BOUNDED = settings(deadline=None, max_examples=60, derandomize=True)


@_BOUNDED
@given(data=st.data())
def test_no_message_makes_the_extractor_or_the_rules_fail(dui: Dui, data: st.DataObject) -> None:
    """A slice of a good message is replaced by anything: facts are made, and judged."""
    message = data.draw(st.sampled_from(messages(dui)))
    side = data.draw(st.sampled_from(["request", "response", "target"]))
    whole = getattr(message, side)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(start + 80, len(whole))))
    junk = data.draw(st.text(max_size=20) if isinstance(whole, str) else st.binary(max_size=20))
    damaged = replace(message, **{side: whole[:start] + junk + whole[end:]})
    made = extract(damaged, EYES)
    assert made is not None
    orjson.dumps(made.values)
    verdict_of(judge_all(made.values, {"operation": message.operation, "environment": "bac_a_sable"}))


def test_an_injected_recursion_does_not_stop_the_extractor(dui: Dui) -> None:
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(600))
    made = extract(Message("MSS.SOUMISSION", request=nested + b"\r\n", sender="a@b.mssante.fr"), EYES)
    assert made is not None
    verdict_of(judge_all(made.values, {"operation": "MSS.SOUMISSION", "environment": "bac_a_sable"}))


def test_attachments_beyond_the_bound_are_not_opened(dui: Dui) -> None:
    letter = plain(dui, others=tuple((f"{n}.pdf", "application/pdf", b"%PDF-1.4") for n in range(60)))
    assert len(facts_of(letter.sent())["pdfs"]) < 40  # type: ignore[arg-type]


def test_a_parameter_given_twice_is_read_once_and_said() -> None:
    message = authorize()
    facts = facts_of(replace(message, target=message.target + "&acr_values=eidas3&other=1&other=2"))
    assert facts["acr"]["levels"] == ["eidas1"]  # type: ignore[index]
    assert facts["twice"] == ["acr_values"]
