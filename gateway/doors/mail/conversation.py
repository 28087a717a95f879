"""One SMTP session between a DUI and its operator: moves bytes, and writes what the calls of the session become."""
from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from connectors.mssante.codes import Reply
from connectors.wire.handshakes import why_failed
from gateway.doors.mail import replies
from gateway.doors.mail.commands import AFTER_HELLO, BEFORE_TLS, RELAYED, offer, verb_of
from gateway.doors.mail.login import LINE_LIMIT, LeftInChallenge, Login
from gateway.doors.mail.session import Session
from gateway.doors.mail.stream import BareNewline, Closed, Idle, LineStream, LineTooLong, StreamError
from gateway.doors.mail.submission import outcome_of
from gateway.doors.mail.submissions import ContentRefused, Submissions, WithoutOperator
from gateway.doors.mail.upstream import Answer, Lost, NotReady, Upstream

if TYPE_CHECKING:
    from gateway.doors.mail.smtp import SmtpDoor

_BROKEN_LINES = {BareNewline: ("V-CRLF", replies.BARE_NEWLINE), LineTooLong: ("V-SYNTAXE", replies.TOO_LONG)}


class _Over(Exception):
    """The session ends here; everything has been said."""


class Conversation:
    """``run`` ends when either side does; ``busy`` while a submission is under way."""

    def __init__(self, door: SmtpDoor, dui: LineStream) -> None:
        self._door, self._dui = door, dui
        self._operator: Upstream | None = None
        self._session = Session(door.record("MSS.SESSION_SMTP"))
        self._submissions = Submissions(door, dui)
        self._login = Login(door, dui, self._session, self._submissions)
        self._hello = self._spoke = self._waiting = self._operator_gone = self._refused = self._ended = False

    @property
    def busy(self) -> bool:
        return self._submissions.busy

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
            flag, reply = _BROKEN_LINES[type(error)]
            self._spoke = True
            self._session.invalid(flag, reply)
            self._drop_operator()
            await self._end()
            await self._last_word(reply)
        except Lost as lost:
            await self._submissions.lost(lost)
            self._session.lost(lost, lost.fault or self._door.touched(lost))
            await self._end()
            await self._last_word(replies.OPERATOR_GONE)
        finally:
            try:
                await self._end()
            finally:
                self._door.silent += not self._ended and not self._refused
                if self._operator is not None:
                    await self._operator.close()
                await self._dui.close()

    # --- commands ------------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        self._waiting = True
        line = await self._dui.line(LINE_LIMIT, self._door.idle_s)
        self._waiting = False
        if not self._spoke and not self._door.admits(self._session.record):  # one of the calls of the next gap entry
            self._refused = True
            await self._last_word(replies.FULL_SESSION)
            raise _Over
        self._spoke = True
        verb = verb_of(line)
        if self._operator_gone:
            await self._without_operator(verb, line)
        refusal = self._refusal_of(verb)
        if refusal is not None:
            flag, reply = refusal
            self._session.clear |= flag == "V-TLS" and verb in ("AUTH", "MAIL")
            if verb == "MAIL":
                await self._submissions.refuse(line, outcome_of(reply), flag, reply)
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
            await self._submissions.refuse(line, "failed", "E-RESEAU", reply)
        await self._end()
        await self._last_word(reply)
        raise _Over

    async def _relay(self, verb: str, line: bytes, operator: Upstream) -> None:
        match verb:
            case "EHLO" | "HELO" if not operator.encrypted:
                await self._greet(verb, operator)
            case "EHLO" | "HELO":
                await self._ehlo(line, operator)
            case "AUTH":
                await self._auth(line, operator)
            case "MAIL":
                await self._dui.send(await self._submissions.mail(line, operator), self._door.idle_s)
            case "RCPT":
                await self._pass_on(await self._submissions.rcpt(line, operator))
            case "DATA":
                await self._data(line, operator)
            case "QUIT":
                answer = await operator.command(_in_clear(line, operator))
                self._session.quit(answer)
                await self._end()
                await self._last_word_raw(answer.raw)
                raise _Over
            case _:
                answer = await operator.command(_in_clear(line, operator))
                if verb == "RSET" and answer.reply.positive:
                    await self._submissions.abandon()
                await self._pass_on(answer)

    async def _open(self) -> Upstream:
        """The operator's connection, made at the first command that needs it, and encrypted once the DUI's is: only then is it
        known whose identity to present."""
        try:
            if self._operator is None:
                self._operator, greeting = await Upstream.connect(self._door.upstream, self._door.deadline_s)
                self._session.greeted(greeting)
                self._session.record.injected(self._door.heard(Reply(250, self._operator.offered)))
            if self._dui.tls and not self._operator.encrypted:
                await self._operator.encrypt(self._login.operator_tls())
        except NotReady as refused:
            self._session.greeted(refused.answer)
            await self._end()
            await self._last_word_raw(refused.answer.raw)
            raise _Over from refused
        except Lost as lost:
            self._session.unreachable(lost, replies.NO_OPERATOR, self._door.touched(lost))
            await self._end()
            await self._last_word(replies.NO_OPERATOR)
            raise _Over from lost
        return self._operator

    async def _greet(self, verb: str, operator: Upstream) -> None:
        """Before TLS: what the operator said to the door's own EHLO. Nothing that the DUI typed leaves in clear."""
        await self._submissions.abandon()
        self._hello = True
        self._submissions.declare(operator.offered)
        lines = offer(operator.offered, tls=False) if verb == "EHLO" else operator.offered[:1]
        await self._say(Reply(250, tuple(lines)))

    async def _ehlo(self, line: bytes, operator: Upstream) -> None:
        answer = await operator.command(line)
        if not answer.reply.positive:
            await self._pass_on(answer)
            return
        await self._submissions.abandon()  # EHLO ends a transaction, as RSET does
        self._hello = True
        self._submissions.declare(answer.reply.lines)
        said = answer.reply.lines
        lines = offer(said, tls=True, lent=self._login.lent) if verb_of(line) == "EHLO" else list(said)
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
        except Closed as error:
            self._session.without_tls(None if error.__cause__ is None else why_failed(error.__cause__))
            raise _Over from None
        self._session.tls_version = self._dui.tls_version
        self._login.proved()

    async def _auth(self, line: bytes, operator: Upstream) -> None:
        try:
            raw = await self._login.auth(line, operator)
        except LeftInChallenge as left:
            raise _Over from left
        await self._dui.send(raw, self._door.idle_s)

    async def _data(self, line: bytes, operator: Upstream) -> None:
        try:
            raw = await self._submissions.data(line, operator)
        except ContentRefused as refused:
            self._session.invalid(refused.flag, refused.reply)
            self._drop_operator()
            await self._end()
            await self._last_word(refused.reply)
            raise _Over from refused
        except WithoutOperator as told:
            if told.lost is not None:
                self._session.lost(told.lost, told.fault)
            if told.awaited:
                self._operator = None
            self._drop_operator()
            raw = told.raw
        await self._dui.send(raw, self._door.idle_s)

    # --- ends ----------------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        """Write what the session still owes, once."""
        if self.busy:
            self._drop_operator()
            await self._submissions.abandon()
        if self._spoke:
            self._spoke, self._ended = False, True
            if self._door.strangers.grouped(self._session.record, "smtp", self._session.why):
                self._door.journal.let_go(self._session.record)
                return
            if self._door.observer is not None:
                self._door.observer.note(self._session.record, self._session.facts(), self._session.shown())
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


def _in_clear(line: bytes, operator: Upstream) -> bytes:
    """A command before TLS goes without what the DUI wrote behind it."""
    return line if operator.encrypted else line.partition(b" ")[0]
