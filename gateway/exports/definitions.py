"""What an export says of how its numbers were made (programme-indicateurs §5, §6; decision 0004)."""
from __future__ import annotations

from typing import Literal

from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure

#: Of every output, until the annex of instruction 2025/40 is obtained (programme-indicateurs-2 §2).
POPULATION_NOTE = "population éligible : définition de la note 2 de l'annexe non disponible"
#: Whose definitions these are.
SIGNED = "définitions telles que signées par les grappes dans l'annexe 1 de leurs conventions"

SOURCES = {
    "journal": "journal de la passerelle",
    "extraction": "extraction du DUI, hors services socles",
    "declaration": "déclaration, hors services socles",
}
DENOMINATOR_SOURCES = {
    "declaration_projet": "déclaration du projet",
    "declaration_essms": "déclaration de l'ESSMS",
    "tableau_de_bord_anap": "tableau de bord de l'ANAP",
}
DENOMINATOR_STATES = {"provisoire": "provisoire", "declare": "déclaré", "arrete": "arrêté"}
STATUS = {
    "calcule": "calculé", "provisoire": "provisoire", "non_calculable": "non calculable", "hors_champ": "hors champ",
}  # fmt: skip
STATES = {"ouvert": "ouvert", "en_cloture": "en clôture", "clos": "clos"}
FROZEN = "figé"
LEVELS = {"essms": "ESSMS", "og": "organisme gestionnaire", "grappe": "grappe"}
WINDOWS = {"premiere": "première période", "mensuelle": "mois"}
CHANNELS = {"dmp": "DMP", "mss_pro": "MSSanté professionnelle", "mss_citoyenne": "MSSanté citoyenne"}
REACHED = {True: "oui", False: "non", None: "nc"}

#: How the numerators of the journal are counted, where the conventions are silent.
COUNTING = (
    ("unité MSSanté", "un message accepté par l'opérateur : un par Message-ID et boîte émettrice, non par destinataire"),
    ("unité DMP", "une personne dont le DMP a reçu au moins un document, par ESSMS et par fenêtre"),
    ("refus, échecs, appels en doute", "jamais au numérateur ; donnés à côté"),
    ("attribution", "un seul ESSMS par envoi, par son FINESS géographique ; sinon non attribué et compté pour personne"),
    ("date d'un envoi", "celle de l'accusé du service, à l'heure locale de l'ESSMS"),
    ("fenêtres", "la première porte sur trois mois civils, chaque suivante sur un mois"),
    ("dénominateur", "celui en vigueur au dernier jour de la fenêtre ; absent : non calculable, jamais 0 %"),
    ("grappe et OG", "somme des numérateurs sur somme des dénominateurs des ESSMS calculables, jamais la moyenne des taux"),
    ("atteint", "jugé sur des entiers : 100 × numérateur ≥ cible × dénominateur ; l'arrondi ne sert qu'à l'affichage"),
)  # fmt: skip


def scoring_of(indicator: str) -> Literal["ratio", "proportion"]:
    """Messages over persons may exceed one; the four others are parts of their denominators."""
    return "ratio" if indicator == "IND-MSS-01" else "proportion"


def unmeasured(row: Measure) -> bool:
    """Whether nobody gave a number for it: the DUI's rates need an extraction."""
    return INDICATORS[row.indicator].fed_by == "extraction" and row.source_detail is None


def denominator_source(row: Measure) -> str:
    """Who gave the divisor, and how final it is; the grappe's own words when it has no source of its own."""
    if row.denominator_source is None:
        return row.denominator_label
    state = DENOMINATOR_STATES.get(row.denominator_statut or "", "")
    return DENOMINATOR_SOURCES.get(row.denominator_source, row.denominator_source) + (f" ({state})" if state else "")


def numerator_source(row: Measure) -> str:
    return SOURCES[row.source] + (f" : {row.source_detail}" if row.source_detail else "")
