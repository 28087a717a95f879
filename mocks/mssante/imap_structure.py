"""A message as IMAP takes it apart: parts to the byte, ENVELOPE, BODYSTRUCTURE, sections (RFC 3501 §6.4.5, §7.4.2). Pure.

Any bytes can be taken apart; parts in parts without end, or too many of them, are one opaque part.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses

from mocks.mssante.imap_items import Section
from mocks.mssante.imap_words import listed, number, string, words

_MAX_DEPTH, _MAX_PARTS = 20, 1_000
_READ = 16_384  # characters of one header that are understood
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;]*)', re.DOTALL)
_TYPE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)/([!#$%&'*+.^_`|~0-9A-Za-z-]+)")
_WORD = re.compile(r"\s*([^\s;]+)")


@dataclass(frozen=True, slots=True)
class Part:
    """header  with its blank line · parts  of a multipart, or the one message that a message/rfc822 holds"""

    header: bytes = field(repr=False)
    body: bytes = field(repr=False)
    kind: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = field(repr=False)
    parts: tuple[Part, ...] = ()

    @property
    def is_multipart(self) -> bool:
        return self.kind == "MULTIPART"

    @property
    def is_message(self) -> bool:
        return bool(self.parts) and not self.is_multipart


def take_apart(content: bytes) -> Part:
    """Never raises."""
    return _part(content, 0, [_MAX_PARTS], "TEXT/PLAIN")


def section(message: Part, wanted: Section) -> bytes | None:
    """The bytes of a section; None where the message has none."""
    part = _at(message, wanted.part)
    if part is None:
        return None
    if wanted.text == "MIME":
        return part.header
    if wanted.part and not wanted.text:
        return part.body
    holder = part if not wanted.part else part.parts[0] if part.is_message else None
    if holder is None:
        return None
    match wanted.text:
        case "":
            return holder.header + holder.body
        case "HEADER":
            return holder.header
        case "TEXT":
            return holder.body
        case _:
            return _fields(holder.header, {name.lower() for name in wanted.fields}, kept=wanted.text == "HEADER.FIELDS")


def envelope(message: Part) -> bytes:
    headers = _headers(message.header)
    sender = _addresses(headers, "From")
    return listed(
        string(_value(headers, "Date")), string(_value(headers, "Subject")), sender,
        _addresses(headers, "Sender", sender), _addresses(headers, "Reply-To", sender),
        *(_addresses(headers, name) for name in ("To", "Cc", "Bcc")),
        string(_value(headers, "In-Reply-To")), string(_value(headers, "Message-ID")),
    )  # fmt: skip


def structure(part: Part, *, extended: bool) -> bytes:
    """BODYSTRUCTURE, or BODY when not ``extended``."""
    headers = _headers(part.header)
    rest = [_disposition(headers), _languages(headers), string(_value(headers, "Content-Location"))] if extended else []
    if part.is_multipart:
        parts = b"".join(structure(one, extended=extended) for one in part.parts)
        return words(b"(" + parts, string(part.subtype), *([_pairs(part.parameters)] if extended else []), *rest) + b")"
    fields = [
        string(part.kind), string(part.subtype), _pairs(part.parameters), string(_value(headers, "Content-ID")),
        string(_value(headers, "Content-Description")), string(_first_word(headers, "Content-Transfer-Encoding") or "7BIT"),
        number(len(part.body)),
    ]  # fmt: skip
    if part.is_message:
        fields += [envelope(part.parts[0]), structure(part.parts[0], extended=extended)]
    if part.is_message or part.kind == "TEXT":
        fields.append(number(part.body.count(b"\n")))
    return listed(*fields, *([string(_value(headers, "Content-MD5")), *rest] if extended else []))


# --- parts -----------------------------------------------------------------------------------------------------------------


def _part(content: bytes, depth: int, left: list[int], default: str) -> Part:
    left[0] -= 1
    header, body = _split(content)
    headers = _headers(header)
    kind, subtype, parameters = _content_type(headers, default)
    parts: tuple[Part, ...] = ()
    opaque = depth >= _MAX_DEPTH or left[0] <= 0
    if not opaque and kind == "MULTIPART":
        inner = "MESSAGE/RFC822" if subtype == "DIGEST" else "TEXT/PLAIN"
        boundary = dict(parameters).get("BOUNDARY", "")
        parts = tuple(_part(one, depth + 1, left, inner) for one in _between(body, boundary, left[0]))
    elif not opaque and (kind, subtype) == ("MESSAGE", "RFC822"):
        parts = (_part(body, depth + 1, left, "TEXT/PLAIN"),)
    if not parts and (kind == "MULTIPART" or (kind, subtype) == ("MESSAGE", "RFC822")):
        kind, subtype = "APPLICATION", "OCTET-STREAM"
    return Part(header, body, kind, subtype, parameters, parts)


def _split(content: bytes) -> tuple[bytes, bytes]:
    if content.startswith(b"\r\n"):
        return content[:2], content[2:]
    end = content.find(b"\r\n\r\n")
    return (content, b"") if end < 0 else (content[: end + 4], content[end + 4 :])


def _between(body: bytes, boundary: str, most: int) -> list[bytes]:
    """What stands between the delimiter lines (RFC 2046 §5.1.1); an end that is missing is the end of the body."""
    if not boundary or len(boundary) > 200:
        return []
    mark = re.escape(boundary.encode("ascii", "surrogateescape"))
    found: list[bytes] = []
    start: int | None = None
    for line in re.finditer(rb"(?:\A|\r\n)--" + mark + rb"(--)?[ \t]*(?=\r\n|\Z)", body):
        if start is not None:
            found.append(body[start : max(start, line.start())])
        start = None if line[1] or len(found) >= most else line.end() + 2
        if start is None:
            break
    if start is not None:
        found.append(body[start:])
    return found


def _at(message: Part, path: tuple[int, ...]) -> Part | None:
    part = message
    for depth, wanted in enumerate(path):
        holder = part.parts[0] if depth and part.is_message else part
        if holder.is_multipart:
            if wanted > len(holder.parts):
                return None
            part = holder.parts[wanted - 1]
        elif wanted == 1 and (depth == 0 or part.is_message):
            part = holder
        else:
            return None
    return part


# --- headers ---------------------------------------------------------------------------------------------------------------


def _headers(raw: bytes) -> Message:
    return BytesHeaderParser(policy=compat32).parsebytes(raw)


def _value(headers: Message, name: str) -> str | None:
    """A header unfolded, as it was sent: encoded words stay encoded."""
    value = headers.get(name)
    return None if value is None else re.sub(r"[\r\n]+", "", str(value))[:_READ].strip()


def _first_word(headers: Message, name: str) -> str | None:
    found = _WORD.match(_value(headers, name) or "")
    return None if found is None else found[1].upper()


def _content_type(headers: Message, default: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    value = _value(headers, "Content-Type") or ""
    found = _TYPE.match(value)
    if found is None:
        kind, _, subtype = default.partition("/")
        return kind, subtype, (("CHARSET", "us-ascii"),) if kind == "TEXT" else ()
    return found[1].upper(), found[2].upper(), _parameters(value[found.end() :])


def _parameters(text: str) -> tuple[tuple[str, str], ...]:
    found = ((one[1].upper(), one[2]) for one in _PARAMETER.finditer(text))
    return tuple((name, re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value) for name, value in found)


def _disposition(headers: Message) -> bytes:
    value = _value(headers, "Content-Disposition") or ""
    found = _WORD.match(value)
    return b"NIL" if found is None else listed(string(found[1].upper()), _pairs(_parameters(value[found.end() :])))


def _languages(headers: Message) -> bytes:
    names = [one.strip() for one in (_value(headers, "Content-Language") or "").split(",") if one.strip()]
    return listed(*map(string, names)) if names else b"NIL"


def _pairs(parameters: tuple[tuple[str, str], ...]) -> bytes:
    return listed(*(string(text) for pair in parameters for text in pair)) if parameters else b"NIL"


def _addresses(headers: Message, name: str, otherwise: bytes = b"NIL") -> bytes:
    found = [one for one in getaddresses([_value(headers, name) or ""]) if one[1]]
    if not found:
        return otherwise
    rows = []
    for label, address in found:
        local, at, domain = address.rpartition("@")
        rows.append(listed(string(label or None), b"NIL", string(local if at else address), string(domain if at else None)))
    return b"(" + b"".join(rows) + b")"


def _fields(raw: bytes, names: set[str], *, kept: bool) -> bytes:
    """The header lines whose name is in ``names``, or is not; folded lines go with theirs, a blank line ends."""
    found: list[bytes] = []
    taken = False
    for line in raw.removesuffix(b"\r\n").splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            taken = (line.partition(b":")[0].strip().decode("latin-1").lower() in names) is kept
        if taken:
            found.append(line)
    return b"".join(found) + b"\r\n"
