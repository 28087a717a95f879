"""TD2.1 (reference dmp §9, §16, §22.4): what is kept, and each rule beside its accepted twin."""
from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from connectors.dmp.client import DmpCall
from connectors.dmp.messages import Found, RegistryAnswer
from connectors.nomenclatures.xds import OID_INS_NIR, OID_INS_TEST
from connectors.wire import mtom, soap
from mocks.dmp.app import DmpMock
from mocks.sandbox.trace import hashed
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import ROOT, Dui, with_signature
from tests.mocks.dmp.conftest import Dmp

SUCCESS = RegistryAnswer(True)
METADATA, CONTENT = "XDSRegistryMetadataError", "InvalidDocumentContent"


def edited(call: DmpCall, pattern: str, replacement: str, *, count: int = 0) -> DmpCall:
    """The VIHF does not cover the body: a change there leaves the message authentic."""
    body, made = re.subn(pattern.encode(), replacement.encode(), call.body, count=count, flags=re.DOTALL)
    assert made, pattern
    return replace(call, body=body)


def cda_of(call: DmpCall) -> bytes:
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    return bytes(parts.parts[0].body)


async def test_an_accepted_set_is_kept_with_its_metadata(dmp: Dmp, dui: Dui, world: World) -> None:
    call = dui.feed()
    reply = await dmp.post(call)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/soap+xml; charset=UTF-8")
    assert b"ResponseStatusType:Success" in reply.content
    assert b"urn:uuid:" not in reply.content.split(b"RegistryResponse", 1)[1]  # no entryUUID comes back (§9.3)

    [stored] = dmp.mock.documents.find([f"{ROOT}.3.1"], dui.person["matricule"])
    content = cda_of(call)
    assert dmp.mock.documents.content(f"{ROOT}.3.1") == content
    assert (stored.hash, stored.size) == (hashlib.sha1(content).hexdigest(), len(content))
    assert (stored.set_id, stored.type_code, stored.class_code) == (f"{ROOT}.2.1", "80788-3", "44")
    assert (stored.struct_id, stored.oid) == (dui.structure["struct_id"], OID_INS_TEST)
    assert dmp.mock.state() | {"documents": 1, "submission_sets": 1, "persons": 1} == dmp.mock.state()
    assert world.trace.counts() == {"received": {"DMP.TD2.1": 1}, "held": {"DMP.TD2.1": 1}}
    assert hashed(f"{ROOT}.2.1") in (world.data / "mocks" / "held.jsonl").read_text()


async def test_the_matricule_is_in_no_trace(dmp: Dmp, dui: Dui, world: World) -> None:
    await dmp.ask(dui.feed())
    for name in ("received.jsonl", "held.jsonl"):
        assert dui.person["matricule"] not in (world.data / "mocks" / name).read_text()


async def test_a_second_sending_is_a_duplicate(dmp: Dmp, dui: Dui, world: World) -> None:
    assert await dmp.ask(dui.feed()) == SUCCESS
    again = await dmp.ask(dui.feed())
    assert isinstance(again, RegistryAnswer)
    assert again.first_code == "XDSDuplicateUniqueIdInRegistry"
    same_set = await dmp.ask(edited(dui.feed(2), f'value="{ROOT}.2.2"', f'value="{ROOT}.2.1"'))
    assert isinstance(same_set, RegistryAnswer)
    assert same_set.first_code == "XDSDuplicateUniqueIdInRegistry"
    assert world.trace.counts()["held"] == {"DMP.TD2.1": 1}


async def test_a_document_inside_the_body_is_accepted(dmp: Dmp, dui: Dui) -> None:
    call = dui.feed()
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    inline = re.sub(rb"<xop:Include[^>]*/>", base64.b64encode(parts.parts[0].body), bytes(parts.root.body))
    assert await dmp.ask(DmpCall("repository", [(b"content-type", soap.content_type().encode())], inline)) == SUCCESS
    assert dmp.mock.documents.content(f"{ROOT}.3.1") == cda_of(call)


async def test_a_signed_set_is_accepted_and_its_signature_kept(dmp: Dmp, dui: Dui) -> None:
    assert await dmp.ask(with_signature(dui.feed())) == SUCCESS
    assert dmp.mock.documents.content(f"{ROOT}.5.1") == b"<Signature/>"
    found = await dmp.ask(dui.lookup(f"{ROOT}.3.1", f"{ROOT}.5.1"))
    assert isinstance(found, Found)
    assert len(found.entries) == 1  # no search shows a signature


