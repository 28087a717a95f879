"""The grappe that the registry will hold: what was decided, laid over what it already knows. Nothing leaves it by an import."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from connectors.nomenclatures.identifiers import is_finess_form, luhn_holds
from gateway.grappes.importing.checking import Checked
from gateway.grappes.importing.deciding import Decided, Kept
from gateway.grappes.importing.decisions import DecisionRefused
from gateway.grappes.importing.legal import PORTEUR
from gateway.grappes.importing.names import without_mark
from gateway.grappes.importing.numbers import plain
from gateway.grappes.importing.values import sector_of
from gateway.grappes.model import Decision, Denominator, Essms, Grappe, LegalEntity

_SOURCE = "declaration_projet"


@dataclass(frozen=True, slots=True)
class Identity:
    """What the tables do not say of a grappe. None keeps what the registry has, or the default of a first import.

    document_date  day of the convention: its ESSMS are members, and its persons count, from that day on
    today          what a first import takes for that day when it is not given
    """

    id: str
    today: date
    name: str | None = None
    ars: str | None = None
    source: str | None = None
    document_date: date | None = None
    porteur_ej: str | None = None


def grappe_of(identity: Identity, checked: Checked, decided: Decided, previous: Grappe | None) -> Grappe:
    """Raises DecisionRefused when nobody can guess who carries the grappe."""
    day = identity.document_date or (previous.document_date if previous is not None else identity.today)
    kept = [_essms(one, previous, day) for one in decided.kept]
    entities = _entities(checked, decided, previous)
    base = previous or Grappe(
        version=1, id=identity.id, name=identity.id, ars="non précisée", source=", ".join(checked.documents), document_date=day,
        porteur_ej="", denominator_label="personnes accompagnées (tableaux de la convention)", entites_juridiques=(), essms=(),
    )  # fmt: skip
    porteur = _porteur(identity, checked, entities, previous)
    if porteur not in {one.finess_ej for one in entities}:
        entities.append(_given(porteur, PORTEUR))
    return replace(
        base, name=identity.name or base.name, ars=identity.ars or base.ars, source=identity.source or base.source,
        document_date=day, porteur_ej=porteur, entites_juridiques=tuple(entities), essms=_laid_over(kept, previous),
    )  # fmt: skip


def differences(before: Grappe | None, after: Grappe) -> list[str]:
    """What an import changes, in French, one line each; empty when it changes nothing."""
    known = {one.finess_et: one for one in before.essms} if before is not None else {}
    lines = [] if before is None else _changed(_heads(before), _heads(after))
    for one in after.essms:
        old = known.get(one.finess_et)
        if old is None:
            persons = "personnes non déclarées" if one.persons is None else f"{one.persons} personnes"
            lines.append(f"+ {one.finess_et} {one.name} (ligne {one.ligne}, EJ {one.finess_ej}, {persons})")
        elif old != one:
            lines += [f"~ {one.finess_et} {one.name} : {text}" for text in _changed(_facts(old), _facts(one))]
    same = before is None or before == after
    return lines if lines or same else ["~ détails : secteur, numéros saisis ou justification"]


def _laid_over(kept: Sequence[Essms], previous: Grappe | None) -> tuple[Essms, ...]:
    """In the registry's order, the new ones last: an import that changes nothing changes no byte."""
    fresh = {one.finess_et: one for one in kept}
    before = [fresh.pop(one.finess_et, one) for one in previous.essms] if previous is not None else []
    return (*before, *fresh.values())


def _essms(one: Kept, previous: Grappe | None, day: date) -> Essms:
    row = one.row
    typed = next((said.text for said in row.typed if plain(said.text) == one.finess_et), row.saisi)
    category = row.category or (row.known.category if row.known is not None else None)
    old = previous.find(one.finess_et) if previous is not None else None
    base = old or Essms(
        finess_et=one.finess_et, finess_ej=one.finess_ej, name="", sector=sector_of(category or ""), category=category or "",
        statut=one.statut, regle=row.verdict.regle, saisi="", member_from=day,
    )  # fmt: skip
    name = without_mark(row.label) or base.name or f"ESSMS {one.finess_et}"
    return replace(
        base, finess_ej=one.finess_ej, name=name, name_saisi=row.name if row.name not in ("", name) else None,
        statut=one.statut, regle=row.verdict.regle, saisi=" ".join(typed.split()), ligne=row.ligne,
        justification=row.verdict.justification, decision=_decision(one, old), projet=row.projet or base.projet,
        category=category or base.category, sector=sector_of(category) if category else base.sector,
        denominators=_denominators(row.persons, base, day),
    )  # fmt: skip


