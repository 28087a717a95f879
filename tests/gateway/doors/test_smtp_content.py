"""The pure parts of the SMTP door: however the bytes are cut, the same end, the same refusal, the same headers."""
from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.doors.mail.commands import Bearer, address_of, bearer_of, initial_response, named_by, offer, size_limit, verb_of
from gateway.doors.mail.content import MAX_HEADERS, Content, Headers, HeadersTooLong, TooLarge
from gateway.doors.mail.stream import BareNewline
from mocks.mssante import wire

PIECES = st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"a", b"\r\n.", b"..", b"\r\n.\r\n", b"x" * 50]), max_size=12)
CUTS = st.lists(st.integers(1, 7), min_size=1, max_size=8)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks, position, turn = [], 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        chunks.append(data[position : position + size])
        position, turn = position + size, turn + 1
    return chunks


def read(chunks: list[bytes], limit: int = 1_000_000) -> tuple[bytes, bytes, bytes, Headers]:
    """What went upstream, what was left over, the commitment, the headers. The chunks must hold an end of data."""
    content, passed = Content(limit), b""
    for number, chunk in enumerate(chunks):
        passed += content.feed(chunk)
        if content.done:
            return passed, content.rest + b"".join(chunks[number + 1 :]), content.commitment, content.headers()
    raise AssertionError("no end of data")


