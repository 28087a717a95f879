"""What passed, event by event, for the tables that are no rate: TBB (programme-indicateurs §9) and the COPROJ pack (§8).

An event is a feed of the DMP or an MSSanté message of one ESSMS: accepted when the measures count it, failed when they count
its failure. What is in doubt is neither.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from gateway.grappes.finess import zone_of
from gateway.journal.canonical import moment_of
from gateway.journal.connection import Connection
from gateway.usage.breakdown import ABSENT
from gateway.usage.counting import FAILURES, Counting, Slot
from gateway.usage.indicators import SOCLE
from gateway.usage.periods import Window

DMP, PRO, CITIZEN = "dmp", "mss_pro", "mss_citoyenne"
CHANNELS = (DMP, PRO, CITIZEN)


@dataclass(frozen=True, slots=True)
class Flow:
    """One event. ``day`` is local to the ESSMS; ``code`` is what the service or the gateway gave for a failure."""

    finess_et: str
    day: date
    channel: str
    document_type: str
    ins_status: str
    accepted: bool
    code: str | None
    documents: int
    person_ref: str | None
    professional_ref: str | None
    message_ref: str | None
    tenant: str


def flows(journal: Connection, counting: Counting, finess_et: str, start: date, end: date) -> Iterator[Flow]:
    """Every event of an ESSMS between two local days, the second one excluded. Raises EntryLeft."""
    for indicator in SOCLE:
        slot = Slot(indicator, finess_et, Window("mensuelle", start, end))
        for row in counting.rows(slot):
            yield _flow(journal, finess_et, counting.entry(row.place), accepted=True)
        failed = [place for place, what, _ in counting.beside_rows(slot) if what in FAILURES]
        failed += [doubt.place for doubt in counting.doubts(slot) if doubt.settled == "failed"]
        for place in failed:
            yield _flow(journal, finess_et, counting.entry(place), accepted=False)


def _flow(journal: Connection, finess_et: str, entry: dict[str, Any], *, accepted: bool) -> Flow:
    call = _settled(journal, entry)
    channel = DMP if call["service"] == "DMP" else call["channel"] or PRO
    return Flow(
        finess_et, moment_of(entry["event_time"]).astimezone(zone_of(finess_et)).date(), channel,
        call["document_type"] or ABSENT, call["ins_status"] or ABSENT, accepted,
        None if accepted else " ".join(filter(None, (call["service_code"], *call["flags"]))) or call["outcome"],
        len(call["document_refs"]), call["person_ref"], call["professional_ref"], call["message_ref"], call["tenant"],
    )  # fmt: skip


def _settled(journal: Connection, entry: dict[str, Any]) -> dict[str, Any]:
    """The call that a settlement is about: it says what was sent, the settlement only what became of it."""
    if entry["settles"] is None:
        return entry
    call: dict[str, Any] = orjson.loads(journal.execute("SELECT body FROM entries WHERE id = ?", (entry["settles"],)).get)
    return call
