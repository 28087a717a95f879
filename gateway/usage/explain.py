"""What a numerator is made of, entry by entry, and what stands beside it (`socle usage explain`; design §6).

Everything that the window saw of the ESSMS is in one list, each entry once, with the reason why it counts or not.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gateway.grappes.finess import zone_of
from gateway.journal.canonical import moment_of, text_of
from gateway.journal.filters import Filters, Period
from gateway.journal.query import JournalReader
from gateway.usage.counting import NEAR, Counting, DoubtIn, Slot
from gateway.usage.indicators import FEEDS
from gateway.usage.vector import log_and_seq, selected

Why = Literal[
    "compte", "deja_compte", "en_doute", "regle_echec", "indecidable", "refuse", "exclu", "non_attribue", "autre_fenetre",
]  # fmt: skip
#: French, for the terminal and the file.
SAID: dict[Why, str] = {
    "compte": "compté", "deja_compte": "déjà compté", "en_doute": "en doute, à régler", "regle_echec": "en doute, réglé : échec",
    "indecidable": "en doute, réglé : indécidable", "refuse": "non accepté",
    "exclu": "accusé, réponse automatique ou envoi sans unité", "non_attribue": "accepté, attribué à personne",
    "autre_fenetre": "en doute ici, compté dans une autre fenêtre",
}  # fmt: skip
_LEFT = "entrée retirée par la conservation"


@dataclass(frozen=True, slots=True)
class Line:
    """One entry.

    unit_ref  what it is worth, or would have been
    how       of a settlement: late, duplicate, superseded, ask, person
    first     (log, seq) of the entry that counts for the same unit, when this one adds nothing
    id        None: the entry left; what its row of usage says of it is all there is
    border    less than a day from a border of the window, with a time that nobody read
    """

    log: int
    seq: int
    id: str | None
    kind: str
    event_time: str
    outcome: str
    service_code: str | None
    flags: tuple[str, ...]
    attribution: str | None
    unit_ref: str | None
    why: Why
    how: str | None = None
    settles: str | None = None
    first: tuple[int, int] | None = None
    border: bool = False

    def item(self) -> dict[str, Any]:
        return {
            "log": self.log, "seq": self.seq, "id": self.id, "kind": self.kind, "event_time": self.event_time,
            "outcome": self.outcome, "service_code": self.service_code, "flags": list(self.flags),
            "attribution": self.attribution, "unit_ref": self.unit_ref, "why": self.why, "how": self.how,
            "settles": self.settles, "first": None if self.first is None else list(self.first), "border": self.border,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explained:
    """``numerator`` distinct units over ``lines``, by time; ``others``: accepted calls of the environment that belong to nobody
    (their reasons, how many)."""

    numerator: int
    lines: list[Line]
    others: dict[str, int]


def explain(counting: Counting, folder: Path, slot: Slot) -> Explained:
    """Open one slot. Call it inside one read transaction of ``counting``; ``folder`` is the gateway's."""
    found = [*_counted(counting, slot), *_beside(counting, slot)]
    known = {(line.log, line.seq) for line in found}
    found += [line for line in _repeated(counting, folder, slot) if (line.log, line.seq) not in known]
    found.sort(key=lambda line: (line.event_time, line.log, line.seq))
    return Explained(counting.numerator(slot), found, _others(counting, slot))


def _counted(counting: Counting, slot: Slot) -> Iterator[Line]:
    """The rows of the slot: the first event of a unit makes it count, its others add nothing."""
    first: dict[str, tuple[int, int]] = {}
    for row in counting.rows(slot):
        entry = counting.opened(row.place)
        again = first.get(row.unit_ref)
        first.setdefault(row.unit_ref, (row.log, row.seq))
        why: Why = "compte" if again is None else "deja_compte"
        if entry is None:
            yield _left(row.place, row.event_time, "ok", why, row.unit_ref, again)
        else:
            yield _line(slot, entry, why, row.unit_ref, again)


