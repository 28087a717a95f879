"""Why a version is not the one before: what came after its vector and belongs to its window, what the registry changed."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.grappes.model import Essms, Grappe
from gateway.journal.store import POS_BITS
from gateway.usage.closings import Closed
from gateway.usage.counting import Counting, Slot
from gateway.usage.indicators import DUI, INDICATORS, SOCLE
from gateway.usage.measure import DEFINITION_VERSION
from gateway.usage.parts import Cause, CauseKind
from gateway.usage.periods import Window
from gateway.usage.series import was_member
from gateway.usage.table import Standing, View
from gateway.usage.vector import covers, log_and_seq

_MOST_ENTRIES = 20  # listed by a cause; its text counts them all
_LATE: dict[CauseKind, str] = {
    "reglement": "règlement(s) d'appels en doute après la clôture", "appel": "appel(s) inscrit(s) après la clôture",
}  # fmt: skip


def causes(view: View, window: Window, before: Closed, earlier: Grappe) -> list[Cause]:
    """From a closed version to what ``view`` counts now. ``earlier``: the grappe as that version knew it.

    Every difference has one cause at least: « autre » when none of ours explains it, and then the tables are to be recounted.
    """
    members = view.series.measured(window)
    slots = [Slot(indicator, one.finess_et, window) for one in members for indicator in SOCLE]
    found = [cause for slot in slots for cause in _late(view.counting, before, slot)]
    found += [cause for one in members for cause in _extracted(view.standing, before, one, window)]
    if earlier.registry_version != before.registry_version:
        found.append(Cause("registre", f"registre version {before.registry_version}, que personne n'a gardée"))
    elif view.grappe.registry_version != before.registry_version:
        found += _registry(earlier, view.grappe, window)
    if before.definition_version != DEFINITION_VERSION:
        found.append(Cause("regles", f"règles de calcul {before.definition_version}, puis {DEFINITION_VERSION}"))
    return found or [Cause("autre", "aucune entrée ne l'explique : vérifiez les tables par « socle usage recount »")]


def _late(counting: Counting, before: Closed, slot: Slot) -> Iterator[Cause]:
    """Entries after the closed vector that fall in this slot: units, refusals, and the settlements of its doubts."""
    fresh: dict[CauseKind, list[int]] = {"reglement": [], "appel": []}
    for row in counting.rows(slot):
        if not covers(before.vector, row.place):
            fresh["reglement" if counting.entry(row.place)["kind"] == "settlement" else "appel"].append(row.place)
    fresh["appel"] += [place for place, _, _ in counting.beside_rows(slot) if not covers(before.vector, place)]
    settled = [doubt.settled_at for doubt in counting.doubts(slot)]
    fresh["reglement"] += [at for at in settled if at is not None and not covers(before.vector, at)]
    for kind, places in fresh.items():
        if places:
            shown = tuple(map(log_and_seq, sorted(set(places))[:_MOST_ENTRIES]))
            yield Cause(kind, f"{len(set(places))} {_LATE[kind]}", shown, slot.finess_et, slot.indicator)


def _extracted(standing: Standing, before: Closed, essms: Essms, window: Window) -> Iterator[Cause]:
    one = standing.get((essms.finess_et, window.start, window.end))
    if one is not None and not covers(before.vector, one.log << POS_BITS | one.seq):
        said, place = "extraction du DUI reçue après la clôture", ((one.log, one.seq),)
        yield from (Cause("extraction", said, place, essms.finess_et, indicator) for indicator in DUI)


def _registry(earlier: Grappe, later: Grappe, window: Window) -> Iterator[Cause]:
    versions = f"registre version {earlier.registry_version}, puis {later.registry_version}"
    for number in dict.fromkeys(one.finess_et for grappe in (earlier, later) for one in grappe.essms):
        before, after = earlier.find(number), later.find(number)
        inside = [one is not None and was_member(one, window) for one in (before, after)]
        if inside[0] != inside[1]:
            yield Cause("registre", f"{versions} : {'sort de' if inside[0] else 'entre dans'} la grappe", (), number)
        elif before is not None and after is not None:
            yield from _declared(before, after, window, versions)
    if earlier.date_demarrage != later.date_demarrage:
        yield Cause("registre", f"{versions} : date de démarrage de la grappe")


def _declared(before: Essms, after: Essms, window: Window, versions: str) -> Iterator[Cause]:
    day, number = window.last_day, after.finess_et
    for indicator in (name for name in INDICATORS if name not in DUI[1:]):
        values = [None if (one := essms.denominator(day)) is None else one.of(indicator) for essms in (before, after)]
        if values[0] != values[1]:
            said = " puis ".join("inconnu" if value is None else str(value) for value in values)
            yield Cause("denominateur", f"{versions} : dénominateur {said}", (), number, indicator)
        if before.out_of_scope(indicator) != after.out_of_scope(indicator):
            yield Cause("registre", f"{versions} : champ de l'indicateur", (), number, indicator)
    if before.date_demarrage != after.date_demarrage:
        yield Cause("registre", f"{versions} : date de démarrage", (), number)
    if before.finess_ej != after.finess_ej:  # of the sums of both legal entities, and one of them has it no more: of every row
        yield Cause("registre", f"{versions} : {number} passe de l'entité juridique {before.finess_ej} à {after.finess_ej}")


def touching(found: Sequence[Cause], numbers: Sequence[str], indicator: str) -> tuple[Cause, ...]:
    """Those that may have changed a measure over these ESSMS."""
    return tuple(cause for cause in found if cause.touches(numbers, indicator))
