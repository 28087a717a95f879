"""What the simulated operator keeps: each delivery as a file, and an index of the messages it took.

A message accepted twice is delivered twice, as at a real operator; it is one side effect all the same, because the unit
held is the digest of (sender, Message-ID). Receipts and bounces are delivered and are no submission (mssante §13.3).
"""
from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import format_datetime, getaddresses
from pathlib import Path
from typing import Any

import orjson

from connectors.nomenclatures.mssante import NIL_HEADER, is_for_test_only, is_nil, tells_failed_integration
from mocks.sandbox.kept import read_lines
from mocks.sandbox.trace import hashed

_MAX_HEADERS, _MAX_FROM = 256 * 1024, 16 * 1024  # what is read of them, in bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What the operator reads of a message: headers only."""

    raw_headers: bytes = field(repr=False)
    from_addresses: list[str] = field(repr=False)
    message_id: str | None
    report: bool
    nil: str  # "present", "absent", "malformed"

    @classmethod
    def of(cls, content: bytes) -> Reading:
        raw = content.partition(b"\r\n\r\n")[0]
        headers: Message = BytesHeaderParser(policy=compat32).parsebytes(raw[:_MAX_HEADERS])
        froms = [str(value) for value in headers.get_all("From", [])]
        nil = headers.get(NIL_HEADER)
        presence = "absent" if nil is None else "present" if is_nil(str(nil).strip()) else "malformed"
        message_id = str(headers["Message-ID"]).strip() if headers["Message-ID"] else None
        auto = [str(value).strip().lower() for value in headers.get_all("Auto-Submitted", [])]  # RFC 3834
        report = headers.get_content_type() == "multipart/report" or any(one.startswith("auto-replied") for one in auto)
        report |= any(tells_failed_integration(str(value)) for value in headers.get_all("Subject", []))
        # Two From headers are two addresses for the check, whatever they hold.
        return cls(raw, _addresses(froms), message_id, report, presence)


def _addresses(froms: Sequence[str]) -> list[str]:
    """None of what is longer, or deeper in comments, than anybody writes."""
    if sum(map(len, froms)) > _MAX_FROM:
        return []
    try:
        return [address for _, address in getaddresses(froms)]
    except RecursionError:
        return []


EMPTIED = "emptied"  # of a recipient that had a message and whose tenant has emptied its mailboxes since


@dataclass(frozen=True, slots=True)
class Envelope:
    sender: str = field(repr=False)
    recipients: dict[str, str] = field(repr=False)  # address → delivered, undelivered, relayed
    hello: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One accepted message, as the control API shows it (fictitious people only).

    left  its sender has forgotten it: it is only in the mailboxes of others
    """

    queue_id: str
    sender: str
    message_id: str | None
    recipients: dict[str, str]
    size_bytes: int
    at: str
    nil: str
    report: bool
    unit: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came into a mailbox. ``number`` grows with each, whatever the mailbox; one that comes back has a new one."""

    number: int
    queue_id: str
    at: str