def _decision(one: Kept, old: Essms | None) -> Decision | None:
    """The same decision given again is the first one: importing twice changes nothing."""
    if one.decision is not None and old is not None and old.decision is not None:
        same = (old.decision.by, old.decision.why) == (one.decision.by, one.decision.why)
        return old.decision if same else one.decision
    return one.decision


def _denominators(persons: int | None, base: Essms, day: date) -> tuple[Denominator, ...]:
    if persons is None or persons == base.persons:
        return base.denominators
    others = tuple(one for one in base.denominators if one.since != day)
    return (*others, Denominator(since=day, persons=persons, source=_SOURCE))


def _entities(checked: Checked, decided: Decided, previous: Grappe | None) -> list[LegalEntity]:
    """The registry's, those of the tables, and those that a person or FINESS gave for a row; in that order, once."""
    found = {one.finess_ej: one for one in previous.entites_juridiques} if previous is not None else {}
    used = {one.finess_ej for one in decided.kept}
    for entity in checked.entities:
        verdict = entity.verdict
        if verdict.retenu in used or (entity.is_porteur and is_finess_form(verdict.retenu)):
            found[verdict.retenu] = LegalEntity(
                verdict.retenu, entity.name or f"Entité juridique {verdict.retenu}", verdict.statut, verdict.regle,
                entity.saisi, verdict.justification,
            )  # fmt: skip
    for one in decided.kept:
        name = one.entite or f"Entité juridique {one.finess_ej}"
        found.setdefault(one.finess_ej, _given(one.finess_ej, name))
    return list(found.values())


def _given(number: str, name: str) -> LegalEntity:
    """One that no table has; its key is judged like another's."""
    if luhn_holds(number):
        return LegalEntity(number, name, "confirme", "R0", (number,), "donnée à l'import")
    return LegalEntity(number, name, "a_verifier", "R6", (number,), "donnée à l'import, clé de contrôle fausse")


def _porteur(identity: Identity, checked: Checked, entities: Sequence[LegalEntity], previous: Grappe | None) -> str:
    """Given, else already known, else what a column or a role says, else the only entity."""
    numbers = [one.finess_ej for one in entities]
    said = [one.verdict.retenu for one in checked.entities if one.is_porteur and one.verdict.retenu in numbers]
    only = numbers if len(numbers) == 1 else []
    candidates = [identity.porteur_ej, previous.porteur_ej if previous is not None else None, *said, *only]
    found = next((one for one in candidates if one), None)
    if found is None:
        known = ", ".join(numbers) or "aucune"
        raise DecisionRefused(f"porteur inconnu : donnez --porteur NUMERO (entités juridiques retenues : {known}).")
    return found


def _heads(grappe: Grappe) -> dict[str, object]:
    legal = ", ".join(f"{one.finess_ej} {one.name} ({one.statut})" for one in grappe.entites_juridiques)
    return {
        "nom": grappe.name, "ARS": grappe.ars, "source": grappe.source, "date": grappe.document_date,
        "porteur": grappe.porteur_ej, "entités juridiques": legal,
    }  # fmt: skip


def _facts(one: Essms) -> dict[str, object]:
    decision = f"{one.decision.by}, {one.decision.why}" if one.decision is not None else None
    return {
        "nom": one.name, "personnes": one.persons, "EJ": one.finess_ej, "statut": one.statut, "règle": one.regle,
        "saisi": one.saisi, "décision": decision, "projet": one.projet, "catégorie": one.category, "ligne": one.ligne,
        "dénominateurs": len(one.denominators), "justification": one.justification, "nom saisi": one.name_saisi,
    }  # fmt: skip


def _changed(before: dict[str, object], after: dict[str, object]) -> list[str]:
    pairs: Iterable[tuple[str, object, object]] = ((name, before[name], after[name]) for name in before)
    return [f"{name} : {_said(old)} → {_said(new)}" for name, old, new in pairs if old != new]


def _said(value: object) -> str:
    return "non déclaré" if value is None else str(value)
