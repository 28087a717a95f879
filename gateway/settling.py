"""What a named person decides of an entry in doubt (design §5.3): one settlement, never a second one."""
from __future__ import annotations

from typing import Any, Literal

from connectors.wire.clock import Clock
from gateway.journal.journal import Journal
from gateway.journal.record import Named, Record

Decision = Literal["succeeded", "failed", "undecidable"]


async def decide(journal: Journal, clock: Clock, entry: str, outcome: Decision, *, by: str, reason: str) -> dict[str, Any]:
    """Write the decision; name and reason go by ref, as whatever a person types. Returns ``{"settlement", "settles", …}``.

    Raises NotInDoubt for an entry that is unknown, was never in doubt, or has been settled; JournalFull, JournalStopped.
    """
    decision = Record(
        None, kind="settlement", settles=entry, outcome=outcome, time_basis="estimated", clock_version=clock.version,
        detail={"how": "person", "by": Named("label", by), "reason": Named("label", reason)},
    )  # fmt: skip
    [written] = await journal.write(decision)
    return {"settlement": written.id, "settles": entry, "outcome": outcome}
