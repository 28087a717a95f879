"""Acts of retention as the entries tell them: which entries of a log left it, and when (decision 0040). Standard library only.

The act is an entry, under the same tree as what it removed: nobody can say afterwards that it was not said.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ACTION, OPERATION = "retention_entries", "JOURNAL.RETENTION"
STRETCH = 1024  # places that one act is about: those of one row of kept leaves
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Removal:
    """One act.

    act, at      the entry that says it: id, and when it was recorded
    log, ranges  whose entries left: first and last seq of each run, in order
    events       first and last event time of what left
    size, roots  of the log, as it was signed: its root before the act, and as the journal gives it after
    rows, rows_sha256  rows of usage that these entries were worth, and the digest of them (``rows_digest``)
    """

    act: str
    at: str
    log: int
    ranges: tuple[Range, ...]
    events: tuple[str, str]
    size: int
    roots: tuple[str, str]
    rows: int
    rows_sha256: str

    @property
    def number(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    @property
    def mask(self) -> int:
        """The places as bits, counted from the beginning of the stretch."""
        base = self.stretch * STRETCH
        return sum(((1 << (last - first + 1)) - 1) << (first - base) for first, last in self.ranges)

    @property
    def stretch(self) -> int:
        return self.ranges[0][0] // STRETCH

    def detail(self, by: str) -> dict[str, Any]:
        """Of the admin entry."""
        return {
            "action": ACTION, "by": by, "of": self.log, "ranges": [list(one) for one in self.ranges], "number": self.number,
            "event_first": self.events[0], "event_last": self.events[1], "size": self.size, "root_before": self.roots[0],
            "root_after": self.roots[1], "rows": self.rows, "rows_sha256": self.rows_sha256,
        }  # fmt: skip

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Removal | None:
        """From an entry's JSON; None when it is no act of retention."""
        try:
            detail = entry["detail"]
            if (entry["kind"], entry["operation"], detail["action"]) != ("admin", OPERATION, ACTION):
                return None
            ranges = tuple((_seq(first), _seq(last)) for first, last in detail["ranges"])
            if not ranges or not _in_one_stretch(ranges):
                return None
            return cls(
                str(entry["id"]), str(entry["recorded_at"]), _seq(detail["of"]), ranges,
                (str(detail["event_first"]), str(detail["event_last"])), _seq(detail["size"]),
                (str(detail["root_before"]), str(detail["root_after"])), _seq(detail["rows"]), str(detail["rows_sha256"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            return None


def ranges_of(seqs: Iterable[int]) -> tuple[Range, ...]:
    """Runs of seqs given in order."""
    found: list[Range] = []
    for seq in seqs:
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)


def masks(removals: Iterable[Removal], log: int) -> dict[int, int]:
    """What left one log, by stretch."""
    found: dict[int, int] = {}
    for one in removals:
        if one.log == log:
            found[one.stretch] = found.get(one.stretch, 0) | one.mask
    return found


def say(removals: Sequence[Removal], log: int) -> str | None:
    """One French line on what left a log; None when nothing did."""
    mine = [one for one in removals if one.log == log]
    if not mine:
        return None
    number = sum(mask.bit_count() for mask in masks(mine, log).values())
    first, last = min(one.ranges[0][0] for one in mine), max(one.ranges[-1][1] for one in mine)
    entries = "1 entrée retirée" if number == 1 else f"{number} entrées retirées"
    days = sorted({one.at[:10] for one in mine})
    when = f"le {days[0]}" if len(days) == 1 else f"du {days[0]} au {days[-1]}"
    since, until = min(one.events[0] for one in mine)[:10], max(one.events[1] for one in mine)[:10]
    where = f"entre {log}/{first} et {log}/{last}, appels du {since} au {until}"
    return f"{entries} par la conservation {when} ({where}) ; leurs empreintes restent dans l'arbre"


def _seq(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise ValueError("not a place")
    return value


def _in_one_stretch(ranges: Sequence[Range]) -> bool:
    after = -1
    for first, last in ranges:
        if not after < first <= last:
            return False
        after = last
    return ranges[0][0] // STRETCH == after // STRETCH
