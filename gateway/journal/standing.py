"""Where a journal stands: its business time and its environment, for whoever opens it next (design §7).

A restarted gateway and a command that acts without one must go on from there: the operator's shell knows neither.
"""
from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from connectors.wire.clock import SystemClock
from gateway.journal.query import JournalMissing, JournalReader

CLOCK_ACTION = "clock"  # of the admin entries that say where business time stands


def clock_of(folder: Path) -> SystemClock:
    """Business time as the last jump in the journal of ``folder`` left it; real time when there was none."""
    try:
        with JournalReader(folder) as reader:
            jump = reader.last_admin(CLOCK_ACTION)
    except JournalMissing:
        return SystemClock()
    if jump is None:
        return SystemClock()
    return SystemClock(timedelta(microseconds=jump["detail"]["offset_us"]), jump["clock_version"])


def environment_of(folder: Path) -> str | None:
    """The environment of the last entry; None for a journal without one. Lookups of another environment find nobody."""
    try:
        with JournalReader(folder) as reader:
            last = reader.entries(limit=1).entries
    except JournalMissing:
        return None
    return str(last[0]["environment"]) if last else None
