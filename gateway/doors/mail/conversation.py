"""One SMTP session between a DUI and its operator: moves bytes, and writes what the calls of the session become."""
from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from connectors.mssante.codes import Reply
from gateway.access.callers import Caller
from gateway.doors.mail import replies
from gateway.doors.mail.commands import (
    AFTER_HELLO,
    BEFORE_TLS,
    RELAYED,
    Bearer,
    address_of,
    bearer_of,
    initial_response,
    offer,
    size_limit,
    verb_of,
)
from gateway.doors.mail.content import Content, HeadersTooLong, TooLarge
from gateway.doors.mail.session import Session
from gateway.doors.mail.stream import BareNewline, Closed, Idle, LineStream, LineTooLong, StreamError
from gateway.doors.mail.submission import OPERATION, Submission, outcome_of
from gateway.doors.mail.upstream import Answer, Lost, NotReady, Upstream
from gateway.journal.record import JournalFull, Named, Outcome

if TYPE_CHECKING:
    from gateway.doors.mail.smtp import SmtpDoor

_LINE_LIMIT = 12_288  # AUTH lines carry a token (RFC 4954 §4); the operator judges the others
_SIZE_LIMIT = 64 * 1024 * 1024  # bytes, when the operator declares no SIZE
_REFUSALS = {
    BareNewline: ("V-CRLF", replies.BARE_NEWLINE),
    LineTooLong: ("V-SYNTAXE", replies.TOO_LONG),
    HeadersTooLong: ("V-ENTETES", replies.HEADERS_TOO_LONG),
    TooLarge: ("V-TAILLE", replies.TOO_LARGE),
}


class _Over(Exception):
    """The session ends here; everything has been said."""


