"""The journal as usage reads it: a read-only connection, beside the gateway or without it."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from gateway.journal.database import open_for_reading
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalMissing


@contextmanager
def journal_of(folder: Path) -> Iterator[apsw.Connection]:
    """``folder`` is the gateway's. Raises JournalMissing, or JournalError when the file is not a journal of this version."""
    if not (folder / FILE_NAME).exists():
        raise JournalMissing(f"no journal in {folder}")
    connection = open_for_reading(folder / FILE_NAME)
    try:
        yield connection
    finally:
        connection.close()
