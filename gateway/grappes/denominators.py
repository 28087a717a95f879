"""What a denominator may be: sources, exclusions, and the rule of the ANAP dashboard (programme-indicateurs-2 §2).

The rules bear on values that change: registry files written before them keep loading.
"""
from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal, get_args

from gateway.grappes.model import Denominator, Essms, Grappe, Motif
from gateway.grappes.reading import RegistryError

Source = Literal["declaration_projet", "declaration_essms", "tableau_de_bord_anap", "prorata_horaire"]
SOURCES: tuple[Source, ...] = get_args(Source)
MOTIFS: tuple[Motif, ...] = get_args(Motif)
ANAP: Source = "tableau_de_bord_anap"
#: FINESS categories that the ANAP dashboard covers (programme-indicateurs-2 §2).
ANAP_CATEGORIES = frozenset({
    "182", "183", "186", "188", "189", "190", "192", "194", "195", "196", "209", "246", "249", "255", "354", "437", "445", "446",
    "448", "449", "500",
})  # fmt: skip


def changed(old: Grappe | None, new: Grappe) -> Iterator[tuple[Essms, Denominator]]:
    """The denominators of ``new`` that ``old`` does not have, with their ESSMS."""
    for essms in new.essms:
        before = old.find(essms.finess_et) if old is not None else None
        known = before.denominators if before is not None else ()
        yield from ((essms, one) for one in essms.denominators if one not in known)


def check(old: Grappe | None, new: Grappe, today: date) -> None:
    """Raises RegistryError for the first new value that may not be."""
    for essms, one in changed(old, new):
        problem = why_not(essms, one, today)
        if problem is not None:
            raise RegistryError(f"Registre des grappes, {new.id}, ESSMS {essms.finess_et} ({essms.name}) : {problem}")


def why_not(essms: Essms, one: Denominator, today: date) -> str | None:
    """Why this ESSMS cannot have this denominator today, in French; None when it can."""
    if one.source == ANAP and essms.category not in ANAP_CATEGORIES:
        return (
            f"la catégorie {essms.category} n'est pas dans la liste du tableau de bord ANAP, il n'y a donc pas de valeur ANAP ; "
            "source attendue : declaration_essms, ou prorata_horaire pour un service à domicile."
        )
    return _why_not_frozen(one, today) if one.statut == "arrete" else None


def _why_not_frozen(one: Denominator, today: date) -> str | None:
    if one.annee is None:
        return "le statut « arrete » demande l'année N des personnes comptées (annee)."
    due = date(one.annee + 1, 5, 31)
    if today > due:
        return None
    return f"une valeur de {one.annee} n'est arrêtée qu'après le {due:%d/%m/%Y} ; d'ici là : provisoire ou declare."
