"""MTOM: multipart/related with XOP, built and split without copying the parts (reference dmp §9.1, packages §7.2).

Strict on what would let two readers see two messages: an unknown ``start``, a Content-ID met twice, a missing
terminator or a part without an end of headers are refused.
"""
from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

MAX_PARTS = 64
MAX_PART_HEADERS = 8192

_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\\r\n]|\\[^\r\n])*"|[^\s";]+)\s*')
_BOUNDARY = re.compile(r"[ -~]{0,69}[!-~]")  # wider than RFC 2046: a feed that only the service reads is counted nowhere
_PADDING = re.compile(rb"[ \t]*")


class MtomError(ValueError):
    """The message is not a multipart/related that we would read; ``reason`` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Part:
    """One part. ``content_id`` has no angle brackets; ``body`` is a view on the message, not a copy."""

    content_id: str
    content_type: str
    body: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Multipart:
    """``root`` is the part named by ``start``, else the first; ``parts`` are the others, in order."""

    root: Part
    parts: tuple[Part, ...]

    def part(self, content_id: str) -> Part:
        """The part of this Content-ID. KeyError when there is none."""
        for part in self.parts:
            if part.content_id == content_id:
                return part
        raise KeyError(content_id)


@dataclass(frozen=True, slots=True)
class Attachment:
    content_id: str
    content_type: str
    body: bytes = field(repr=False)


def build(root: bytes, attachments: Sequence[Attachment], *, action: str, root_id: str = "root@dui") -> tuple[str, bytes]:
    """(Content-Type, body) of one SOAP 1.2 message with its attachments. The boundary is in no part."""
    boundary = _free_boundary([root, *(a.body for a in attachments)])
    mark = f"--{boundary}\r\n"
    head = f'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n{_headers(root_id)}'
    chunks: list[bytes] = [(mark + head).encode("ascii"), root, b"\r\n"]
    for item in attachments:
        head = f"{mark}Content-Type: {item.content_type}\r\n{_headers(item.content_id)}"
        chunks += [head.encode("ascii"), item.body, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode("ascii"))
    content_type = (
        f'multipart/related; type="application/xop+xml"; start="<{root_id}>"; start-info="application/soap+xml"; '
        f'boundary="{boundary}"; action="{action}"'
    )
    return content_type, b"".join(chunks)


def is_multipart(content_type: str | None) -> bool:
    return (content_type or "").split(";", 1)[0].strip().lower() == "multipart/related"


def split(content_type: str, body: bytes | memoryview) -> Multipart:
    """The parts of a multipart/related body. Raises MtomError; never copies a part's bytes."""
    parameters = read_parameters(content_type)
    if not is_multipart(content_type):
        raise MtomError("not-multipart")
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise MtomError("boundary")
    parts = _split(body, boundary.encode("ascii"))
    seen = [part.content_id for part in parts if part.content_id]
    if len(set(seen)) != len(seen):
        raise MtomError("duplicate-content-id")
    root = _root(parts, parameters.get("start"))
    return Multipart(root, tuple(part for part in parts if part is not root))


def read_parameters(content_type: str) -> dict[str, str]:
    """The parameters of a Content-Type, names in lower case, values unquoted. Raises MtomError."""
    head, _, _ = content_type.partition(";")
    found: dict[str, str] = {}
    at = len(head)
    while at < len(content_type):
        match = _PARAMETER.match(content_type, at)
        if match is None:
            if content_type[at:].strip(" ;\t") == "":
                break
            raise MtomError("content-type")
        name, value = match[1].lower(), match[2]
        if name in found:
            raise MtomError("content-type")  # two boundaries: two readers could choose differently
        found[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        at = match.end()
    return found


def content_id_of(href: str) -> str:
    """The Content-ID that a ``cid:`` URL names, percent-decoded (RFC 2392). Raises MtomError for another URL."""
    if href[:4].lower() != "cid:" or len(href) == 4:
        raise MtomError("href")
    return unquote(href[4:])


def _root(parts: list[Part], start: str | None) -> Part:
    if start is None:
        return parts[0]
    wanted = _bare(start)
    for part in parts:
        if part.content_id == wanted:
            return part
    raise MtomError("unknown-start")


def _split(body: bytes | memoryview, boundary: bytes) -> list[Part]:
    view = memoryview(body)
    data = body if isinstance(body, bytes) else bytes(view)
    dash = b"--" + boundary
    at, last = _opening(data, dash), False
    parts: list[Part] = []
    while not last:
        end, following, last = _next_delimiter(data, dash, at)
        parts.append(_part(data, view, at, end))
        if len(parts) > MAX_PARTS:
            raise MtomError("too-many-parts")
        at = following
    return parts


def _next_delimiter(data: bytes, dash: bytes, at: int) -> tuple[int, int, bool]:
    """(end of the part, start of the next one, whether this was the closing delimiter)."""
    search = at - 2  # a part without header nor body: its delimiter's CRLF is the one that ended the previous delimiter
    while True:
        found = data.find(b"\r\n" + dash, search)
        if found < 0:
            raise MtomError("missing-terminator")
        following, last = _after(data, found + 2 + len(dash))
        if following:
            return max(found, at), following, last
        search = found + 2


def _opening(data: bytes, dash: bytes) -> int:
    """Where the first part starts. The delimiter is at the very beginning, but for one empty line: LPS send no preamble."""
    start = 2 if data.startswith(b"\r\n") else 0
    following, last = _after(data, start + len(dash)) if data.startswith(dash, start) else (0, False)
    if not following or last:
        raise MtomError("no-opening-boundary")
    return following


def _after(data: bytes, at: int) -> tuple[int, bool]:
    """(start of what follows, closing or not); (0, False) when the boundary's text is only the beginning of another word."""
    last = data.startswith(b"--", at)
    padding = _PADDING.match(data, at + 2 if last else at)
    line_end = padding.end() if padding else at
    if last and line_end == len(data):
        return line_end, True
    return (line_end + 2, last) if data.startswith(b"\r\n", line_end) else (0, False)


def _part(data: bytes, view: memoryview, at: int, end: int) -> Part:
    if at == end or data.startswith(b"\r\n", at):  # nothing at all, or no header
        return Part("", "text/plain", view[min(at + 2, end) : end])
    stop = data.find(b"\r\n\r\n", at, at + MAX_PART_HEADERS)
    if stop < 0 or stop > end - 2:  # end - 2: headers alone, whose last line the delimiter ends
        raise MtomError("part-headers")
    headers = _part_headers(data[at:stop])
    content_type = headers.get("content-type", "text/plain")
    return Part(_bare(headers.get("content-id", "")), content_type, view[min(stop + 4, end) : end])


def _part_headers(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", raw)
    for line in unfolded.split(b"\r\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        key = name.strip().lower()
        if not colon or not key:
            raise MtomError("part-headers")
        if key in found:
            raise MtomError("part-headers")
        found[key] = value.strip()
    return found


def _bare(content_id: str) -> str:
    text = content_id.strip()
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


def _headers(content_id: str) -> str:
    return f"Content-Transfer-Encoding: binary\r\nContent-ID: <{content_id}>\r\n\r\n"


def _free_boundary(bodies: Sequence[bytes]) -> str:
    while True:
        boundary = f"uuid.{uuid.uuid4()}"
        mark = boundary.encode("ascii")
        if not any(mark in body for body in bodies):
            return boundary
