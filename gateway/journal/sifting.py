"""From place to place through the journal: what the search index says may match is fetched in groups, and looked at.

A server answers one question in the time of many: a page asks it once or twice, not once an entry.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.journal.connection import Connection
from gateway.journal.filters import Filters
from gateway.journal.rows import LOOKED_UP, in_groups
from gateway.journal.search import Seek, agreed

NEAREST = {
    True: "SELECT pos, body FROM entries WHERE pos <= ? ORDER BY pos DESC LIMIT 1",
    False: "SELECT pos, body FROM entries WHERE pos >= ? ORDER BY pos LIMIT 1",
}
RUN = {
    True: "SELECT pos, body FROM entries WHERE pos <= ? ORDER BY pos DESC LIMIT ?",
    False: "SELECT pos, body FROM entries WHERE pos >= ? ORDER BY pos LIMIT ?",
}
#: By how many places are asked.
THERE = {size: f"SELECT pos, body FROM entries WHERE pos IN ({','.join('?' * size)})" for size in LOOKED_UP}  # noqa: S608
_AT_ONCE = LOOKED_UP[-1]

Row = tuple[int, bytes, dict[str, Any]]


@dataclass(slots=True)
class Found:
    """Entries met on the way, and where a search that stopped goes on; None when it came to the end."""

    rows: list[Row]
    resume: int | None


def sift(
    db: Connection, filters: Filters, seeks: Sequence[Seek], start: int, *, down: bool, limit: int, effort: int | None
) -> Found:
    """The entries from ``start`` on that really are what is asked, by the seeks if there are any.

    effort  stops after about so many look-ups; None: when ``limit`` entries are found, or at the end
    """
    if not seeks:
        return _stroll(db, filters, start, down=down, limit=limit, effort=effort)
    rows: list[Row] = []
    step, place, spent, refused = -1 if down else 1, start, 0, 0
    while len(rows) < limit and (effort is None or spent <= effort):
        # Who meets many that are not what is asked looks at more of them at once.
        most = min(_AT_ONCE, max(limit - len(rows), refused))
        places, asked = _places(seeks, place, step, most, None if effort is None else effort - spent)
        if not places:
            return Found(rows, None)
        spent += asked + len(places)
        there = _there(db, places)
        for candidate in places:
            if len(rows) == limit or (candidate - place) * step < 0:
                continue
            if candidate not in there:  # past the end of a log, or it left: on from the entry that is there
                nearest = db.execute(NEAREST[down], (candidate,)).fetchone()
                if nearest is None:
                    return Found(rows, None)
                place = nearest[0]
                continue
            entry = orjson.loads(there[candidate])
            if filters.admit(entry):
                rows.append((candidate, there[candidate], entry))
            else:
                refused += 1
            place = candidate + step
    return Found(rows, place)


def _places(seeks: Sequence[Seek], start: int, step: int, most: int, effort: int | None) -> tuple[list[int], int]:
    """The next places that no seek passes over, one at least unless there are none; and how many seeks that took."""
    found: list[int] = []
    place, spent = start, 0
    while len(found) < most and (effort is None or not found or spent + len(found) <= effort):
        candidate, asked = agreed(seeks, place)
        spent += asked
        if candidate is None:
            break
        found.append(candidate)
        place = candidate + step
    return found, spent


def _there(db: Connection, places: Sequence[int]) -> dict[int, bytes]:
    """The entries at these places, of those that are there."""
    there: dict[int, bytes] = {}
    for group in in_groups(places):
        there.update(db.execute(THERE[len(group)], group).fetchall())
    return there


def _stroll(db: Connection, filters: Filters, start: int, *, down: bool, limit: int, effort: int | None) -> Found:
    """Entry after entry, for want of anything to seek by: as many at once as are still wanted, and looked at."""
    rows: list[Row] = []
    step, place, spent = -1 if down else 1, start, 0
    while len(rows) < limit and (effort is None or spent <= effort):
        asked = limit - len(rows) if effort is None else min(limit - len(rows), effort - spent + 1)
        run = db.execute(RUN[down], (place, asked)).fetchall()
        read = ((pos, body, orjson.loads(body)) for pos, body in run)
        rows += [row for row in read if filters.admit(row[2])]
        if len(run) < asked:
            return Found(rows, None)
        place, spent = run[-1][0] + step, spent + len(run)
    return Found(rows, place)
