"""Legal entities (EJ): one number for each among those typed. Rule R9, beside R0, R1 and R6 (programme-indicateurs §4).

The column of an entity is grouped by the organisation's name; the porteur's column is one entity for the whole grappe, so
that « EJ porteur » beside an organisation is never taken for its own number (anomaly A38).
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connectors.nomenclatures.identifiers import is_finess
from gateway.grappes.importing import numbers as n
from gateway.grappes.importing.names import alike, fold, simplified
from gateway.grappes.importing.places import Place
from gateway.grappes.importing.rules import Verdict
from gateway.grappes.importing.tables import Row, Table
from gateway.grappes.importing.vocabulary import Field

PORTEUR = "Porteur de la grappe"


@dataclass(frozen=True, slots=True)
class Entity:
    """A legal entity: its name, every number typed for it with its place, and what is kept."""

    name: str
    typed: tuple[tuple[str, Place], ...]
    verdict: Verdict
    is_porteur: bool = False

    @property
    def saisi(self) -> tuple[str, ...]:
        """The different spellings, most frequent first."""
        return tuple(text for text, _ in Counter(text for text, _ in self.typed).most_common())


@dataclass(slots=True)
class _Group:
    name: str
    typed: list[tuple[str, Place]]
    is_porteur: bool = False


def entities_of(tables: Sequence[Table]) -> list[Entity]:
    """The legal entities of a grappe, in the order in which they are met; two names with one number are one entity."""
    groups = _without_misread(_groups(tables))
    judged = [(group, judge_legal([text for text, _ in group.typed])) for group in groups]
    merged: dict[str, list[tuple[_Group, Verdict]]] = {}
    for group, verdict in judged:
        merged.setdefault(verdict.retenu, []).append((group, verdict))
    return [_merged([group for group, _ in same]) for same in merged.values()]


def judge_legal(typed: Sequence[str]) -> Verdict:
    """One number among those typed for an entity; ``typed`` holds each occurrence, never blank."""
    counts = Counter(n.plain(text) for text in typed)
    kept = counts.most_common(1)[0][0]
    good = [(number, times) for number, times in counts.most_common() if is_finess(number) and n.is_placed(number)]
    if not good:
        kind = "clé de contrôle fausse partout" if len(kept) == n.WHOLE else n.kind_of(kept)
        return Verdict(kept, "a_verifier", "R6", kind)
    if len(counts) == 1:
        exact = all(text == kept for text in typed)
        return Verdict(kept, "confirme", "R0" if exact else "R1", "" if exact else "espaces et séparateurs à retirer")
    best, times = good[0]
    others = ", ".join(f"{number} (x{count})" for number, count in counts.most_common() if number != best)
    if len(good) > 1 and times * 2 <= len(typed):
        choices = tuple(number for number, _ in good)
        why = f"plusieurs numéros de clé juste, aucun majoritaire : {', '.join(choices)}"
        return Verdict(best, "a_verifier", "R9", why, choices)
    return Verdict(best, "confirme", "R9", f"variantes {others} ; valeur majoritaire parmi celles de clé juste")


def entity_of(rows: Iterable[Row], entities: Sequence[Entity]) -> Entity | None:
    """The entity of an establishment: by the number typed on its rows, else by its organisation's name."""
    rows = list(rows)
    for row in rows:
        number = n.plain(row.typed("finess_ej"))
        found = [one for one in entities if number and any(n.plain(text) == number for text, _ in one.typed)]
        if len(found) > 1:
            found = [one for one in found if simplified(one.name) == simplified(row.text("og"))] or found
        if found:
            return found[0]
    names = {simplified(row.text("og")) for row in rows} - {""}
    return next((one for one in entities if simplified(one.name) in names), None)


def _groups(tables: Sequence[Table]) -> list[_Group]:
    """Longest table first, whose spelling of a name is kept."""
    groups: dict[str, _Group] = {}
    nameless: list[tuple[str, Place]] = []
    porteur: list[tuple[str, Place]] = []
    for table in sorted(tables, key=lambda one: -len(one.rows)):
        for row in table.rows:
            porteur += _typed(row, "finess_ej_porteur")
            typed, name = _typed(row, "finess_ej"), row.text("og")
            if not simplified(name):
                nameless += typed
            elif typed:
                group = groups.setdefault(simplified(name), _Group(name, []))
                group.typed.extend(typed)
                group.is_porteur |= "PORTEUR" in fold(row.text("role"))
    found = [*groups.values(), *_clusters(nameless)]
    return found + ([_Group(PORTEUR, porteur, is_porteur=True)] if porteur else [])


def _without_misread(groups: Sequence[_Group]) -> list[_Group]:
    """A misread name under a misread number is the only entity that both resemble: a letter of one, a digit of the other."""
    good = [group for group in groups if any(map(_holds, group.typed))]
    left = []
    for group in groups:
        near = [one for one in good if _resembles(group, one)] if group not in good else []
        if len(near) == 1:
            near[0].typed.extend(group.typed)
            near[0].is_porteur |= group.is_porteur
        else:
            left.append(group)
    return left


def _holds(typed: tuple[str, Place]) -> bool:
    return is_finess(n.plain(typed[0]))


def _resembles(misread: _Group, other: _Group) -> bool:
    if PORTEUR in (misread.name, other.name) or not alike(simplified(misread.name), simplified(other.name)):
        return False
    held = {n.plain(text) for text, place in other.typed if _holds((text, place))}
    return all(any(n.is_one_apart(n.plain(text), number) for number in held) for text, _ in misread.typed)


def _typed(row: Row, field: Field) -> list[tuple[str, Place]]:
    cell = row.cells.get(field)
    return [(cell.text, cell.place)] if cell is not None and n.plain(cell.text) else []


def _clusters(typed: Sequence[tuple[str, Place]]) -> list[_Group]:
    """Numbers without a name: one that fails joins the only one that holds and is one digit away."""
    counts = Counter(n.plain(text) for text, _ in typed)
    good = [number for number in counts if is_finess(number)]
    owner: Mapping[str, str] = {number: _owner(number, good) for number in counts}
    groups: dict[str, _Group] = {}
    for text, place in typed:
        groups.setdefault(owner[n.plain(text)], _Group("", [])).typed.append((text, place))
    return list(groups.values())


def _owner(number: str, good: Sequence[str]) -> str:
    near = [one for one in good if n.is_one_apart(number, one)]
    return near[0] if number not in good and len(near) == 1 else number


def _merged(groups: Sequence[_Group]) -> Entity:
    """The porteur's column and the organisation of the same number are one: every spelling counts."""
    typed = tuple(pair for group in groups for pair in group.typed)
    named = next((group.name for group in groups if group.name not in ("", PORTEUR)), groups[0].name)
    return Entity(named, typed, judge_legal([text for text, _ in typed]), any(group.is_porteur for group in groups))