async def test_a_signature_alone_is_no_set(dmp: Dmp, dui: Dui) -> None:
    call = with_signature(dui.feed())
    for gone in (r'<ExtrinsicObject id="Document01".*?</ExtrinsicObject>', r'<Association id="a1".*?</Association>',
                 r'<xdsb:Document id="Document01".*?</xdsb:Document>'):  # fmt: skip
        call = edited(call, gone, "")
    refused = await dmp.ask(call)
    assert isinstance(refused, RegistryAnswer)
    assert (refused.first_code, "aucun document" in refused.errors[0][1]) == (METADATA, True)


async def test_a_true_hash_and_size_are_accepted(dmp: Dmp, dui: Dui) -> None:
    call = dui.feed()
    content = cda_of(call)
    slots = "".join(
        f"<Slot name='{name}'><ValueList><Value>{value}</Value></ValueList></Slot>"
        for name, value in (("hash", hashlib.sha1(content).hexdigest().upper()), ("size", len(content)))
    )
    assert await dmp.ask(edited(call, r'(<Slot name="languageCode">)', rf"{slots}\1")) == SUCCESS


async def test_a_document_does_not_pass_as_a_signature(dmp: Dmp, dui: Dui) -> None:
    """Only what has the type and the format of a signature is excused from being a CDA."""
    call = edited(with_signature(dui.feed()), r'nodeRepresentation="http://www.w3.org/2000/09/xmldsig#"(.*?<Value>)URN',
                  r'nodeRepresentation="urn:ihe:iti:xds-sd:pdf:2008"\g<1>1.3.6.1.4.1.19376.1.2.3')  # fmt: skip
    refused = await dmp.ask(call)
    assert isinstance(refused, RegistryAnswer)
    assert refused.first_code == CONTENT


@pytest.mark.parametrize(("status", "code"), [("none", "XDSUnknownPatientId"), ("closed", "DMPClosed")])
async def test_a_person_without_an_open_dmp_is_refused(
    dmp: Dmp, person_with: Callable[[str], Dui], status: str, code: str
) -> None:
    answer = await dmp.ask(person_with(status).feed())
    assert isinstance(answer, RegistryAnswer)
    assert (answer.success, answer.first_code) == (False, code)


async def test_the_oid_is_the_environment_s(mock_with: Callable[..., Dmp], dui: Dui) -> None:
    as_qualified = replace(dui, oid=OID_INS_NIR)
    refused = await mock_with().ask(as_qualified.feed())
    assert isinstance(refused, RegistryAnswer)
    [(code, context)] = refused.errors
    assert (code, OID_INS_TEST in context) == ("XDSUnknownPatientId", True)
    assert await mock_with(ins_oids=[OID_INS_NIR]).ask(as_qualified.feed()) == SUCCESS


async def test_a_failure_is_an_answer_and_keeps_nothing(dmp: Dmp, dui: Dui, world: World) -> None:
    reply = await dmp.post(edited(dui.feed(), 'nodeRepresentation="ESSMS"', 'nodeRepresentation="XYZ"'))
    assert reply.status_code == 200
    context = "practiceSettingCode inconnu (jeu de valeurs J04) : XYZ"
    assert f'errorCode="XDSRegistryMetadataError" codeContext="{context}"'.encode() in reply.content
    assert world.trace.counts()["held"] == {}
    assert dmp.mock.state()["documents"] == 0


