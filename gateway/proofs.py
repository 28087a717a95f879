"""What an answer proves of calls in doubt, its own or earlier ones: settlements to write (design §5.3)."""
from __future__ import annotations

import logging

from gateway.journal.journal import Journal
from gateway.journal.record import Intent, JournalStopped, Record
from gateway.operations import OPERATIONS

log = logging.getLogger(__name__)


async def proved(journal: Journal, record: Record, intent: Intent | None) -> list[Record]:
    """Settlements of the calls in doubt that this answer proves: same key, same person, same documents (§5.3)."""
    if intent is None or intent.key is None or not _proves_earlier(record):
        return []
    try:
        doubts = await journal.doubts(intent.key)
        found = [doubt for doubt in doubts if await journal.same_as(doubt, record.person, intent.commitment)]
    except JournalStopped:
        raise
    except Exception as error:  # no room, or a fault of ours: the worker asks later; this call must be closed now
        log.warning("proof_not_used", extra={"call_id": record.id, "error": type(error).__name__})
        return []
    detail = {"how": "duplicate", "by": "passerelle", "proof": record.id}
    return [
        Record(record.operation, kind="settlement", tenant=record.tenant, outcome="succeeded", settles=doubt.entry_id,
               clock_version=record.clock_version, detail=detail)
        for doubt in found
    ]  # fmt: skip


def late(record: Record, heard: Record) -> Record | None:
    """The settlement of ``record`` by an answer that came after its DUI was told; ``heard`` is what that answer made of it.

    None when it proves nothing. Dated when it was read; without an answer (nothing had left) it keeps the call's time.
    """
    if heard.outcome == "in_doubt":
        return None
    return Record(
        record.operation, kind="settlement", settles=record.id, outcome="succeeded" if heard.outcome == "ok" else "failed",
        tenant=record.tenant, service_code=heard.service_code, flags=heard.flags, fault=heard.fault,
        event_time=heard.event_time, clock_version=heard.clock_version, exchanges=heard.exchanges, bodies=heard.bodies,
        detail={"how": "late", "by": "passerelle"},
    )  # fmt: skip


def _proves_earlier(record: Record) -> bool:
    operation = OPERATIONS[str(record.operation)]
    return operation.proof_code is not None and record.service_code == operation.proof_code
