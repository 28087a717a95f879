"""The rates of one grappe in one window: each ESSMS, each legal entity, the grappe (programme-indicateurs §5, §6.3)."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from gateway.grappes.extraction import Received
from gateway.grappes.finess import zone_of
from gateway.grappes.model import Denominator, Essms, Grappe
from gateway.usage.breakdown import breakdown_of
from gateway.usage.counting import Counting, Slot
from gateway.usage.indicators import DUI, INDICATORS
from gateway.usage.measure import Measure, State, Status
from gateway.usage.outlook import projection
from gateway.usage.parts import STANDARD, External, Options, together
from gateway.usage.periods import Window
from gateway.usage.series import Series
from gateway.usage.variants import count_with

#: A window stays provisional for so long while a call of it is in doubt.
GRACE = timedelta(days=5)
_NOT_COUNTED = hashlib.sha256(b"").hexdigest()
Standing = dict[tuple[str, date, date], Received]


@dataclass(frozen=True, slots=True)
class View:
    """From where measures are made: one vector, one registry version, the rules. Two views alike give the same measures.

    standing  the extraction that stands for each ESSMS and window at that vector
    as_of     time of the last entry of the vector
    now       business time, which decides what is still open; nothing closed depends on it
    """

    counting: Counting
    series: Series
    standing: Standing
    now: datetime
    as_of: datetime | None
    options: Options = STANDARD
    digests: bool = True
    breakdown: bool = False
    snapshot_root: str | None = None

    @property
    def grappe(self) -> Grappe:
        return self.series.grappe

    @property
    def plain(self) -> View:
        """The same numbers, and nothing that opens their detail."""
        return replace(self, digests=False, breakdown=False)


def rows(view: View, window: Window, indicator: str) -> list[Measure]:
    """Each ESSMS measured in the window, each legal entity that has one, then the grappe."""
    members = view.series.members(window)
    alone = [_of_essms(view, one, Slot(indicator, one.finess_et, window)) for one in view.series.measured(window)]
    found = [*alone]
    for entity in view.grappe.entites_juridiques:
        if any(one.finess_ej == entity.finess_ej for one in members):
            part = [row for row in alone if row.finess_ej == entity.finess_ej]
            owned = sum(one.finess_ej == entity.finess_ej for one in members)
            first = _summed(view, indicator, window, part, owned)
            found.append(replace(
                first, level="og", finess_ej=entity.finess_ej, name=entity.name,
                contractual=view.grappe.contractual_level == "og",
            ))  # fmt: skip
    whole = _summed(view, indicator, window, alone, len(members))
    unattributed = None if indicator in DUI else view.counting.unattributed(indicator, window)
    return [*found, replace(whole, unattributed=unattributed)]


def ended(view: View, window: Window, numbers: Sequence[str]) -> bool:
    """Whether the window is over for all of these ESSMS, each in its own zone."""
    return all(view.now >= window.bounds(zone_of(number))[1] for number in numbers or [""])


def _of_essms(view: View, essms: Essms, slot: Slot) -> Measure:
    counted = _from_extraction if slot.indicator in DUI else _from_journal
    measure = Measure(**_common(view, essms, slot) | counted(view, essms, slot))
    if essms.out_of_scope(slot.indicator):
        return replace(measure, status="hors_champ", calculable=0)
    return _projected(measure, view.now)


Said = dict[str, Any]  # fields of a measure


def _from_journal(view: View, essms: Essms, slot: Slot) -> Said:
    counting, declared = view.counting, essms.denominator(slot.window.last_day)
    persons = None if declared is None else declared.of(slot.indicator)
    beside, frozen = counting.not_counted(slot), counting.frozen(slot)
    return _declared(declared) | {
        "numerator": count_with(view.options, counting, slot),
        "in_doubt": beside.in_doubt,
        "denominator": persons,
        "status": _status(view, slot, beside.in_doubt) if persons else "non_calculable",
        "failures": beside.failures,
        "detail_sha256": counting.detail_sha256(slot) if view.digests else "",
        "calculable": 1 if persons else 0,
        "border": beside.border,
        "breakdown": breakdown_of(counting, [slot]) if view.breakdown and not (frozen and frozen.events) else None,
        "frozen": frozen,
        "external": _external(essms, slot),
    }


def _from_extraction(view: View, essms: Essms, slot: Slot) -> Said:
    """From the DUI's own counts: the extraction that stands for exactly this window, else nothing is calculable."""
    window = slot.window
    received = view.standing.get((essms.finess_et, window.start, window.end))
    declared = essms.denominator(window.last_day)
    if received is None:
        return _declared(declared) | {"source": "extraction"}
    one = received.extraction
    numerator, denominator = {
        "IND-DUI-01": (one.active_files, None if declared is None else declared.of("IND-DUI-01")),
        "IND-DUI-02": (one.active_files_with_project, one.active_files),
        "IND-DUI-03": (one.active_files_with_event, one.active_files),
    }[slot.indicator]
    said = "extraction du DUI" if one.source == "extraction" else "valeur déclarée"
    detail = f"{received.log} {received.seq} {numerator} {denominator}\n"
    dated = _declared(declared) if slot.indicator == "IND-DUI-01" else {"denominator_since": one.extracted_on}
    return dated | {
        "numerator": numerator,
        "denominator": denominator,
        "source": one.source,
        "source_detail": f"{said} du {one.extracted_on:%d/%m/%Y}, entrée {received.log}/{received.seq}",
        "status": _status(view, slot, 0) if denominator else "non_calculable",
        "calculable": 1 if denominator else 0,
        "detail_sha256": hashlib.sha256(detail.encode()).hexdigest() if view.digests else "",
    }


