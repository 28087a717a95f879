"""A window of a journal on disk, as rules read it: beside the gateway, in constant memory, as often as they want."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import orjson

from gateway.conformance.live import digest_of
from gateway.conformance.model import Call
from gateway.grappes.registry import Registry
from gateway.journal.connection import Connection
from gateway.journal.filters import ALWAYS, Period
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.register import RegisterError
from gateway.journal.proof.snapshot import latest
from gateway.journal.record import JournalError
from gateway.journal.vault import Vault
from gateway.usage.recount import recount
from gateway.usage.source import journal_of

_CHUNK = 500
#: No index of operations serves the test of them: the rows come in the order of pos.
_CALLS = """
SELECT entries.pos, entries.body, facts.body FROM entries LEFT JOIN facts ON facts.pos = entries.pos
WHERE entries.pos > ? AND entries.pos <= ? AND entries.kind = 'call'
AND (CAST(? AS text) IS NULL OR coalesce(operation, '') IN (SELECT value FROM json_each(?))) ORDER BY entries.pos LIMIT ?
"""
_ENTRIES = "SELECT pos, body, NULL FROM entries WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?"


@dataclass
class JournalWindow:
    """What was recorded after the window was opened is not in it. ``event`` is business time."""

    folder: Path
    environment: str
    event: Period = ALWAYS
    tenant: str | None = None
    declared: Mapping[str, Any] | None = None
    project: frozenset[str] = frozenset()
    _db: Connection = field(init=False, repr=False)
    _end: int = field(init=False, default=-1)

    @classmethod
    @contextmanager
    def open(
        cls, folder: Path, environment: str, *, event: Period = ALWAYS, tenant: str | None = None,
        declared: Mapping[str, Any] | None = None, until: int | None = None,
    ) -> Iterator[Self]:  # fmt: skip
        """``folder`` is the gateway's; ``until`` the place of the last entry to read, all of them when None.

        Raises JournalMissing, JournalError, RegistryError.
        """
        grappes = Registry.load(folder / "grappes").grappes.values()
        project = frozenset(one.finess_et for grappe in grappes for one in grappe.essms)
        with journal_of(folder) as connection:
            window = cls(folder, environment, event, tenant, declared, project)
            window._db = connection
            last = connection.execute("SELECT max(pos) FROM entries").get or -1
            window._end = last if until is None else min(last, until)
            yield window

    def calls(self, *operations: str) -> Iterator[Call]:
        names = orjson.dumps(operations).decode() if operations else None
        for call in self._rows(_CALLS, names, names):
            entry = call.entry
            if entry["environment"] != self.environment or (self.tenant is not None and entry["tenant"] != self.tenant):
                continue
            if entry["event_time"] in self.event:
                yield call

    def entries(self) -> Iterator[Call]:
        """Of every kind, environment, tenant and time: a sequence is without holes only when it is read whole."""
        return self._rows(_ENTRIES)

    def proof_faults(self) -> list[str] | None:
        """Every entry of the journal, hashed again, against every checkpoint of its registry."""
        try:
            if latest(self.folder) is None:
                return None
        except RegisterError:
            return ["registre abîmé (registry/)"]
        return [fault.says for fault in verify_local(self.folder).faults]

    def settled(self, entry_id: str) -> str | None:
        return self._settlements.get(entry_id)

    def recount_gaps(self) -> int | None:
        return recount(self.folder, limit=1).gap_count

    @cached_property
    def key(self) -> Callable[[str, str], str] | None:
        try:
            return digest_of(Vault.open(self.folder / "keys", self.environment, create=False))
        except (JournalError, OSError):
            return None

    @cached_property
    def _settlements(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT settles, outcome FROM entries WHERE settles IS NOT NULL AND pos <= ?", (self._end,)))

    def _rows(self, statement: str, *bound: str | None) -> Iterator[Call]:
        last = -1
        while True:
            rows = list(self._db.execute(statement, (last, self._end, *bound, _CHUNK)))
            for _, body, facts in rows:
                yield Call(orjson.loads(body), None if facts is None else orjson.loads(facts))
            if len(rows) < _CHUNK:
                return
            last = rows[-1][0]
