"""INS lines: for information, never an indicator of the conventions, never added to one (programme-indicateurs §5, -2 §7).

Persons with a qualified INS are those whom the gateway saw: found by INSi, or named by their INS at the DMP. A rate over new
admissions would need the DUI's own count of them, which nobody declares yet.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.grappes.finess import zone_of
from gateway.grappes.model import Grappe
from gateway.journal.canonical import text_of
from gateway.journal.filters import Filters, Period
from gateway.journal.query import JournalReader
from gateway.usage.counting import Counting
from gateway.usage.parts import Vector
from gateway.usage.periods import Window
from gateway.usage.source import journal_of
from gateway.usage.vector import selected

LEFT = "des appels de cette fenêtre ont été retirés par la conservation : rien n'est compté"
NOTE = "pour information : aucune convention n'a d'indicateur INS"
_SEARCH, _QUALIFIED = "INS.RECHERCHE_TRAITS", "qualifiee"
_OTHER = "autre"


@dataclass(frozen=True, slots=True)
class InsLine:
    """One ESSMS in one window. ``finess_et`` None: calls of no ESSMS of the grappe are not its own, and are not here.

    left        calls of the window may have left the journal: nothing is counted, as it would be too few
    by_result   INSi calls by the service's code, or the outcome when there is none
    persons     distinct persons seen with a qualified INS
    """

    finess_et: str
    name: str
    window: Window
    calls: int
    succeeded: int
    persons: int
    by_result: dict[str, int] = field(default_factory=dict)
    left: bool = False

    def item(self) -> dict[str, Any]:
        return {
            "finess_et": self.finess_et, "period_start": self.window.start.isoformat(),
            "period_end": self.window.last_day.isoformat(), "insi_calls": self.calls, "insi_succeeded": self.succeeded,
            "insi_by_result": self.by_result, "persons_with_qualified_ins": self.persons,
            "note": LEFT if self.left else NOTE,
        }  # fmt: skip


def ins_lines(folder: Path, environment: str, grappe: Grappe, window: Window, vector: Vector) -> list[InsLine]:
    """One line per ESSMS, by the search index: the calls of the window are opened, and no others. Raises as JournalReader."""
    with journal_of(folder) as journal:
        counting = Counting(journal, environment, vector)
        left = {essms.finess_et for essms in grappe.essms if counting.touched(window, essms.finess_et)}
    with JournalReader(folder) as reader:
        return [
            InsLine(essms.finess_et, essms.name, window, 0, 0, 0, left=True) if essms.finess_et in left
            else _line(reader, environment, essms.finess_et, essms.name, window, vector) for essms in grappe.essms
        ]  # fmt: skip


def _line(
    reader: JournalReader, environment: str, finess_et: str, name: str, window: Window, vector: Vector
) -> InsLine:
    start, end = (text_of(side) for side in window.bounds(zone_of(finess_et)))
    persons: set[str] = set()
    results = Counter[str]()
    succeeded = 0
    for service in ("INS", "DMP"):
        asked = Filters(kind="call", service=service, environment=environment, finess_et=finess_et, event=Period(start, end))
        for entry in selected(reader, asked, vector):
            found = entry["operation"] == _SEARCH and entry["outcome"] == "ok"
            if entry["operation"] == _SEARCH:
                results[entry["service_code"] or entry["outcome"] or _OTHER] += 1
                succeeded += found
            if entry["person_ref"] is not None and (found or (entry["ins_status"] == _QUALIFIED and entry["outcome"] == "ok")):
                persons.add(entry["person_ref"])
    return InsLine(
        finess_et, name, window, sum(results.values()), succeeded, len(persons), dict(sorted(results.items()))
    )
