"""How one session of IMAP is answered: each answer whole, under the fault that touches it, and noted for the control API."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mocks.mssante import imap_behaviour as b
from mocks.mssante import imap_faults as faults
from mocks.mssante.faults import silent
from mocks.mssante.imap_commands import Command
from mocks.mssante.wire import Wire
from mocks.sandbox.codes import IMAP
from mocks.sandbox.fault import Fault
from mocks.sandbox.network_faults import play
from mocks.sandbox.who import Who

if TYPE_CHECKING:
    from mocks.mssante.app import MssanteMock

_MAX_ERRORS = 50
_CHUNK = 65_536  # bytes that are sent at once

#: Commands whose answer the control API shows even when all is well: the session opens, or a mailbox changes.
_SHOWN = frozenset({"AUTHENTICATE", "APPEND", "STORE", "COPY", "MOVE", "EXPUNGE", "CLOSE"})


class Answers:
    """``opening``: the fault that touches the answer to the first command."""

    def __init__(self, mock: MssanteMock, wire: Wire) -> None:
        self._mock, self._wire = mock, wire
        self._errors = 0
        self.opening: Fault | None = None

    async def met(self, step: str, who: Callable[[], Who]) -> tuple[Fault | None, b.Reply | None]:
        """The armed fault that touches this step, as what it does to the answer, or as the reply it gives instead."""
        fault = self._mock.world.faults.take(IMAP, who, step=step) if step else None
        if fault is None:
            return None, None
        await self._mock.world.touched(fault, IMAP)
        refused = faults.refusal(fault, step)
        return (fault, None) if refused is None else (None, refused)

    async def answer(
        self, command: Command, reply: b.Reply, fault: Fault | None, *, news: Callable[[], list[bytes]]
    ) -> bool:
        """Say it, as a fault wants it; False ends the connection: after BYE, and after too many errors."""
        fault, self.opening = fault or self.opening, None
        self._errors += reply.status == "BAD"
        if self._errors > _MAX_ERRORS:
            reply = b.TOO_MANY
        if reply.status in ("NO", "BYE") or command.name in _SHOWN:
            shown = f"{command.name} {reply.verdict}".strip()
            self._mock.world.requests.note(self._mock.name, IMAP, None, shown, fault)
        lines = [reply.untagged, [] if reply.status == "BYE" else news()]
        if fault is None:
            for some in lines:
                await self.stream(some)
            await self.say(reply, command.tag)
            return reply.status != "BYE"
        last = faults.named(reply, fault).wire(command.tag)
        return await self.send(b"".join(line + b"\r\n" for some in lines for line in some) + last, fault)

    async def send(self, answer: bytes, fault: Fault | None) -> bool:
        if fault is None:
            await self._wire.write(answer)
            return True
        if silent(fault):
            await self._wire.gone()
            return False
        if fault.kind == "malformed":
            await self._wire.write(faults.cut_short(answer))
            return True
        return await play(fault, answer, self._wire)

    async def stream(self, lines: Iterable[bytes]) -> None:
        """Lines made while they are sent: a mailbox is never in memory whole."""
        pending = bytearray()
        for line in lines:
            pending += line + b"\r\n"
            if len(pending) > _CHUNK:
                await self._wire.write(bytes(pending))
                pending.clear()
        if pending:
            await self._wire.write(bytes(pending))

    async def say(self, reply: b.Reply, tag: str = "*") -> None:
        await self._wire.write(reply.wire(tag))
