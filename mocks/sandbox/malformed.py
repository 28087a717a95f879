"""Answers that are not what they say they are: a truncated part, another boundary, another media type, a length never reached."""
from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

_BOUNDARY, _OTHER = "socle-partie", "socle-autre"
_MISSING_BYTES = 100  # that the announced length promises and that never come

_Reply = TypeVar("_Reply", bound=Any)


def malform(what: str, reply: _Reply) -> _Reply:
    """The reply (``body``, ``media``) made wrong; ``long_length`` is the wire's to do, and changes nothing here."""
    match what:
        case "truncated_part" if reply.media.startswith("application/soap+xml"):
            head, body = _part(reply), reply.body
            return replace(reply, body=head + body[: len(body) // 2], media=_multipart(_BOUNDARY))
        case "truncated_part":
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        case "wrong_boundary":
            return replace(reply, body=_part(reply) + reply.body + f"\r\n--{_BOUNDARY}--\r\n".encode(), media=_multipart(_OTHER))
        case "wrong_content_type":
            return replace(reply, media="text/html; charset=utf-8")
    return reply


def announced_length(what: str, body: bytes) -> int:
    return len(body) + (_MISSING_BYTES if what == "long_length" else 0)


def _part(reply: Any) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
    return f"{head}Content-Transfer-Encoding: binary\r\nContent-ID: <reponse>\r\n\r\n".encode()


def _multipart(boundary: str) -> str:
    named = 'type="application/xop+xml"; start="<reponse>"; start-info="application/soap+xml"'
    return f'multipart/related; {named}; boundary="{boundary}"'
