"""The canonical JSON of an entry, version 1 (design §5; docs/journal.md lists the fields), and its texts with holes.

An entry is encoded once, by the thread of its caller, before its commit gives it a place and its values their refs: what is
not known yet leaves a hole, which is filled without reading the rest again.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from gateway.journal.record import Named

VERSION = 1
_NUL = "\0"  # encoded JSON never holds it: a string writes it in six characters
#: Where the commit will write a text that needs no escape, or a number.
TEXT_HOLE, NUMBER_HOLE = orjson.Fragment(b'"\0"'), orjson.Fragment(b"\0")


class Template(NamedTuple):
    """Canonical JSON with holes: the texts before, between and after them; and the values whose refs fill the first ones."""

    texts: list[str]
    named: list[Named]

    def filled(self, refs: Mapping[Named, str], *others: str) -> bytes:
        """The JSON. ``others`` fill the holes that come after those of ``named``. Raises ValueError when one is left."""
        whole = [""] * (len(self.texts) * 2 - 1)
        whole[::2] = self.texts
        whole[1::2] = [*[refs[named] for named in self.named], *others]
        return "".join(whole).encode()


def template(content: dict[str, Any]) -> Template:
    """UTF-8, keys sorted by their bytes, no space; a hole for each ``Named``. Half a surrogate pair, which has no UTF-8 form,
    becomes U+FFFD."""
    named: list[Named] = []

    def hole(value: object) -> orjson.Fragment:
        if not isinstance(value, Named):
            raise TypeError
        named.append(value)
        return TEXT_HOLE

    try:
        text = orjson.dumps(content, hole, orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        named.clear()
        text = orjson.dumps(_writable(content), hole, orjson.OPT_SORT_KEYS)
    return Template(text.decode().split(_NUL), named)


def text_of(moment: datetime) -> str:
    """RFC 3339, UTC, six digits, Z: texts sort as the moments do. Raises ValueError for a naive datetime."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a journal time must be timezone-aware")
        moment = moment.astimezone(UTC)
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()  # four times as quick as isoformat
    return text if moment.microsecond else text[:-1] + ".000000Z"


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return value
