"""The three counters of one slot and what they are made of, read in the counted entries (programme-indicateurs §9, -2 §1)."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from gateway.usage.counting import Counting, Slot
from gateway.usage.parts import Breakdown

ABSENT = "absent"  # the entry does not say
_CLASSES = ("pro", "citoyen", "interne")


def breakdown_of(counting: Counting, slots: Iterable[Slot]) -> Breakdown:
    """Every counted entry of these slots is opened: for reports, not for each look at a rate. A person of two is one."""
    return broken_down(counting.entry(row.place) for slot in slots for row in counting.rows(slot))


def broken_down(entries: Iterable[dict[str, Any]]) -> Breakdown:
    """The counters over these entries, all of one indicator."""
    types, statuses, channels, recipients = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    persons: set[str] = set()
    events = messages = documents = estimated = 0
    for entry in entries:
        events += 1
        messages += entry["service"] == "MSS"
        documents += len(entry["document_refs"])
        estimated += entry["time_basis"] == "estimated"
        types[entry["document_type"] or ABSENT] += 1
        statuses[entry["ins_status"] or ABSENT] += 1
        channels[entry["channel"] or entry["service"].lower()] += 1
        if entry["person_ref"] is not None:
            persons.add(entry["person_ref"])
        for name in _CLASSES:
            recipients[name] += (entry["recipients"] or {}).get(name, 0)
    return Breakdown(
        events, messages, documents, len(persons) or None, {name: recipients[name] for name in _CLASSES} if messages else {},
        dict(sorted(types.items())), dict(sorted(statuses.items())), dict(sorted(channels.items())), estimated,
    )  # fmt: skip
