"""What a rate is, said a second time: slowly, from the entries, with nothing of the code that counts (note 1 §6.1, §6.2)."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

Entry = dict[str, Any]
_PARIS = ZoneInfo("Europe/Paris")
_OPERATION = {"IND-DMP-01": "DMP.TD2.1", "IND-MSS-01": "MSS.SOUMISSION"}


def inside(entry: Entry, first: date, after: date) -> bool:
    """Whether the event's day in Paris is one of [first, after)."""
    return first <= datetime.fromisoformat(entry["event_time"]).astimezone(_PARIS).date() < after


def at_vector(entries: Iterable[Entry], vector: tuple[tuple[int, int], ...]) -> list[Entry]:
    sizes = dict(vector)
    return [entry for entry in entries if entry["seq"] < sizes.get(entry["log"], 0)]


def _order(entry: Entry) -> tuple[str, int, int]:
    return entry["event_time"], entry["log"], entry["seq"]


def numerator(entries: list[Entry], environment: str, indicator: str, finess_et: str, first: date, after: date) -> int:
    won = [(entry, ref) for entry in entries if _succeeded(entry, environment) for ref in _units(entry, indicator)]
    if indicator == "IND-MSS-01":  # the earliest event of a message decides of its ESSMS and of its window, for good
        by_unit: dict[str, list[Entry]] = {}
        for entry, ref in won:
            by_unit.setdefault(ref, []).append(entry)
        won = [(min(same, key=_order), ref) for ref, same in by_unit.items()]
    return len({ref for entry, ref in won if entry["finess_et"] == finess_et and inside(entry, first, after)})


def in_doubt(entries: list[Entry], environment: str, indicator: str, finess_et: str, first: date, after: date) -> int:
    waiting = set()
    for entry in entries:
        asked = (entry["kind"], entry["outcome"], entry["operation"], entry["environment"], entry["finess_et"])
        if asked == ("call", "in_doubt", _OPERATION[indicator], environment, finess_et) and inside(entry, first, after):
            word = next((one["outcome"] for one in entries if one["settles"] == entry["id"]), None)
            if word in (None, "undecidable"):
                waiting.update(_units(entry, indicator))
    if indicator == "IND-MSS-01":
        known = {ref for entry in entries if _succeeded(entry, environment) for ref in _units(entry, indicator)}
    else:
        known = {
            ref for entry in entries for ref in _units(entry, indicator)
            if _succeeded(entry, environment) and entry["finess_et"] == finess_et and inside(entry, first, after)
        }  # fmt: skip
    return len(waiting - known)


def failures(entries: list[Entry], environment: str, indicator: str, finess_et: str, first: date, after: date) -> int:
    count = 0
    for entry in entries:
        asked = (entry["kind"], entry["operation"], entry["environment"], entry["finess_et"])
        if asked == ("call", _OPERATION[indicator], environment, finess_et) and inside(entry, first, after):
            word = next((one["outcome"] for one in entries if one["settles"] == entry["id"]), None)
            count += entry["outcome"] not in ("ok", "in_doubt") or (entry["outcome"] == "in_doubt" and word == "failed")
    return count


def unattributed(entries: list[Entry], environment: str, indicator: str, first: date, after: date) -> int:
    late = {entry["settles"] for entry in entries if (entry["kind"], entry["outcome"]) == ("settlement", "succeeded")}
    return sum(
        entry["kind"] == "call" and entry["operation"] == _OPERATION[indicator] and entry["environment"] == environment
        and (entry["outcome"] == "ok" or entry["id"] in late) and bool(_units(entry, indicator)) and entry["finess_et"] is None
        and inside(entry, first, after)
        for entry in entries
    )  # fmt: skip


def _succeeded(entry: Entry, environment: str) -> bool:
    won = (entry["kind"], entry["outcome"]) in (("call", "ok"), ("settlement", "succeeded"))
    return won and entry["environment"] == environment and entry["finess_et"] is not None


def _units(entry: Entry, indicator: str) -> list[str]:
    return [count["unit_ref"] for count in entry["counts_for"] if count["indicator"] == indicator]