def _common(view: View, essms: Essms, slot: Slot) -> Said:
    """What every measure of an ESSMS says, counted or not."""
    indicator = INDICATORS[slot.indicator]
    own = "dossiers actifs (extraction du DUI)" if slot.indicator in ("IND-DUI-02", "IND-DUI-03") else None
    return {
        "grappe": view.grappe.id, "finess_et": essms.finess_et, "finess_ej": essms.finess_ej, "name": essms.name,
        "indicator": slot.indicator, "window": slot.window, "numerator": 0, "in_doubt": 0, "denominator": None,
        "denominator_label": own or view.grappe.denominator_label, "denominator_since": None, "target": indicator.target,
        "status": "non_calculable", "environment": view.counting.environment, "failures": 0, "unattributed": None,
        "detail_sha256": _NOT_COUNTED if view.digests else "", "calculable": 0, "members": 1, "finess_statut": essms.statut,
        "finess_saisi": essms.saisi, "level": "essms", "contractual": view.grappe.contractual_level == "essms",
        "state": _state(view, slot.window, [essms.finess_et]), "vector": view.counting.vector,
        "snapshot_root": view.snapshot_root, "registry_version": view.grappe.registry_version, "options": view.options,
        "as_of": view.as_of,
    }  # fmt: skip


def _summed(view: View, indicator: str, window: Window, alone: Sequence[Measure], members: int) -> Measure:
    """The ratio of the sums, over the ESSMS that have a denominator; never the mean of their rates."""
    summed = [row for row in alone if row.status not in ("non_calculable", "hors_champ")]
    details = "".join(f"{row.finess_et} {row.detail_sha256}\n" for row in alone)
    numbers = [row.finess_et or "" for row in alone]
    sources = {row.source for row in summed}
    frozen = together(row.frozen for row in alone)
    opened = view.breakdown and indicator not in DUI and not (frozen and frozen.events)
    measure = Measure(
        grappe=view.grappe.id, finess_et=None, finess_ej=None, name=view.grappe.name, indicator=indicator, window=window,
        numerator=sum(row.numerator for row in summed), in_doubt=sum(row.in_doubt for row in summed),
        denominator=sum(row.denominator or 0 for row in summed) or None,
        denominator_label=alone[0].denominator_label if alone else view.grappe.denominator_label,
        denominator_since=max((row.denominator_since for row in summed if row.denominator_since), default=None),
        target=INDICATORS[indicator].target, status=_together(alone, summed), environment=view.counting.environment,
        failures=sum(row.failures for row in alone), unattributed=None,
        detail_sha256=hashlib.sha256(details.encode()).hexdigest() if view.digests else "",
        calculable=len(summed), members=members, level="grappe", contractual=view.grappe.contractual_level == "grappe",
        source=sources.pop() if len(sources) == 1 else "extraction" if indicator in DUI else "journal",
        state=_state(view, window, numbers), vector=view.counting.vector, snapshot_root=view.snapshot_root,
        registry_version=view.grappe.registry_version, options=view.options, as_of=view.as_of,
        border=sum(row.border for row in summed), external=_external_sum(summed),
        breakdown=breakdown_of(view.counting, [Slot(indicator, number, window) for number in numbers]) if opened else None,
        frozen=frozen,
    )  # fmt: skip
    return _projected(measure, view.now)


def _declared(denominator: Denominator | None) -> Said:
    """Who gave the denominator, and since when."""
    if denominator is None:
        return {}
    return {
        "denominator_since": denominator.since,
        "denominator_source": denominator.source,
        "denominator_statut": denominator.statut,
    }


def _projected(measure: Measure, now: datetime) -> Measure:
    found = projection(measure, now)
    return measure if found is None else replace(measure, projection=found)


def _external(essms: Essms, slot: Slot) -> External | None:
    """The last count received for exactly this window."""
    same = [
        one for one in essms.external_counts
        if (one.indicator, one.since, one.until) == (slot.indicator, slot.window.start, slot.window.end)
    ]  # fmt: skip
    if not same:
        return None
    last = max(same, key=lambda one: one.received)
    return External(last.count, last.origin, last.received)


def _external_sum(summed: Sequence[Measure]) -> External | None:
    """The sum, when every ESSMS of it was counted elsewhere by the same."""
    found = [row.external for row in summed if row.external is not None]
    if not found or len(found) != len(summed) or len({one.origin for one in found}) > 1:
        return None
    return External(sum(one.count for one in found), found[0].origin, max(one.received for one in found if one.received))


def _state(view: View, window: Window, numbers: Sequence[str]) -> State:
    return "en_cloture" if ended(view, window, numbers) else "ouvert"


def _status(view: View, slot: Slot, in_doubt: int) -> Status:
    _, end = slot.window.bounds(zone_of(slot.finess_et))
    return "calcule" if view.now >= (end + GRACE if in_doubt else end) else "provisoire"


def _together(alone: Sequence[Measure], summed: Sequence[Measure]) -> Status:
    if not summed:
        return "hors_champ" if alone and all(row.status == "hors_champ" for row in alone) else "non_calculable"
    return "provisoire" if any(row.status == "provisoire" for row in summed) else "calcule"
