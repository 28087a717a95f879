"""What a mailbox holds for its reader: four folders, UIDs, flags. The messages that the operator delivered are its INBOX.

Each mailbox writes what happens to it as JSON lines in its own folder, beside the delivered messages: a reset empties both, and a
snapshot takes both. What the reader expunges is gone for the reader only: the operator still shows what it accepted.
"""
from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import orjson

from mocks.mssante.state import Store
from mocks.sandbox.kept import read, read_lines

INBOX = "INBOX"
#: Folders of every mailbox and what each is for (RFC 6154); no other can be made.
FOLDERS = {INBOX: "", "Drafts": "\\Drafts", "Sent": "\\Sent", "Trash": "\\Trash"}
QUOTA_BYTES = 1 << 30

_LOG = "imap.jsonl"
_DELIVERED, _PUT = ".eml", ".msg"


@dataclass(frozen=True, slots=True)
class Message:
    """at  INTERNALDATE, business time or what APPEND said · file  in the folder of its mailbox"""

    uid: int
    file: str
    at: datetime
    size_bytes: int
    flags: frozenset[str] = frozenset()


@dataclass(slots=True)
class Folder:
    """messages  by UID, ascending · changes  grows with each of them · recent_from  UID from which nobody was told"""

    name: str
    messages: dict[int, Message] = field(default_factory=dict)
    uid_next: int = 1
    changes: int = 0
    recent_from: int = 1

    def unseen(self) -> int:
        return sum("\\Seen" not in message.flags for message in self.messages.values())


class Mailbox:
    """One mailbox as its sessions see it. Everything that changes it is on disk before it is told."""

    def __init__(self, address: str, store: Store) -> None:
        self._address, self._store = address, store
        self._path = store.box(address)
        self._path.mkdir(parents=True, exist_ok=True)
        self.folders = {name: Folder(name) for name in FOLDERS}
        self._watchers: set[asyncio.Event] = set()
        self._files = self._arrived = 0
        self._removals = -1  # what the operator was told to forget meanwhile is looked for at once
        for row in read_lines(self._path / _LOG):
            self._apply(row)
        for folder in self.folders.values():
            folder.recent_from = folder.uid_next
        self.refresh()

    def refresh(self) -> None:
        """Take in what the operator delivered, and out what it was told to forget (control API)."""
        delivered = self._store.delivered(self._address)
        new = takewhile(lambda arrival: arrival.number > self._arrived, reversed(delivered.values()))
        for arrival in reversed(list(new)):
            file = f"{arrival.queue_id}{_DELIVERED}"
            size = (self._path / file).stat().st_size
            self._add(INBOX, file, datetime.fromisoformat(arrival.at), size, frozenset(), arrival=arrival.number)
        if self._removals != self._store.removals:
            self._removals = self._store.removals
            held = self.folders[INBOX].messages.values()
            gone = [one.uid for one in held if one.file.endswith(_DELIVERED) and Path(one.file).stem not in delivered]
            self.expunge(INBOX, gone)

    def put(self, folder: str, content: bytes, at: datetime, flags: frozenset[str]) -> int:
        """A new message; returns its UID."""
        file = self._new_file()
        (self._path / file).write_bytes(content)
        return self._add(folder, file, at, len(content), flags)

    def copy(self, source: str, uids: Iterable[int], target: str) -> list[tuple[int, int]]:
        """(UID here, UID there) of each message, flags and date kept."""
        done = []
        for uid in uids:
            message = self.folders[source].messages[uid]
            file = self._new_file()
            shutil.copyfile(self._path / message.file, self._path / file)
            done.append((uid, self._add(target, file, message.at, message.size_bytes, message.flags)))
        return done

    def flag(self, folder: str, uid: int, flags: frozenset[str]) -> None:
        if self.folders[folder].messages[uid].flags != flags:
            self._happened({"flags": sorted(flags), "folder": folder, "uid": uid})

    def expunge(self, folder: str, uids: Iterable[int]) -> None:
        gone = list(uids)
        if not gone:
            return
        files = [self.folders[folder].messages[uid].file for uid in gone]
        self._happened({"gone": gone, "folder": folder})
        for file in files:
            if file.endswith(_PUT):
                (self._path / file).unlink(missing_ok=True)

    def content(self, message: Message) -> bytes:
        return (self._path / message.file).read_bytes()

    def used_bytes(self) -> int:
        return sum(message.size_bytes for folder in self.folders.values() for message in folder.messages.values())

    def watch(self, event: asyncio.Event) -> None:
        self._watchers.add(event)

    def forget(self, event: asyncio.Event) -> None:
        self._watchers.discard(event)

    def wake(self) -> None:
        """Something may have changed: whoever waits looks."""
        for event in self._watchers:
            event.set()

    def vacate(self) -> None:
        """Its files are gone: whoever is in the middle of reading it finds no message any more."""
        for folder in self.folders.values():
            folder.messages.clear()
        self.wake()

    def to_json(self) -> dict[str, Any]:
        return {
            folder.name: {"messages": len(folder.messages), "unseen": folder.unseen(), "uid_next": folder.uid_next}
            for folder in self.folders.values()
        }

    def _new_file(self) -> str:
        return f"{self._files + 1:08d}{_PUT}"

    def _add(self, folder: str, file: str, at: datetime, size: int, flags: frozenset[str], **more: int) -> int:
        uid = self.folders[folder].uid_next
        row = {"add": file, "folder": folder, "uid": uid, "at": at.isoformat(), "size": size, "flags": sorted(flags), **more}
        self._happened(row)
        return uid

    def _happened(self, row: dict[str, Any]) -> None:
        with (self._path / _LOG).open("ab", buffering=0) as log:
            log.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._apply(row)
        self.wake()

    def _apply(self, row: dict[str, Any]) -> None:
        folder = self.folders[row["folder"]]
        folder.changes += 1
        if "gone" in row:
            for uid in row["gone"]:
                del folder.messages[uid]
            return
        uid, flags = row["uid"], frozenset(row["flags"])
        if "add" not in row:
            folder.messages[uid] = replace(folder.messages[uid], flags=flags)
            return
        folder.messages[uid] = Message(uid, row["add"], datetime.fromisoformat(row["at"]), row["size"], flags)
        folder.uid_next = uid + 1
        if "arrival" in row:
            self._arrived = row["arrival"]
        else:
            self._files += 1