def _beside(counting: Counting, slot: Slot) -> Iterator[Line]:
    settled = {doubt.place: doubt for doubt in counting.doubts(slot)}
    for place, what, event_time in counting.beside_rows(slot):
        entry = counting.opened(place)
        if entry is None:
            yield _left(place, event_time, "ok" if what == "exclu" else what, "exclu" if what == "exclu" else "refuse")
        elif what != "in_doubt":
            yield _line(slot, entry, "exclu" if what == "exclu" else "refuse")
        else:
            yield from _doubted(counting, slot, entry, settled[place])


def _doubted(counting: Counting, slot: Slot, entry: dict[str, Any], doubt: DoubtIn) -> Iterator[Line]:
    if doubt.settled_at is None:
        yield _line(slot, entry, "en_doute")
        return
    word = counting.entry(doubt.settled_at)
    if doubt.settled != "succeeded":
        yield _line(slot, entry, "regle_echec" if doubt.settled == "failed" else "indecidable", word=word)
    elif not _inside(slot, word["event_time"]):
        yield _line(slot, entry, "autre_fenetre", first=(word["log"], word["seq"]), word=word)


def _repeated(counting: Counting, folder: Path, slot: Slot) -> Iterator[Line]:
    """Accepted calls of the window whose unit another entry counts: a message sent again, in this window or a later one."""
    start, end = (text_of(side) for side in slot.window.bounds(zone_of(slot.finess_et)))
    with JournalReader(folder) as reader:
        for operation in (name for name, indicator in FEEDS.items() if indicator == slot.indicator):
            asked = Filters(
                operation=operation, environment=counting.environment, finess_et=slot.finess_et, event=Period(start, end)
            )
            for entry in selected(reader, asked, counting.vector):
                if entry["outcome"] not in ("ok", "succeeded"):
                    continue
                for count in entry["counts_for"]:
                    if count["indicator"] == slot.indicator:
                        first = counting.place_of(slot, count["unit_ref"])
                        yield _line(slot, entry, "deja_compte", count["unit_ref"], first)


def _others(counting: Counting, slot: Slot) -> dict[str, int]:
    nobody = Slot(slot.indicator, "", slot.window)
    reasons: dict[str, int] = {}
    accepted = [place for place, what, _ in counting.beside_rows(nobody) if what == "non_attribue"]
    for place in (*accepted, *counting.accepted_late(nobody)):
        entry = counting.opened(place)
        reason = _LEFT if entry is None else (entry["attribution"] or "").partition(":")[2] or "absent"
        reasons[reason] = reasons.get(reason, 0) + 1
    return dict(sorted(reasons.items()))


def _left(
    place: int, event_time: str, outcome: str, why: Why, unit_ref: str | None = None, first: tuple[int, int] | None = None
) -> Line:
    return Line(*log_and_seq(place), None, "call", event_time, outcome, None, (), None, unit_ref, why, first=first)


def _line(
    slot: Slot, entry: dict[str, Any], why: Why, unit_ref: str | None = None, first: tuple[int, int] | None = None,
    *, word: dict[str, Any] | None = None,
) -> Line:  # fmt: skip
    refs = [count["unit_ref"] for count in entry["counts_for"] if count["indicator"] == slot.indicator]
    told = word or (entry if entry["kind"] == "settlement" else None)
    how = None if told is None else (told["detail"] or {}).get("how")
    return Line(
        entry["log"], entry["seq"], entry["id"], entry["kind"], entry["event_time"], entry["outcome"], entry["service_code"],
        tuple(entry["flags"]), entry["attribution"], unit_ref or (refs[0] if refs else None), why, how, entry["settles"], first,
        entry["time_basis"] == "estimated" and _near(slot, entry["event_time"]),
    )  # fmt: skip


def _inside(slot: Slot, event_time: str) -> bool:
    start, end = (text_of(side) for side in slot.window.bounds(zone_of(slot.finess_et)))
    return start <= event_time < end


def _near(slot: Slot, event_time: str) -> bool:
    at = moment_of(event_time)
    return any(abs(at - side) < NEAR for side in slot.window.bounds(zone_of(slot.finess_et)))
