"""The simulated operator: one listener for submission, one for reading, STARTTLS mandatory (reference mssante §5, §16).

This file moves the bytes of SMTP, ``imap_app`` those of IMAP.
"""
from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from connectors.nomenclatures.mssante import usager_matricule
from connectors.wire.serving import Service, StreamService
from mocks.mssante import behaviour as b
from mocks.mssante import faults
from mocks.mssante.commands import verb_of
from mocks.mssante.directory import Directory
from mocks.mssante.imap_app import connected as imap_connected
from mocks.mssante.imap_boxes import Mailroom
from mocks.mssante.sasl import APPLICATIVE, on_certificate
from mocks.mssante.state import Envelope, Reading, Store
from mocks.mssante.wire import BareNewline, TooLong, Wire, converse, structure_of
from mocks.sandbox.fault import Fault
from mocks.sandbox.network_faults import play
from mocks.sandbox.standing import Standing
from mocks.sandbox.tls_faults import refusing
from mocks.sandbox.who import Callers, Who
from mocks.sandbox.world import World

_LINE_LIMIT = 2048  # 512 by RFC 5321, more for the DSN parameters
_AUTH_LIMIT = 12_288  # RFC 4954 §4
_MAX_ERRORS = 50
_SESSION, _SUBMISSION = "MSS.SESSION_SMTP", "MSS.SOUMISSION"


