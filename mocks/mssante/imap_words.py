"""How IMAP writes what it answers: strings, numbers, lists, dates (RFC 3501 §4, §9). Pure."""
from __future__ import annotations

import re
from datetime import datetime

from mocks.mssante.imap_reading import MONTHS

_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")


def string(text: str | bytes | None) -> bytes:
    """Quoted, as a literal when it cannot be quoted, NIL for None."""
    if text is None:
        return b"NIL"
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    if _QUOTABLE.fullmatch(raw) is None:
        return literal(raw)
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", raw) + b'"'


def literal(raw: bytes) -> bytes:
    return b"{%d}\r\n" % len(raw) + raw


def number(value: int) -> bytes:
    return b"%d" % value


def words(*parts: bytes) -> bytes:
    return b" ".join(parts)


def listed(*parts: bytes) -> bytes:
    return b"(" + b" ".join(parts) + b")"


def flags(names: frozenset[str], *more: str) -> bytes:
    return listed(*(name.encode("ascii") for name in [*sorted(names), *more]))


def date_time(at: datetime) -> bytes:
    """A date of IMAP, in quotes; month names do not follow the locale."""
    return f'"{at.day:2d}-{MONTHS[at.month - 1]}-{at.year:04d} {at:%H:%M:%S %z}"'.encode("ascii")
