"""What a recount says of each closed measure, in words: recounted and equal, frozen by retention, or a gap (decision 0040)."""
# ruff: noqa: S608 - constants only
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

from gateway.journal.connection import Connection
from gateway.journal.units import ONCE
from gateway.usage import vector as vectors
from gateway.usage.closings import CLOSINGS, Closed, Closings
from gateway.usage.counting import Counting, Slot
from gateway.usage.frozen_rows import Altered
from gateway.usage.indicators import SOCLE
from gateway.usage.measure import DEFINITION_VERSION
from gateway.usage.parts import Vector

_CELL = "{0}environment = :environment AND {0}indicator = :indicator AND {0}finess_et = :finess_et"
_SLOT = _CELL + " AND {0}event_time >= :start AND {0}event_time < :end"
_INDEXES = (
    "CREATE INDEX rebuilt_slots ON rebuilt (environment, indicator, finess_et, event_time)",
    "CREATE INDEX frozen_slots ON stored (environment, indicator, finess_et, event_time) WHERE act IS NOT NULL",
)


@dataclass(frozen=True, slots=True)
class Recounted:
    """The last closed version of one indicator of a grappe in a window.

    units      distinct units that the entries make, those of rows whose entries left included
    frozen     rows whose entries left: not recounted, and found as the act of retention left them
    gaps       rows of the window on which table and entries disagree, or that an act of retention does not recognise
    numerator  as it was closed, over all its ESSMS
    unlike     FINESS of the ESSMS without such a row that were closed with another number than their entries make at that vector
    """

    environment: str
    grappe: str
    indicator: str
    start: str
    end: str
    version: int
    numerator: int
    units: int
    frozen: int
    gaps: int
    unlike: tuple[str, ...] = ()

    @property
    def verdict(self) -> Literal["egale", "figee", "ecart"]:
        return "ecart" if self.gaps or self.unlike else "figee" if self.frozen else "egale"

    @property
    def text(self) -> str:
        """French, one line."""
        what = f"{self.grappe}, {self.indicator}, du {self.start} au {self.end}, v{self.version}"
        if self.gaps:
            return f"{what} : ÉCART, {self.gaps} ligne(s) ne sont pas celles des entrées"
        if self.unlike:
            return f"{what} : ÉCART, close à {self.numerator}, {self.units} d'après les entrées (ET {', '.join(self.unlike)})"
        if self.frozen:
            left = f"{self.frozen} événement(s) ne se recomptent plus (retirés par la conservation)"
            return f"{what} : figée, {left}, leurs feuilles sont dans l'arbre ; lignes telles qu'alors, {self.units} unité(s)"
        return f"{what} : recomptée, égale ({self.units} unité(s))"

    def item(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict, "text": self.text}


def recounted(journal: Connection, scratch: Connection, altered: Sequence[Altered]) -> list[Recounted]:
    """``scratch`` has the tables rebuilt, stored and gaps of ``recount``."""
    for sql in _INDEXES:
        scratch.execute(sql)
    scratch.execute("CREATE TABLE altered (act PRIMARY KEY)")
    scratch.executemany("INSERT INTO altered VALUES (?)", [(one.act,) for one in altered])
    names = sorted({orjson.loads(body)["environment"] for _, body in journal.execute(CLOSINGS)})
    now = vectors.current(journal)
    return [one for name in names for closed in _last(journal, name, now) for one in _each(journal, scratch, name, closed)]


def _last(journal: Connection, environment: str, now: Vector) -> list[Closed]:
    known = Closings(journal, environment, now)
    return [known.of(*key)[-1] for key in known.keys]


def _each(journal: Connection, scratch: Connection, environment: str, closed: Closed) -> Iterator[Recounted]:
    then = Counting(journal, environment, closed.vector)
    for indicator in SOCLE:
        rows = {number: row for (level, number, name), row in closed.rows.items() if (level, name) == ("essms", indicator)}
        slots = {number: Slot(indicator, number, closed.window) for number in rows}
        counts = {number: _slot(scratch, slot.key(environment), closed.vector) for number, slot in slots.items()}
        if indicator in ONCE and then.replaced:  # a row of then may have given its place since
            counts = {number: (then.numerator(slots[number]), frozen, gaps) for number, (_, frozen, gaps) in counts.items()}
        units, frozen, gaps = (sum(one[n] for one in counts.values()) for n in range(3))
        wrong = (number for number, (made, _, gaps) in counts.items() if not gaps and made != rows[number].numerator)
        unlike = tuple(sorted(wrong)) if closed.definition_version == DEFINITION_VERSION else ()
        window = f"{closed.window.start:%d/%m/%Y}", f"{closed.window.last_day:%d/%m/%Y}"
        numerator = sum(row.numerator for row in rows.values())
        yield Recounted(environment, closed.grappe, indicator, *window, closed.version, numerator, units, frozen, gaps, unlike)


def _slot(scratch: Connection, asked: dict[str, str], vector: Vector) -> tuple[int, int, int]:
    """Units, frozen rows, gaps of one cell."""
    known, slot = vectors.inside(vector), _SLOT.format("")
    units: int = scratch.execute(f"SELECT COUNT(DISTINCT unit_ref) FROM rebuilt WHERE {slot} AND {known}", asked).get
    left = f"FROM stored WHERE {slot} AND act IS NOT NULL"
    frozen: int = scratch.execute(f"SELECT COUNT(*) {left}", asked).get
    gaps: int = scratch.execute(f"SELECT COUNT(*) {left} AND act IN (SELECT act FROM altered)", asked).get
    for side, once in (("expected_", ""), ("found_", " AND kind <> 'differente'")):  # which has both sides
        gaps += scratch.execute(f"SELECT COUNT(*) FROM gaps WHERE {_SLOT.format(side)}{once}", asked).get
    return units, frozen, gaps
