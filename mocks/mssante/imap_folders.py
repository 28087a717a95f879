"""The commands of an open mailbox about its folders: LIST, STATUS, SELECT, APPEND, QUOTA (mssante §5.4, RFC 3501 §6.3)."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mocks.mssante.imap_behaviour import Reply, bad, no, ok
from mocks.mssante.imap_boxes import FOLDERS, QUOTA_BYTES, Folder, Mailbox
from mocks.mssante.imap_commands import Appending, Command
from mocks.mssante.imap_view import View
from mocks.mssante.imap_words import flags, listed, number, string, words

_DELIMITER = "/"
_SETTABLE = frozenset({"\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"})
_MAX_KEYWORDS, _MAX_KEYWORD = 32, 64

NONEXISTENT = no("No such mailbox here", "NONEXISTENT")
FIXED = no("The folders of a mailbox are fixed here", "CANNOT")
OVER_QUOTA = no("The mailbox is full", "OVERQUOTA")
TOO_MANY_KEYWORDS = no("Too many keywords, or too long ones", "LIMIT")


@dataclass(slots=True)
class Opened:
    """A mailbox as one session has it open. ``view``: of the folder that is selected."""

    mailbox: Mailbox
    uid_validity: int
    view: View | None = None

    @property
    def selected(self) -> View:
        """Only for commands that ``imap_behaviour.misplaced`` let through."""
        assert self.view is not None
        return self.view


def on_namespace(_opened: Opened, _command: Command) -> Reply:
    return ok("Done", untagged=[b'* NAMESPACE (("" "/")) NIL NIL'])


def on_list(_opened: Opened, command: Command) -> Reply:
    """LIST and LSUB: every folder is subscribed. An empty pattern asks for the delimiter."""
    reference, pattern = command.given
    verb = command.name.encode("ascii")
    if not pattern and command.name == "LIST":
        return ok("Done", untagged=[b"* LIST (\\Noselect) " + words(string(_DELIMITER), b'""')])
    wanted = _glob(reference + pattern)
    lines = []
    for name, use in FOLDERS.items():
        if wanted.fullmatch(name):
            attributes = listed(b"\\HasNoChildren", *([use.encode("ascii")] if use else []))
            lines.append(words(b"*", verb, attributes, string(_DELIMITER), string(name)))
    return ok("Done", untagged=lines)


def on_status(opened: Opened, command: Command) -> Reply:
    name, items = command.given
    folder = opened.mailbox.folders.get(name)
    if folder is None:
        return NONEXISTENT
    values = {
        "MESSAGES": len(folder.messages), "RECENT": sum(uid >= folder.recent_from for uid in folder.messages),
        "UIDNEXT": folder.uid_next, "UIDVALIDITY": opened.uid_validity, "UNSEEN": folder.unseen(),
    }  # fmt: skip
    pairs = (part for item in items for part in (item.encode("ascii"), number(values[item])))
    return ok("Done", untagged=[words(b"* STATUS", string(name), listed(*pairs))])


def on_select(opened: Opened, command: Command) -> Reply:
    """SELECT and EXAMINE; a folder that does not exist leaves none selected (RFC 3501 §6.3.1)."""
    opened.view = None
    folder = opened.mailbox.folders.get(command.given)
    if folder is None:
        return NONEXISTENT
    view = opened.view = View.of(folder, read_only=command.name == "EXAMINE")
    lines = [
        words(b"* FLAGS", flags(_SETTABLE | _keywords(folder))),
        words(b"*", number(len(view.uids)), b"EXISTS"),
        words(b"*", number(len(view.recent)), b"RECENT"),
        *_first_unseen(view),
        b"* OK [PERMANENTFLAGS %b] Flags" % (b"()" if view.read_only else flags(_SETTABLE | _keywords(folder), "\\*")),
        b"* OK [UIDVALIDITY %d] Stable until the sandbox is reset" % opened.uid_validity,
        b"* OK [UIDNEXT %d] Next" % folder.uid_next,
    ]
    return ok("Selected", "READ-ONLY" if view.read_only else "READ-WRITE", lines)


def on_unselect(opened: Opened, _command: Command) -> Reply:
    opened.view = None
    return ok("Done")


def on_subscribe(opened: Opened, command: Command) -> Reply:
    return ok("Done") if command.given in opened.mailbox.folders else NONEXISTENT


def on_fixed(_opened: Opened, _command: Command) -> Reply:
    """CREATE, DELETE, RENAME, UNSUBSCRIBE."""
    return FIXED


def on_append(opened: Opened, command: Command, now: datetime) -> Reply:
    """``now``: business time, the date of a message that brings none."""
    wanted: Appending = command.given
    if wanted.mailbox not in opened.mailbox.folders:
        return NONEXISTENT
    if not wanted.content or b"\0" in wanted.content:
        return bad("Expected a message without a null byte")
    if not wanted.content.count(b"\r\n") == wanted.content.count(b"\n") == wanted.content.count(b"\r"):
        return no("Bare CR or LF in the message")
    if not keywords_fit(wanted.flags):
        return TOO_MANY_KEYWORDS
    if opened.mailbox.used_bytes() + len(wanted.content) > QUOTA_BYTES:
        return OVER_QUOTA
    uid = opened.mailbox.put(wanted.mailbox, wanted.content, wanted.at or now, wanted.flags)
    return ok("Append completed", f"APPENDUID {opened.uid_validity} {uid}")


def on_quota(opened: Opened, command: Command) -> Reply:
    """GETQUOTAROOT and GETQUOTA: one root, the empty name (RFC 2087)."""
    usage = words(b'* QUOTA ""', listed(b"STORAGE", number(-(-opened.mailbox.used_bytes() // 1024)), number(QUOTA_BYTES // 1024)))
    if command.name == "GETQUOTA":
        return no("No such quota root", "NONEXISTENT") if command.given else ok("Done", untagged=[usage])
    if command.given not in opened.mailbox.folders:
        return NONEXISTENT
    return ok("Done", untagged=[words(b"* QUOTAROOT", string(command.given), b'""'), usage])


FOLDER_COMMANDS: dict[str, Callable[[Opened, Command], Reply]] = {
    "NAMESPACE": on_namespace, "LIST": on_list, "LSUB": on_list, "STATUS": on_status, "SELECT": on_select, "EXAMINE": on_select,
    "UNSELECT": on_unselect, "SUBSCRIBE": on_subscribe, "GETQUOTA": on_quota, "GETQUOTAROOT": on_quota,
    **dict.fromkeys(("CREATE", "DELETE", "RENAME", "UNSUBSCRIBE"), on_fixed),
}  # fmt: skip


def keywords_fit(wanted: frozenset[str]) -> bool:
    """Whether a message may carry these flags: what a mailbox keeps for its reader is bounded."""
    return len(wanted - _SETTABLE) <= _MAX_KEYWORDS and all(len(flag) <= _MAX_KEYWORD for flag in wanted)


def _keywords(folder: Folder) -> frozenset[str]:
    return frozenset(flag for message in folder.messages.values() for flag in message.flags)


def _first_unseen(view: View) -> list[bytes]:
    unseen = (place for place, uid in enumerate(view.uids, start=1) if "\\Seen" not in view.told[uid])
    return [b"* OK [UNSEEN %d] First unseen" % place for place in [next(unseen, None)] if place is not None]


def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` is anything, ``%`` anything but the delimiter; one after another is one (a pattern of stars is no puzzle)."""
    parts = re.split(r"([*%]+)", pattern)
    text = "".join((".*" if "*" in part else "[^/]*") if part and part[0] in "*%" else re.escape(part) for part in parts)
    return re.compile(text, re.IGNORECASE if pattern.upper() == "INBOX" else 0)
