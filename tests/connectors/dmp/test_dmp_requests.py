"""A DUI's request as the door sees it: read as far as it goes, whoever wrote it."""
from __future__ import annotations

import base64
import hashlib
import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.dmp.client import DmpCall
from connectors.dmp.requests import MAX_DOCUMENTS, Feed, NotReadable, Seen, read_envelope, read_request
from connectors.nomenclatures.xds import OID_INS_TEST
from connectors.wire import mtom
from tests.connectors.dmp.samples import Dui, with_signature

PATIENT = ("269054958815780", OID_INS_TEST)


def said(content_type: str | None, body: bytes) -> Seen:
    return read_request(read_envelope(content_type, body))


def seen(dui: Dui, change: tuple[str, str] | None = None) -> Seen:
    """The feed of sample 1, its root part changed by a regular expression that must match."""
    call = dui.feed()
    content_type = dict(call.headers)[b"content-type"].decode()
    if change is None:
        return said(content_type, call.body)
    body, made = re.subn(change[0].encode(), change[1].encode(), call.body)
    assert made
    return said(content_type, body)


def test_a_feed_says_who_what_and_where(dui: Dui) -> None:
    read = seen(dui)
    struct_id = dui.structure["struct_id"]
    assert (read.kind, read.patient, read.name_id, read.lps_version) == ("feed", PATIENT, f"3{struct_id[1:]}/ed.12", "1.0")
    assert read.feed is not None
    assert (read.feed.set_id, read.feed.unique_ids) == ("1.2.250.1.999.7.2.1", ("1.2.250.1.999.7.3.1",))
    assert read.feed.institutions == (struct_id, struct_id)
    assert read.feed.type_code == "80788-3"


def test_the_commitment_is_of_the_documents_alone(dui: Dui) -> None:
    """A second sending has another VIHF and another boundary: the same document must give the same commitment."""
    call = dui.feed()
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    expected = hashlib.sha256(hashlib.sha256(parts.parts[0].body).digest()).digest()
    first, again = seen(dui).feed, seen(dui).feed
    assert first is not None
    assert again is not None
    assert first.commitment == again.commitment == expected
    other = said(*_message(dui.feed(title="Autre"))).feed
    assert other is not None
    assert other.commitment != expected


def test_the_signature_of_a_set_is_not_one_of_its_documents(dui: Dui) -> None:
    """Signed anew at each sending, never shown by a search: it must weigh neither in the key nor in the question."""
    plain = seen(dui).feed
    for unique_id, content in (("1.2.3.1", b"<Signature>1</Signature>"), ("1.2.3.2", b"<Signature>2</Signature>")):
        assert said(*_message(with_signature(dui.feed(), content, unique_id))).feed == plain


def test_an_inline_document_is_committed_to_like_a_part(dui: Dui) -> None:
    call = dui.feed()
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    inline = re.sub(rb"<xop:Include[^>]*/>", base64.b64encode(parts.parts[0].body), bytes(parts.root.body))
    read = said("application/soap+xml", inline)
    assert read.feed is not None
    assert seen(dui).feed == read.feed


def test_existence_names_its_person(dui: Dui) -> None:
    assert said(*_message(dui.existence())).kind == "existence"
    assert said(*_message(dui.existence())).patient == PATIENT


def test_reading_administrative_data_is_not_an_existence_test(dui: Dui) -> None:
    content_type, body = _message(dui.existence())
    assert said(content_type, body.replace(b'"TEST_EXST"', b'"CNSLT_DATA"')).kind == "other"


def test_a_search_takes_its_person_from_the_vihf(dui: Dui) -> None:
    read = said(*_message(dui.lookup("1.2.3")))
    assert (read.kind, read.patient) == ("search", PATIENT)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (("XDSSubmissionSet.uniqueId|96fdda7c-d067-4183-912e-bf5ee74998a8", "x"), "set_id", None),
        (("2e82c1f6-a085-4c72-9da3-8640a32e42ab", "x"), "unique_ids", ()),
        (('nodeRepresentation="80788-3"', 'nodeRepresentation="Mme EXEMPLE"'), "type_code", None),
        (("authorInstitution", "other"), "institutions", ("", "")),
        (("cid:document01@dui", "cid:nowhere"), "commitment", None),
    ],
)
def test_what_cannot_be_read_is_absent(dui: Dui, change: tuple[str, str], field: str, value: object) -> None:
    whole, changed = seen(dui).feed, seen(dui, change).feed
    assert getattr(whole, field) != value  # the twin
    assert getattr(changed, field) == value


def test_a_set_too_large_is_not_read_but_still_a_feed(dui: Dui) -> None:
    content_type, body = _message(dui.feed())
    [entry] = re.findall(rb"<ExtrinsicObject.*?</ExtrinsicObject>", body, re.DOTALL)
    read = said(content_type, body.replace(entry, entry * (MAX_DOCUMENTS + 1)))
    assert (read.kind, read.feed, read.patient) == ("feed", Feed(), PATIENT)
    whole = said(content_type, body.replace(entry, entry * MAX_DOCUMENTS)).feed
    assert whole is not None
    assert len(whole.unique_ids) == MAX_DOCUMENTS


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("application/soap+xml", b"<s:Envelope xmlns:s=", "xml"),
        ("application/soap+xml", b"<a/>", "envelope"),
        ("text/xml", b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>', "soap11"),
        ("multipart/related; boundary=b", b"--b\r\n\r\n<a/>", "missing-terminator"),
        (None, b"", "xml"),
        (None, b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body/></e:Envelope>', "empty-body"),
    ],
)
def test_a_message_that_is_not_soap_is_told_why(content_type: str | None, body: bytes, reason: str) -> None:
    with pytest.raises(NotReadable) as raised:
        said(content_type, body)
    assert raised.value.reason == reason


@settings(derandomize=True, max_examples=150, deadline=None)
@given(start=st.integers(0, 12_000), length=st.integers(1, 40), filler=st.sampled_from([b"", b"<", b"\x00", b"&a;", b"\r\n--"]))
def test_a_damaged_message_never_raises_anything_else(dui: Dui, start: int, length: int, filler: bytes) -> None:
    content_type, body = _feed_of(dui)
    damaged = body[:start] + filler + body[start + length :]
    try:
        read = said(content_type, damaged)
    except NotReadable:
        return
    assert read.kind in ("feed", "other")


@cache
def _feed_of(dui: Dui) -> tuple[str, bytes]:
    return _message(dui.feed())


def _message(call: DmpCall) -> tuple[str, bytes]:
    return dict(call.headers)[b"content-type"].decode(), call.body
