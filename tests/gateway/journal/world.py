"""The smallest world in which a journal lives."""
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from connectors.wire.clock import SystemClock
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import Body, Count, Exchange, Named, Outcome, Record

BORN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SENDER = "cadre@ehpad.mssante.test"


class HandClock:
    """Time that moves when told."""

    version = 0

    def __init__(self) -> None:
        self.now = BORN

    def real(self) -> datetime:
        return self.now

    def business(self) -> datetime:
        return self.now


def open_journal(folder: Path, journal_class: type[Journal] = Journal, **changes: Any) -> Journal:
    settings: dict[str, Any] = {"environment": "bac_a_sable", "clock": SystemClock(), "ballast_bytes": 1 << 18}
    return journal_class.open(folder, **(settings | changes))


def feed(outcome: Outcome | None = None, *, person: Named | None = None, bodies: list[Body] | None = None) -> Record:
    """A DMP feed of one document, worth one unit to 130784507."""
    record = Record("DMP.TD2.1", outcome=outcome, event_time=BORN, finess_et="130784507", tenant="editeur-a")
    record.person, record.bodies = person, bodies or []
    record.exchanges.append(Exchange("Success", 1200))
    record.counts_for.append(Count("IND-DMP-01", person or Named("document", record.id)))
    return record


def message(outcome: Outcome, message_id: str) -> Record:
    record = Record("MSS.SOUMISSION", outcome=outcome, event_time=BORN, finess_et="130784507", channel="mss_pro")
    record.message = Named("message", f"{SENDER}\n{message_id}")
    record.counts_for.append(Count("IND-MSS-01", record.message))
    return record


def rows(folder: Path, statement: str) -> list[Any]:
    connection = apsw.Connection(str(folder / FILE_NAME))
    try:
        return list(connection.execute(statement))
    finally:
        connection.close()