class Conversation:
    """``run`` ends when either side does; ``busy`` while a submission is under way."""

    def __init__(self, door: SmtpDoor, dui: LineStream) -> None:
        self._door, self._dui = door, dui
        self._operator: Upstream | None = None
        self._session = Session(door.record("MSS.SESSION_SMTP"))
        self._submission: Submission | None = None
        self._bearer: Bearer | None = None
        self._hello = self._spoke = self._waiting = self._operator_gone = False
        self._size = _SIZE_LIMIT

    @property
    def busy(self) -> bool:
        return self._submission is not None

    def dismiss(self) -> None:
        """End a session that waits for a command outside a submission."""
        if self._waiting and not self.busy:
            self._dui.last_word(replies.wire(replies.STOPPING))

    def hang_up(self) -> None:
        self._dui.abort()

    async def run(self) -> None:
        try:
            await self._say(replies.GREETING)
            while True:
                await self._turn()
        except _Over:
            pass
        except Closed:
            self._session.left()
        except Idle:
            self._session.left()
            await self._end()
            await self._last_word(replies.IDLE)
        except (BareNewline, LineTooLong) as error:
            flag, reply = _REFUSALS[type(error)]
            self._session.invalid(flag, reply)
            self._drop_operator()
            await self._end()
            await self._last_word(reply)
        except Lost as lost:
            self._session.lost(lost)
            await self._lost_before_end(lost)
            await self._end()
            await self._last_word(replies.OPERATOR_GONE)
        finally:
            try:
                await self._end()
            finally:
                if self._operator is not None:
                    await self._operator.close()
                await self._dui.close()

    # --- commands ------------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        self._waiting = True
        line = await self._dui.line(_LINE_LIMIT, self._door.idle_s)
        self._waiting = False
        self._spoke = True
        verb = verb_of(line)
        if self._operator_gone:
            await self._without_operator(verb, line)
        refusal = self._refusal_of(verb)
        if refusal is not None:
            flag, reply = refusal
            if verb == "MAIL":
                await self._refused_here(line, outcome_of(reply), flag, reply)
            await self._say(reply)
        elif verb == "STARTTLS":
            await self._starttls(line)
        else:
            await self._relay(verb, line, await self._open())

    def _refusal_of(self, verb: str) -> tuple[str, Reply] | None:
        """What the door refuses by itself, with the flag of a refused MAIL."""
        if verb not in RELAYED and verb != "STARTTLS":
            return "V-SYNTAXE", replies.UNKNOWN
        if not self._dui.tls and verb not in BEFORE_TLS:
            return "V-TLS", replies.TLS_FIRST
        return ("V-SYNTAXE", replies.ORDER) if verb in AFTER_HELLO and not self._hello else None

    async def _without_operator(self, verb: str, line: bytes) -> None:
        """After a lost answer: the DUI has been told, and has to come back on another connection."""
        reply = replies.BYE if verb == "QUIT" else replies.OPERATOR_GONE
        if verb == "MAIL":
            await self._refused_here(line, "failed", "E-RESEAU", reply)
        await self._end()
        await self._last_word(reply)
        raise _Over

    async def _relay(self, verb: str, line: bytes, operator: Upstream) -> None:
        match verb:
            case "EHLO" | "HELO":
                await self._ehlo(line, operator)
            case "AUTH":
                await self._auth(line, operator)
            case "MAIL":
                await self._mail(line, operator)
            case "RCPT":
                answer = await operator.command(line)
                if self._submission is not None:
                    self._submission.rcpt_answered(address_of(line), answer)
                await self._pass_on(answer)
            case "DATA":
                await self._data(line, operator)
            case "QUIT":
                answer = await operator.command(line)
                self._session.quit(answer)
                await self._end()
                await self._last_word_raw(answer.raw)
                raise _Over
            case _:
                answer = await operator.command(line)
                if verb == "RSET" and answer.reply.positive:
                    await self._abandon()
                await self._pass_on(answer)

    async def _open(self) -> Upstream:
        """The operator's connection, made at the first command that needs it."""
        if self._operator is None:
            if self._door.journal.full:
                self._door.refused_full += 1
                self._spoke = False  # one of the calls of the next gap entry
                await self._last_word(replies.FULL_SESSION)
                raise _Over
            try:
                self._operator, greeting = await Upstream.open(self._door.upstream, self._door.client_tls, self._door.deadline_s)
            except NotReady as refused:
                self._session.greeted(refused.answer)
                await self._end()
                await self._last_word_raw(refused.answer.raw)
                raise _Over from refused
            except Lost as lost:
                self._session.unreachable(lost, replies.NO_OPERATOR)
                await self._end()
                await self._last_word(replies.NO_OPERATOR)
                raise _Over from lost
            self._session.greeted(greeting)
        return self._operator

    async def _ehlo(self, line: bytes, operator: Upstream) -> None:
        answer = await operator.command(line)
        if not answer.reply.positive:
            await self._pass_on(answer)
            return
        await self._abandon()  # EHLO ends a transaction, as RSET does
        self._hello = True
        self._size = size_limit(answer.reply.lines, _SIZE_LIMIT)
        lines = offer(answer.reply.lines, tls=self._dui.tls) if verb_of(line) == "EHLO" else list(answer.reply.lines)
        await self._say(Reply(answer.reply.code, tuple(lines)))

    async def _starttls(self, line: bytes) -> None:
        if self._dui.tls or line.upper() != b"STARTTLS":
            await self._say(replies.TLS_ALREADY if self._dui.tls else replies.TLS_ARGUMENT)
            return
        if self._dui.pipelined:
            self._session.invalid("V-STARTTLS", replies.TLS_PIPELINED)
            await self._end()
            await self._last_word(replies.TLS_PIPELINED)
            raise _Over
        await self._say(replies.READY_FOR_TLS)
        self._hello = False
        try:
            await self._dui.start_tls(self._door.server_tls)
        except Closed:
            self._session.invalid("V-TLS", None)
            raise _Over from None

    async def _auth(self, line: bytes, operator: Upstream) -> None:
        """Pass the exchange as it is; the response is read in memory, for the mailbox, and forgotten."""
        response = initial_response(line)
        bearer = bearer_of(response) if response else None
        answer = await operator.command(line)
        challenged: Answer | None = None
        while answer.reply.code == 334:
            challenged = answer
            await self._pass_on(answer)
            line = await self._dui.line(_LINE_LIMIT, self._door.idle_s)
            bearer = bearer or bearer_of(line)
            try:
                answer = await operator.command(line)
            except Lost as lost:
                if response is None or lost.reason != "closed":
                    raise
                # An operator was seen to leave after its challenge, without a 535 (mssante §5.3).
                self._authenticated(bearer, challenged)
                raise _Over from lost
            response = response or line
        self._authenticated(bearer, answer)
        await self._pass_on(answer)

    def _authenticated(self, bearer: Bearer | None, answer: Answer) -> None:
        caller = self._door.access.by_mailbox(bearer.mailbox) if bearer else Caller()
        self._session.authenticated(caller, bearer, answer)
        if answer.reply.positive:
            self._bearer = bearer

    # --- submissions ---------------------------------------------------------------------------------------------------

    async def _mail(self, line: bytes, operator: Upstream) -> None:
        if self._door.journal.full:
            self._door.refused_full += 1
            await self._say(replies.FULL)
            return
        submission = self._new_submission(line)
        try:
            answer = await operator.command(line)
        except Lost as lost:
            submission.lost_before_end(lost, self._door.registry, self._door.clock.business())
            await self._door.close(submission.record)
            raise
        submission.answered("mail", answer)
        if answer.reply.positive:
            await self._abandon()
            self._submission = submission
        else:
            submission.abandoned(self._door.registry, self._door.clock.business())
            await self._door.close(submission.record)
        await self._pass_on(answer)

    async def _refused_here(self, line: bytes, outcome: Outcome, flag: str, reply: Reply) -> None:
        """A MAIL that goes no further than the door is a call all the same."""
        if self._door.journal.full:
            self._door.refused_full += 1
            return
        submission = self._new_submission(line)
        submission.refused_here(outcome, flag, reply, self._door.registry, self._door.clock.business())
        await self._door.close(submission.record)

    def _new_submission(self, line: bytes) -> Submission:
        sender = address_of(line) or ""
        mailbox = self._bearer.mailbox if self._bearer else sender
        submission = Submission(self._door.record(OPERATION.id), self._door.access.by_mailbox(mailbox), sender, mailbox)
        if self._bearer is not None and self._bearer.professional is not None:
            submission.record.professional = Named("professional", self._bearer.professional)
        return submission

    async def _data(self, line: bytes, operator: Upstream) -> None:
        answer = await operator.command(line)
        submission = self._submission
        if submission is not None:
            submission.answered("data", answer)
        if answer.reply.code != 354 or submission is None:
            if answer.reply.code == 354:  # an operator that takes data outside a transaction: nothing could be journalled
                raise Lost("garbage")
            await self._pass_on(answer)
            return
        await self._pass_on(answer)
        content = Content(self._size)
        try:
            while not content.done:
                await operator.write(content.feed(await self._dui.chunk(self._door.idle_s)))
        except (BareNewline, HeadersTooLong, TooLarge) as error:
            await self._refuse_content(submission, type(error))
        self._dui.put_back(content.rest)
        raw = await self._finish(submission, content, operator)
        await self._dui.send(raw, self._door.idle_s)

    async def _refuse_content(self, submission: Submission, error: type[Exception]) -> None:
        """Drop the operator before the end of data, so that what it has read has no effect; then say so, and close."""
        flag, reply = _REFUSALS[error]
        self._drop_operator()
        submission.refused_here("invalid", flag, reply, self._door.registry, self._door.clock.business())
        self._submission = None
        await self._door.close(submission.record)
        self._session.invalid(flag, reply)
        await self._end()
        await self._last_word(reply)
        raise _Over

    async def _finish(self, submission: Submission, content: Content, operator: Upstream) -> bytes:
        """From the intent to the entry. Returns what the DUI is told; runs to its end whoever leaves."""
        door, record, started = self._door, submission.record, time.perf_counter_ns()
        intent = submission.complete(content.headers(), content.commitment, door.registry, door.clock.business(), door.deadline_s)
        try:
            await door.journal.intend(record, intent)
        except JournalFull:
            door.refused_full += 1
            self._submission = None
            self._drop_operator()
            return replies.wire(replies.FULL)
        record.journal_us = (time.perf_counter_ns() - started) // 1000
        settlements = []
        before = sum(exchange.upstream_us for exchange in record.exchanges)
        try:
            answer = await operator.end_data()
        except Lost as lost:
            submission.in_doubt(lost)
            self._session.lost(lost)
            self._drop_operator()
            raw = replies.wire(replies.IN_DOUBT)
        else:
            submission.concluded(answer, door.registry, door.clock.business())
            raw = answer.raw
            if record.outcome == "ok" and submission.key is not None:
                doubts = await door.journal.doubts(submission.key)
                settlements = submission.superseding(doubts)
        upstream = sum(exchange.upstream_us for exchange in record.exchanges) - before
        record.gateway_us = max(0, (time.perf_counter_ns() - started) // 1000 - upstream - record.journal_us)
        self._submission = None
        await door.close(record, settlements)
        return raw

    async def _abandon(self) -> None:
        if self._submission is not None:
            submission, self._submission = self._submission, None
            submission.abandoned(self._door.registry, self._door.clock.business())
            await self._door.close(submission.record)

    async def _lost_before_end(self, lost: Lost) -> None:
        if self._submission is not None:
            submission, self._submission = self._submission, None
            submission.lost_before_end(lost, self._door.registry, self._door.clock.business())
            await self._door.close(submission.record)

    # --- ends ----------------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        """Write what the session still owes, once."""
        if self._submission is not None:
            self._drop_operator()
            await self._abandon()
        if self._spoke:
            self._spoke = False
            self._session.record.event_time = self._door.clock.business()
            await self._door.close(self._session.record)

    def _drop_operator(self) -> None:
        self._operator_gone = True
        if self._operator is not None:
            self._operator.abort()

    async def _pass_on(self, answer: Answer) -> None:
        await self._dui.send(answer.raw, self._door.idle_s)

    async def _say(self, reply: Reply) -> None:
        await self._dui.send(replies.wire(reply), self._door.idle_s)

    async def _last_word(self, reply: Reply) -> None:
        await self._last_word_raw(replies.wire(reply))

    async def _last_word_raw(self, raw: bytes) -> None:
        with contextlib.suppress(StreamError):  # the DUI may have left first; its entries are written
            await self._dui.send(raw, 5)