class Mailroom:
    """The mailboxes that somebody opened, and the UIDVALIDITY of all.

    It changes with each reset and each snapshot put back, for UIDs are given again then; it never goes back.
    """

    def __init__(self, store: Store, folder: Path, now_s: int, *, above: int = 0) -> None:
        """``now_s``: real time. A room that takes the place of another is ``above`` its UIDVALIDITY."""
        self._store, self._opened = store, dict[str, Mailbox]()
        kept = folder / "uidvalidity"
        if above or not kept.exists():
            self.uid_validity = max(now_s, above + 1)
            partial = kept.with_suffix(".partial")
            partial.write_text(str(self.uid_validity))
            partial.replace(kept)
        else:
            self.uid_validity = int(read(kept))
        store.tell = self._changed

    def open(self, address: str) -> Mailbox:
        if address not in self._opened:
            self._opened[address] = Mailbox(address, self._store)
        return self._opened[address]

    def empty(self, addresses: Iterable[str]) -> None:
        """Expunge all that these mailboxes hold; their UIDs go on growing."""
        for address in addresses:
            if address in self._opened or (self._store.box(address) / _LOG).exists():
                mailbox = self.open(address)
                for folder in mailbox.folders.values():
                    mailbox.expunge(folder.name, folder.messages)

    def close(self) -> None:
        """What it held is gone; every session that waits finds another room."""
        for mailbox in self._opened.values():
            mailbox.vacate()

    def to_json(self) -> dict[str, Any]:
        """The mailboxes opened since the process began."""
        return {address: mailbox.to_json() for address, mailbox in sorted(self._opened.items())}

    def _changed(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            if address in self._opened:
                self._opened[address].refresh()
