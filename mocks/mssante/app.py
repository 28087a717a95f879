"""The simulated operator: one submission listener, STARTTLS mandatory (reference mssante §5, §16). It only moves bytes."""
from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from connectors.wire.serving import Service, StreamService
from mocks.mssante import behaviour as b
from mocks.mssante.commands import verb_of
from mocks.mssante.directory import Directory
from mocks.mssante.state import Envelope, Reading, Store
from mocks.mssante.wire import BareNewline, Closed, TooLong, Wire, structure_of
from mocks.sandbox.faults import Fault
from mocks.sandbox.world import World

log = logging.getLogger(__name__)

_LINE_LIMIT = 2048  # 512 by RFC 5321, more for the DSN parameters
_AUTH_LIMIT = 12_288  # RFC 4954 §4
_MAX_ERRORS = 50


class MssanteMock:
    """The MSSanté operator of the sandbox.

    drop_after_challenge   close without a 535 after a refused token, as a national training platform did (mssante §5.3)
    applicative            how an applicative mailbox is opened behind its certificate: EXTERNAL, PLAIN or both (assumed)
    """

    name = "mssante"

    def __init__(
        self, world: World, *, drop_after_challenge: bool = False, applicative: tuple[str, ...] = ("EXTERNAL", "PLAIN"),
        idle_s: float = 300.0,
    ) -> None:  # fmt: skip
        self.world, self.idle_s, self.drop_after_challenge = world, idle_s, drop_after_challenge
        self.applicative = applicative
        self.directory = Directory.of(world.manifest, world.population)
        self.store = Store(world.state_folder(self.name))
        self.tls: ssl.SSLContext = world.server_tls(client="optional")

    def services(self) -> list[Service]:
        return [StreamService("mock-smtp", self.connected)]

    def state(self) -> dict[str, Any]:
        return {"simulated": True, **self.store.to_json()}

    def reset(self) -> None:
        self.store.reset()

    def reload(self) -> None:
        """Read again what is on disk: it was put back there."""
        self.store = Store(self.world.state_folder(self.name))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from greeting to close."""
        wire = Wire(reader, writer, self.idle_s)
        try:
            await _Conversation(self, wire).run()
        except Closed:
            log.debug("mssante_client_left")
        finally:
            await wire.close()


class _Conversation:
    def __init__(self, mock: MssanteMock, wire: Wire) -> None:
        self._mock, self._wire, self._session = mock, wire, b.Session()
        self._errors, self._spoke = 0, False

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

    async def _refuse_session(self, fault: Fault) -> bool:
        if fault.kind == "timeout":
            await asyncio.sleep(fault.delay_s)
        elif fault.kind == "reset":
            self._wire.reset()
        else:
            await self._say(b.say(421, f"4.3.2 Service not available (panne injectee {fault.id})"))
        return False

    async def _turn(self) -> bool:
        """One command; False ends the connection."""
        raw = await self._wire.line(_AUTH_LIMIT)
        if not self._spoke:  # a probe that only connects is no session
            self._spoke = True
            self._mock.world.trace.received("MSS.SESSION_SMTP")
            fault = self._mock.world.faults.take("MSS.SESSION_SMTP")
            if fault is not None:
                await self._mock.world.touched(fault)
                return await self._refuse_session(fault)
        line = raw.decode("ascii")
        verb, argument = verb_of(line)
        if len(line) > _LINE_LIMIT and verb != "AUTH":
            raise TooLong
        match verb:
            case "EHLO" | "HELO":
                self._session, reply = b.on_hello(self._session, argument, extended=verb == "EHLO")
            case "STARTTLS":
                return await self._starttls(argument)
            case "AUTH":
                return await self._auth(argument)
            case "MAIL":
                self._mock.world.trace.received("MSS.SOUMISSION")
                self._session, reply = b.on_mail(self._session, argument)
            case "RCPT":
                self._session, reply = b.on_rcpt(self._session, argument, self._mock.directory)
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

    async def _starttls(self, argument: str) -> bool:
        self._session, reply = b.on_starttls(self._session, argument, pipelined=self._wire.pipelined)
        await self._say(reply)
        if reply is b.S220_TLS:
            await self._wire.start_tls(self._mock.tls)
            self._session = b.on_certificate(self._session, structure_of(self._wire.client_der), self._mock.applicative)
        return reply.code != 554

    async def _auth(self, argument: str) -> bool:
        asked = b.on_auth(self._session, argument)
        if isinstance(asked, b.Reply):
            if asked is not b.S334_CONTINUE:
                return await self._answer(asked)
            await self._say(asked)
            asked = await self._wire.line(_AUTH_LIMIT)
        response = b"" if asked == b"=" else asked  # "=" is the empty initial response (RFC 4954 §4)
        mechanism = argument.partition(" ")[0].upper()
        if mechanism != "XOAUTH2":
            self._session, reply = b.on_applicative(self._session, mechanism, response, self._mock.directory)
            return await self._answer(reply)
        self._session, reply = b.on_sasl(self._session, response, self._mock.directory, self._mock.world.psc_claims)
        if reply is b.S334_REFUSED:
            await self._say(reply)
            if self._mock.drop_after_challenge:
                return False
            await self._wire.line(_AUTH_LIMIT)
            reply = b.S535_REFUSED
        return await self._answer(reply)

    async def _data(self, argument: str) -> bool:
        go = b.on_data(self._session, argument)
        await self._say(go)
        if go is not b.S354_GO:
            return True
        content = await self._wire.content(b.SIZE_LIMIT)
        fault = self._mock.world.faults.take("MSS.SOUMISSION")
        if fault is not None and fault.kind in ("status", "soap"):
            code = int(fault.value) if fault.kind == "status" else 451
            reply = b.say(code, f"{code // 100}.3.0 Panne injectee {fault.id}")
        else:
            reply = self._take(content)
        self._session = self._session.without_transaction()
        await self._mock.world.touched(fault)
        if fault is not None and fault.kind == "reset":
            self._wire.reset()
            return False
        if fault is not None and fault.kind == "timeout":
            if fault.delay_s == 0:  # no answer at all
                await self._wire.wait_closed_by_peer()
                return False
            await asyncio.sleep(fault.delay_s)
            reply = b.say(reply.code, f"{reply.lines[0]} (panne injectee {fault.id})")
        return await self._answer(reply)

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

    async def _answer(self, reply: b.Reply) -> bool:
        """Say it, and leave after too many refusals in one connection."""
        self._errors += reply.code >= 500
        if self._errors > _MAX_ERRORS:
            await self._say(b.say(421, "4.7.0 Too many errors, closing"))
            return False
        await self._say(reply)
        return True

    async def _say(self, reply: b.Reply) -> None:
        await self._wire.send(reply.wire())
