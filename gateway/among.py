"""One gateway among several of one journal (decision 0046): it does what the others did, takes over those that died, and leads
when nobody else does. What there must be one of (the notary, retention, the closing of months) is the leader's.
"""
from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.journal.acts import Acts
from gateway.journal.connection import StoreError
from gateway.journal.journal import Journal
from gateway.journal.record import JournalError, JournalFull

log = logging.getLogger(__name__)

_POLL_S = 0.2
_LOOK_EVERY_S = 1.0  # for a leader, and for the dead
_STALE_S = 2.0  # who has not looked for so long, stopped perhaps, looks before it lets anybody read
_PATIENCE_S = 5.0


class NotEverywhere(JournalError):
    """It is done, and written; the gateways of ``logs`` have not followed in time."""

    def __init__(self, logs: list[int]) -> None:
        super().__init__(f"the gateways of logs {logs} have not followed")
        self.logs = logs


@dataclass(slots=True)
class Among:
    """heed  does here what another gateway did: the detail of an admin entry, or what was told
    lead  called once, when this gateway is to lead; given what confirms that it still does, or raises. What ``lead`` itself
          raises ends the process
    """

    journal: Journal
    heed: Callable[[dict[str, Any]], Awaitable[None]]
    lead: Callable[[Callable[[], None]], Awaitable[None]]
    leading: bool = False
    lost: Exception | None = None  # the store, or the right to go on: the process must end
    _opened: Acts | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _looked_at: float = field(default_factory=time.monotonic)

    async def start(self) -> None:
        """Before anything is served: lead, if nobody does. Raises StoreError, and what ``lead`` raises."""
        self._opened = await asyncio.to_thread(Acts, self.journal.folder, self.journal.log_id, self.journal.boot_id)
        self.journal.abreast = self.everywhere
        await self._lead()

    async def run(self) -> None:
        """Until cancelled, or ``lost``."""
        last = 0.0
        try:
            while True:
                await self._follow()
                if time.monotonic() - last >= _LOOK_EVERY_S:
                    last = time.monotonic()
                    await self._lead()
                    await self._bury()
                await asyncio.sleep(_POLL_S)
        except Exception as error:
            log.critical("gateway_cut_off", extra={"reason": str(error)})
            await self._look_at_the_log()
            self.lost = error

    async def close(self) -> None:
        """Leave the lead to others."""
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)

    async def tell(self, told: dict[str, Any]) -> None:
        """Say to every gateway what is no entry. Raises JournalFull, JournalStopped."""
        await self.journal.tell(orjson.dumps(told))

    async def live(self) -> int:
        return await asyncio.to_thread(self._acts.live)

    async def fresh(self) -> None:
        """Before somebody is let in: not by what held long ago. Raises StoreError."""
        if time.monotonic() - self._looked_at > _STALE_S:
            await self._follow()

    async def leads(self) -> bool:
        """Whether this gateway still leads: one that was stopped may have been deposed meanwhile."""
        try:
            await asyncio.to_thread(self.confirm)
        except StoreError:
            return False
        return self.leading

    def confirm(self) -> None:
        """From any thread; blocks. Raises StoreError once somebody else may lead."""
        self._acts.confirm()

    async def everywhere(self) -> None:
        """Until every gateway that lives has done what was committed before this call. Raises NotEverywhere, StoreError."""
        n = await asyncio.to_thread(self._acts.latest)
        until = time.monotonic() + _PATIENCE_S
        await self._follow()
        while behind := await asyncio.to_thread(self._acts.behind, n):
            if time.monotonic() > until:
                raise NotEverywhere(behind)
            await asyncio.sleep(_POLL_S / 4)

    @property
    def _acts(self) -> Acts:
        assert self._opened is not None, "started before anything is asked"
        return self._opened

    async def _follow(self) -> None:
        async with self._turn:
            for act in await asyncio.to_thread(self._acts.coming):
                if act.log != self.journal.log_id:
                    await self.heed(act.detail)
                await asyncio.to_thread(self._acts.done, act.n)
            self._looked_at = time.monotonic()

    async def _lead(self) -> None:
        if self.leading:
            return
        if await asyncio.to_thread(self._acts.lead):
            log.info("gateway_leads", extra={"log": self.journal.log_id})
            await self.lead(self.confirm)
            self.leading = True
        elif sessions := await asyncio.to_thread(self._acts.depose):  # then the next look finds the lead free
            log.warning("gateway_deposed", extra={"sessions": sessions})

    async def _look_at_the_log(self) -> None:
        """Whoever was deposed was taken over first: its own log says by whom, which the session that it lost does not."""
        with suppress(JournalError, TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self.journal.change(lambda _: None)

    async def _bury(self) -> None:
        try:
            while await asyncio.to_thread(self._acts.dead):
                if await self.journal.take_over() is None:  # somebody else does
                    return
        except JournalFull:
            log.warning("takeover_put_off")
