"""The text of one IMAP command, read by a cursor (RFC 3501 §9). Pure; its own reading on purpose, as for SMTP (design §3)."""
from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TypeVar

T = TypeVar("T")

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_PATTERN = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_QUOTED = re.compile(rb'"((?:[^"\\\x00\r\n\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{[0-9]{1,10}\+?\}\r\n")
_ITEM = re.compile(rb"[A-Za-z0-9.]+")
_NUMBER = re.compile(rb"[0-9]{1,10}")
_NUMBERS = re.compile(rb"(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?(?:,(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?)*")
_FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_DATE_TIME = re.compile(
    rb'"(?P<day> [0-9]|[0-9]{2})-(?P<month>[A-Za-z]{3})-(?P<year>[0-9]{4}) '
    rb'(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2}) (?P<sign>[+-])(?P<hours>[0-9]{2})(?P<minutes>[0-9]{2})"'
)
_DATE = re.compile(rb'"?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})"?')

_LARGEST = 2**32 - 1
_SYSTEM_FLAGS = {flag.lower(): flag for flag in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")}


class BadCommand(Exception):
    """The text is not this command (BAD)."""


@dataclass(frozen=True, slots=True)
class Text:
    """One command: its lines joined by CRLF, each literal taken out behind its ``{n}`` and kept apart."""

    line: bytes = field(repr=False)
    literals: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A set of sequence numbers or UIDs; None is ``*``, the largest in use."""

    ranges: tuple[tuple[int | None, int | None], ...]

    def among(self, numbers: Sequence[int]) -> list[int]:
        """Those of these ascending numbers that are in the set; each once, however often it is named."""
        if not numbers:
            return []
        last = numbers[-1]
        ends = (((last if low is None else low), (last if high is None else high)) for low, high in self.ranges)
        found: list[int] = []
        done = 0
        for low, high in sorted((min(pair), max(pair)) for pair in ends):
            start, end = max(bisect_left(numbers, low), done), bisect_right(numbers, high)
            if end > start:
                found += numbers[start:end]
                done = end
        return found

    def beyond(self, count: int) -> bool:
        """Whether it names a sequence number over ``count``, or any in an empty mailbox."""
        return any(end is None if count == 0 else (end or 0) > count for pair in self.ranges for end in pair)


class Cursor:
    """Reads one command from its start to its end. Every method raises BadCommand when the text is something else."""

    def __init__(self, text: Text) -> None:
        self._line, self._literals, self._at = text.line, list(reversed(text.literals)), 0

    @property
    def ended(self) -> bool:
        return self._at == len(self._line)

    def end(self) -> None:
        if not self.ended:
            raise BadCommand("Unexpected text behind the command")

    def sees(self, start: bytes) -> bool:
        return self._line.startswith(start, self._at)

    def sees_digit(self) -> bool:
        return self._line[self._at : self._at + 1].isdigit()

    def skips(self, start: bytes) -> bool:
        """Pass over this text if it is here, whatever its case."""
        here = self._line[self._at : self._at + len(start)]
        if here.upper() != start.upper():
            return False
        self._at += len(start)
        return True

    def expect(self, start: bytes) -> None:
        if not self.skips(start):
            raise BadCommand(f"Expected {start.decode('ascii')!r}")

    def space(self) -> None:
        self.expect(b" ")

    def rest(self) -> bytes:
        """All that is left of the command."""
        left, self._at = self._line[self._at :], len(self._line)
        return left

    def atom(self) -> str:
        return self._match(_ATOM, "an atom")[0].decode("ascii")

    def word(self) -> str:
        """An atom in upper case: a keyword."""
        return self.atom().upper()

    def item(self) -> str:
        """The name of what a FETCH asks for, which ends at its bracket where an atom would not."""
        return self._match(_ITEM, "an item")[0].decode("ascii").upper()

    def number(self) -> int:
        return _small(self._match(_NUMBER, "a number")[0])

    def numbers(self) -> Numbers:
        ranges = []
        for part in self._match(_NUMBERS, "a set of numbers")[0].split(b","):
            low, _, high = part.partition(b":")
            ranges.append((_end(low), _end(high or low)))
        return Numbers(tuple(ranges))

    def astring(self) -> bytes:
        return self.string() if self.sees(b'"') or self.sees(b"{") else bytes(self._match(_ASTRING, "a string")[0])

    def string(self) -> bytes:
        if self.sees(b"{"):
            self._match(_LITERAL, "a literal")
            if not self._literals:
                raise BadCommand("Expected a literal")
            return self._literals.pop()
        return re.sub(rb'\\(["\\])', rb"\1", self._match(_QUOTED, "a string")[1])

    def literal(self) -> bytes:
        if not self.sees(b"{"):
            raise BadCommand("Expected a literal")
        return self.string()

    def maybe_string(self) -> bytes | None:
        return None if self.skips(b"NIL") else self.string()

    def mailbox(self) -> str:
        """A mailbox name; INBOX in any case is INBOX."""
        return _inbox(self.astring().decode("latin-1"))

    def pattern(self) -> str:
        """A mailbox name that may hold * and %."""
        quoted = self.sees(b'"') or self.sees(b"{")
        return _inbox((self.string() if quoted else self._match(_PATTERN, "a pattern")[0]).decode("latin-1"))

    def flags(self, *, bare: bool = False) -> frozenset[str]:
        """A parenthesised list of flags, or without parentheses where ``bare``; \\Recent is no one's to set."""
        if bare and not self.sees(b"("):
            flags = [self._flag()]
            while self.skips(b" "):
                flags.append(self._flag())
            return frozenset(flags)
        return frozenset(self.listed(self._flag, empty=True))

    def listed(self, one: Callable[[], T], *, empty: bool = False) -> list[T]:
        """A parenthesised list."""
        self.expect(b"(")
        if empty and self.skips(b")"):
            return []
        found = [one()]
        while self.skips(b" "):
            found.append(one())
        self.expect(b")")
        return found

    def date_time(self) -> datetime:
        read = self._match(_DATE_TIME, "a date and time")
        offset = timedelta(hours=int(read["hours"]), minutes=int(read["minutes"])) * (-1 if read["sign"] == b"-" else 1)
        hour, minute, second = map(int, read["clock"].split(b":"))
        try:
            month = _month(read["month"])
            return datetime(int(read["year"]), month, int(read["day"]), hour, minute, second, tzinfo=timezone(offset))
        except ValueError as error:
            raise BadCommand("Expected a date that exists") from error

    def date(self) -> datetime:
        """Midnight of a day, without a zone."""
        day, month, year = self._match(_DATE, "a date").groups()
        try:
            return datetime(int(year), _month(month), int(day))  # noqa: DTZ001  compared by day, zone aside (RFC 3501 §6.4.4)
        except ValueError as error:
            raise BadCommand("Expected a date that exists") from error

    def _flag(self) -> str:
        flag = self._match(_FLAG, "a flag")[0].decode("ascii")
        known = _SYSTEM_FLAGS.get(flag.lower())
        if known is None and flag.startswith("\\"):
            raise BadCommand("Expected a flag that may be set")
        return known or flag

    def _match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self._line, self._at)
        if found is None:
            raise BadCommand(f"Expected {what}")
        self._at = found.end()
        return found


def _inbox(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name


def _small(digits: bytes) -> int:
    number = int(digits)
    if number > _LARGEST:
        raise BadCommand("Expected a number of 32 bits")
    return number


def _end(digits: bytes) -> int | None:
    if digits == b"*":
        return None
    number = _small(digits)
    if number == 0:
        raise BadCommand("Expected a number above zero")
    return number


def _month(name: bytes) -> int:
    return MONTHS.index(name.decode("ascii").capitalize()) + 1
