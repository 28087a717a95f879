"""Letting entries go (design §5, « Stores »; decision 0040): stretch by stretch, each one transaction with the act that says it.

An entry leaves when its delay is over, no measure rests on it any more, a signed checkpoint covers it, and the tables of usage
say of it exactly what it says. Its leaf stays: the root of its log is computed before and after, and both are the one that was
signed. A process that dies in between leaves whole acts only; the next one goes on from there.
"""
from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from gateway.journal import departed
from gateway.journal.apart import in_thread
from gateway.journal.connection import Connection
from gateway.journal.erasure import forget_beside
from gateway.journal.journal import Journal
from gateway.journal.proof import snapshot
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.leaves import HoleInLog, hashes, size_of
from gateway.journal.proof.merkle import Frontier, leaf_hash, subtrees
from gateway.journal.proof.notes import encode
from gateway.journal.proof.register import Head, RegisterError
from gateway.journal.proof.removals import OPERATION, STRETCH, Removal, ranges_of
from gateway.journal.store import POS_BITS, Store
from gateway.journal.units import ONCE, Beside, Unit, beside_of, units_of

log = logging.getLogger(__name__)

#: The end of a log, whatever its age: how far time went is read there.
LAST_KEPT = 100
_TOGETHER = 256  # entries of one act: calls wait for its transaction
_PAUSE_S = 0.005  # the writer's turn


@dataclass(frozen=True, slots=True)
class Resting:
    """What measures still need to open.

    held  by environment, the event time from which entries stay: a window that it falls in is not closed
    ends  stretches of places [first, end) of a log, that what is closed reads again
    """

    held: Mapping[str, str] = field(default_factory=dict)
    ends: Sequence[tuple[int, int, int]] = ()

    def needs(self, entry: dict[str, Any]) -> bool:
        since = self.held.get(entry["environment"])
        if since is not None and entry["event_time"] >= since:
            return True
        return any(entry["log"] == log and first <= entry["seq"] < end for log, first, end in self.ends)


@dataclass(frozen=True, slots=True)
class Delays:
    """A tenant's entries recorded before ``cutoff_of`` it are past their delay; ``latest``: nobody's are, from then on."""

    cutoff_of: Callable[[str], str]
    latest: str


class Gone(NamedTuple):
    """``entries`` left; so many ``waiting`` are past their delay and a measure rests on them, or a table contradicts them."""

    entries: int
    waiting: int


class _Altered(Exception):
    """The journal, or its kept hashes, are not those that were signed; or a table changed under the act."""


@dataclass(slots=True)
class _Stretch:
    """What may leave of one stretch, by seq: canonical JSON, and the same read; ``waiting`` must stay for now."""

    first: int
    bodies: dict[int, bytes] = field(default_factory=dict)
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)
    waiting: int = 0

    def add(self, db: Connection, seq: int, body: bytes, resting: Resting) -> None:
        entry = orjson.loads(body)
        if resting.needs(entry) or _standing(db, entry) is None:
            self.waiting += 1
        else:
            self.bodies[seq], self.entries[seq] = body, entry


async def let_go(journal: Journal, connection: Connection, delays: Delays, resting: Resting, *, by: str) -> Gone:
    """Let go of every entry that may leave; ``connection`` reads beside the writer.

    Nothing leaves without a checkpoint, nor a log whose entries are not those that were signed: that is told in the log, and the
    other logs go on. Raises JournalError, apsw.Error.
    """
    try:
        last = snapshot.latest(journal.folder)
    except RegisterError:
        log.error("retention_without_registry")
        return Gone(0, 0)
    gone = waiting = 0
    for head in () if last is None else last.vector:
        try:
            left, kept = await _of_log(journal, connection, head, delays, resting, by)
        except (_Altered, HoleInLog) as error:
            log.error("retention_refused", extra={"log": head.log, "error": str(error)})
            continue
        gone, waiting = gone + left, waiting + kept
    return Gone(gone, waiting)


async def _of_log(
    journal: Journal, connection: Connection, head: Head, delays: Delays, resting: Resting, by: str
) -> Gone:
    tree = Hashes(journal.folder, head.log)
    gone = waiting = 0
    due = _due(connection, head, delays, resting)
    try:
        while (stretch := await in_thread(next, due, None)) is not None:
            waiting += stretch.waiting
            if stretch.bodies:
                gone += await _act(journal, connection, head, tree, stretch, by)
                await asyncio.sleep(_PAUSE_S)
    finally:
        tree.close()
    return Gone(gone, waiting)


# --- what may leave ---------------------------------------------------------------------------------------------------------


def _due(connection: Connection, head: Head, delays: Delays, resting: Resting) -> Iterator[_Stretch]:
    """Every stretch with something past its delay, the oldest first: entries are in the order of their recording."""
    base, first = head.log << POS_BITS, 0
    end = base + max(0, min(head.size, size_of(connection, head.log) - LAST_KEPT))
    while (row := connection.execute(_NEXT, (base + first, end)).fetchone()) is not None and row[1] < delays.latest:
        first = (row[0] - base) // STRETCH * STRETCH
        found = _Stretch(first)
        rows: list[Any] = connection.execute(_LEAVES, (base + first, min(base + first + STRETCH, end))).fetchall()
        for pos, tenant, recorded_at, body in rows:
            if recorded_at < delays.cutoff_of(tenant):
                found.add(connection, pos - base, body, resting)
            if len(found.bodies) == _TOGETHER:
                yield found
                found = _Stretch(first)
        yield found
        first += STRETCH