class Store:
    """Messages under one folder; an index of JSON lines tells them again after a restart.

    tell      called with the mailboxes in which something came or went
    removals  grows when a message is forgotten
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._index = folder, folder / "messages.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._kept: list[Kept] = []
        self._by_box: dict[str, dict[str, Arrival]] = {}
        self._number = self._arrivals = self.removals = 0
        self.tell: Callable[[Iterable[str]], None] = lambda _boxes: None
        for row in read_lines(self._index):
            self._read(row)

    def next_queue_id(self) -> str:
        self._number += 1
        return f"SIM{self._number:08X}"

    def deliver(self, queue_id: str, envelope: Envelope, reading: Reading, content: bytes, at: datetime) -> Kept:
        """Write one copy per recipient, trace headers added in front and the rest untouched (mssante §16)."""
        for recipient in envelope.recipients:
            trace = (
                f"Return-Path: <{envelope.sender}>\r\nDelivered-To: {recipient}\r\n"
                f"Received: from {envelope.hello} by localhost (simulation Socle) with ESMTPSA id {queue_id};\r\n"
                f" {format_datetime(at)}\r\n"
            )
            box = self.box(recipient)
            box.mkdir(parents=True, exist_ok=True)
            (box / f"{queue_id}.eml").write_bytes(trace.encode("ascii") + content)
        unit = hashed(envelope.sender, reading.message_id or queue_id)
        kept = Kept(
            queue_id, envelope.sender, reading.message_id, envelope.recipients, len(content), at.isoformat(), reading.nil,
            reading.report or envelope.sender == "" or is_for_test_only(envelope.recipients), unit,
        )  # fmt: skip
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps(asdict(kept)) + b"\n")
        self._take(kept)
        self.tell(kept.recipients)
        return kept

    def delivered(self, recipient: str) -> dict[str, Arrival]:
        """What came into one mailbox of this operator and is still there, by queue id, oldest first."""
        return self._by_box.get(recipient, {})

    def messages(self) -> tuple[Kept, ...]:
        """What was accepted and not deleted since, oldest first."""
        return tuple(self._kept)

    def content(self, kept: Kept, recipient: str) -> bytes:
        """The copy of one recipient, as delivered. Raises KeyError for somebody else."""
        if recipient not in kept.recipients:
            raise KeyError(recipient)
        return (self.box(recipient) / f"{kept.queue_id}.eml").read_bytes()

    def delete(self, kept: Kept) -> None:
        """Forget one message; a queue id is never given twice, so the index says that it is gone."""
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps({"deleted": kept.queue_id}) + b"\n")
        self._drop(kept.queue_id)
        self._gone(kept.queue_id, kept.recipients)

    def narrow(self, kept: Kept, recipients: dict[str, str], *, left: bool = False) -> None:
        """Take away the copies of the other recipients, and of those that are ``EMPTIED``; ``left``: its sender forgets it."""
        left = left or kept.left
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps({"narrowed": kept.queue_id, "recipients": recipients, "left": left}) + b"\n")
        self._narrowed(kept.queue_id, recipients, left)
        self._gone(kept.queue_id, _taken(kept, recipients))

    def put_back(self, kept: Kept, copies: Mapping[str, bytes]) -> None:
        """A message that was here, with these copies, under another queue id: whoever reads its mailbox sees it come."""
        kept = replace(kept, queue_id=self.next_queue_id())
        for recipient, content in copies.items():
            self.box(recipient).mkdir(parents=True, exist_ok=True)
            (self.box(recipient) / f"{kept.queue_id}.eml").write_bytes(content)
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps(asdict(kept)) + b"\n")
        self._take(kept)
        self.tell(copies)

    def regain(self, kept: Kept) -> None:
        """Its sender has this message, which it had forgotten, again."""
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps({"regained": kept.queue_id}) + b"\n")
        self._regained(kept.queue_id)

    def _gone(self, queue_id: str, recipients: Iterable[str]) -> None:
        for recipient in recipients:
            (self.box(recipient) / f"{queue_id}.eml").unlink(missing_ok=True)
        self.tell(recipients)

    def _take(self, kept: Kept) -> None:
        self._kept.append(kept)
        for recipient, state in kept.recipients.items():
            box = self._by_box.setdefault(recipient, {}) if state == "delivered" else None
            if box is not None and kept.queue_id not in box:
                self._arrivals += 1
                box[kept.queue_id] = Arrival(self._arrivals, kept.queue_id, kept.at)

    def _drop(self, queue_id: str) -> None:
        self._narrowed(queue_id, {})
        self._kept = [kept for kept in self._kept if kept.queue_id != queue_id]

    def _regained(self, queue_id: str) -> None:
        self._kept = [replace(one, left=False) if one.queue_id == queue_id else one for one in self._kept]

    def _narrowed(self, queue_id: str, recipients: dict[str, str], left: bool = False) -> None:
        self.removals += 1
        for at, kept in enumerate(self._kept):
            if kept.queue_id == queue_id:
                self._kept[at] = replace(kept, recipients=recipients, left=left)
                for recipient in _taken(kept, recipients):
                    self.delivered(recipient).pop(queue_id, None)

    def _read(self, row: dict[str, Any]) -> None:
        if "deleted" in row:
            self._drop(row["deleted"])
        elif "narrowed" in row:
            self._narrowed(row["narrowed"], row["recipients"], row.get("left", False))
        elif "regained" in row:
            self._regained(row["regained"])
        else:
            self._take(Kept(**row))
            self._number = max(self._number, int(row["queue_id"].removeprefix("SIM"), 16))

    def box(self, recipient: str) -> Path:
        """The folder of one mailbox; a local part may hold a slash, so its name is a digest."""
        return self._folder / "boxes" / hashlib.sha256(recipient.encode()).hexdigest()[:32]

    def inbox(self, recipient: str) -> list[bytes]:
        """The messages of one mailbox, oldest first."""
        return [path.read_bytes() for path in sorted(self.box(recipient).glob("*.eml"))]

    def to_json(self, shown: Callable[[Kept], bool] = lambda _: True, last: int = 200) -> dict[str, Any]:
        found = [kept for kept in self._kept if shown(kept)]
        units = {kept.unit for kept in found if not kept.report}
        return {"messages": len(found), "units": len(units), "last": [asdict(kept) for kept in found[-last:]]}

    def reset(self) -> None:
        shutil.rmtree(self._folder / "boxes", ignore_errors=True)
        self._index.unlink(missing_ok=True)
        self._kept, self._by_box = [], {}
        self._number = self._arrivals = 0


def _taken(kept: Kept, recipients: Mapping[str, str]) -> list[str]:
    """Whose copies go when these are the recipients that are left."""
    return [one for one in kept.recipients if recipients.get(one, EMPTIED) == EMPTIED]
