"""The SMTP door (design §8, « Mail doors »): STARTTLS on each side, the DUI's own commands relayed one at a time.

The operator is called at the DUI's first command, not before: a connection that says nothing is no call. The final dot
of a message leaves once its intent is durable; the operator's answer reaches the DUI once the entry is.
"""
from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.wire.clock import Clock
from connectors.wire.serving import StreamService
from gateway.access.callers import Access
from gateway.doors.mail.conversation import Conversation
from gateway.doors.mail.stream import LineStream
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.journal.record import JournalFull, NotInDoubt, Record

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SmtpDoor:
    """One SMTP listener in front of one operator.

    deadline_s    how long the operator has for each reply; after the final dot, its silence is a doubt
    idle_s        how long the DUI may say nothing
    refused_full  calls refused for want of room since the last gap entry
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
    _running: dict[asyncio.Task[None], Conversation] = field(default_factory=dict)

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
        """Submissions under way."""
        return sum(conversation.busy for conversation in self._running.values())

    async def drain(self, timeout_s: float) -> None:
        """Dismiss idle sessions, let submissions end, then cut the DUIs that remain; every entry is written."""
        for conversation in self._running.values():
            conversation.dismiss()
        if self._running:
            await asyncio.wait(list(self._running), timeout=timeout_s)
        for conversation in self._running.values():
            conversation.hang_up()
        if self._running:
            await asyncio.wait(list(self._running), timeout=self.deadline_s + 5)

    def record(self, operation: str) -> Record:
        return Record(operation, environment=self.environment, clock_version=self.clock.version)

    async def close(self, record: Record, settlements: Sequence[Record] = ()) -> None:
        """Write the entry; when the store has no room the answer is held until it works again (design §5.4)."""
        pause = 0.05
        while True:
            try:
                await self.journal.write(record, *settlements)
            except NotInDoubt:
                settlements = ()  # another resend, accepted meanwhile, has settled it
            except JournalFull:
                log.warning("entry_held", extra={"call_id": record.id})
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                return

    async def _run(self, conversation: Conversation) -> None:
        try:
            await conversation.run()
        except Exception:
            log.exception("smtp_session_failed")
            conversation.hang_up()
