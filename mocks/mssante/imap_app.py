"""The operator's reading side: one IMAP listener, STARTTLS mandatory (mssante §5, §16). It only moves bytes."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mocks.mssante import imap_behaviour as b
from mocks.mssante.imap_answers import Answers
from mocks.mssante.imap_boxes import Mailroom
from mocks.mssante.imap_commands import Command, read_command, tag_of
from mocks.mssante.imap_faults import STEP_OF
from mocks.mssante.imap_folders import FOLDER_COMMANDS, Opened, on_append
from mocks.mssante.imap_messages import MESSAGE_COMMANDS
from mocks.mssante.imap_reading import BadCommand
from mocks.mssante.imap_receiving import AUTH_LIMIT, TooBig, limit_of, read_text
from mocks.mssante.imap_search import BadCharset
from mocks.mssante.sasl import Opening, on_certificate
from mocks.mssante.wire import BareNewline, TooLong, Wire, converse, structure_of
from mocks.sandbox.codes import IMAP
from mocks.sandbox.fault import Fault
from mocks.sandbox.standing import Standing
from mocks.sandbox.who import Callers, Who

if TYPE_CHECKING:
    from mocks.mssante.app import MssanteMock

_IDLE_S = 1_800.0  # RFC 3501 §5.4

#: Commands whose answer may not move sequence numbers (RFC 3501 §7.4.1).
_STILL = frozenset({"FETCH", "STORE", "SEARCH"})
_COMMANDS = {**FOLDER_COMMANDS, **MESSAGE_COMMANDS}


async def connected(mock: MssanteMock, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, from greeting to close."""
    await converse(reader, writer, _IDLE_S, lambda wire: _Conversation(mock, wire).run())


