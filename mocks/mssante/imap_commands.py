"""The commands of IMAP that the simulated operator serves (mssante §5.4, RFC 3501 §6), each with its own grammar. Pure."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mocks.mssante.imap_items import Item, read_items
from mocks.mssante.imap_reading import BadCommand, Cursor, Numbers, Text
from mocks.mssante.imap_search import read_search

_TAG = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,100}) ')
_UID_FORMS = frozenset({"FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE"})
STATUS_ITEMS = frozenset({"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"})


class Unknown(BadCommand):
    """This server has no such command."""


@dataclass(frozen=True, slots=True)
class Command:
    """given  what its own grammar reads; None for a command without arguments"""

    tag: str
    name: str
    uid: bool = False
    given: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Appending:
    mailbox: str
    flags: frozenset[str]
    at: datetime | None
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fetching:
    numbers: Numbers
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Storing:
    """change  "" sets, "+" adds, "-" takes away"""

    numbers: Numbers
    change: str
    silent: bool
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Copying:
    numbers: Numbers
    mailbox: str


def tag_of(line: bytes) -> str:
    """The tag of a command line, "*" when it has none that can be answered to."""
    found = _TAG.match(line)
    return "*" if found is None else found[1].decode("ascii")


def name_of(line: bytes) -> str:
    """The name of the command that a line begins, in upper case; empty when it has none."""
    return line.partition(b" ")[2].partition(b" ")[0].strip().decode("latin-1").upper()


def read_command(text: Text) -> Command:
    """Raises BadCommand, Unknown, BadCharset."""
    tag = tag_of(text.line)
    if tag == "*":
        raise BadCommand("Expected a tag and a command")
    cursor = Cursor(text)
    cursor.expect(tag.encode("ascii") + b" ")
    name, uid = cursor.word(), False
    if name == "UID":
        cursor.space()
        name, uid = cursor.word(), True
        if name not in _UID_FORMS:
            raise Unknown(f"Unknown command UID {name[:20]}")
    if name not in _GRAMMARS:
        raise Unknown("Unknown command")
    grammar = _GRAMMARS[name]
    given = None
    if name == "EXPUNGE" and uid:
        grammar = Cursor.numbers
    if grammar is not None:
        cursor.space()
        given = grammar(cursor)
    cursor.end()
    return Command(tag, name, uid, given)


# --- arguments -------------------------------------------------------------------------------------------------------------


def _authenticate(cursor: Cursor) -> tuple[str, bytes | None]:
    mechanism = cursor.word()
    return mechanism, cursor.rest() if cursor.skips(b" ") else None


def _login(cursor: Cursor) -> None:
    cursor.astring()
    cursor.space()
    cursor.astring()


def _id(cursor: Cursor) -> None:
    if not cursor.skips(b"NIL"):
        pairs = cursor.listed(cursor.maybe_string, empty=True)
        if len(pairs) % 2 or len(pairs) > 60:
            raise BadCommand("Expected pairs of strings")


def _enable(cursor: Cursor) -> None:
    cursor.word()
    while cursor.skips(b" "):
        cursor.word()


def _list(cursor: Cursor) -> tuple[str, str]:
    reference = cursor.mailbox()
    cursor.space()
    return reference, cursor.pattern()


def _status(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    mailbox = cursor.mailbox()
    cursor.space()
    items = tuple(dict.fromkeys(cursor.listed(cursor.word)))
    if not set(items) <= STATUS_ITEMS:
        raise BadCommand("Unknown item")
    return mailbox, items


def _append(cursor: Cursor) -> Appending:
    mailbox, flags, at = cursor.mailbox(), frozenset[str](), None
    cursor.space()
    if cursor.sees(b"("):
        flags = cursor.flags()
        cursor.space()
    if cursor.sees(b'"'):
        at = cursor.date_time()
        cursor.space()
    return Appending(mailbox, flags, at, cursor.literal())


def _fetch(cursor: Cursor) -> Fetching:
    numbers = cursor.numbers()
    cursor.space()
    return Fetching(numbers, read_items(cursor))


def _store(cursor: Cursor) -> Storing:
    numbers = cursor.numbers()
    cursor.space()
    change = "+" if cursor.skips(b"+") else "-" if cursor.skips(b"-") else ""
    cursor.expect(b"FLAGS")
    silent = cursor.skips(b".SILENT")
    cursor.space()
    return Storing(numbers, change, silent, cursor.flags(bare=True))


def _copy(cursor: Cursor) -> Copying:
    numbers = cursor.numbers()
    cursor.space()
    return Copying(numbers, cursor.mailbox())


def _rename(cursor: Cursor) -> None:
    cursor.mailbox()
    cursor.space()
    cursor.mailbox()


Grammar = Callable[[Cursor], Any]

_GRAMMARS: dict[str, Grammar | None] = {
    **dict.fromkeys(("CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "IDLE", "NAMESPACE")),
    **dict.fromkeys(("SELECT", "EXAMINE", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE", "GETQUOTAROOT"), Cursor.mailbox),
    "GETQUOTA": Cursor.astring, "AUTHENTICATE": _authenticate, "LOGIN": _login, "ID": _id, "ENABLE": _enable, "LIST": _list,
    "LSUB": _list, "RENAME": _rename, "STATUS": _status, "APPEND": _append, "SEARCH": read_search, "FETCH": _fetch,
    "STORE": _store, "COPY": _copy, "MOVE": _copy,
}  # fmt: skip
