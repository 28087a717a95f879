"""While a message is in memory: its facts and its verdict, into the record of its call (design §4).

Nothing here may cost a call its entry: whatever a message makes fail, the entry is written without facts.
"""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.conformance.facts import extract
from gateway.conformance.judging import verdict_of
from gateway.conformance.model import FACTS_VERSION, Eyes, FactValues, Message
from gateway.journal.record import Facts, Record
from gateway.journal.vault import Vault

log = logging.getLogger(__name__)

_AT_ONCE = 64 * 1024  # bytes; a larger message is read in a thread, so that other calls go on


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads the messages of one gateway."""

    eyes: Eyes

    async def observe(self, record: Record, message: Message) -> None:
        """Fill ``record.facts`` and ``record.verdict``. Never raises."""
        try:
            if len(message.request) + len(message.response) > _AT_ONCE:
                made = await asyncio.to_thread(extract, message, self.eyes)
            else:
                made = extract(message, self.eyes)
            if made is not None:
                _note(record, made.values, tuple(made.persons))
        except Exception:
            log.exception("not_observed", extra={"call_id": record.id})

    def note(self, record: Record, values: FactValues) -> None:
        """Facts that a door made itself, of a session. Never raises."""
        try:
            _note(record, {"v": FACTS_VERSION, "partial": False, **values}, ())
        except Exception:
            log.exception("not_observed", extra={"call_id": record.id})


def _note(record: Record, values: FactValues, persons: tuple[str, ...]) -> None:
    record.facts = Facts(values, persons)
    record.verdict = verdict_of(values, {"operation": record.operation, "environment": record.environment})


def digest_of(vault: Vault) -> Callable[[str, str | bytes], str]:
    """Keyed digests of the journal: equal values have equal digests in one environment, and are worth nothing without K."""
    return lambda kind, value: vault.lookup(f"fact.{kind}", value).hex()[:32]


def eyes_of(vault: Vault, population: Path | None) -> Eyes:
    """``population``: population.json of a sandbox; None elsewhere, where nobody is known to be fictitious."""
    if population is None:
        return Eyes(digest_of(vault))
    people = orjson.loads(population.read_bytes())
    persons = {row["matricule"] for row in people["persons"]}
    persons |= {former["matricule"] for row in people["persons"] for former in row["history"]}
    professionals = {row["id_nat"] for row in people["professionals"]}
    return Eyes(digest_of(vault), persons.__contains__, professionals.__contains__)
