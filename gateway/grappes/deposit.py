"""An extraction on its way into the journal: what its entry says, whoever brought the file."""
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from connectors.wire.clock import Clock
from gateway.grappes.extraction import (
    OPERATION,
    Extraction,
    detail_of,
    digest_of,
    outdated,
    read_extraction,
    remarks,
    same_as,
)
from gateway.grappes.registrar import today_of
from gateway.grappes.registry import Registry
from gateway.journal.database import open_for_reading
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import Record

OPERATOR = "passerelle"  # tenant of the files that come by the command line


def fill(record: Record, journal: Journal, extractions: Sequence[Extraction], environment: str) -> dict[str, Any]:
    """Fill the entry of an accepted file, which says as much however often it is sent; what its sender is told."""
    record.outcome, record.attribution = "ok", "appel"
    numbers = {one.finess_et for one in extractions}
    if len(numbers) == 1:
        [record.finess_et] = numbers
    digest = digest_of(extractions)
    first, told = _already(journal, environment, record.tenant, digest, extractions)
    if first is not None:
        record.replays, record.detail = first, {"digest": digest}
        return {"statut": "deja_recue", "premiere": first, "remarques": told}
    record.detail = detail_of(extractions)
    return {"statut": "recue", "lignes": len(extractions), "remarques": remarks(extractions)}


async def deposit(
    journal: Journal, environment: str, clock: Clock, registry: Registry, content: bytes, *, by: str
) -> dict[str, Any]:
    """A file that the operator of the gateway brings, for any ESSMS of the registry. Raises TableRefused, JournalFull."""
    extractions = read_extraction(content, registry, today_of(clock))
    record = Record(OPERATION, tenant=OPERATOR, event_time=clock.business(), clock_version=clock.version)
    told = await asyncio.to_thread(fill, record, journal, extractions, environment)
    record.detail = {**(record.detail or {}), "by": by}
    [entry] = await journal.write(record)
    return told | {"entree": entry.id}


def _already(
    journal: Journal, environment: str, tenant: str, digest: str, extractions: Sequence[Extraction]
) -> tuple[str | None, list[str]]:
    """The entry that holds this file already, if there is one, and what of it does not count any more."""
    connection = open_for_reading(journal.folder / FILE_NAME)
    try:
        first = same_as(connection, environment, tenant, digest)
        return first, [] if first is None else outdated(connection, environment, extractions)
    finally:
        connection.close()
