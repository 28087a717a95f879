"""The commands of a selected folder: FETCH, SEARCH, STORE, COPY, MOVE, EXPUNGE, UID forms (mssante §5.4, RFC 3501 §6.4)."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from mocks.mssante.imap_behaviour import Reply, no, ok
from mocks.mssante.imap_boxes import QUOTA_BYTES, Message
from mocks.mssante.imap_commands import Command, Copying, Fetching, Storing
from mocks.mssante.imap_folders import NONEXISTENT, OVER_QUOTA, TOO_MANY_KEYWORDS, Opened, keywords_fit
from mocks.mssante.imap_items import Item
from mocks.mssante.imap_search import Candidate, Meets, Places
from mocks.mssante.imap_structure import Part, envelope, section, structure, take_apart
from mocks.mssante.imap_view import fetched
from mocks.mssante.imap_words import date_time, literal, number, words

_READ_ONLY = no("The mailbox is selected read-only")
_NOTHING = ok("No message there")


def on_fetch(opened: Opened, command: Command) -> Reply:
    """Each message is read when its line is sent: a mailbox is not held in memory."""
    wanted: Fetching = command.given
    items = wanted.items
    if command.uid and all(item.label != "UID" for item in items):
        items = (Item("UID"), *items)
    chosen = opened.selected.chosen(wanted.numbers, uid=command.uid)
    return ok("Fetch completed", untagged=_fetch(opened, [(place, message.uid) for place, message in chosen], items))


def _fetch(opened: Opened, chosen: list[tuple[int, int]], items: tuple[Item, ...]) -> Iterator[bytes]:
    view = opened.selected
    opening = not view.read_only and any(not item.peek for item in items)
    for place, uid in chosen:
        if uid not in view.folder.messages:  # gone since the command began
            continue
        seen = opening and "\\Seen" not in view.folder.messages[uid].flags
        if seen:
            opened.mailbox.flag(view.folder.name, uid, view.folder.messages[uid].flags | {"\\Seen"})
        message = view.folder.messages[uid]
        told = (*items, Item("FLAGS")) if seen and all(item.label != "FLAGS" for item in items) else items
        yield fetched(place, *_values(opened, message, told))


def _values(opened: Opened, message: Message, items: tuple[Item, ...]) -> Iterator[bytes]:
    taken: Part | None = None
    for item in items:
        yield item.label.encode("ascii")
        match item.label:
            case "FLAGS":
                yield opened.selected.flags(message)
            case "UID":
                yield number(message.uid)
            case "INTERNALDATE":
                yield date_time(message.at)
            case "RFC822.SIZE":
                yield number(message.size_bytes)
            case _:
                taken = taken or take_apart(opened.mailbox.content(message))
                yield _read(taken, item)


def _read(message: Part, item: Item) -> bytes:
    if item.section is None:
        return envelope(message) if item.label == "ENVELOPE" else structure(message, extended=item.label == "BODYSTRUCTURE")
    found = section(message, item.section)
    if found is None:
        return b"NIL"
    if item.partial is not None:
        first, length = item.partial
        found = found[first : first + length]
    return literal(found)


def on_search(opened: Opened, command: Command) -> Reply:
    found = _found(opened, command.given, uid=command.uid)
    return ok("Search completed", untagged=[words(b"* SEARCH", *map(number, found))])


def _found(opened: Opened, meets: Meets, *, uid: bool) -> list[int]:
    view = opened.selected
    places, found = Places(tuple(view.uids)), []
    for place, one in enumerate(view.uids, start=1):
        message = view.folder.messages.get(one)
        if message is None:
            continue
        read = partial(opened.mailbox.content, message)
        candidate = Candidate(place, one, message.flags, one in view.recent, message.at, message.size_bytes, read)
        if meets(candidate, places):
            found.append(one if uid else place)
    return found


def on_store(opened: Opened, command: Command) -> Reply:
    wanted: Storing = command.given
    view = opened.selected
    if view.read_only:
        return _READ_ONLY
    chosen = [(place, message.uid, _flagged(message, wanted)) for place, message in view.chosen(wanted.numbers, uid=command.uid)]
    if not all(keywords_fit(held) for _, _, held in chosen):
        return TOO_MANY_KEYWORDS
    lines = []
    for place, uid, held in chosen:
        opened.mailbox.flag(view.folder.name, uid, held)
        told = view.flags(view.folder.messages[uid])
        if not wanted.silent:
            lines.append(fetched(place, *([b"UID", number(uid)] if command.uid else []), b"FLAGS", told))
    return ok("Store completed", untagged=lines)


def _flagged(message: Message, wanted: Storing) -> frozenset[str]:
    return {"": wanted.flags, "+": message.flags | wanted.flags, "-": message.flags - wanted.flags}[wanted.change]


def on_copy(opened: Opened, command: Command) -> Reply:
    """COPY and MOVE; COPYUID names both ends (RFC 4315), behind the command or before a move's EXPUNGE lines (RFC 6851)."""
    wanted: Copying = command.given
    view, moving = opened.selected, command.name == "MOVE"
    if moving and view.read_only:
        return _READ_ONLY
    chosen = [message for _, message in view.chosen(wanted.numbers, uid=command.uid)]
    if wanted.mailbox not in opened.mailbox.folders:
        return NONEXISTENT
    if not chosen:
        return _NOTHING
    if not moving and opened.mailbox.used_bytes() + sum(message.size_bytes for message in chosen) > QUOTA_BYTES:
        return OVER_QUOTA
    done = opened.mailbox.copy(view.folder.name, [message.uid for message in chosen], wanted.mailbox)
    code = f"COPYUID {opened.uid_validity} {_set(here for here, _ in done)} {_set(there for _, there in done)}"
    if not moving:
        return ok("Copy completed", code)
    gone = [message.uid for message in chosen]
    opened.mailbox.expunge(view.folder.name, gone)
    return ok("Move completed", untagged=[f"* OK [{code}] Moved".encode("ascii"), *view.forget(gone)])


def on_expunge(opened: Opened, command: Command) -> Reply:
    view = opened.selected
    if view.read_only:
        return _READ_ONLY
    chosen = command.given.among(view.uids) if command.uid else view.uids
    messages = view.folder.messages
    gone = [uid for uid in chosen if uid in messages and "\\Deleted" in messages[uid].flags]
    opened.mailbox.expunge(view.folder.name, gone)
    return ok("Expunge completed", untagged=view.forget(gone))


def on_close(opened: Opened, command: Command) -> Reply:
    """As EXPUNGE and without a line of it, unless the folder is selected read-only."""
    if not opened.selected.read_only:
        on_expunge(opened, Command(command.tag, "EXPUNGE"))
    opened.view = None
    return ok("Done")


MESSAGE_COMMANDS: dict[str, Callable[[Opened, Command], Reply]] = {
    "FETCH": on_fetch, "SEARCH": on_search, "STORE": on_store, "COPY": on_copy, "MOVE": on_copy, "EXPUNGE": on_expunge,
    "CLOSE": on_close, "CHECK": lambda _opened, _command: ok("Done"),
}  # fmt: skip


def _set(uids: Iterator[int]) -> str:
    """UIDs as a set, runs of them as ranges, in the order given (RFC 4315 §3)."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)
