"""While a message is in memory: its facts and its verdict, into the record of its call (design §4).

Nothing here may cost a call its entry: whatever a message makes fail, the entry is written without facts.
"""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.access.callers import UNKNOWN_TENANT
from gateway.conformance.direct import Direct
from gateway.conformance.facts import extract
from gateway.conformance.judging import judge_all, verdict_of
from gateway.conformance.model import FACTS_VERSION, Eyes, FactValues, Message
from gateway.journal.record import Facts, Record
from gateway.journal.vault import Vault
from gateway.population import People

log = logging.getLogger(__name__)

_AT_ONCE = 64 * 1024  # bytes; a larger message is read in a thread, so that other calls go on


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads the messages of one gateway. ``direct``: what is shown live of their deviations."""

    eyes: Eyes
    direct: Direct = field(default_factory=Direct)

    async def observe(self, record: Record, message: Message) -> None:
        """Fill ``record.facts`` and ``record.verdict``. Never raises."""
        try:
            if len(message.request) + len(message.response) > _AT_ONCE:
                made = await asyncio.to_thread(extract, message, self.eyes)
            else:
                made = extract(message, self.eyes)
            if made is not None:
                self._note(record, made.values, tuple(made.persons), made.shown)
        except Exception:
            log.exception("not_observed", extra={"call_id": record.id})

    def note(self, record: Record, values: FactValues, shown: Mapping[str, Sequence[str]] | None = None) -> None:
        """Facts that a door made itself, of a session. Never raises."""
        try:
            self._note(record, {"v": FACTS_VERSION, "partial": False, **values}, (), shown or {})
        except Exception:
            log.exception("not_observed", extra={"call_id": record.id})


    def _note(
        self, record: Record, values: FactValues, persons: tuple[str, ...], shown: Mapping[str, Sequence[str]]
    ) -> None:
        record.facts = Facts(values, persons)
        found = judge_all(values, {"operation": record.operation, "environment": record.environment})
        record.verdict = verdict_of(found)
        if record.tenant != UNKNOWN_TENANT:  # nobody could read it
            self.direct.note(record.tenant, record.id, str(record.operation), found, shown)


def digest_of(vault: Vault) -> Callable[[str, str | bytes], str]:
    """Keyed digests of the journal: equal values have equal digests in one environment, and are worth nothing without K."""
    return lambda kind, value: vault.lookup(f"fact.{kind}", value).hex()[:32]


def eyes_of(vault: Vault, people: People | None) -> Eyes:
    """``people``: those of a sandbox; None elsewhere, where nobody is known to be fictitious."""
    if people is None:
        return Eyes(digest_of(vault))
    return Eyes(digest_of(vault), people.knows_person, people.knows_professional)
