"""SEARCH: its keys (RFC 3501 §6.4.4) and whether a message meets them. Pure, but for the content that some keys read."""
from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from mocks.mssante.imap_reading import BadCommand, Cursor, Numbers, T
from mocks.mssante.opened import Opened, open_message

_MAX_DEPTH, _MAX_KEYS = 30, 500
CHARSETS = {"US-ASCII": "ascii", "UTF-8": "utf-8"}

_FLAGGED = {"ANSWERED": "\\Answered", "DELETED": "\\Deleted", "DRAFT": "\\Draft", "FLAGGED": "\\Flagged", "SEEN": "\\Seen"}
_HEADERS = frozenset({"BCC", "CC", "FROM", "SUBJECT", "TO"})
_BY_DAY = {"BEFORE": operator.lt, "ON": operator.eq, "SINCE": operator.ge}
_BY_SIZE = {"LARGER": operator.gt, "SMALLER": operator.lt}


class BadCharset(Exception):
    """The strings of the search are in a charset that this server does not read."""


@dataclass(slots=True)
class Candidate:
    """A message that a search looks at, opened once at most.

    number  its place in the mailbox · at  when it came in · read  its bytes, None when it is gone
    """

    number: int
    uid: int
    flags: frozenset[str]
    recent: bool
    at: datetime
    size_bytes: int
    read: Callable[[], bytes] = field(repr=False)
    _opened: Opened | None = None

    @property
    def opened(self) -> Opened:
        if self._opened is None:
            self._opened = open_message(self.read())
        return self._opened

    def headers(self, name: str) -> list[str]:
        return [value for header, value in self.opened.headers if header.lower() == name.lower()]

    @property
    def sent(self) -> date | None:
        try:
            return parsedate_to_datetime(self.headers("Date")[0]).date()
        except (IndexError, ValueError, TypeError, OverflowError):
            return None


@dataclass(slots=True)
class Places:
    """What the numbers of a search are counted in: the places and the UIDs of the mailbox, ascending."""

    uids: tuple[int, ...]
    _chosen: dict[tuple[int, bool], frozenset[int]] = field(default_factory=dict)

    def chosen(self, wanted: Numbers, *, uid: bool) -> frozenset[int]:
        """Those of a set of numbers, drawn once a search. ``wanted`` lives as long as the search."""
        key = (id(wanted), uid)
        if key not in self._chosen:
            self._chosen[key] = frozenset(wanted.among(self.uids if uid else range(1, len(self.uids) + 1)))
        return self._chosen[key]


Meets = Callable[[Candidate, Places], bool]


def read_search(cursor: Cursor) -> Meets:
    """The keys of one search. Raises BadCommand, BadCharset."""
    charset = "ascii"
    if cursor.skips(b"CHARSET "):
        named = cursor.astring().decode("latin-1").upper()
        if named not in CHARSETS:
            raise BadCharset
        charset = CHARSETS[named]
        cursor.space()
    keys = _Keys(cursor, charset)
    found = [keys.one(0)]
    while cursor.skips(b" "):
        found.append(keys.one(0))
    return _all(found)


class _Keys:
    def __init__(self, cursor: Cursor, charset: str) -> None:
        self._cursor, self._charset, self._left = cursor, charset, _MAX_KEYS

    def one(self, depth: int) -> Meets:
        self._left -= 1
        if depth > _MAX_DEPTH or self._left < 0:
            raise BadCommand("Too many search keys")
        cursor = self._cursor
        if cursor.sees(b"("):
            return _all(cursor.listed(lambda: self.one(depth + 1)))
        if cursor.sees_digit() or cursor.sees(b"*"):
            return _numbered(cursor.numbers())
        return self._named(cursor.word(), depth)

    def _named(self, name: str, depth: int) -> Meets:
        positive = name.removeprefix("UN")
        if positive in _FLAGGED:
            return _has(_FLAGGED[positive], name == positive)
        if positive == "KEYWORD":
            return _has(self._argument(self._cursor.atom), name == positive)
        if name in _HEADERS:
            return _header(name, self._text())
        if name.removeprefix("SENT") in _BY_DAY:
            return _day(name, self._argument(self._cursor.date).date())
        if name in _BY_SIZE:
            size, compare = self._argument(self._cursor.number), _BY_SIZE[name]
            return lambda one, _: compare(one.size_bytes, size)
        return self._other(name, depth)

    def _other(self, name: str, depth: int) -> Meets:
        match name:
            case "ALL":
                return lambda *_: True
            case "NEW":
                return lambda one, _: one.recent and "\\Seen" not in one.flags
            case "OLD":
                return lambda one, _: not one.recent
            case "RECENT":
                return lambda one, _: one.recent
            case "UID":
                wanted = self._argument(self._cursor.numbers)
                return lambda one, places: one.uid in places.chosen(wanted, uid=True)
            case "HEADER":
                field_name = self._argument(self._cursor.astring).decode("latin-1")
                return _header(field_name, self._text())
            case "BODY":
                text = self._text()
                return lambda one, _: text in _body(one)
            case "TEXT":
                text = self._text()
                return lambda one, _: text in _everything(one)
            case "NOT":
                refused = self._argument(lambda: self.one(depth + 1))
                return lambda one, places: not refused(one, places)
            case "OR":
                first = self._argument(lambda: self.one(depth + 1))
                second = self._argument(lambda: self.one(depth + 1))
                return lambda one, places: first(one, places) or second(one, places)
            case _:
                raise BadCommand("Unknown search key")

    def _argument(self, read: Callable[[], T]) -> T:
        self._cursor.space()
        return read()

    def _text(self) -> str:
        try:
            return self._argument(self._cursor.astring).decode(self._charset).casefold()
        except UnicodeDecodeError as error:
            raise BadCommand("Expected text in the charset of the search") from error


def _all(keys: list[Meets]) -> Meets:
    return keys[0] if len(keys) == 1 else lambda one, places: all(meets(one, places) for meets in keys)


def _numbered(wanted: Numbers) -> Meets:
    return lambda one, places: one.number in places.chosen(wanted, uid=False)


def _has(flag: str, wanted: bool) -> Meets:
    sought = flag.lower()
    return lambda one, _: (sought in {held.lower() for held in one.flags}) is wanted


def _header(name: str, text: str) -> Meets:
    return lambda one, _: any(text in value.casefold() for value in one.headers(name))


def _day(name: str, day: date) -> Meets:
    """The day that a message came in, or says that it was sent on (SENT…)."""
    compare = _BY_DAY[name.removeprefix("SENT")]
    if not name.startswith("SENT"):
        return lambda one, _: compare(one.at.date(), day)
    return lambda one, _: one.sent is not None and compare(one.sent, day)


def _body(one: Candidate) -> str:
    return f"{one.opened.text}\n{one.opened.html}".casefold()


def _everything(one: Candidate) -> str:
    return "\n".join([*(f"{name}: {value}" for name, value in one.opened.headers), ""]).casefold() + _body(one)
