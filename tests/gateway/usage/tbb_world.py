"""The conformance scenario of the TBB requirements: ten documents a month over two years, by three channels, and a failure each.

240 documents by three channels make 720 successes (programme-indicateurs-2 C11).
"""
from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from pathlib import Path

from connectors.wire.clock import SystemClock
from gateway.journal.journal import Journal
from gateway.journal.record import Named, Outcome, Record
from tests.gateway.usage.world import CARMES, fed, sent

PER_MONTH = 10
FIRST_YEAR = 2026
LAST_MONTH = date(FIRST_YEAR + 1, 12, 1)
RPPS = Named("professional", "899700218896")


def tbb_records() -> list[Record]:
    """The successes month by month, then the three failures, in the last month."""
    months = [(FIRST_YEAR + n // 12, n % 12 + 1) for n in range(24)]
    records = [one for year, month in months for n in range(PER_MONTH) for one in _three(f"{year}-{month:02d}", n, "ok")]
    return [*records, *_three(f"{LAST_MONTH:%Y-%m}", PER_MONTH, "refused")]


def write_tbb(folder: Path) -> None:
    """A journal in ``folder`` that holds them, written together: commits are grouped, so that it takes no time."""

    async def write() -> None:
        journal = Journal.open(folder, environment="bac_a_sable", clock=SystemClock())
        try:
            await asyncio.gather(*(journal.write(record) for record in tbb_records()))
        finally:
            await journal.close()

    asyncio.run(write())


def _three(month: str, n: int, outcome: Outcome) -> list[Record]:
    at = f"{month}-{n + 1:02d}T09:00"
    kind = "11490-0" if n % 2 else "57830-2"
    feed = replace(
        fed(f"{month}-{n}", at, CARMES, outcome), document_type=kind, ins_status="qualifiee", professional=RPPS,
        documents=[Named("document", f"{month}.{n}")], service_code=None if outcome == "ok" else "DMPPatientIDNotFound",
    )  # fmt: skip
    messages = [
        replace(
            sent(f"<{month}-{n}-{channel}@dui>", at, CARMES, outcome), channel=channel, professional=RPPS,
            service_code=None if outcome == "ok" else "550 5.1.1",
        )
        for channel in ("mss_pro", "mss_citoyenne")
    ]  # fmt: skip
    return [feed, *messages]
