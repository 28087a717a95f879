"""What measures still rest on, so that retention leaves it in the journal (decision 0040).

A window rests on its entries until its last closed version says what the journal says: then its numbers come from the rows of
usage, which stay, and from the few entries that never leave.
"""
from __future__ import annotations

import logging
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import apsw

from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal.canonical import text_of
from gateway.journal.connection import Connection
from gateway.journal.proof.leaving import LAST_KEPT, Resting
from gateway.journal.record import JournalError
from gateway.usage.closings import vectors_closed
from gateway.usage.rates import Asked, unclosed
from gateway.usage.source import journal_of

log = logging.getLogger(__name__)

_ENVIRONMENTS = "SELECT DISTINCT environment FROM usage_units UNION SELECT DISTINCT environment FROM usage_beside"


def resting(folder: Path, registry: Registry, environment: str, now: datetime) -> Resting | None:
    """At business time ``now``, for every environment that the gateway's ``folder`` ever counted in.

    None when it cannot be known: then nothing may leave.
    """
    try:
        with journal_of(folder) as journal:
            environments = {environment, *(name for (name,) in journal.execute(_ENVIRONMENTS))}
            held = {name: since for name in environments if (since := _held(journal, registry, name, now)) is not None}
            return Resting(held, _ends(journal))
    except (RegistryError, JournalError, apsw.Error) as error:
        log.warning("retention_of_entries_put_off", extra={"error": type(error).__name__})
        return None


def _held(journal: Connection, registry: Registry, environment: str, now: datetime) -> str | None:
    """A day before the first window that is not closed: whatever the zone, it began after that."""
    asked = Asked(environment, now, digests=False)
    starts = [rows[0].window.start for one in registry.grappes.values() for rows in unclosed(journal, one, asked)]
    return text_of(datetime.combine(min(starts), time(), UTC) - timedelta(days=1)) if starts else None


def _ends(journal: Connection) -> list[tuple[int, int, int]]:
    """Where each closed version reads how far time had gone (``vector.last_event``)."""
    found = {end for vector in vectors_closed(journal) for end in vector}
    return [(log_id, max(0, size - LAST_KEPT), size) for log_id, size in sorted(found)]
