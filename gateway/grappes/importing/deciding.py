"""From a check and a person's decisions to the rows that may enter the registry. What nobody decided stays out, and is said."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from connectors.nomenclatures.identifiers import is_finess_form, luhn_holds
from gateway.grappes.importing.checking import Checked, Establishment
from gateway.grappes.importing.decisions import DecisionRefused, Ruling
from gateway.grappes.importing.names import simplified
from gateway.grappes.importing.numbers import plain
from gateway.grappes.model import Decision, Essms, Grappe, Statut

_NO_ENTITY = "entité juridique inconnue ; donnez-la par --ej NUMERO:nom, par --finess ou par --confirm"
_Number = tuple[str, Statut, Decision | None]


@dataclass(frozen=True, slots=True)
class Kept:
    """One row that enters the registry. ``decision``: the person's, when a rule alone does not carry the number."""

    row: Establishment
    finess_et: str
    statut: Statut
    decision: Decision | None
    finess_ej: str
    entite: str


@dataclass(frozen=True, slots=True)
class Left:
    """One row that stays out of the registry, and why, in French."""

    row: Establishment
    why: str

    def __str__(self) -> str:
        return f"ligne {self.row.ligne}, {self.row.label} : {self.why}"


@dataclass(frozen=True, slots=True)
class Decided:
    """``warnings``: what was kept although something does not hold."""

    kept: tuple[Kept, ...]
    left: tuple[Left, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """Who decides (a body or a role, never a person), on which day, and whether doubtful numbers enter as typed."""

    by: str
    on: date
    as_typed: bool = False
    finess_ej: str | None = None
    entite: str | None = None


def decide(checked: Checked, rulings: Sequence[Ruling], previous: Grappe | None, terms: Terms) -> Decided:
    """Each row in, or out with its reason. Raises DecisionRefused for a decision on no row, twice, or on another's number."""
    by_line = _by_line(checked, rulings)
    kept, left, warnings = [], [], []
    for row in checked.establishments:
        ruling = by_line.get(row.ligne)
        number = _number(row, ruling, previous, terms)
        legal, name = _entity(row, ruling, previous, number, terms)
        if number is None:
            left.append(Left(row, _why_out(row)))
        elif legal is None:
            left.append(Left(row, _NO_ENTITY))
        else:
            finess_et, statut, decision = number
            kept.append(Kept(row, finess_et, statut, decision, legal, name))
            if not luhn_holds(finess_et):
                warnings.append(f"ligne {row.ligne}, {row.label} : {finess_et} a une clé de contrôle fausse, gardé à vérifier")
    _check_apart(kept, checked)
    _check_not_twice(kept, previous)
    return Decided(tuple(kept), tuple(left), tuple(warnings))


def _by_line(checked: Checked, rulings: Sequence[Ruling]) -> dict[int, Ruling]:
    lines = {row.ligne for row in checked.establishments}
    found: dict[int, Ruling] = {}
    for one in rulings:
        if one.ligne not in lines:
            raise DecisionRefused(f"{one.place} : la ligne {one.ligne} n'existe pas dans les tableaux de {checked.grappe}.")
        if one.ligne in found and found[one.ligne] != one:
            raise DecisionRefused(f"{one.place} : deux décisions pour la ligne {one.ligne}. Gardez la bonne.")
        found[one.ligne] = one
    return found


def _number(row: Establishment, ruling: Ruling | None, previous: Grappe | None, terms: Terms) -> _Number | None:
    typed = {plain(one.text) for one in row.typed}
    if ruling is not None and ruling.numero is not None:
        decision = Decision(terms.by, terms.on, ruling.why)
        return ruling.numero, _statut(ruling.numero, typed), decision
    if row.verdict.statut == "confirme":
        return row.verdict.retenu, "confirme", None
    before = _before(row, previous)
    if before is not None:
        return before.finess_et, before.statut, before.decision
    if terms.as_typed and row.verdict.regle != "R8" and is_finess_form(plain(row.saisi)):
        return plain(row.saisi), "a_verifier", None
    return None


def _statut(number: str, typed: Iterable[str]) -> Statut:
    """A person's word makes a number sure, never its key right."""
    if not luhn_holds(number):
        return "a_verifier"
    return "confirme" if number in typed else "corrige_propose"


def _before(row: Establishment, previous: Grappe | None) -> Essms | None:
    """What the registry already has for this very row: an earlier decision stands until another is taken."""
    known = [one for one in previous.essms if one.member_until is None] if previous is not None else []
    return next((one for one in known if one.ligne == row.ligne and plain(one.saisi) in {plain(t.text) for t in row.typed}), None)


def _entity(
    row: Establishment, ruling: Ruling | None, previous: Grappe | None, number: _Number | None, terms: Terms
) -> tuple[str | None, str]:
    if ruling is not None and ruling.finess_ej is not None:
        return ruling.finess_ej, ruling.entite or row.og
    if row.entity is not None and is_finess_form(row.entity.verdict.retenu):
        return row.entity.verdict.retenu, row.entity.name
    if row.known is not None and is_finess_form(row.known.finess_ej):
        return row.known.finess_ej, row.og or f"Entité juridique {row.known.finess_ej} (FINESS)"
    before = previous.find(number[0]) if previous is not None and number is not None else None
    if before is not None and terms.finess_ej is None:
        return before.finess_ej, row.og
    return terms.finess_ej, terms.entite or row.og


def _why_out(row: Establishment) -> str:
    if row.verdict.statut == "corrige_propose":
        return f"{row.verdict.retenu} proposé, non confirmé"
    return f"{row.verdict.regle}, {row.verdict.justification}"


def _check_apart(kept: Sequence[Kept], checked: Checked) -> None:
    """Raises DecisionRefused when two rows would share a number, or one would take a legal entity's."""
    times = Counter(one.finess_et for one in kept)
    legal = {one.verdict.retenu for one in checked.entities} | {one.finess_ej for one in kept}
    for one in kept:
        if times[one.finess_et] > 1:
            lines = ", ".join(str(other.row.ligne) for other in kept if other.finess_et == one.finess_et)
            raise DecisionRefused(f"lignes {lines} : toutes avec {one.finess_et} ; un numéro n'est celui que d'un établissement.")
        if one.finess_et in legal:
            raise DecisionRefused(
                f"ligne {one.row.ligne}, {one.row.label} : {one.finess_et} est le numéro d'une entité juridique ; "
                "donnez le numéro géographique."
            )


def _check_not_twice(kept: Sequence[Kept], previous: Grappe | None) -> None:
    """Raises DecisionRefused when a row would enter under a new number while it is a member under another."""
    if previous is None:
        return
    numbers = {one.finess_et for one in kept}
    members = {one.ligne: one for one in previous.essms if one.member_until is None and one.finess_et not in numbers}
    for one in kept:
        old = members.get(one.row.ligne)
        if old is not None and previous.find(one.finess_et) is None and _is_same(one.row, old):
            raise DecisionRefused(
                f"ligne {one.row.ligne}, {one.row.label} : déjà membre sous {old.finess_et} ; sous {one.finess_et} en plus, ses "
                f"personnes compteraient deux fois. Déclarez d'abord sa sortie (socle grappe membre {previous.id} "
                f"{old.finess_et} --until DATE), puis relancez."
            )


def _is_same(row: Establishment, old: Essms) -> bool:
    names = {simplified(row.label), simplified(row.name)} - {""}
    return plain(old.saisi) in {plain(one.text) for one in row.typed} or bool(names & {simplified(old.name)})
