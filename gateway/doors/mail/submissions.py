"""The submissions of one session: relays MAIL, RCPT and DATA, and writes the entry each submission is owed."""
from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from connectors.mssante.codes import Reply
from gateway.closing import settle
from gateway.conformance.model import Author, Message
from gateway.doors.mail import replies
from gateway.doors.mail.commands import Bearer, address_of, size_limit
from gateway.doors.mail.content import Content, HeadersTooLong, TooLarge
from gateway.doors.mail.stream import BareNewline
from gateway.doors.mail.submission import OPERATION, Submission
from gateway.doors.mail.upstream import Answer, Lost, Upstream
from gateway.journal.connection import StoreBusy
from gateway.journal.record import JournalFull, JournalStopped, Named, Outcome, Record

if TYPE_CHECKING:
    from gateway.doors.mail.smtp import SmtpDoor

log = logging.getLogger(__name__)

_SIZE_LIMIT = 64 * 1024 * 1024  # bytes, when the operator declares no SIZE
_REFUSALS = {
    BareNewline: ("V-CRLF", replies.BARE_NEWLINE),
    HeadersTooLong: ("V-ENTETES", replies.HEADERS_TOO_LONG),
    TooLarge: ("V-TAILLE", replies.TOO_LARGE),
}


class ContentRefused(Exception):
    """The door refused what the DUI sent as content; the operator has seen no end of it."""

    def __init__(self, flag: str, reply: Reply) -> None:
        super().__init__(flag)
        self.flag, self.reply = flag, reply


class WithoutOperator(Exception):
    """The session has no operator any more, and the DUI must be told ``raw``. ``lost`` is None when the door ended it.

    fault    the injected fault that took it, if one did
    awaited  the connection stays open for the operator's late answer, and is no longer the session's
    """

    def __init__(self, raw: bytes, lost: Lost | None, *, fault: str | None = None, awaited: bool = False) -> None:
        super().__init__("no operator any more")
        self.raw, self.lost, self.fault, self.awaited = raw, lost, fault, awaited


class Writer(Protocol):
    """Who writes the content: a DUI on its connection, or a door of our own."""

    async def send(self, data: bytes, timeout_s: float) -> None: ...

    async def chunk(self, timeout_s: float) -> bytes: ...

    def put_back(self, rest: bytes) -> None: ...