class MssanteMock:
    """The MSSanté operator of the sandbox.

    drop_after_challenge   close without a 535 after a refused token, as a national training platform did (mssante §5.3)
    applicative            how an applicative mailbox is opened behind its certificate: EXTERNAL, PLAIN or both (assumed)
    """

    name = "mssante"

    def __init__(
        self, world: World, *, drop_after_challenge: bool = False, applicative: tuple[str, ...] = APPLICATIVE,
        idle_s: float = 300.0,
    ) -> None:  # fmt: skip
        self.world, self.idle_s, self.drop_after_challenge = world, idle_s, drop_after_challenge
        self.applicative = applicative
        self.directory = Directory.of(world.manifest, world.population)
        world.follow(self._follow)
        self.store = Store(world.state_folder(self.name))
        self.room = self._room()
        self.tls: ssl.SSLContext = world.server_tls(client="optional")
        self.refusing_tls = refusing(world.server_tls())

    def _follow(self) -> None:
        self.directory = Directory.of(self.world.manifest, self.world.population)

    def services(self) -> list[Service]:
        return [StreamService("mock-smtp", self.connected), StreamService("mock-imap", partial(imap_connected, self))]

    def state(self) -> dict[str, Any]:
        return {"simulated": True, **self.store.to_json(), "mailboxes": self.room.to_json()}

    def reset(self) -> None:
        self.store.reset()
        self._move_out()

    def reload(self) -> None:
        """Read again what is on disk: it was put back there."""
        self.store = Store(self.world.state_folder(self.name))
        self._move_out()

    def _room(self, *, above: int = 0) -> Mailroom:
        now_s = int(self.world.clock.real().timestamp())
        return Mailroom(self.store, self.world.state_folder(self.name), now_s, above=above)

    def _move_out(self) -> None:
        """The mailboxes are others: open sessions of IMAP end."""
        before, self.room = self.room, self._room(above=self.room.uid_validity)
        before.close()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from greeting to close."""
        await converse(reader, writer, self.idle_s, lambda wire: _Conversation(self, wire).run())


class _Conversation:
    def __init__(self, mock: MssanteMock, wire: Wire) -> None:
        self._mock, self._wire, self._session = mock, wire, b.Session()
        self._errors, self._spoke = 0, False
        self._opening: Fault | None = None  # touches the reply to the first command
        self._standing = Standing(mock.world)

    async def run(self) -> None:
        await self._say(b.S220_GREETING)
        try:
            while await self._turn():
                pass
        except BareNewline:
            await self._say(b.S521_BARE)
        except TooLong:
            await self._say(b.S500_TOO_LONG)
        except TimeoutError:
            await self._say(b.S421_IDLE)
        except UnicodeDecodeError:
            await self._say(b.S501_SYNTAX)

    async def _turn(self) -> bool:
        """One command; False ends the connection."""
        raw = await self._wire.line(_AUTH_LIMIT)
        if not self._spoke:  # a probe that only connects is no session
            self._spoke = True
            self._mock.world.trace.received(_SESSION)
            self._opening, refused = await self._met(_SESSION, "session")
            if refused is not None:
                await self._say(refused)
                return False
        line = raw.decode("ascii")
        verb, argument = verb_of(line)
        if len(line) > _LINE_LIMIT and verb != "AUTH":
            raise TooLong
        return await self._obey(verb, argument)

    async def _obey(self, verb: str, argument: str) -> bool:
        match verb:
            case "EHLO" | "HELO":
                self._session, reply = b.on_hello(self._session, argument, extended=verb == "EHLO")
            case "STARTTLS":
                return await self._starttls(argument)
            case "AUTH":
                return await self._auth(argument)
            case "MAIL":
                self._mock.world.trace.received(_SUBMISSION)
                if not self._standing.good:
                    self._session = replace(self._session, mailbox=None)
                return await self._step("mail", lambda session: b.on_mail(session, argument))
            case "RCPT":
                return await self._step("rcpt", lambda session: b.on_rcpt(session, argument, self._mock.directory), argument)
            case "DATA":
                return await self._data(argument)
            case "RSET":
                self._session, reply = self._session.without_transaction(), b.S250_OK
            case "NOOP":
                reply = b.S250_OK
            case "QUIT":
                await self._say(b.S221_BYE)
                return False
            case "VRFY" | "EXPN" | "HELP":
                reply = b.S502_NOT_HERE
            case _:
                reply = b.S500_UNKNOWN
        return await self._answer(reply)

    async def _met(self, operation: str, step: str, named: str = "") -> tuple[Fault | None, b.Reply | None]:
        """The armed fault that touches this step, if one does, as what it does to the reply, or as the code it answers instead.

        named  the argument of a RCPT: whom it names is not in the session yet
        """
        fault = self._mock.world.faults.take(operation, lambda: self._who(named), step=step)
        if fault is None:
            return None, None
        await self._mock.world.touched(fault, operation)
        refused = faults.refusal(fault, step)
        return (fault, None) if refused is None else (None, refused)

    def _who(self, named: str) -> Who:
        world = self._mock.world
        callers = Callers(world.manifest, world.population, world.psc_claims)
        addresses = [named.partition("<")[2].partition(">")[0]] if named else self._session.recipients
        persons = [matricule for address in addresses if (matricule := usager_matricule(address))]
        return callers.of_mail(self._session.mailbox, self._wire.client_der, persons)

    async def _step(self, step: str, obey: Callable[[b.Session], tuple[b.Session, b.Reply]], named: str = "") -> bool:
        """One command of a submission, under the fault that touches it, if one does."""
        fault, refused = await self._met(_SUBMISSION, step, named)
        if refused is not None:
            return await self._answer(refused, shown=_SUBMISSION)
        self._session, reply = obey(self._session)
        return await self._answer(reply, fault, shown=_SUBMISSION if reply.code >= 400 else None)

    async def _starttls(self, argument: str) -> bool:
        self._session, reply = b.on_starttls(self._session, argument, pipelined=self._wire.pipelined)
        # Before the 220: what the client says behind it is TLS, and must find nobody else listening.
        fault = (await self._met(_SESSION, "tls"))[0] if reply is b.S220_TLS else None
        await self._say(reply)
        if reply is b.S220_TLS:
            await self._wire.start_tls(self._mock.tls if fault is None else self._mock.refusing_tls)
            self._session = on_certificate(self._session, structure_of(self._wire.client_der), self._mock.applicative)
        return reply.code != 554

    async def _auth(self, argument: str) -> bool:
        asked = b.on_auth(self._session, argument)
        if isinstance(asked, b.Reply):
            if asked is not b.S334_CONTINUE:
                return await self._answer(asked, shown=_SESSION)
            await self._say(asked)
            asked = await self._wire.line(_AUTH_LIMIT)
        mechanism = argument.partition(" ")[0].upper()
        if mechanism != "XOAUTH2":
            self._session, reply = b.on_applicative(self._session, mechanism, asked, self._mock.directory)
            return await self._judged(reply, mechanism)
        self._session, reply = b.on_sasl(self._session, asked, self._mock.directory, self._standing.claims)
        return await self._judged(reply, mechanism)

    async def _judged(self, reply: b.Reply, mechanism: str) -> bool:
        """The end of an authentication, under the fault that touches it, if one does."""
        fault, refused = await self._met(_SESSION, "auth")
        if refused is not None:
            self._session = replace(self._session, mailbox=None)
            reply = b.S334_REFUSED if refused.code == 535 and mechanism == "XOAUTH2" else refused
        if reply is b.S334_REFUSED:
            await self._say(reply)
            if self._mock.drop_after_challenge:
                return False
            await self._wire.line(_AUTH_LIMIT)
            reply = refused or b.S535_REFUSED
        if self._session.mailbox is not None:
            self._standing.opened(self._who(""), _SESSION)
        return await self._answer(reply, fault, shown=_SESSION)

    async def _data(self, argument: str) -> bool:
        go = b.on_data(self._session, argument)
        if go is not b.S354_GO:
            return await self._answer(go, shown=_SUBMISSION)
        fault, refused = await self._met(_SUBMISSION, "data")
        if not await self._answer(refused or go, fault, shown=None if refused is None else _SUBMISSION):
            return False
        if refused is not None:
            return True
        content = await self._wire.content(b.SIZE_LIMIT)
        fault, refused = await self._met(_SUBMISSION, "end")
        reply = refused or self._take(content)
        self._session = self._session.without_transaction()
        return await self._answer(reply, fault, shown=_SUBMISSION)

    def _take(self, content: bytes | None) -> b.Reply:
        """Judge and deliver one message; what the trace holds is written before the 250."""
        if content is None:
            return b.S552_SIZE
        reading = Reading.of(content)
        refusal = b.judge_headers(self._session, reading.raw_headers, reading.from_addresses)
        if refusal is not None:
            return refusal
        recipients: dict[str, str] = {address: self._mock.directory.locate(address) for address in self._session.recipients}
        envelope = Envelope(self._session.sender or "", recipients, self._session.hello or "")
        queue_id = self._mock.store.next_queue_id()
        kept = self._mock.store.deliver(queue_id, envelope, reading, content, self._mock.world.clock.business())
        if not kept.report:
            self._mock.world.trace.held("MSS.SOUMISSION", kept.unit)
        return b.say(250, f"2.0.0 Ok: queued as {queue_id}")

    async def _answer(self, reply: b.Reply, fault: Fault | None = None, *, shown: str | None = None) -> bool:
        """Say it, as a fault wants it; leave after 421, and after too many refusals in one connection.

        shown  the operation under which the control API shows this reply, None for one that settles nothing
        """
        fault, self._opening = fault or self._opening, None
        self._errors += reply.code >= 500
        if self._errors > _MAX_ERRORS:
            reply = b.say(421, "4.7.0 Too many errors, closing")
        if shown is not None:
            self._mock.world.requests.note(self._mock.name, shown, reply.code, reply.enhanced, fault)
        if fault is None:
            await self._say(reply)
            return reply.code != 421
        if faults.silent(fault):
            await self._wire.gone()
            return False
        return await play(fault, faults.named(reply, fault).wire(), self._wire)

    async def _say(self, reply: b.Reply) -> None:
        await self._wire.write(reply.wire())