def _standing(db: Connection, entry: dict[str, Any]) -> list[Unit | Beside] | None:
    """The rows of usage that stand in the tables for this entry; None when they are not what it says, and it stays.

    A message sent again has none when the same log counts it from an earlier entry: whatever vector knows it knows that one.
    """
    units = units_of(entry)
    beside = beside_of(entry, units)
    found: list[Unit | Beside] = [unit for unit in units if db.execute(_UNIT, unit).get is not None]
    again = [unit for unit in units if unit not in found and db.execute(_BEFORE, _key_of(unit)).get is not None]
    if len(found) + len(again) != len(units) or (again and not all(unit.indicator in ONCE for unit in again)):
        return None
    if beside is not None:
        found.append(beside)
    return found if beside is None or db.execute(_BESIDE, beside).get is not None else None


def _key_of(unit: Unit) -> tuple[str, str, str, int, int]:
    return unit.environment, unit.indicator, unit.unit_ref, unit.log, unit.seq


def rows_digest(rows: Sequence[tuple[Any, ...]]) -> str:
    """Hex digest of rows of usage, whatever their order: units have seven columns, as calls beside have."""
    return hashlib.sha256(b"\n".join(sorted(orjson.dumps(tuple(row)) for row in rows))).hexdigest()


# --- the act ------------------------------------------------------------------------------------------------------------------


async def _act(journal: Journal, connection: Connection, head: Head, tree: Hashes, stretch: _Stretch, by: str) -> int:
    before = await in_thread(_root, connection, head, tree, stretch.first)
    if before != head.root:
        raise _Altered(f"the root of the first {head.size} entries is not the one that was signed")
    record = replace(journal.admin({}), operation=OPERATION)

    def work(store: Store) -> dict[str, Any]:
        db = store.connection()
        removal = _remove(db, head, record.id, stretch)
        after = _root(db, head, tree, stretch.first)
        if after != before:
            raise _Altered("the leaves that would stay are not those of the log")
        return replace(removal, roots=(before, after)).detail(by)

    done = await journal.act(record, work)
    return int(done["number"])


def _remove(db: Connection, head: Head, act: str, stretch: _Stretch) -> Removal:
    rows: list[Unit | Beside] = []
    for entry in stretch.entries.values():
        standing = _standing(db, entry)
        if standing is None:
            raise _Altered("a row of usage changed meanwhile")
        rows += standing
    times = [entry["event_time"] for entry in stretch.entries.values()]
    events, base = (min(times), max(times)), head.log << POS_BITS
    departed.put(db, head.log, act, {seq: leaf_hash(body) for seq, body in stretch.bodies.items()}, events)
    forget_beside(db, [base + seq for seq in stretch.bodies])
    ranges = ranges_of(sorted(stretch.bodies))
    for first, last in ranges:
        db.execute("DELETE FROM entries WHERE pos >= ? AND pos <= ?", (base + first, base + last))
        if db.changes() != last - first + 1:
            raise _Altered("an entry left meanwhile")
    return Removal(act, "", head.log, ranges, events, head.size, ("", ""), len(rows), rows_digest(rows))


def _root(db: Connection, head: Head, tree: Hashes, first: int) -> str:
    """The root of a log as it was signed, with the leaves of one stretch as the journal gives them, the others as kept beside."""
    end = min(first + STRETCH, head.size)
    try:
        frontier = Frontier.at(first, tree.node)
        for leaf in hashes(db, head.log, first, end - first):
            frontier.add(leaf)
        for level, index in subtrees(end, head.size):
            frontier.add(tree.node(level, index), level)
    except ValueError as error:
        raise _Altered(f"the kept hashes are incomplete: {error}") from error
    return encode(frontier.root())


_NEXT = "SELECT pos, recorded_at FROM entries WHERE pos >= ? AND pos < ? ORDER BY pos LIMIT 1"
#: The trigger of migration 0008 says the same of what may leave.
_LEAVES = """
SELECT pos, tenant, recorded_at, body FROM entries
WHERE pos >= ? AND pos < ? AND kind = 'call' AND outcome <> 'in_doubt' AND coalesce(operation, '') <> 'DUI.EXTRACTION'
ORDER BY pos
"""
_UNIT = """
SELECT 1 FROM usage_units
WHERE environment = ? AND indicator = ? AND finess_et = ? AND unit_ref = ? AND event_time = ? AND log = ? AND seq = ?
"""
_BEFORE = """
SELECT 1 FROM usage_units WHERE environment = ? AND indicator = ? AND unit_ref = ? AND log = ? AND seq < ? LIMIT 1
"""
_BESIDE = """
SELECT 1 FROM usage_beside
WHERE environment = ? AND indicator = ? AND finess_et = ? AND event_time = ? AND log = ? AND seq = ? AND what = ?
"""
