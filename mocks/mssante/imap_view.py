"""What one session was told of the folder that it selected: its sequence numbers, and the news it is owed (RFC 3501 §5.2)."""
from __future__ import annotations

from dataclasses import dataclass, field

from mocks.mssante.imap_boxes import Folder, Message
from mocks.mssante.imap_reading import BadCommand, Numbers
from mocks.mssante.imap_words import flags, listed, number, words


@dataclass(slots=True)
class View:
    """uids  by sequence number · told  the flags that the session knows · recent  UIDs that are \\Recent to it alone"""

    folder: Folder
    read_only: bool
    uids: list[int]
    told: dict[int, frozenset[str]]
    recent: frozenset[int]
    _changes: int = field(default=-1)

    @classmethod
    def of(cls, folder: Folder, *, read_only: bool) -> View:
        """The first session that may write takes \\Recent away from the next ones."""
        recent = frozenset(uid for uid in folder.messages if uid >= folder.recent_from)
        if not read_only:
            folder.recent_from = folder.uid_next
        told = {uid: message.flags for uid, message in folder.messages.items()}
        return cls(folder, read_only, list(folder.messages), told, recent, folder.changes)

    def chosen(self, wanted: Numbers, *, uid: bool) -> list[tuple[int, Message]]:
        """(sequence number, message) of those that are still there. Raises BadCommand for a place that does not exist."""
        if uid:
            places = {one: place for place, one in enumerate(self.uids, start=1)}
            pairs = [(places[one], one) for one in wanted.among(self.uids)]
        elif wanted.beyond(len(self.uids)):
            raise BadCommand("Expected sequence numbers of this mailbox")
        else:
            pairs = [(place, self.uids[place - 1]) for place in wanted.among(range(1, len(self.uids) + 1))]
        return [(place, self.folder.messages[one]) for place, one in pairs if one in self.folder.messages]

    def flags(self, message: Message) -> bytes:
        """As FETCH shows them; the session knows them from then on."""
        self.told[message.uid] = message.flags
        return flags(message.flags, *(["\\Recent"] if message.uid in self.recent else []))

    def news(self, *, expunged: bool) -> list[bytes]:
        """The lines that tell what happened since; who is gone only where ``expunged``, for it moves the sequence numbers."""
        if self._changes == self.folder.changes:
            return []
        held = self.folder.messages
        lines = self.forget([uid for uid in self.uids if uid not in held]) if expunged else []
        for place, uid in enumerate(self.uids, start=1):
            if uid in held and held[uid].flags != self.told[uid]:
                lines.append(fetched(place, b"UID", number(uid), b"FLAGS", self.flags(held[uid])))
        lines += self._arrivals()
        if len(self.uids) == len(held):
            self._changes = self.folder.changes
        return lines

    def forget(self, uids: list[int]) -> list[bytes]:
        """The EXPUNGE of each, from the last one to the first."""
        lines, gone = [], frozenset(uids)
        for place in range(len(self.uids), 0, -1):
            if self.uids[place - 1] in gone:
                del self.told[self.uids.pop(place - 1)]
                lines.append(words(b"*", number(place), b"EXPUNGE"))
        return lines

    def _arrivals(self) -> list[bytes]:
        last = self.uids[-1] if self.uids else 0
        new = [uid for uid in self.folder.messages if uid > last]
        if not new:
            return []
        self.uids += new
        self.told |= {uid: self.folder.messages[uid].flags for uid in new}
        self.recent |= {uid for uid in new if uid >= self.folder.recent_from}
        if not self.read_only:
            self.folder.recent_from = self.folder.uid_next
        recent = sum(uid in self.recent for uid in self.uids)
        return [words(b"*", number(len(self.uids)), b"EXISTS"), words(b"*", number(recent), b"RECENT")]


def fetched(place: int, *parts: bytes) -> bytes:
    return words(b"*", number(place), b"FETCH", listed(*parts))
