"""Where the journal stands for whoever reads it: reading the same measures twice gives the same bytes, and the same tag.

An export, a refusal, a key leaves an entry, and each entry moves the vector. Those at the very end change no measure: left out.
"""
from __future__ import annotations

import orjson

from gateway.journal.connection import Connection
from gateway.journal.store import POS_BITS
from gateway.usage.parts import Vector
from gateway.usage.vector import current

ACTION = "export"  # of the admin entry of an export
#: Admin entries that no measure depends on.
_OF_NO_MEASURE = {ACTION, "access_denied", "contents_read", "key", "backup"}


def before_exports(journal: Connection) -> Vector:
    """The present vector, without the entries at the very end of each log that no measure depends on."""
    found = ((log, _end(journal, log, size)) for log, size in current(journal))
    return tuple((log, size) for log, size in found if size)


def _end(journal: Connection, log: int, size: int) -> int:
    sql = "SELECT kind, body FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos DESC"
    for kind, body in journal.execute(sql, (log << POS_BITS, (log << POS_BITS) + size)):
        if kind != "admin" or orjson.loads(body)["detail"].get("action") not in _OF_NO_MEASURE:
            break
        size -= 1
    return size
