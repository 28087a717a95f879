"""Reads a multipart/related message: root part and the others by Content-ID (reference dmp §9.1).

Its own reader on purpose: it must not share a bug with the writer of the connectors.
"""
from __future__ import annotations

import re
from email.message import Message
from urllib.parse import unquote

_HEADER_END = re.compile(rb"\A\r\n|\r\n\r\n")
_MAX_PARTS = 64
_MAX_HEADERS = 8192  # of one part


class BadMultipart(ValueError):
    """The message cannot be cut into parts without doubt; the text is French, for the fault."""


def media_type(content_type: str) -> str:
    return content_type.split(";", 1)[0].strip().lower()


def read(content_type: str, body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """(root part, every part with a Content-ID). Raises BadMultipart."""
    parameters = _parameters(content_type)
    boundary, start = parameters.get("boundary", ""), parameters.get("start")
    if not 0 < len(boundary) <= 70 or not boundary.isascii() or boundary.endswith(" "):
        raise BadMultipart("boundary absente ou illisible")
    raw = _cut(body, boundary.encode("ascii"))
    parts = [_part(one) for one in raw]
    named = [name for name, _ in parts if name]
    if len(named) != len(set(named)):
        raise BadMultipart("deux parties portent le même Content-ID")
    by_id = {name: content for name, content in parts if name}
    if start is not None:
        wanted = _bare(start)
        if wanted not in by_id:
            raise BadMultipart("start désigne une partie absente")
        return by_id[wanted], by_id
    return parts[0][1], by_id


def _parameters(content_type: str) -> dict[str, str]:
    """By name in lower case; a name given twice, without a value or in the form of RFC 2231 could be understood in two ways."""
    header = Message()
    header["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    found = [(name.lower(), value) for name, value in (header.get_params() or [])[1:]]
    readable = all(name and value and isinstance(value, str) for name, value in found)
    if len({name for name, _ in found}) != len(found) or not readable:
        raise BadMultipart("Content-Type ambigu")
    return dict(found)


def resolve(href: str, parts: dict[str, bytes]) -> bytes | None:
    """The part that a ``cid:`` URL names, percent-decoded; None when it names none."""
    return parts.get(unquote(href[4:])) if href.lower().startswith("cid:") else None


def _cut(body: bytes, boundary: bytes) -> list[bytes]:
    line = re.compile(rb"(?:\A|\r\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r\n|\Z)")
    pieces: list[bytes] = []
    at = -1
    for match in _overlapping(line, body):
        if at >= 0:
            pieces.append(body[at : max(at, match.start())])
        elif match.start() != 0:  # LPS send no preamble
            break
        if match[1] is not None:
            if not pieces:
                break
            return pieces
        if len(pieces) >= _MAX_PARTS:
            raise BadMultipart("trop de parties")
        at = match.end()
    raise BadMultipart("délimiteur d'ouverture ou de fin absent")


def _overlapping(line: re.Pattern[bytes], body: bytes) -> list[re.Match[bytes]]:
    """The CRLF that ends one delimiter may open the next one (an empty part)."""
    found: list[re.Match[bytes]] = []
    at = 0
    while (match := line.search(body, at)) is not None:
        found.append(match)
        if match[1] is not None or len(found) > _MAX_PARTS + 1:
            break
        at = max(match.end() - 2, match.start() + 1)
    return found


def _part(raw: bytes) -> tuple[str, bytes]:
    match = _HEADER_END.search(raw)
    if match is None and raw and not raw.endswith(b"\r\n"):
        raise BadMultipart("une partie n'a pas de fin d'en-têtes")
    head, content = (raw[:-2], b"") if match is None else (raw[: match.start()], raw[match.end() :])
    if len(head) > _MAX_HEADERS:
        raise BadMultipart("en-têtes de partie trop longs")
    names: set[bytes] = set()
    content_id = ""
    for line in re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n") if head else ():
        name, colon, value = line.partition(b":")
        key = name.strip().lower()
        if not colon or not key or key in names:
            raise BadMultipart("en-tête de partie illisible ou répété")
        names.add(key)
        if key == b"content-id":
            content_id = _bare(value.decode("latin-1"))
    return content_id, content


def _bare(content_id: str) -> str:
    match = re.fullmatch(r"\s*<(.*)>\s*", content_id, re.DOTALL)
    return match[1] if match else content_id.strip()