#: (what is wrong, change of the message, code, word of the context)
RULES = [
    ("another patient in the entry", r"(58a6f841[^>]*value=\")\d{15}", r"\g<1>269054958815780",
     "XDSPatientIdDoesNotMatch", "diffèrent"),
    ("patientId is not a CX", r"(6b5aea1a[^>]*value=\")[^\"]*", r"\g<1>269054958815780", METADATA, "patientId"),
    ("two equal uniqueIds", rf"value=\"{ROOT}\.2\.1\"", f'value="{ROOT}.3.1"',
     "XDSRegistryDuplicateUniqueIdInMessage", "deux fois"),
    ("uniqueId is not an OID", rf"value=\"{ROOT}\.3\.1\"", 'value="1.2.03"', METADATA, "OID nu"),
    ("sourceId is not an OID", rf"value=\"{ROOT}\"", 'value="x"', METADATA, "sourceId"),
    ("no document", r"<xdsb:Document .*?</xdsb:Document>", "", "XDSMissingDocument", "document joint"),
    ("two uniqueIds of the set", r"(<ExternalIdentifier [^>]*96fdda7c[^>]*>.*?</ExternalIdentifier>)", r"\1\1",
     METADATA, "96fdda7c"),
    ("two times of creation", r"(<Slot name=\"creationTime\">.*?</Slot>)", r"\1\1", METADATA, "creationTime"),
    ("one document twice", r"(<xdsb:Document .*?</xdsb:Document>)", r"\1\1", METADATA, "deux fois"),
    ("another hash", r"(<Slot name=\"languageCode\">)", r"<Slot name='hash'><ValueList><Value>00ff</Value></ValueList></Slot>\1",
     "XDSRepositoryMetadataError", "hash"),
    ("another size", r"(<Slot name=\"languageCode\">)", r"<Slot name='size'><ValueList><Value>3</Value></ValueList></Slot>\1",
     "XDSRepositoryMetadataError", "size"),
    ("not a document", r"objectType=\"[^\"]*\"", 'objectType="urn:uuid:x"', METADATA, "objectType"),
    ("document that no part holds", "cid:document01", "cid:nowhere", "XDSMissingDocument", "document joint"),
    ("document without entry", r"(<xdsb:Document )(id=\"Document01\")(.*?</xdsb:Document>)", r"\1\2\3\1id='Document02'\3",
     "XDSMissingDocumentMetadata", "fiche"),
    ("no HasMember", "AssociationType:HasMember", "AssociationType:Other", METADATA, "HasMember"),
    ("association to nothing", 'targetObject="Document01"', 'targetObject="Document09"',
     "UnresolvedReferenceException", "absent"),
    ("no submission set node", 'Node="urn:uuid:a54d6aa5', 'Node="urn:uuid:x', METADATA, "SubmissionSet"),
    ("object id given twice", 'ExtrinsicObject id="Document01"', 'ExtrinsicObject id="SubmissionSet01"', METADATA, "deux fois"),
    ("no submissionTime", 'name="submissionTime"', 'name="other"', METADATA, "submissionTime"),
    ("time with an offset", r"(name=\"creationTime\".*?<Value>)\d+", r"\g<1>20261121101500+0100", METADATA, "creationTime"),
    ("time that does not exist", r"(name=\"serviceStartTime\".*?<Value>)\d+", r"\g<1>20260230", METADATA, "serviceStartTime"),
    ("no languageCode", 'name="languageCode"', 'name="other"', METADATA, "languageCode"),
    ("no legalAuthenticator", 'name="legalAuthenticator"', 'name="other"', METADATA, "legalAuthenticator"),
    ("no sourcePatientId", 'name="sourcePatientId"', 'name="other"', METADATA, "sourcePatientId"),
    ("mime type of the PDF", 'mimeType="text/xml"', 'mimeType="application/pdf"', METADATA, "mimeType"),
    ("no author of the document", 'Scheme="urn:uuid:93606bcf', 'Scheme="urn:uuid:x', METADATA, "auteur"),
    ("no author of the set", 'Scheme="urn:uuid:a7058bb9', 'Scheme="urn:uuid:x', METADATA, "un auteur"),
    ("author without a person", 'name="authorPerson"', 'name="other"', METADATA, "authorPerson"),
    ("no title", r"(name=\"sourcePatientInfo\".*?<LocalizedString [^>]*value=\")[^\"]*", r"\g<1>", METADATA, "titre"),
    ("unknown content type", r"(aa543740[^>]*nodeRepresentation=\")11", r"\g<1>999", METADATA, "contentTypeCode"),
    ("unknown type", r"(f0306f51[^>]*nodeRepresentation=\")80788-3", r"\g<1>EXPORT_DUI", METADATA, "typeCode"),
    ("class not imposed by the type", r"(41a5887f[^>]*nodeRepresentation=\")44", r"\g<1>11", METADATA, "impose la classe 44"),
    ("unknown format", "urn:ihe:iti:xds-sd:pdf:2008", "urn:ihe:other", METADATA, "formatCode"),
    ("unknown facility", r"(f33fb8ac[^>]*nodeRepresentation=\")SA17", r"\g<1>SA99", METADATA, "healthcareFacilityTypeCode"),
    ("unknown confidentiality", r"(f4f85eac[^>]*nodeRepresentation=\")N", r"\g<1>X", METADATA, "confidentialityCode"),
    ("code under another system", r"<Value>1\.2\.250\.1\.213\.1\.1\.4\.9</Value>", "<Value>1.2.3</Value>",
     METADATA, "practiceSettingCode"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "replacement", "code", "word"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
async def test_each_rule_of_the_set_has_its_error(
    dmp: Dmp, dui: Dui, pattern: str, replacement: str, code: str, word: str
) -> None:
    refused = await dmp.ask(edited(dui.feed(vihf=replace(dui.vihf)), pattern, replacement))
    assert isinstance(refused, RegistryAnswer)
    assert any(given == code and word in context for given, context in refused.errors), refused.errors
    assert await dmp.ask(dui.feed()) == SUCCESS  # the twin, and proof that nothing was kept


async def test_a_date_after_the_patient_id_is_accepted(dmp: Dmp, dui: Dui) -> None:
    assert await dmp.ask(edited(dui.feed(), r"(6b5aea1a[^>]*value=\"[^\"]*)\"", r'\g<1>^^20100907"')) == SUCCESS


async def test_a_folder_is_refused(dmp: Dmp, dui: Dui) -> None:
    node = '<Classification classificationNode="urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"/>'
    folder = f'<RegistryPackage id="Folder01">{node}</RegistryPackage>'
    refused = await dmp.ask(edited(dui.feed(), "</RegistryPackage>", f"</RegistryPackage>{folder}"))
    assert isinstance(refused, RegistryAnswer)
    assert (refused.first_code, "classeur" in refused.errors[0][1]) == (METADATA, True)


async def test_a_set_too_large_is_refused(dmp: Dmp, dui: Dui) -> None:
    call = dui.feed()
    [entry] = re.findall(rb"<ExtrinsicObject.*?</ExtrinsicObject>", call.body, re.DOTALL)
    copies = b"".join(entry.replace(b"Document01", b"Document%03d" % number) for number in range(2, 66))
    refused = await dmp.ask(replace(call, body=call.body.replace(entry, entry + copies)))
    assert isinstance(refused, RegistryAnswer)
    assert (refused.first_code, "64 fiches" in refused.errors[0][1]) == (METADATA, True)


@pytest.mark.parametrize(
    ("pattern", "replacement", "word"),
    [
        (r'<ClinicalDocument (.*?)<id root="[^"]*"/>', r'<ClinicalDocument \1<id root="1.2.3"/>', "uniqueId"),
        (r'(<id root="1\.2\.250\.1\.999\.7\.3\.1")/>', r'\1 extension="x"/>', "uniqueId"),
        (r'(<patientRole><id root="[^"]*" extension=")\d{15}', r"\g<1>269054958815780", "INS"),
        (r'(<patientRole><id root=")[^"]*', r"\g<1>1.2.250.1.213.1.4.8", "INS"),
        (r'<code code="80788-3"', '<code code="28653-4"', "typeCode"),
        (r'(<code code="80788-3"[^>]*codeSystem=")[^"]*', r"\g<1>1.2.3", "typeCode"),
        (r'mediaType="application/pdf"', 'mediaType="text/plain"', "mediaType"),
        (r"<ClinicalDocument.*</ClinicalDocument>", "<Autre/>", "CDA"),
        (r"<ClinicalDocument.*</ClinicalDocument>", "<a>", "XML"),
        (r"<ClinicalDocument.*</ClinicalDocument>", "<!DOCTYPE a><a/>", "XML"),
    ],
)
async def test_a_document_that_contradicts_its_entry_is_refused(
    dmp: Dmp, dui: Dui, pattern: str, replacement: str, word: str
) -> None:
    refused = await dmp.ask(edited(dui.feed(), pattern, replacement))
    assert isinstance(refused, RegistryAnswer)
    assert [code for code, _ in refused.errors] == [CONTENT]
    assert word in refused.errors[0][1]
    assert await dmp.ask(dui.feed()) == SUCCESS  # the twin


async def test_reset_forgets_what_was_fed(dmp: Dmp, dui: Dui, world: World) -> None:
    await dmp.ask(dui.feed())
    dmp.mock.reset()
    assert dmp.mock.state()["documents"] == 0
    assert await dmp.ask(dui.feed()) == SUCCESS
    assert DmpMock(world).state()["documents"] == 1
