"""Closing a window (design §6, decision 0032): once nothing in it is in doubt, five days after its end at the latest.

A closing is an admin entry that holds the vector, the registry's version, every integer and the digest of the detail. A window
whose numbers changed since is closed again, as the next version with its causes. Closing twice writes nothing more.
"""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import apsw
import orjson

from connectors.wire.clock import Clock
from gateway.grappes.finess import zone_of
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version
from gateway.journal.canonical import moment_of
from gateway.journal.connection import Connection
from gateway.journal.journal import Journal
from gateway.journal.proof import snapshot
from gateway.journal.proof.register import RegisterError
from gateway.journal.record import JournalError
from gateway.journal.store import Store
from gateway.usage import vector as vectors
from gateway.usage.closings import CLOSINGS, OPERATION, detail_of, recorded
from gateway.usage.measure import Measure
from gateway.usage.parts import Vector
from gateway.usage.periods import Window, add_months
from gateway.usage.rates import Asked, NotReproduced, Versions, answer, start_of, unclosed
from gateway.usage.source import journal_of
from gateway.usage.table import GRACE

log = logging.getLogger(__name__)

_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class Due:
    """The measures of one grappe and window that can be closed now, and where the series of windows starts."""

    measures: list[Measure]
    series_start: date


class AlreadyClosed(Exception):
    """Somebody else closed this version in between."""


@dataclass(frozen=True, slots=True)
class Closer:
    """Closes what is due in one gateway's folder."""

    folder: Path
    registry: Registry
    environment: str

    async def close(self, journal: Journal, now: datetime, *, by: str, grappe: str | None = None) -> list[dict[str, Any]]:
        """Write an entry for each version that is due; what was closed. Raises JournalError, RegistryError, NotReproduced."""
        found = await asyncio.to_thread(self.due, now, grappe)
        done = []
        for one in found:
            detail = detail_of(one.measures, one.series_start) | {"by": by}
            record = replace(journal.admin(detail), operation=OPERATION, event_time=now)
            try:
                await journal.act(record, lambda store, detail=detail: _alone(store, self.environment, detail))  # type: ignore[misc]
            except AlreadyClosed:
                continue
            done.append({name: detail[name] for name in ("grappe", "window", "version", "vector", "registry_version", "causes")})
        return done

    def due(self, now: datetime, grappe: str | None = None) -> list[Due]:
        """What could be closed at this business time."""
        with journal_of(self.folder) as journal:
            chosen = [grappe] if grappe is not None else list(self.registry.grappes)
            return [due for name in chosen for due in self._of(journal, name, now)]

    def _of(self, journal: Connection, grappe: str, now: datetime) -> list[Due]:
        quick, registered = Asked(self.environment, now, digests=False), self.registry.grappe(grappe)
        start = start_of(journal, registered, quick)
        ready = [rows[0].window for rows in unclosed(journal, registered, quick) if self._ready(journal, rows, now)]
        return [Due(self._evidence(journal, grappe, window, now), start) for window in ready]

    def _ready(self, journal: Connection, rows: Sequence[Measure], now: datetime) -> bool:
        if any(row.state != "en_cloture" for row in rows):
            return False
        end = max(rows[0].window.bounds(zone_of(row.finess_et or ""))[1] for row in rows)
        return now >= end + GRACE or not (any(row.in_doubt for row in rows) or _under_way(journal, end))

    def _evidence(self, journal: Connection, grappe: str, window: Window, now: datetime) -> list[Measure]:
        """The measures with their digests: of the last signed snapshot when it already gives the same numbers, else of now."""
        asked = Asked(self.environment, now, month=add_months(window.end, -1))
        present = self._window(journal, grappe, window, asked)
        signed = self._signed(journal)
        if signed is None:
            return present
        then = self._window(journal, grappe, window, replace(asked, vector=signed[0], snapshot_root=signed[1]))
        alike = [recorded(row) for row in then] == [recorded(row) for row in present]
        return then if alike and then[0].version == present[0].version else present

    def _window(self, journal: Connection, grappe: str, window: Window, asked: Asked) -> list[Measure]:
        return [row for row in answer(journal, self.registry, asked, grappe, self.versions) if row.window == window]

    def _signed(self, journal: Connection) -> tuple[Vector, str] | None:
        """Vector and root of the last snapshot, if there is one."""
        try:
            last = snapshot.latest(self.folder)
        except RegisterError:
            return None
        sizes = dict(vectors.current(journal))
        if last is None:
            return None
        return tuple((head.log, head.size) for head in last.vector if 0 < head.size <= sizes.get(head.log, 0)), last.root

    @property
    def versions(self) -> Versions:
        return lambda name, number: load_version(self.folder / "grappes", name, number)


async def close_along(closer: Closer, journal: Journal, clock: Clock, every_s: float = _EVERY_S) -> None:
    """Close what is due, again and again, until cancelled. What cannot be done now is told, and tried again later."""
    while True:
        await asyncio.sleep(every_s)
        try:
            done = await closer.close(journal, clock.business(), by="passerelle")
        except (JournalError, RegistryError, NotReproduced, apsw.Error, OSError) as error:
            log.warning("usage_not_closed", extra={"error": type(error).__name__})
        else:
            if done:
                log.info("usage_closed", extra={"windows": len(done)})


def _under_way(journal: Connection, end: datetime) -> bool:
    """Whether a call that began before the window's end still waits for its answer."""
    drafts = journal.execute("SELECT draft FROM intents")
    return any(moment_of(orjson.loads(draft)["event_time"]) < end for (draft,) in drafts)


def _alone(store: Store, environment: str, detail: dict[str, Any]) -> dict[str, Any]:
    """Inside the committing transaction: nothing to add, unless the same version is there already. Raises AlreadyClosed."""
    for entry in (orjson.loads(body) for _, body in store.connection().execute(CLOSINGS)):
        names = ("grappe", "window", "version")
        if entry["environment"] == environment and all(entry["detail"][name] == detail[name] for name in names):
            raise AlreadyClosed
    return {}