async def operator_reads(data: bytes) -> bytes | None:
    """What the simulated operator, which shares no code with the door, makes of the same bytes; None when refused."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    try:
        return await wire.Wire(reader, None, 1.0).content(1_000_000)  # type: ignore[arg-type]
    except (wire.BareNewline, wire.Closed):
        return None


def door_reads(chunks: list[bytes]) -> bytes | None:
    try:
        return read(chunks)[0]
    except (BareNewline, AssertionError):
        return None


@settings(deadline=None)
@given(PIECES, CUTS)
@example([b".\n", b"\r\n"], [1])
@example([b"\n.\n"], [3])
@example([b"\r\n.", b"\n"], [2])
def test_door_and_operator_agree_on_the_end_whatever_the_cuts(pieces: list[bytes], sizes: list[int]) -> None:
    data = b"".join(pieces) + b"\r\n.\r\n"
    door = door_reads(cut(data, sizes))
    assert door == door_reads([data])
    operator = asyncio.run(operator_reads(data))
    assert (door is None) == (operator is None)
    if door is not None:
        assert operator == (b"\r\n" + door).replace(b"\r\n.", b"\r\n")[2:]


@settings(deadline=None)
@given(CUTS)
def test_headers_and_commitment_do_not_depend_on_the_cuts(sizes: list[int]) -> None:
    head = b"Message-ID:\r\n <m1@a.fr>\r\nx-mss-nil: TEST0001\r\nContent-Type: multipart/report; x=y\r\n"
    text = head + b"\r\nMessage-ID: <not-a-header@a.fr>\r\n..\r\n"
    passed, rest, commitment, headers = read(cut(text + b".\r\nQUIT\r\n", sizes))
    assert (passed, rest, commitment) == (text, b"QUIT\r\n", hashlib.sha256(text).digest())
    assert headers == Headers("<m1@a.fr>", "TEST0001", report=True)


@pytest.mark.parametrize("text", [b".\r\n", b"\r\n.\r\n", b"Message-ID: <m1@a.fr>\r\n.\r\n"])
def test_the_smallest_messages(text: bytes) -> None:
    assert read([text])[0] == text[:-3]


@pytest.mark.parametrize(
    "head, message_id, nil",
    [
        (b"Message-ID: <a@b.fr>\r\nMessage-ID: <c@d.fr>\r\n", None, None),
        (b"Message-ID: \r\nX-MSS-NIL: N1\r\n", None, "N1"),
        (b"Message-ID: <\xe9@b.fr>\r\n", None, None),
        (b"X-MSS-NIL: N1\r\nX-MSS-NIL: N2\r\n", None, None),
        (b".Message-ID: <a@b.fr>\r\n.X-MSS-NIL: N1\r\n", "<a@b.fr>", "N1"),  # the operator takes these dots away
        (b"Subject: Message-ID: <a@b.fr>\r\n", None, None),
    ],
)
def test_headers_that_name_nothing(head: bytes, message_id: str | None, nil: str | None) -> None:
    headers = read([head + b"\r\nx\r\n.\r\n"])[3]
    assert (headers.message_id, headers.nil) == (message_id, nil)


def test_limits_have_their_twins() -> None:
    line = b"X-A: " + b"x" * 993 + b"\r\n"
    assert read([line * 65, b"\r\nx\r\n.\r\n"])[0]
    with pytest.raises(HeadersTooLong):
        read([line] * (MAX_HEADERS // 1000 + 2))
    body = b"\r\n" + b"..\r\n" * 10  # 32 bytes once the stuffed dots are undone
    assert read([body + b".\r\n"], limit=32)[0] == body
    with pytest.raises(TooLarge):
        read([body + b".\r\n"], limit=31)
    assert read([b"\r\n" + b".x\r\n" * 10 + b".\r\n"], limit=32)


@pytest.mark.parametrize(
    ("parts", "lines", "whole"),
    [
        (b"Content-Type: a/b; boundary=c\r\n" * 50, 90_000, True),
        (b"Content-Type: a/b; boundary=c\r\n" * 50, 110_000, False),
        (b"content-type: a/b;\r\n" + b" ;;;;\r\n" * 2_500, 0, True),
        (b"content-type: a/b;\r\n" + b" ;;;;\r\n" * 4_000, 0, False),
    ],
)
def test_a_message_made_to_be_long_in_reading_is_not_read(parts: bytes, lines: int, whole: bool) -> None:
    content = Content(1_000_000)
    content.feed(b"Subject: x\r\n\r\n" + parts + b"x\r\n" * lines + b".\r\n")
    assert content.done
    assert (content.whole() is not None) is whole


def test_offers_and_size() -> None:
    lines = ("op.test", "SIZE 1000", "size 5", "AUTH=XOAUTH2", "AUTH PLAIN", "AUTH LOGIN xoauth2", "STARTTLS", "CHUNKING", "DSN")
    assert offer(lines, tls=True) == ["op.test", "SIZE 1000", "size 5", "AUTH XOAUTH2", "DSN"]
    assert offer(lines, tls=False) == ["op.test", "SIZE 1000", "size 5", "DSN", "STARTTLS"]
    assert [size_limit(lines, 4000), size_limit(("SIZE",), 9), size_limit(("SIZE 0",), 9), size_limit((), 9)] == [1000, 9, 9, 9]


@pytest.mark.parametrize(
    "line, address",
    [
        (b"MAIL FROM:<A.B@C.fr> SIZE=1", "a.b@c.fr"),
        (b"mail from: <a@b.fr>", "a@b.fr"),
        (b"MAIL FROM:<>", ""),
        (b"RCPT TO:<a@b.fr>", "a@b.fr"),
        (b"RCPT  TO:  <a@b.fr>", "a@b.fr"),
        (b"MAIL  FROM:<a@b.fr>", "a@b.fr"),
        (b"RCPT TO:a@b.fr", None),
        (b'RCPT TO:<"a b"@c.fr>', None),
        ("RCPT TO:<é@c.fr>".encode(), None),
    ],
)
def test_addresses_of_an_envelope(line: bytes, address: str | None) -> None:
    assert address_of(line) == address


def test_bearers() -> None:
    def response(text: str) -> bytes:
        return base64.b64encode(text.encode())

    token = "e30." + base64.urlsafe_b64encode(b'{"SubjectNameID":"899700000011"}').decode().rstrip("=") + ".x"
    assert bearer_of(response(f"user=A@b.fr\x01auth=Bearer {token}\x01\x01")) == Bearer("a@b.fr", "899700000011")
    for opaque in ("opaque", "a.b.c", "e30.W10.x", "e30.eyJTdWJqZWN0TmFtZUlEIjoxfQ.x"):
        assert bearer_of(response(f"user=a@b.fr\x01auth=Bearer {opaque}\x01\x01")) == Bearer("a@b.fr", None)
    for unreadable in ("user=a@b.fr", "a@b.fr\x01auth=Bearer x\x01\x01", "user=a\x01x\x01\x01"):
        assert bearer_of(response(unreadable)) is None
    assert bearer_of(b"%%%") is bearer_of(b"") is None
    assert "899700000011" not in repr(bearer_of(response(f"user=a@b.fr\x01auth=Bearer {token}\x01\x01")))
    lines = (b"AUTH XOAUTH2 abc", b"AUTH XOAUTH2", b"AUTH PLAIN abc", b"AUTH LOGIN abc")
    assert [initial_response(line) for line in lines] == [b"abc", None, b"abc", None]
    assert [initial_response(line) for line in (b"AUTH  XOAUTH2 abc", b"AUTH XOAUTH2 abc ")] == [b"abc", b"abc"]
    assert named_by("PLAIN", response("\0A@b.fr\0secret")) == named_by("EXTERNAL", response("a@b.fr")) == Bearer("a@b.fr", None)
    assert [named_by("PLAIN", response(text)) for text in ("a@b.fr", "\0a@b.fr", "\0a\0x")] == [None] * 3
    assert named_by("EXTERNAL", b"=") is named_by("EXTERNAL", response("a")) is None
    assert [verb_of(line) for line in (b"quit", b"MAIL FROM:<>", "é".encode(), b"")] == ["QUIT", "MAIL", "", ""]
