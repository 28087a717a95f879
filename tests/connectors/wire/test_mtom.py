"""MTOM: what is written is read back, by both readers; what could be read two ways is refused."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.wire import mtom
from connectors.wire.mtom import Attachment, MtomError
from mocks.dmp import multipart

TYPE = 'multipart/related; type="application/xop+xml"; boundary=b1'
ROOT = b"--b1\r\nContent-ID: <root>\r\nContent-Type: application/xop+xml\r\n\r\n<r/>\r\n"
DOCUMENT = b"--b1\r\nContent-ID: <doc@dui>\r\nContent-Type: text/xml\r\n\r\n<d/>\r\n"
END = b"--b1--\r\n"

# Bytes that look like the syntax are the interesting ones.
_PIECES = [b"\r\n", b"--", b"-", b"uuid.", b"a", b"\r", b"\n", b"--b1", b"\x00\xff"]
_BODIES = st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(_BODIES, st.lists(_BODIES, max_size=4))
def test_what_is_written_is_read_back_byte_for_byte(root: bytes, bodies: list[bytes]) -> None:
    attachments = [Attachment(f"doc{number}@dui", "text/xml", body) for number, body in enumerate(bodies)]
    content_type, message = mtom.build(root, attachments, action="urn:x")

    read = mtom.split(content_type, message)
    assert bytes(read.root.body) == root
    assert [bytes(part.body) for part in read.parts] == bodies
    assert [part.content_id for part in read.parts] == [one.content_id for one in attachments]

    other_root, other = multipart.read(content_type, message)  # the mock's reader, which shares no code with it
    assert other_root == root
    assert [other[one.content_id] for one in attachments] == bodies


_WORDS = [b"--b1", b"--", b"\r\n", b" ", b"x", b"Content-ID: <a>", b"Content-ID: <b>", b"\r\n--b1\r\n", b"\r\n\r\n"]
_HOSTILE = st.lists(st.sampled_from(_WORDS), max_size=16).map(b"".join)


@settings(derandomize=True, max_examples=600, deadline=None)
@given(st.tuples(_HOSTILE, st.sampled_from([b"", b"\r\n--b1--"])).map(lambda two: b"--b1\r\n" + b"".join(two)))
def test_the_two_readers_agree_on_hostile_messages(message: bytes) -> None:
    """Both read the same parts, or both refuse: the door must count what the service counts."""
    content_type = "multipart/related; boundary=b1"
    try:
        mine = mtom.split(content_type, message)
    except MtomError:
        with pytest.raises(multipart.BadMultipart):
            multipart.read(content_type, message)
        return
    root, named = multipart.read(content_type, message)
    assert bytes(mine.root.body) == root
    assert {part.content_id: bytes(part.body) for part in (mine.root, *mine.parts) if part.content_id} == named


@pytest.mark.parametrize("boundary", ["----=_Part~1", "a*b#c%d", "<uuid@dui>", "a" * 70])
def test_the_two_readers_agree_on_a_boundary_that_the_rfc_has_not(boundary: str) -> None:
    content_type, mark = f'multipart/related; boundary="{boundary}"', boundary.encode()
    message = b"--" + mark + b"\r\nContent-ID: <a>\r\n\r\nx\r\n--" + mark + b"--\r\n"
    assert bytes(mtom.split(content_type, message).root.body) == multipart.read(content_type, message)[0] == b"x"


@pytest.mark.parametrize("boundary", ["b1 ", "a" * 71, "\u00e9"])
def test_the_two_readers_refuse_the_same_boundaries(boundary: str) -> None:
    content_type, mark = f'multipart/related; boundary="{boundary}"', boundary.encode("latin-1")
    message = b"--" + mark + b"\r\nContent-ID: <a>\r\n\r\nx\r\n--" + mark + b"--\r\n"
    with pytest.raises(MtomError):
        mtom.split(content_type, message)
    with pytest.raises(multipart.BadMultipart):
        multipart.read(content_type, message)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(max_size=60), st.binary(max_size=60))
def test_garbage_is_refused_by_name(parameters: str, message: bytes) -> None:
    with pytest.raises(MtomError):
        mtom.split(f"multipart/related; boundary=Zq7; x{parameters}", message)


def test_the_content_type_is_what_the_dmp_documents() -> None:
    content_type, message = mtom.build(b"<r/>", [Attachment("d", "text/xml", b"<d/>")], action="urn:a")
    assert mtom.read_parameters(content_type) | {"boundary": ""} == {
        "type": "application/xop+xml", "start": "<root@dui>", "start-info": "application/soap+xml", "action": "urn:a",
        "boundary": "",
    }  # fmt: skip
    assert b'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n' in message


def test_folded_part_headers_are_read() -> None:
    folded = b"--b1\r\nContent-Type: application/xop+xml;\r\n\tcharset=UTF-8\r\nContent-ID:\r\n <a>\r\n\r\nx\r\n--b1--"
    part = mtom.split(TYPE, folded).root
    assert (part.content_id, part.content_type) == ("a", "application/xop+xml; charset=UTF-8")
    assert multipart.read(TYPE, folded) == (b"x", {"a": b"x"})


def test_parts_are_views_not_copies() -> None:
    message = ROOT + DOCUMENT + END
    part = mtom.split(TYPE, message).part("doc@dui")
    assert part.body.obj is message


def test_the_root_is_the_part_that_start_names() -> None:
    read = mtom.split(TYPE + '; start="<doc@dui>"', ROOT + DOCUMENT + END)
    assert (bytes(read.root.body), [part.content_id for part in read.parts]) == (b"<d/>", ["root"])


def test_a_boundary_that_begins_another_word_is_content() -> None:
    body = b"--b1\r\nContent-ID: <a>\r\n\r\nx\r\n--b12\r\ny\r\n--b1--"
    assert bytes(mtom.split(TYPE, body).root.body) == b"x\r\n--b12\r\ny"


def test_cid_urls_are_percent_decoded() -> None:
    assert mtom.content_id_of("cid:1.2%40urn%3Aihe") == "1.2@urn:ihe"
    with pytest.raises(MtomError, match="href"):
        mtom.content_id_of("http://elsewhere/doc")


@pytest.mark.parametrize(
    ("content_type", "message", "reason"),
    [
        (TYPE + '; start="<absent>"', ROOT + DOCUMENT + END, "unknown-start"),
        (TYPE, ROOT + ROOT + END, "duplicate-content-id"),
        (TYPE, ROOT + DOCUMENT, "missing-terminator"),
        (TYPE, (ROOT + DOCUMENT + END)[:-6], "missing-terminator"),
        (TYPE, b"preamble\r\n" + ROOT + END, "no-opening-boundary"),
        (TYPE, END, "no-opening-boundary"),
        (TYPE, b"--b1\r\nno colon\r\n\r\nx\r\n" + END, "part-headers"),
        (TYPE, b"--b1\r\nContent-ID: <a>\r\nContent-ID: <b>\r\n\r\nx\r\n" + END, "part-headers"),
        ("multipart/related; boundary=b1; boundary=b2", ROOT + END, "content-type"),
        ("multipart/related", ROOT + END, "boundary"),
        ("application/soap+xml; boundary=b1", ROOT + END, "not-multipart"),
        (TYPE, (b"--b1\r\n\r\nx\r\n" * (mtom.MAX_PARTS + 1)) + END, "too-many-parts"),
    ],
)
def test_an_ambiguous_message_is_refused(content_type: str, message: bytes, reason: str) -> None:
    assert mtom.split(TYPE, ROOT + DOCUMENT + END).root.content_id == "root"  # the twin
    with pytest.raises(MtomError) as refused:
        mtom.split(content_type, message)
    assert refused.value.reason == reason
