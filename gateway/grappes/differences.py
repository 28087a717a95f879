"""What a new version of a grappe changes, as codes, and the measures it touches: found by comparing, never declared."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import pairwise

from gateway.grappes.model import Essms, Grappe, within

_Days = tuple[date, date | None]  # [first, second), None: without end
#: Field of an ESSMS to the code of its change; a field that is not here is ``essms_modifie``.
_CODES = {
    "member_from": "membre_dates", "member_until": "membre_dates", "mailboxes": "bal", "certificates": "certificat",
    "dui_product": "dui_produit", "date_demarrage": "date_demarrage", "facture_recue": "facture", "ahi": "ahi",
    "sons_eligible": "ahi", "projet": "projet", "finess_ej": "rattachement", "denominators": "denominateur",
    "external_counts": "comptage_externe", "statut": "numero", "regle": "numero", "saisi": "numero", "decision": "numero",
}  # fmt: skip
_OF_GRAPPE = {
    "contractual_level": "niveau_contractuel", "date_demarrage": "date_demarrage", "entites_juridiques": "entite_juridique",
    "porteur_ej": "porteur",
}  # fmt: skip
FROZEN = "denominateur_arrete_modifie"
_NEVER = date.max


@dataclass(frozen=True, slots=True)
class Touched:
    """Measures of an ESSMS that may say something else: those whose window meets [since, until)."""

    finess_et: str
    since: date
    until: date | None

    def item(self) -> dict[str, str | None]:
        until = None if self.until is None else self.until.isoformat()
        return {"finess_et": self.finess_et, "from": self.since.isoformat(), "to": until}


@dataclass(frozen=True, slots=True)
class Difference:
    """``codes`` is empty when both versions say the same."""

    codes: tuple[str, ...]
    touched: tuple[Touched, ...]


def compare(old: Grappe | None, new: Grappe) -> Difference:
    """From one version of a grappe to the next; None is before the first."""
    codes = set() if old is not None else {"grappe_creee"}
    if old is not None:
        ours = _differing(old, new) - {"essms", "registry_version", "version"}
        codes |= {_OF_GRAPPE.get(name, "grappe_modifiee") for name in ours}
    before = {one.finess_et: one for one in old.essms} if old is not None else {}
    after = {one.finess_et: one for one in new.essms}
    touched: list[Touched] = []
    for number in sorted(before.keys() | after.keys()):
        was, now = before.get(number), after.get(number)
        codes |= set(_codes(was, now))
        touched += [Touched(number, *days) for days in _merged(_days(old, new, was, now))]
    return Difference(tuple(sorted(codes)), tuple(touched))


def _codes(was: Essms | None, now: Essms | None) -> Iterator[str]:
    if was is None or now is None:
        yield "membre_ajoute" if was is None else "membre_retire"
        return
    yield from (_CODES.get(name, "essms_modifie") for name in _differing(was, now))
    if any(one.statut == "arrete" and one not in now.denominators for one in was.denominators):
        yield FROZEN


def _days(old: Grappe | None, new: Grappe, was: Essms | None, now: Essms | None) -> Iterator[_Days]:
    if was is None or now is None:
        one = was or now
        assert one is not None
        yield one.member_from, one.member_until
        return
    assert old is not None
    if _whole(old, was) != _whole(new, now):
        yield min(was.member_from, now.member_from), _later(was.member_until, now.member_until)
    yield from _apart([(was.member_from, was.member_until)], [(now.member_from, now.member_until)])
    for address in sorted({box.address.lower() for box in (*was.mailboxes, *now.mailboxes)}):
        yield from _apart(_of_mailbox(was, address), _of_mailbox(now, address))
    yield from ((one.since, one.until) for one in {*was.external_counts} ^ {*now.external_counts})
    yield from _of_denominators(was, now)


def _of_mailbox(essms: Essms, address: str) -> list[_Days]:
    return [(box.since, box.until) for box in essms.mailboxes if box.address.lower() == address]


def _apart(was: Sequence[_Days], now: Sequence[_Days]) -> Iterator[_Days]:
    """The days that are in one and not in the other."""
    edges = sorted({edge or _NEVER for days in (*was, *now) for edge in days})
    for since, until in pairwise(edges):
        if _covers(was, since) != _covers(now, since):
            yield since, None if until == _NEVER else until


def _covers(spans: Sequence[_Days], day: date) -> bool:
    return any(within(day, since, until) for since, until in spans)


def _of_denominators(was: Essms, now: Essms) -> Iterator[_Days]:
    """A denominator divides from its day to the next one's, in whichever version that one is."""
    days = sorted({one.since for one in (*was.denominators, *now.denominators)})
    for one in {*was.denominators} ^ {*now.denominators}:
        yield one.since, next((day for day in days if day > one.since), None)


def _whole(grappe: Grappe, essms: Essms) -> tuple[object, ...]:
    """What every measure of an ESSMS rests on, whatever its window."""
    return essms.finess_ej, grappe.start_of(essms), grappe.contractual_level, essms.ahi, essms.sons_eligible


def _merged(spans: Iterable[_Days]) -> list[_Days]:
    merged: list[_Days] = []
    for since, until in sorted(spans, key=lambda days: days[0]):
        if until is not None and until <= since:
            continue
        if merged and since <= (merged[-1][1] or _NEVER):
            merged[-1] = merged[-1][0], _later(merged[-1][1], until)
        else:
            merged.append((since, until))
    return merged


def _later(one: date | None, other: date | None) -> date | None:
    return None if one is None or other is None else max(one, other)


def _differing(one: Grappe | Essms, other: Grappe | Essms) -> set[str]:
    return {field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)}
