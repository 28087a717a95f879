"""The SMTP door (design §8, « Mail doors »): STARTTLS on each side, the DUI's own commands relayed one at a time.

The operator is called at the DUI's first command, not before: a connection that says nothing is no call. The final dot
of a message leaves once its intent is durable; the operator's answer reaches the DUI once the entry is.
"""
from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.mssante.codes import Reply
from connectors.wire.clock import Clock
from connectors.wire.serving import StreamService
from gateway.access.callers import Access, Identity
from gateway.closing import close_call
from gateway.conformance.live import Observer
from gateway.doors.mail.conversation import Conversation
from gateway.doors.mail.stream import LineStream
from gateway.doors.mail.submission import fault_of
from gateway.doors.mail.upstream import Lost
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.journal.record import JournalFull, Record
from gateway.strangers import Strangers
from gateway.touches import Touches

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SmtpDoor:
    """One SMTP listener in front of one operator.

    deadline_s    how long the operator has for each reply; after the final dot, its silence is a doubt
    patience_s    how long the DUI waits for that word before it is told 451; None: until the deadline
    idle_s        how long the DUI may say nothing
    refused_full  calls refused for want of room since the last gap entry
    observer      what conformance reads in messages and sessions while they pass
    touches       injected faults that left the operator without a word
    tls_for       the operator's side with a structure's identity; None where none is ever lent
    silent        connections that never said anything, since the last gap entry
    """

    journal: Journal
    access: Access
    registry: Registry
    clock: Clock
    upstream: tuple[str, int]
    server_tls: ssl.SSLContext
    client_tls: ssl.SSLContext
    environment: str
    deadline_s: float
    idle_s: float = 300.0
    refused_full: int = 0
    silent: int = 0
    patience_s: float | None = None
    observer: Observer | None = None
    touches: Touches = field(default_factory=Touches)
    tls_for: Callable[[Identity], ssl.SSLContext] | None = None
    strangers: Strangers = field(init=False)
    _running: dict[asyncio.Task[None], Conversation] = field(default_factory=dict)
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.strangers = Strangers(self.clock)

    def service(self) -> StreamService:
        return StreamService("smtp", self.connected)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. Cancelled, it cuts the DUI's side only: what is owed to the journal is still written."""
        conversation = Conversation(self, LineStream(reader, writer))
        task = asyncio.create_task(self._run(conversation))
        self._running[task] = conversation
        task.add_done_callback(self._running.pop)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            conversation.hang_up()
            raise

    @property
    def in_flight(self) -> int:
        """Submissions under way, with those of which only the DUI's side is over."""
        return sum(conversation.busy for conversation in self._running.values()) + len(self._late)

    def keep(self, hearing: Coroutine[Any, Any, None]) -> None:
        """An answer that is still awaited after its DUI was told; a door that stops waits for it."""
        task = asyncio.create_task(hearing)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def drain(self, timeout_s: float) -> None:
        """Dismiss idle sessions, let submissions end, then cut the DUIs that remain; every entry is written.

        Late answers have the same time; those that have not come by then leave their entries in doubt.
        """
        until = time.monotonic() + timeout_s
        for conversation in self._running.values():
            conversation.dismiss()
        if self._running:
            await asyncio.wait(list(self._running), timeout=timeout_s)
        for conversation in self._running.values():
            conversation.hang_up()
        if self._running:
            await asyncio.wait(list(self._running), timeout=self.deadline_s + 5)
        if self._late and (left_s := until - time.monotonic()) > 0:
            await asyncio.wait(list(self._late), timeout=left_s)

    def admits(self, record: Record) -> bool:
        """Whether the journal has room for a new call: its entry is then owed, before anything of it is relayed (§5.4)."""
        try:
            self.journal.reserve(record)
        except JournalFull:
            self.refused_full += 1
            return False
        return True

    def take_refused(self) -> dict[tuple[str, str], int]:
        """What has no entry of its own since the last time (no room, strangers, silence), by listener and reason; resets it."""
        taken = {("smtp", "G-PLEIN"): self.refused_full, ("smtp", "smtp_silent"): self.silent}
        self.refused_full = self.silent = 0
        return {key: count for key, count in taken.items() if count} | self.strangers.take_refused()

    def touched(self, lost: Lost, operation: str = "MSS.SESSION_SMTP") -> str | None:
        """The injected fault that left this operation without the operator's answer, if one did."""
        return self.touches.claim(operation, timed_out=lost.reason == "timeout")

    def heard(self, reply: Reply, operation: str = "MSS.SESSION_SMTP") -> str | None:
        """The injected fault that the operator's answer names, if one touched it: nobody is to claim it any more."""
        fault = fault_of(reply)
        self.touches.answered(operation, fault)
        return fault

    def record(self, operation: str) -> Record:
        return Record(operation, environment=self.environment, clock_version=self.clock.version)

    async def close(self, record: Record, settlements: Sequence[Record] = ()) -> None:
        """Write the entry; when the store has no room the answer is held until it works again (design §5.4)."""
        await close_call(self.journal, record, settlements)

    async def _run(self, conversation: Conversation) -> None:
        try:
            await conversation.run()
        except Exception:
            log.exception("smtp_session_failed")
            conversation.hang_up()
