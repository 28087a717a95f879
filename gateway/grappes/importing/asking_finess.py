"""A check beside what FINESS says: unknown, closed, another legal entity, another category. It warns; it changes no verdict."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from gateway.grappes.importing.checking import Checked, Establishment
from gateway.grappes.importing.finess_file import FinessFile, read_finess


def ask_finess(grappes: Iterable[Checked], path: Path) -> list[Checked]:
    """The same checks with the alerts of the extraction, read once for all of them. Raises Unreadable."""
    checked = list(grappes)
    said = read_finess(path, {number for one in checked for number in _numbers(one)})
    return [_asked(one, said) for one in checked]


def _numbers(checked: Checked) -> Iterable[str]:
    for one in checked.establishments:
        yield one.verdict.retenu
        yield from one.verdict.choix
    for entity in checked.entities:
        yield entity.verdict.retenu
        yield from entity.verdict.choix


def _asked(checked: Checked, said: FinessFile) -> Checked:
    day = f" du {said.day}" if said.day else ""
    remark = f"{said.document} : extraction FINESS{day}, {said.rows} établissements ; un établissement fermé peut n'y plus être."
    found = tuple(
        replace(one, alerts=tuple(_alerts(one, said)), known=said.known.get(one.verdict.retenu)) for one in checked.establishments
    )
    legal = [
        f"entité juridique {one.verdict.retenu} ({one.name}) : inconnue de {said.document}."
        for one in checked.entities
        if one.verdict.retenu not in said.legal
    ]
    return replace(checked, establishments=found, remarks=(*checked.remarks, remark), alerts=tuple(legal))


def _alerts(one: Establishment, said: FinessFile) -> Iterable[str]:
    number = one.verdict.retenu
    known = said.known.get(number)
    if known is None and number in said.legal:
        yield f"{number} est un numéro d'entité juridique dans FINESS, pas d'établissement"
    elif known is None and number:
        yield f"{number} est inconnu de FINESS, ou fermé"
    if known is not None:
        if known.closed_on:
            yield f"{number} est fermé dans FINESS depuis le {known.closed_on}"
        entity = one.entity.verdict.retenu if one.entity is not None else None
        if entity is not None and known.finess_ej and known.finess_ej != entity:
            yield f"{number} dépend de l'entité juridique {known.finess_ej} dans FINESS, de {entity} ici"
        if one.category and known.category and known.category != one.category:
            yield f"{number} est de catégorie {known.category} dans FINESS, {one.category} ici"
        if one.postcode and known.postcode and known.postcode != one.postcode:
            yield f"{number} est à {known.postcode} dans FINESS, à {one.postcode} ici"
    for choice in one.verdict.choix:
        other = said.known.get(choice)
        if other is not None and one.verdict.statut != "confirme" and choice != number:
            yield f"FINESS connaît {choice} : {other.name}" + (f", {other.postcode}" if other.postcode else "")
