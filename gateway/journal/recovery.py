"""What becomes of calls whose answer was lost (design §5.1 and §5.3)."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from connectors.wire.clock import Clock
from gateway.journal.drafts import Draft
from gateway.journal.record import Doubt, JournalFull, JournalStopped, NotInDoubt, Record
from gateway.journal.store import STOPPED_WITH_INTENT, Store

if TYPE_CHECKING:
    from gateway.journal.journal import Journal

log = logging.getLogger(__name__)

_BATCH = 500
_AT_ONCE = 50  # doubts that are fetched together
_CLAIM_S = 30.0  # longer than a question: a gateway that dies while it asks leaves the doubt to the others
Found = Literal["found", "not_found", "unknown"]


def recover(store: Store) -> int:
    """Turn each intent of a dead process into one entry in doubt; returns how many.

    The gateway may have died on either side of the last byte: the entry says that one exchange was begun and not read.
    """
    recovered = 0
    while True:
        with store.transaction():
            written = give_up(store, store.intents.of_dead_boots(_BATCH))
        recovered += written
        if written < _BATCH:
            return recovered


def give_up(store: Store, drafts: Sequence[Draft]) -> int:
    """One entry in doubt for each of these intents, in the running transaction; how many."""
    for draft in drafts:
        flags, exchanges = draft.content["flags"], draft.content["exchanges"]
        begun = exchanges or [{"code": None, "upstream_us": 0}]
        store.append(draft.changed(flags=[*flags, STOPPED_WITH_INTENT], exchanges=begun))
    return len(drafts)


class Asker(Protocol):
    """Asks a service what became of one call."""

    async def ask(self, blob: bytes) -> Found:
        """``blob`` is what the call's intent kept for this. ``unknown``: no answer, or none that proves anything."""
        ...


class SettlementWorker:
    """Asks about entries in doubt until each is known, for the operations that have an asker.

    *Found* settles at once as succeeded. *Not found* must be heard twice before it settles as failed, since a service may
    show a document late. Without asker or blob an entry stays in doubt until a person decides.

    waits_s   the delays before the first and the second question; the first also waits for the service deadline
    every_s   the pause between two passes
    patience_s how long one question may take
    """

    def __init__(
        self, journal: Journal, askers: Mapping[str, Asker], clock: Clock, *,
        waits_s: tuple[float, float] = (300.0, 3600.0), every_s: float = 30.0, patience_s: float = 60.0,
    ) -> None:  # fmt: skip
        self._journal, self._askers, self._clock = journal, askers, clock
        self._waits_s, self._every_s, self._patience_s = waits_s, every_s, patience_s

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        while True:
            try:
                await self.settle_due()
            except JournalStopped:
                raise
            except JournalFull:
                log.warning("settlement_waits_for_room")
            except Exception:  # of the store, or ours: what is in doubt must be asked about all the same, at the next pass
                log.exception("settlement_pass_failed")
            await asyncio.sleep(self._every_s)

    async def settle_due(self) -> int:
        """One pass over the doubts whose time has come; returns how many were settled."""
        settled = 0
        for not_found, wait_s in enumerate(self._waits_s):
            since = self._clock.real() - timedelta(seconds=wait_s)
            async for doubt in self._due(not_found, since):
                settled += await self._settle(doubt, not_found)
        return settled

    async def _due(self, not_found: int, since: datetime) -> AsyncIterator[Doubt]:
        """All of them, each once: those that nobody can answer must not keep the others waiting.

        Beside other gateways one by one: a doubt is not kept from them for longer than a question may take.
        """
        seen: set[str] = set()
        while True:
            doubts = await self._journal.doubts_to_ask(
                list(self._askers), not_found=not_found, since=since, limit=1 if self._journal.shared else _AT_ONCE,
                claimed_s=self._patience_s + _CLAIM_S,
            )  # fmt: skip
            fresh = [doubt for doubt in doubts if doubt.entry_id not in seen]
            if not fresh:  # none left; or the clock stepped back, and those asked about are due again
                return
            for doubt in fresh:
                seen.add(doubt.entry_id)
                yield doubt

    async def _settle(self, doubt: Doubt, not_found: int) -> bool:
        answer = await self._ask(doubt)
        if answer == "unknown" or (answer == "not_found" and not_found + 1 < len(self._waits_s)):
            await self._journal.note_asked(doubt, not_found=answer == "not_found")
            return False
        settlement = Record(doubt.operation, kind="settlement", settles=doubt.entry_id, time_basis="estimated")
        settlement.outcome = "succeeded" if answer == "found" else "failed"
        settlement.detail = {"how": "ask", "answer": answer, "by": "settlement-worker"}
        try:
            await self._journal.write(settlement)
        except NotInDoubt:  # a late answer, a duplicate or a person was faster
            return False
        return True

    async def _ask(self, doubt: Doubt) -> Found:
        assert doubt.operation is not None
        if doubt.blob is None:
            return "unknown"
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._askers[doubt.operation].ask(doubt.blob)
        except Exception as error:  # whatever an asker does wrong, the entry stays in doubt and the worker alive
            log.warning("settlement_question_failed", extra={"entry": doubt.entry_id, "error": type(error).__name__})
            return "unknown"