class _Conversation:
    def __init__(self, mock: MssanteMock, wire: Wire) -> None:
        self._mock, self._wire, self._session = mock, wire, Opening()
        self._room: Mailroom | None = None  # in which the mailbox was opened
        self._opened: Opened | None = None
        self._answers = Answers(mock, wire)
        self._spoke = False
        self._standing = Standing(mock.world)

    async def run(self) -> None:
        await self._wire.write(b.greeting(self._session))
        try:
            while await self._turn():
                pass
        except BareNewline:
            await self._answers.say(b.BARE)
        except TooLong:
            await self._answers.say(b.TOO_LONG)
        except TimeoutError:
            await self._answers.say(b.IDLE_TOO_LONG)

    async def _turn(self) -> bool:
        """One command; False ends the connection."""
        line = await self._wire.line(limit_of(opened=self._opened is not None))
        refused = None
        if not self._spoke:  # a probe that only connects is no session
            self._spoke = True
            self._mock.world.trace.received(IMAP)
            self._answers.opening, refused = await self._met("session")
        try:
            command = read_command(await read_text(self._wire, line, opened=self._opened is not None))
        except TooBig:
            command, refused = Command(tag_of(line), ""), refused or b.TOO_BIG
        except BadCharset:
            command, refused = Command(tag_of(line), ""), refused or b.CHARSET
        except BadCommand as wrong:
            command, refused = Command(tag_of(line), ""), refused or b.bad(str(wrong))
        return await self._answer(command, refused) if refused is not None else await self._obey(command)

    async def _obey(self, command: Command) -> bool:
        refused = b.misplaced(self._session, command.name, selected=self._opened is not None and self._opened.view is not None)
        if refused is not None:
            return await self._answer(command, refused)
        if await self._over():
            return False
        match command.name:
            case "STARTTLS":
                return await self._starttls(command)
            case "AUTHENTICATE":
                return await self._authenticate(command)
            case "LOGOUT":
                await self._answer(command, b.LOGGED_OUT)
                return False
            case "IDLE":
                return await self._idle(command)
            case _:
                fault, touched = await self._met(STEP_OF.get(command.name, ""))
                if await self._over():
                    return False
                return await self._answer(command, touched or self._reply(command), fault)

    def _reply(self, command: Command) -> b.Reply:
        try:
            match command.name:
                case "CAPABILITY":
                    return b.ok("Done", untagged=[b"* CAPABILITY " + b.capabilities(self._session)])
                case "NOOP":
                    return b.ok("Done")
                case "ID":
                    return b.ok("Done", untagged=[b'* ID ("name" "Socle" "vendor" "simulation, bac a sable")'])
                case "LOGIN":
                    return b.on_login(self._session)
            assert self._opened is not None  # no other command comes before its mailbox is open
            match command.name:
                case "ENABLE":
                    return b.ok("Done", untagged=[b"* ENABLED"])
                case "APPEND":
                    return on_append(self._opened, command, self._mock.world.clock.business())
                case name:
                    return _COMMANDS[name](self._opened, command)
        except BadCommand as wrong:
            return b.bad(str(wrong))

    async def _over(self) -> bool:
        """Say why the session cannot go on, if it cannot: looked at whenever something else may have happened meanwhile."""
        if self._opened is not None and self._room is not self._mock.room:
            await self._answers.say(b.RESET)
            return True
        if not self._standing.good:
            await self._answers.say(b.WITHDRAWN)
            return True
        return False

    # --- opening ---------------------------------------------------------------------------------------------------------

    async def _starttls(self, command: Command) -> bool:
        self._session, reply = b.on_starttls(self._session, pipelined=self._wire.pipelined)
        # Before the OK: what the client says behind it is TLS, and must find nobody else listening.
        fault = (await self._met("tls"))[0] if reply is b.BEGIN_TLS else None
        going = await self._answer(command, reply)
        if going and reply is b.BEGIN_TLS:
            await self._wire.start_tls(self._mock.tls if fault is None else self._mock.refusing_tls)
            self._session = on_certificate(self._session, structure_of(self._wire.client_der), self._mock.applicative)
        return going

    async def _authenticate(self, command: Command) -> bool:
        mechanism, response = command.given
        refused = b.may_authenticate(self._session, mechanism)
        if refused is not None:
            return await self._answer(command, refused)
        if response is None:
            await self._wire.write(b"+ \r\n")
            response = await self._wire.line(AUTH_LIMIT)
        mock = self._mock
        session, reply = b.on_sasl(self._session, mechanism, response, mock.directory, self._standing.claims)
        self._session = session
        fault, touched = await self._met("auth")
        if touched is not None:
            self._session, reply = replace(session, mailbox=None), touched
        if reply.code == b.REFUSED.code and mechanism == "XOAUTH2":
            await self._wire.write(b"+ " + b.CHALLENGE + b"\r\n")
            if mock.drop_after_challenge:
                return False
            await self._wire.line(AUTH_LIMIT)
        if self._session.mailbox is not None:
            self._standing.opened(self._who(), IMAP)
            self._room = mock.room
            self._opened = Opened(self._room.open(self._session.mailbox), self._room.uid_validity)
        return await self._answer(command, reply, fault)

    # --- waiting ---------------------------------------------------------------------------------------------------------

    async def _idle(self, command: Command) -> bool:
        """Tell what happens until the client says DONE (RFC 2177)."""
        assert self._opened is not None
        fault, touched = await self._met("idle")
        if touched is not None:
            return await self._answer(command, touched)
        if not await self._answers.send(b"+ idling\r\n", fault):
            return False
        async with self._watched() as (happened, line):
            while not line.done():
                if await self._over():
                    return False
                await self._answers.stream(self._news(expunged=True))
                await _either(line, happened)
                happened.clear()
            said = line.result()
        return await self._answer(command, b.ok("Idle completed") if said.upper() == b"DONE" else b.bad("Expected DONE"))

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[tuple[asyncio.Event, asyncio.Future[bytes]]]:
        """What tells of a change of the mailbox, and the next line of the client."""
        assert self._opened is not None
        happened, mailbox = asyncio.Event(), self._opened.mailbox
        line = asyncio.ensure_future(self._wire.line(limit_of(opened=True)))
        mailbox.watch(happened)
        try:
            yield happened, line
        finally:
            mailbox.forget(happened)
            if not line.cancel():
                line.exception()  # looked at, even when nobody waits for it any more

    # --- answering -------------------------------------------------------------------------------------------------------

    async def _met(self, step: str) -> tuple[Fault | None, b.Reply | None]:
        return await self._answers.met(step, self._who)

    def _who(self) -> Who:
        world = self._mock.world
        return Callers(world.manifest, world.population, world.psc_claims).of_mail(self._session.mailbox, self._wire.client_der)

    async def _answer(self, command: Command, reply: b.Reply, fault: Fault | None = None) -> bool:
        """Say it, and the news of the mailbox before it; False ends the connection."""
        still = command.name in _STILL and not command.uid
        return await self._answers.answer(command, reply, fault, news=lambda: self._news(expunged=not still))

    def _news(self, *, expunged: bool) -> list[bytes]:
        view = None if self._opened is None else self._opened.view
        return [] if view is None else view.news(expunged=expunged)


async def _either(line: asyncio.Future[bytes], happened: asyncio.Event) -> None:
    waiting = asyncio.ensure_future(happened.wait())
    both: list[asyncio.Future[Any]] = [line, waiting]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
