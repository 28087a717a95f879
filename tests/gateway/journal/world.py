"""The smallest world in which a journal lives."""
from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from connectors.wire.clock import SystemClock
from connectors.wire.serving import HttpService, Running
from gateway.journal.connection import is_sqlite
from gateway.journal.journal import Journal
from gateway.journal.record import Body, Count, Exchange, Named, Outcome, Record
from tests.stores import in_postgres, opened

BORN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADMIN_KEY = "une cle"
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


@asynccontextmanager
async def listening(data: Path, console: FastAPI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A console as a command finds that of the gateway on this folder: its port in run.json, its key in the manifest."""
    monkeypatch.setenv("SOCLE_PORTS", '{"console": 0}')
    running = await Running.start([HttpService("console", console)])
    (data / "sandbox").mkdir()
    (data / "sandbox" / "sandbox.json").write_bytes(orjson.dumps({"admin_key": ADMIN_KEY}))
    port = int(running.urls["console"].rpartition(":")[2])
    (data / "run.json").write_bytes(orjson.dumps({"pid": os.getpid(), "ports": {"console": port}}))
    yield
    await running.stop(1)


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
    connection = opened(folder)
    try:
        return list(connection.execute(statement if is_sqlite(connection) else in_postgres(statement)))
    finally:
        connection.close()
