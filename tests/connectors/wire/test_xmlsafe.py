"""Hostile XML is refused for its reason; its harmless twin is read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.wire.xmlsafe import MalformedXml, UnsafeXml, parse

ENTITY = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'
BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'


def test_plain_xml_is_read() -> None:
    assert parse(b'<?xml version="1.0" encoding="UTF-8"?><a>\xc3\xa9</a>').text == "é"


@pytest.mark.parametrize("data", [ENTITY, BOMB, b"<!DOCTYPE a><a/>"], ids=["external entity", "entity bomb", "bare doctype"])
def test_doctype_is_refused(data: bytes) -> None:
    with pytest.raises(UnsafeXml):
        parse(data)


@pytest.mark.parametrize("data", [b"", b"<a>", b"<a></b>", b"not xml", b"<a>\x00</a>", b"<a" + b" b='1'" * 2 + b"/>"])
def test_malformed_xml_is_refused_without_quoting_it(data: bytes) -> None:
    with pytest.raises(MalformedXml) as refused:
        parse(data)
    assert "not xml" not in str(refused.value)


def test_size_is_capped() -> None:
    data = b"<a>" + b"x" * 100 + b"</a>"
    assert parse(data, max_bytes=len(data)).tag == "a"
    with pytest.raises(MalformedXml, match="bytes"):
        parse(data, max_bytes=len(data) - 1)


def test_comments_are_kept_only_on_request() -> None:
    data = b"<a><!-- c --><b/></a>"
    assert len(parse(data)) == 1
    assert len(parse(data, keep_comments=True)) == 2


@pytest.mark.parametrize("hostile", [ENTITY, BOMB, b"<a>", b"<a>" * 300, b'<?xml version="1.0" encoding="x"?><a/>'])
def test_nothing_of_a_refused_document_is_left_for_the_next_one(hostile: bytes) -> None:
    """The parser is the same: neither its entities nor its errors may stay."""
    with pytest.raises(MalformedXml):
        parse(hostile)
    assert parse(b"<a>\xc3\xa9</a>").text == "é"
    for name in (b"x", b"b", b"c"):
        with pytest.raises(MalformedXml, match="not well-formed, line 2"):
            parse(b"<a>\n&" + name + b";</a>")


def test_threads_read_at_the_same_time() -> None:
    def read(number: int) -> bool:
        roots = [parse(b"<a>%d<b/></a>" % number) for _ in range(200)]
        return all(root.text == str(number) for root in roots)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(32)))
