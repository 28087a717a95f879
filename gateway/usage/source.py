"""The journal as usage reads it: a read-only connection, beside the gateway or without it."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.journal.connection import Connection
from gateway.journal.database import open_for_reading
from gateway.journal.location import FILE_NAME, present
from gateway.journal.query import JournalMissing


@contextmanager
def journal_of(folder: Path) -> Iterator[Connection]:
    """``folder`` is the gateway's. Raises JournalMissing, or JournalError when the file is not a journal of this version."""
    if not present(folder):
        raise JournalMissing(f"no journal in {folder}")
    connection = open_for_reading(folder / FILE_NAME)
    try:
        yield connection
    finally:
        connection.close()
