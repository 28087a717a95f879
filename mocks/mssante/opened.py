"""A delivered message, opened for its reader: headers in clear, texts, attachments. Any bytes can be opened."""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32

from connectors.wire.mimesafe import is_costly

_MAX_PARTS = 1_000
#: Bytes of headers that are read, and of encoded words in one, which are read in the square of their length.
_MAX_HEADERS, _MAX_ENCODED = 256 * 1024, 64 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    content_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Opened:
    """headers  (name, value) in their order, encoded words decoded · text, html  the first of each, empty for none"""

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    attachments: tuple[Attachment, ...]


def open_message(content: bytes) -> Opened:
    """Never raises: what cannot be read is left out, or shown with replacement characters."""
    message: Message = BytesHeaderParser(policy=compat32).parsebytes(content.partition(b"\r\n\r\n")[0][:_MAX_HEADERS])
    parts: list[Message] = []
    if not is_costly(content):  # the whole sandbox would wait
        try:
            whole: Message = message_from_bytes(content, policy=compat32)
            parts = [part for part in _parts(whole) if not part.is_multipart()]
        except RecursionError:  # parts in parts without end
            parts = []
    headers = tuple((name, decoded(value)) for name, value in message.items())
    inline = [part for part in parts if part.get_filename() is None and part.get_content_disposition() != "attachment"]
    text, html = _first(inline, "text/plain"), _first(inline, "text/html")
    attachments = tuple(_attachment(part) for part in parts if part is not text and part is not html)
    return Opened(headers, _text(text), _text(html), attachments)


def _first(parts: Iterable[Message], kind: str) -> Message | None:
    return next((part for part in parts if part.get_content_type() == kind), None)


def _parts(message: Message) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number >= _MAX_PARTS:
            return
        yield part


def decoded(value: object) -> str:
    """A header in clear, its encoded words decoded where they can be."""
    text = str(value)
    if len(text) > _MAX_ENCODED:
        return _plain(" ".join(text.split()))
    try:
        shown = str(make_header(decode_header(text)))
    except (HeaderParseError, UnicodeError, LookupError, ValueError):
        shown = text
    return _plain(" ".join(shown.split()))


def _text(part: Message | None) -> str:
    if part is None:
        return ""
    content = _bytes(part)
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, UnicodeError, ValueError):
        return content.decode("latin-1")


def _attachment(part: Message) -> Attachment:
    content = _bytes(part)
    name = decoded(part.get_filename() or "")
    return Attachment(name, _plain(part.get_content_type()), len(content), hashlib.sha256(content).hexdigest())


def _bytes(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _plain(text: str) -> str:
    """Without the half characters by which the parser keeps bytes that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")