class Submissions:
    """At most one is open at a time. ``bearer``: who is authenticated, None before, and when a certificate alone says it.

    applicative  a structure's certificate opened the session
    record       makes the record of a submission from its operation, for a door of our own; the mail door's way by default
    """

    def __init__(self, door: SmtpDoor, dui: Writer, record: Callable[[str], Record] | None = None) -> None:
        self._door, self._dui, self._record = door, dui, record or door.record
        self._author: Author = "dui" if record is None else "passerelle"
        self._open: Submission | None = None
        self._size = _SIZE_LIMIT
        self.bearer: Bearer | None = None
        self.applicative = False

    @property
    def authenticated(self) -> bool:
        return self.applicative or self.bearer is not None

    @property
    def busy(self) -> bool:
        return self._open is not None

    def declare(self, capabilities: Sequence[str]) -> None:
        """What the operator said of itself in its EHLO list."""
        self._size = size_limit(capabilities, _SIZE_LIMIT)

    async def mail(self, line: bytes, operator: Upstream) -> bytes:
        """Relay MAIL; one that is refused is a whole call. Returns the reply. Raises Lost."""
        submission = self._begin(line)
        if not self._door.admits(submission.record):
            return replies.wire(replies.FULL)
        try:
            answer = await self._command(line, operator)
        except Lost as lost:
            await self._lose(submission, lost)
            raise
        submission.answered("mail", answer)
        if answer.reply.positive:
            await self.abandon()
            self._open = submission
        else:
            submission.abandoned(self._door.registry, self._door.clock.business())
            await self._door.close(submission.record)
        return answer.raw

    async def refuse(self, line: bytes, outcome: Outcome, flag: str, reply: Reply) -> None:
        """A MAIL that goes no further than the door is a call all the same."""
        submission = self._begin(line)
        if not self._door.admits(submission.record):
            return
        if self._door.strangers.grouped(submission.record, "smtp", flag, proved=self.authenticated):
            self._door.journal.let_go(submission.record)
            return
        submission.refused_here(outcome, flag, reply, self._door.registry, self._door.clock.business())
        await self._door.close(submission.record)

    async def rcpt(self, line: bytes, operator: Upstream) -> Answer:
        """Relay RCPT. Raises Lost."""
        answer = await self._command(line, operator)
        if self._open is not None:
            self._open.rcpt_answered(address_of(line), answer)
        return answer

    async def data(self, line: bytes, operator: Upstream) -> bytes:
        """Relay DATA and the content. Returns what the DUI is told. Raises Lost, ContentRefused, WithoutOperator."""
        answer = await self._command(line, operator)
        submission = self._open
        if submission is not None:
            submission.answered("data", answer)
        if answer.reply.code != 354:
            return answer.raw
        if submission is None:  # an operator that takes data outside a transaction: nothing of it could be journalled
            raise Lost("garbage")
        await self._dui.send(answer.raw, self._door.idle_s)
        content = Content(self._size)
        try:
            while not content.done:
                await operator.write(content.feed(await self._dui.chunk(self._door.idle_s)))
        except (BareNewline, HeadersTooLong, TooLarge) as error:
            operator.abort()  # before the end of data: what it has read has no effect
            flag, reply = _REFUSALS[type(error)]
            self._open = None
            submission.refused_here("invalid", flag, reply, self._door.registry, self._door.clock.business())
            await self._door.close(submission.record)
            raise ContentRefused(flag, reply) from error
        self._dui.put_back(content.rest)
        return await self._finish(submission, content, operator)

    async def _finish(self, submission: Submission, content: Content, operator: Upstream) -> bytes:
        """From the intent to the entry; runs to its end whoever leaves."""
        door, record, started = self._door, submission.record, time.perf_counter_ns()
        intent = submission.complete(content.headers(), content.commitment, door.registry, door.clock.business(), door.deadline_s)
        try:
            await door.journal.intend(record, intent)
        except (JournalFull, StoreBusy) as full:  # nothing can be written at all; the entry, owed since MAIL, waits until it can
            self._open = None
            operator.abort()
            submission.refused_here("failed", "G-PLEIN", replies.FULL, door.registry, door.clock.business())
            await door.close(record)
            raise WithoutOperator(replies.wire(replies.FULL), None) from full
        record.journal_us = (time.perf_counter_ns() - started) // 1000
        before = sum(exchange.upstream_us for exchange in record.exchanges)
        lost: Lost | None = None
        ending = asyncio.create_task(operator.end_data())
        await asyncio.wait([ending], timeout=door.patience_s)
        awaited = not ending.done()
        try:
            if awaited:
                raise Lost("timeout", (time.perf_counter_ns() - started) // 1000 - record.journal_us)
            answer = await ending
            raw = answer.raw
            door.heard(answer.reply, OPERATION.id)
            submission.concluded(answer, door.registry, door.clock.business())
        except Lost as error:
            lost, fault = error, door.touched(error, OPERATION.id)
        except Exception:  # ours: the final dot has left all the same
            log.exception("unhandled_error", extra={"call_id": record.id})
            lost, fault = Lost("ours"), None
        if lost is not None:
            raw = replies.wire(replies.IN_DOUBT)
            submission.in_doubt(lost)
            record.injected(fault)
        settlements = await self._superseded(submission, content)
        await self._observe(submission, content)
        upstream = sum(exchange.upstream_us for exchange in record.exchanges) - before
        record.gateway_us = max(0, (time.perf_counter_ns() - started) // 1000 - upstream - record.journal_us)
        self._open = None
        await door.close(record, settlements)
        if awaited:
            door.keep(self._hear(submission, operator, ending))
        if lost is not None:
            raise WithoutOperator(raw, lost, fault=record.fault, awaited=awaited)
        return raw

    async def _hear(self, submission: Submission, operator: Upstream, ending: asyncio.Task[Answer]) -> None:
        """The operator's late answer settles the message (design §5.3); without one it stays in doubt."""
        try:
            answer = await ending
            if submission.record.fault is None:  # else the call claimed it when its DUI was told
                self._door.heard(answer.reply, OPERATION.id)
            await settle(self._door.journal, submission.late(answer, self._door.clock.business()))
        except (Lost, JournalStopped) as error:
            log.info("no_late_answer", extra={"call_id": submission.record.id, "error": str(error)})
        finally:
            operator.abort()

    async def _observe(self, submission: Submission, content: Content) -> None:
        """Facts and verdict, while the message is still in memory."""
        if self._door.observer is not None:
            whole = content.whole()
            seen = Message(
                OPERATION.id, request=whole or b"", cut=whole is None, sender=submission.mailbox,
                envelope=submission.written_to, declared_nil=submission.caller.dui.nil, author=self._author,
                applicative=self.applicative,
            )  # fmt: skip
            await self._door.observer.observe(submission.record, seen)

    async def _superseded(self, submission: Submission, content: Content) -> list[Record]:
        """The settlements of the doubts that an accepted resend ends."""
        if submission.record.outcome != "ok" or submission.key is None:
            return []
        journal = self._door.journal
        try:
            doubts = await journal.doubts(submission.key)
            same = [await journal.same_as(doubt, None, content.commitment) for doubt in doubts]
        except JournalStopped:
            raise
        except Exception as error:  # no room, or a fault of ours: the message was accepted, and its own entry comes first
            log.warning("proof_not_used", extra={"call_id": submission.record.id, "error": type(error).__name__})
            return []
        return submission.superseding(doubts, same_content=all(same))

    async def abandon(self) -> None:
        """RSET, EHLO, QUIT, another MAIL, or the end: write the entry of the submission that was open."""
        if self._open is not None:
            submission, self._open = self._open, None
            submission.abandoned(self._door.registry, self._door.clock.business())
            await self._door.close(submission.record)

    async def lost(self, lost: Lost) -> None:
        """The operator is lost before the final dot."""
        if self._open is not None:
            submission, self._open = self._open, None
            await self._lose(submission, lost)

    async def _lose(self, submission: Submission, lost: Lost) -> None:
        lost.fault = self._door.touched(lost, OPERATION.id)
        submission.lost_before_end(lost, self._door.registry, self._door.clock.business())
        await self._door.close(submission.record)

    async def _command(self, line: bytes, operator: Upstream) -> Answer:
        answer = await operator.command(line)
        self._door.heard(answer.reply, OPERATION.id)
        return answer

    def _begin(self, line: bytes) -> Submission:
        sender = address_of(line)
        mailbox = self.bearer.mailbox if self.bearer else sender or ""
        submission = Submission(self._record(OPERATION.id), self._door.access.by_mailbox(mailbox), sender, mailbox)
        if self.bearer is not None and self.bearer.professional is not None:
            submission.record.professional = Named("professional", self.bearer.professional)
        return submission
