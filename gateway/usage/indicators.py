"""The five indicators of the conventions (programme-indicateurs §5; reference data/grappes/indicateurs.csv), and who feeds them.

INS lines are no indicator: no convention has one (programme-indicateurs §5), they are counted apart in ``ins.py``.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.operations import OPERATIONS


@dataclass(frozen=True, slots=True)
class Indicator:
    """One ratio. ``target`` in percent; ``fed_by`` says where its numerator comes from."""

    id: str
    label: str  # French, short: titles of tables
    numerator: str
    denominator: str
    target: int
    fed_by: Literal["journal", "extraction"]


_ROWS = (
    Indicator(
        "IND-DUI-01", "Dossiers actifs", "dossiers actifs", "personnes accompagnées dans la structure", 90, "extraction",
    ),
    Indicator(
        "IND-DUI-02", "Projets personnalisés", "dossiers actifs ayant un projet personnalisé en préparation ou actif",
        "dossiers actifs", 90, "extraction",
    ),
    Indicator(
        "IND-DUI-03", "Événements d'agenda", "dossiers actifs ayant au moins un événement d'agenda", "dossiers actifs", 90,
        "extraction",
    ),
    Indicator(
        "IND-MSS-01", "MSSanté, messages envoyés", "messages envoyés par MSSanté",
        "personnes accompagnées pouvant bénéficier d'un projet d'accueil et d'accompagnement", 70, "journal",
    ),
    Indicator(
        "IND-DMP-01", "DMP, dossiers alimentés", "DMP alimentés avec au moins un document",
        "personnes accompagnées pouvant bénéficier d'un projet d'accueil et d'accompagnement", 70, "journal",
    ),
)  # fmt: skip

INDICATORS: dict[str, Indicator] = {row.id: row for row in _ROWS}
#: The two that the journal alone gives.
SOCLE = tuple(row.id for row in _ROWS if row.fed_by == "journal")
DUI = tuple(row.id for row in _ROWS if row.fed_by == "extraction")
#: Operation id → the indicator it feeds.
FEEDS = {row.id: row.indicator for row in OPERATIONS.values() if row.indicator is not None}
