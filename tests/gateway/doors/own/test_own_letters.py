"""The content of a message as the mail door gets it from our own: nothing lost, nothing ended early."""
from __future__ import annotations

import pytest

from gateway.doors.mail.content import Content
from gateway.doors.own.mss import _Typed


@pytest.mark.parametrize("body", ["fin", ".", "..deux", ".\r\n.\r\n..\r\n...", "a\r\n.\r\nRCPT TO:<x@y.fr>\r\n", ""])
async def test_what_is_typed_is_what_is_read(body: str) -> None:
    content = f"From: a@b.fr\r\nSubject: Point\r\n\r\n{body}\r\n".encode()
    typed = await _Typed(content).chunk(1)
    read = Content(1_000_000)
    read.feed(typed)
    assert (read.done, read.rest) == (True, b"")
    *lines, end, nothing = typed.split(b"\r\n")  # an operator takes one dot off each line that begins with one
    assert (end, nothing) == (b".", b"")
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) + b"\r\n" == content


async def test_a_content_that_begins_with_a_dot_is_typed_whole() -> None:
    assert (await _Typed(b".x: 1\r\n\r\nfin\r\n").chunk(1)).startswith(b"..x: 1\r\n")
