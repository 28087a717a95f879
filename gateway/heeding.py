"""What a gateway does when another one of the same journal has changed something (decision 0046)."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.access import rights
from gateway.access.deposits import Deposits
from gateway.access.rights import Keys
from gateway.conformance.direct import Direct
from gateway.doors.console import FAULT, TOUCHED
from gateway.doors.one_console import RELOAD
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal import erasure, resealing
from gateway.journal.journal import Journal
from gateway.journal.store import Store
from gateway.touches import Touches

log = logging.getLogger(__name__)

CLAIMED = "fault_claimed"  # told when a touch has found its call
Detail = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heeding:
    """The same parts as those that this gateway's own acts change. What is not listed here is read from the store when asked."""

    journal: Journal
    keys: Keys
    deposits: Deposits
    registry: Registry
    direct: Direct
    touches: Touches

    async def __call__(self, detail: Detail) -> None:
        """``detail`` of an admin entry of another gateway, or what it told."""
        doing = self._doings().get(detail["action"])
        if doing is not None:
            await doing(detail)

    def _doings(self) -> dict[str, Callable[[Detail], Awaitable[None]]]:
        return {
            rights.ACTION: self._key, erasure.ACTION: self._erased, resealing.ACTION: self._resealed, RELOAD: self._reload,
            FAULT: self._fault, TOUCHED: self._touched, CLAIMED: self._claimed,
        }  # fmt: skip

    async def _key(self, detail: Detail) -> None:
        self.keys.take(detail)

    async def _erased(self, _: Detail) -> None:
        """Refs and calls under way are the store's: it reads them again before it writes anything."""
        self.direct.forget()

    async def _resealed(self, _: Detail) -> None:
        """Seal with the key of the folder, and what is held of calls under way too."""

        def follow(store: Store) -> None:
            store.vault.follow()
            store.intents.reseal(store.vault.resealed)

        await self.journal.change(follow)

    async def _reload(self, _: Detail) -> None:
        self.deposits.load()
        try:
            self.registry.use(await asyncio.to_thread(Registry.load, _grappes(self.journal)))
        except RegistryError as error:  # changed by hand since, and wrong: the one in force stays
            log.warning("registry_not_followed", extra={"error": type(error).__name__})

    async def _fault(self, detail: Detail) -> None:
        if detail["kind"] == "tls":
            self.touches.handshakes(detail["operation"], armed=detail["armed"])

    async def _touched(self, detail: Detail) -> None:
        self.touches.note(detail["id"], detail["operation"], detail["kind"])

    async def _claimed(self, detail: Detail) -> None:
        self.touches.drop(detail["fault"], detail["operation"])


def _grappes(journal: Journal) -> Path:
    return journal.folder / "grappes"
