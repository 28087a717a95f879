"""Lots of verifications that were deposited: whose they are, when, and what each INS got. No INS and no trait is kept.

Capped: a structure keeps its last ``KEPT_EACH`` lots, and all of them together the last ``KEPT``.
"""
from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import orjson

from mocks.sandbox.kept import read
from mocks.sandbox.papers import write

KEPT, KEPT_EACH = 200, 20


@dataclass(frozen=True, slots=True)
class Lot:
    """``owner``: who deposited it · ``at``: business time, ISO 8601 · ``results``: Id and whether the INS holds, as deposited."""

    id: str
    number: int
    owner: str = field(repr=False)
    at: str
    results: Sequence[tuple[str, bool]] = field(repr=False)

    def is_done(self, at: datetime, delay_s: float) -> bool:
        return (at - datetime.fromisoformat(self.at)).total_seconds() >= delay_s


class Lots:
    """In a folder, one file each; in memory alone without one."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises DamagedState."""
        self._folder = folder
        self._lots: dict[str, Lot] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            found = sorted((Lot(**read(path)) for path in folder.glob("*.json")), key=lambda one: one.number)
            self._lots = {one.id: one for one in found}

    def deposit(self, owner: str, results: Sequence[tuple[str, bool]], at: datetime) -> Lot:
        """Kept before anybody is told."""
        number = max((one.number for one in self._lots.values()), default=0) + 1
        lot = Lot(str(uuid.uuid4()), number, owner, at.isoformat(timespec="milliseconds"), results)
        if self._folder is not None:
            write(self._path(lot.id), orjson.dumps(asdict(lot)), secret=True)
        self._lots[lot.id] = lot
        mine = [one for one in self._lots.values() if one.owner == owner]
        for old in (*mine[:-KEPT_EACH], *list(self._lots.values())[:-KEPT]):
            self._forget(old)
        return lot

    def find(self, lot_id: str, owner: str) -> Lot | None:
        """None for another's as for none."""
        lot = self._lots.get(lot_id)
        return lot if lot is not None and lot.owner == owner else None

    def drop(self, gone: Callable[[Lot], bool]) -> None:
        """Forget these lots."""
        for lot in [one for one in self._lots.values() if gone(one)]:
            self._forget(lot)

    def clear(self) -> None:
        self.drop(lambda _: True)

    def counts(self, shown: Callable[[Lot], bool] = lambda _: True) -> dict[str, int]:
        found = [one for one in self._lots.values() if shown(one)]
        return {"lots": len(found), "individuals": sum(len(one.results) for one in found)}

    def _forget(self, lot: Lot) -> None:
        self._lots.pop(lot.id, None)
        if self._folder is not None:
            self._path(lot.id).unlink(missing_ok=True)

    def _path(self, lot_id: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{lot_id}.json"
