"""Where a journal stands: its business time and its environment, for whoever opens it next (design §7).

A restarted gateway and a command that acts without one must go on from there: the operator's shell knows neither. Both read
before the journal is opened, and so before one of an earlier version is brought up to date.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from connectors.wire.clock import SystemClock
from gateway.journal import database
from gateway.journal.connection import Connection
from gateway.journal.location import FILE_NAME, present
from gateway.journal.query import JournalMissing, JournalReader
from gateway.journal.record import JournalError
from gateway.journal.schema import version_of

CLOCK_ACTION = "clock"  # of the admin entries that say where business time stands


def clock_of(folder: Path) -> SystemClock:
    """Business time as the last jump in the journal of ``folder`` left it; real time when there was none.

    Raises JournalError for a file that is no journal, or of a later version.
    """
    jump = _last_jump(folder)
    if jump is None:
        return SystemClock()
    return SystemClock(timedelta(microseconds=jump["detail"]["offset_us"]), jump["clock_version"])


def environment_of(folder: Path) -> str | None:
    """The environment of the last entry; None for a journal without one. Lookups of another environment find nobody."""
    with _older(folder) as connection:
        last = None if connection is None else connection.execute("SELECT body FROM entries ORDER BY pos DESC LIMIT 1").get
    return None if last is None else str(orjson.loads(last)["environment"])


def _last_jump(folder: Path) -> dict[str, Any] | None:
    try:
        with JournalReader(folder) as reader:
            return reader.last_admin(CLOCK_ACTION)
    except JournalMissing:
        return None
    except JournalError:  # perhaps of an earlier version: without its index, entry by entry
        with _older(folder) as connection:
            return None if connection is None else next(_jumps(connection), None)


def _jumps(connection: Connection) -> Iterator[dict[str, Any]]:
    """From the last one back."""
    for (body,) in connection.execute("SELECT body FROM entries WHERE kind = 'admin' ORDER BY pos DESC"):
        entry = orjson.loads(body)
        if entry["detail"].get("action") == CLOCK_ACTION:
            yield entry


@contextmanager
def _older(folder: Path) -> Iterator[Connection | None]:
    """A reader of what has been in every version; None when there is no entry to read."""
    if not present(folder):
        yield None
        return
    connection = database.open_for_reading(folder / FILE_NAME, older=True)
    try:
        yield connection if version_of(connection) else None
    finally:
        connection.close()
