"""The content of DATA as it streams through: where it ends, what its headers say, and nothing that is not CRLF. Pure."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from connectors.nomenclatures.mssante import NIL_HEADER, is_nil, tells_failed_integration
from connectors.wire.mimesafe import is_costly
from gateway.doors.mail.stream import BareNewline

MAX_HEADERS = 64 * 1024
MAX_READ = 8 * 1024 * 1024  # of one message, for as long as it passes
_END = b"\r\n.\r\n"
_NAMES = {
    b"message-id": "Message-ID", NIL_HEADER.lower().encode(): "NIL", b"content-type": "Content-Type",
    b"auto-submitted": "Auto-Submitted", b"subject": "Subject",
}  # fmt: skip


class HeadersTooLong(Exception):
    """No end of headers within 64 KiB."""


class TooLarge(Exception):
    """More than the operator takes."""


@dataclass(frozen=True, slots=True)
class Headers:
    """What an entry needs of a message. ``message_id`` is None when absent, unreadable or given twice; ``report``: nobody wrote
    it, it is a receipt, an automatic answer (RFC 3834) or a failed integration told, which is worth nothing (mssante §13.3)."""

    message_id: str | None = field(repr=False)
    nil: str | None
    report: bool


class Content:
    """Feed it chunks; what ``feed`` returns may go upstream. The final dot never comes out: it waits for the intent."""

    def __init__(self, limit: int) -> None:
        self.done, self.rest = False, b""
        self._limit, self._size = limit, 0
        self._held = b"\r\n"  # the end of the DATA line: the dot may be the first line
        self._virtual = 2
        self._head, self._head_ended = bytearray(), False
        self._digest = hashlib.sha256()
        self._whole: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Raises BareNewline, HeadersTooLong or TooLarge."""
        received = self._held + chunk
        end = received.find(_END)
        if end >= 0:
            self.done, self.rest, self._held = True, received[end + len(_END) :], b""
            ready = received[: end + 2]
        else:
            keep = next(size for size in range(4, -1, -1) if received.endswith(_END[:size]))
            ready, self._held = received[: len(received) - keep], received[len(received) - keep :]
            # What is held back begins the terminator; a bare newline in it shows with the next bytes.
        if not ready.count(b"\r\n") == ready.count(b"\r") == ready.count(b"\n"):
            raise BareNewline
        return self._pass(ready)

    def _pass(self, ready: bytes) -> bytes:
        self._size -= ready.count(b"\r\n.")  # a stuffed dot is no part of the message; its line never straddles two calls
        skipped = min(self._virtual, len(ready))
        self._virtual -= skipped
        ready = ready[skipped:]
        self._size += len(ready)
        if self._size > self._limit:
            raise TooLarge
        self._digest.update(ready)
        if self._whole is not None:
            self._whole += ready
            if len(self._whole) > MAX_READ:
                self._whole = None
        if not self._head_ended:
            self._gather(ready)
        return ready

    def _gather(self, ready: bytes) -> None:
        seen = max(0, len(self._head) - 3)
        self._head += ready
        end = 0 if self._head.startswith(b"\r\n") else self._head.find(b"\r\n\r\n", seen)
        if end > MAX_HEADERS or (end < 0 and len(self._head) > MAX_HEADERS + 4):
            raise HeadersTooLong
        if end >= 0:
            self._head_ended = True
            del self._head[end:]

    @property
    def commitment(self) -> bytes:
        """SHA-256 of the content as sent, for telling a resend from another message."""
        return self._digest.digest()

    def whole(self) -> bytes | None:
        """The message, stuffed dots removed; None when it was too large to be held, or made to be long in reading. For reading
        now, never for keeping."""
        if self._whole is None:
            return None
        text = _unstuffed(bytes(self._whole))
        return None if is_costly(text) else text  # its entry waits for the reading, and whatever else is read in a thread

    def headers(self) -> Headers:
        """Read once the content is complete; a message without body has headers all the same."""
        found: dict[str, list[str]] = {}
        unfolded = _unstuffed(bytes(self._head)).replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
        for line in unfolded.split(b"\r\n"):
            name, separator, value = line.partition(b":")
            wanted = _NAMES.get(name.strip().lower())
            if wanted and separator:
                found.setdefault(wanted, []).append(value.strip().decode("ascii", "replace"))
        ids, nils, types, auto = (found.get(name, []) for name in ("Message-ID", "NIL", "Content-Type", "Auto-Submitted"))
        message_id = ids[0] if len(ids) == 1 and ids[0] and "\ufffd" not in ids[0] else None
        nil = nils[0] if len(nils) == 1 and is_nil(nils[0]) else None
        report = any(one.lower().startswith("multipart/report") for one in types)
        report |= any(one.lower().startswith("auto-replied") for one in auto)
        report |= any(tells_failed_integration(one) for one in found.get("Subject", []))
        return Headers(message_id, nil, report)


def _unstuffed(text: bytes) -> bytes:
    """As who receives it reads it: the first dot of a line goes, whatever follows it (RFC 5321 §4.5.2)."""
    text = text.replace(b"\r\n.", b"\r\n")
    return text[1:] if text.startswith(b".") else text
