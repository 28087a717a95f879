"""Rows of usage whose entries left: nothing makes them again, so they are compared with the digest that the act took of them.

The act is an entry, under the tree: whoever changes such a row later contradicts it (decision 0040).
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import orjson

from gateway.journal.connection import Connection
from gateway.journal.proof.leaving import rows_digest
from gateway.journal.proof.removals import Removal

_ACTS = "SELECT body FROM entries WHERE operation = 'JOURNAL.RETENTION' ORDER BY pos"
#: Both tables have seven columns, then the act.
_FROZEN = "SELECT * FROM stored WHERE act IS NOT NULL UNION ALL SELECT * FROM stored_beside WHERE act IS NOT NULL ORDER BY 8"


@dataclass(frozen=True, slots=True)
class Altered:
    """An act whose rows, ``expected`` when it let their entries go, are not these ``found`` ones, or not the same."""

    act: str
    at: str
    log: int
    first: int
    last: int
    expected: int
    found: int

    def item(self) -> dict[str, Any]:
        return asdict(self)


def acts(journal: Connection) -> dict[str, Removal]:
    """Every act of retention, by the id of its entry."""
    told = (Removal.of(orjson.loads(body)) for (body,) in journal.execute(_ACTS))
    return {one.act: one for one in told if one is not None}


def act_of(known: Mapping[str, Removal], act: str | None, log: int, seq: int) -> str | None:
    """The act that the kept leaf of this place names, when that act is an entry and says this place; None otherwise."""
    one = None if act is None else known.get(act)
    if one is None or one.log != log or not any(first <= seq <= last for first, last in one.ranges):
        return None
    return act


def altered(scratch: Connection, known: Mapping[str, Removal]) -> list[Altered]:
    """The acts whose rows changed since; in constant memory but for the acts."""
    found = dict(_digests(scratch))
    empty = 0, rows_digest([])
    return [
        Altered(one.act, one.at, one.log, one.ranges[0][0], one.ranges[-1][1], one.rows, found.get(one.act, empty)[0])
        for one in known.values()
        if found.get(one.act, empty) != (one.rows, one.rows_sha256)
    ]


def _digests(scratch: Connection) -> Iterator[tuple[str, tuple[int, str]]]:
    for act, group in groupby(scratch.execute(_FROZEN), key=lambda row: row[7]):
        rows = [row[:7] for row in group]
        yield act, (len(rows), rows_digest(rows))
