"""What a journal has one of, done by the gateway that leads (decision 0046): it signs, lets go, closes months and indexes, and it
is asked what the other gateways are asked."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connectors.wire.clock import Clock
from connectors.wire.serving import HttpService, Running
from gateway.doors.one_console import OneConsole, publish
from gateway.grappes.registrar import Registrar
from gateway.grappes.registry import Registry
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.proof.acts import open_notary
from gateway.journal.proof.leaving import Resting
from gateway.journal.proof.notary import Confirm, Notary, Rhythm, sign_along
from gateway.journal.resealing import resume
from gateway.journal.retention import retain_daily
from gateway.journal.search import follow
from gateway.settings import Settings
from gateway.usage.closing import Closer, close_along
from gateway.usage.resting import resting

_STOP_S = 1.0


@dataclass(slots=True)
class Lead:
    """along    starts work beside the calls, which ends with the gateway
    console  what the others forward to; None where there is one gateway
    notary   once this gateway leads
    """

    settings: Settings
    journal: Journal
    clock: Clock
    registry: Registry
    registrar: Registrar
    along: Callable[..., None]
    accept_fork: bool = False
    console: OneConsole | None = None
    notary: Notary | None = None
    _inner: Running | None = None

    async def begin(self, confirm: Confirm | None = None) -> None:
        """``confirm``, beside other gateways: that this one still leads, else raises. Raises JournalForked, JournalUnsafe."""
        rhythm = Rhythm(self.settings.checkpoint_entries, self.settings.checkpoint_s)
        self.notary = await open_notary(self.journal, self.clock, rhythm, accept_fork=self.accept_fork, confirm=confirm)
        await self.registrar.adopt()
        self.along(
            follow(self.settings.journal / FILE_NAME), sign_along(self.notary),
            retain_daily(self.journal, self.settings.retention(), self.clock, resting=self.resting),
            close_along(self.closer, self.journal, self.clock), resume(self.journal),
        )  # fmt: skip
        if self.console is not None:
            self._inner = await Running.start([HttpService("leader", self.console.led)])
            publish(self.settings.journal, int(self._inner.urls["leader"].rpartition(":")[2]))

    async def end(self) -> None:
        """The last signature; whether or not this gateway came to lead."""
        if self._inner is not None:
            await self._inner.stop(_STOP_S)
        if self.console is not None:
            await self.console.close()
        if self.notary is not None:
            await asyncio.to_thread(self.notary.close)

    @property
    def closer(self) -> Closer:
        return Closer(self.settings.journal, self.registry, self.settings.environment)

    def resting(self, now: datetime) -> Resting | None:
        return resting(self.settings.journal, self.registry, self.settings.environment, now)
