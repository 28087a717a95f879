"""What the simulated operator keeps: each delivery as a file, and an index of the messages it took.

A message accepted twice is delivered twice, as at a real operator; it is one side effect all the same, because the unit
held is the digest of (sender, Message-ID). Receipts and bounces are delivered and are no submission (mssante §13.3).
"""
from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from email.utils import format_datetime, getaddresses
from pathlib import Path
from typing import Any

import orjson

from connectors.nomenclatures.mssante import NIL_HEADER, is_nil
from mocks.sandbox.kept import read_lines
from mocks.sandbox.trace import hashed


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
        headers: Message = message_from_bytes(raw + b"\r\n\r\n", policy=compat32)
        froms = [str(value) for value in headers.get_all("From", [])]
        nil = headers.get(NIL_HEADER)
        presence = "absent" if nil is None else "present" if is_nil(str(nil).strip()) else "malformed"
        message_id = str(headers["Message-ID"]).strip() if headers["Message-ID"] else None
        report = headers.get_content_type() == "multipart/report"
        # Two From headers are two addresses for the check, whatever they hold.
        return cls(raw, [address for _, address in getaddresses(froms)], message_id, report, presence)


@dataclass(frozen=True, slots=True)
class Envelope:
    sender: str = field(repr=False)
    recipients: dict[str, str] = field(repr=False)  # address → delivered, undelivered, relayed
    hello: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One accepted message, as the control API shows it (fictitious people only)."""

    queue_id: str
    sender: str
    message_id: str | None
    recipients: dict[str, str]
    size_bytes: int
    at: str
    nil: str
    report: bool
    unit: str


class Store:
    """Messages under one folder; an index of JSON lines tells them again after a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._index = folder, folder / "messages.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._kept: list[Kept] = []
        self._number = 0
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
            reading.report or envelope.sender == "", unit,
        )  # fmt: skip
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps(asdict(kept)) + b"\n")
        self._kept.append(kept)
        return kept

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
        self._kept.remove(kept)
        for recipient in kept.recipients:
            (self.box(recipient) / f"{kept.queue_id}.eml").unlink(missing_ok=True)

    def narrow(self, kept: Kept, recipients: dict[str, str]) -> None:
        """Take the copies of the other recipients away."""
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps({"narrowed": kept.queue_id, "recipients": recipients}) + b"\n")
        self._narrowed(kept.queue_id, recipients)
        for recipient in kept.recipients.keys() - recipients.keys():
            (self.box(recipient) / f"{kept.queue_id}.eml").unlink(missing_ok=True)

    def _narrowed(self, queue_id: str, recipients: dict[str, str]) -> None:
        self._kept = [replace(one, recipients=recipients) if one.queue_id == queue_id else one for one in self._kept]

    def _read(self, row: dict[str, Any]) -> None:
        if "deleted" in row:
            self._kept = [kept for kept in self._kept if kept.queue_id != row["deleted"]]
        elif "narrowed" in row:
            self._narrowed(row["narrowed"], row["recipients"])
        else:
            self._kept.append(Kept(**row))
            self._number += 1

    def box(self, recipient: str) -> Path:
        """The folder of one mailbox; a local part may hold a slash, so its name is a digest."""
        return self._folder / "boxes" / hashlib.sha256(recipient.encode()).hexdigest()[:32]

    def inbox(self, recipient: str) -> list[bytes]:
        """The messages of one mailbox, oldest first."""
        return [path.read_bytes() for path in sorted(self.box(recipient).glob("*.eml"))]

    def to_json(self, last: int = 200) -> dict[str, Any]:
        units = {kept.unit for kept in self._kept if not kept.report}
        return {"messages": len(self._kept), "units": len(units), "last": [asdict(kept) for kept in self._kept[-last:]]}

    def reset(self) -> None:
        shutil.rmtree(self._folder / "boxes", ignore_errors=True)
        self._index.unlink(missing_ok=True)
        self._kept, self._number = [], 0
