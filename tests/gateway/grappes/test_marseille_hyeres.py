"""The shipped example is the real grappe, read as the reconciliation oracle reads it."""
from __future__ import annotations

import csv
from pathlib import Path

from gateway.grappes.reading import example

NUMBERS = [25, 80, 38, 125, 61, 48, 80, 14, 15, 115, 45, None]


def test_twelve_essms_and_the_646_known_persons() -> None:
    grappe = example("marseille-hyeres")
    assert [one.ligne for one in grappe.essms] == list(range(1, 13))
    assert [one.persons for one in grappe.essms] == NUMBERS
    assert sum(one.persons or 0 for one in grappe.essms) == 646
    assert grappe.denominator_label == "personnes accompagnées (déclaration du projet, 2025) ; sous-ensemble éligible inconnu"


def test_the_correction_of_row_3_and_the_doubt_of_row_2_are_recorded() -> None:
    _, second, third, *_ = example("marseille-hyeres").essms
    assert (second.saisi, second.finess_et, second.statut, second.regle) == ("130045133", "130045133", "a_verifier", "R6")
    assert (third.saisi, third.finess_et, third.statut, third.regle) == ("1306784507", "130784507", "corrige_propose", "R5")
    assert second.decision is None
    assert third.decision is not None and third.decision.by and third.decision.why and third.decision.on


def test_the_example_equals_the_oracle() -> None:
    folder = Path(__file__).parents[2] / "data" / "grappes"
    grappe = example("marseille-hyeres")
    ours = [
        (str(one.ligne), one.name_saisi or one.name, one.saisi, one.finess_et, one.statut, one.regle) for one in grappe.essms
    ]
    keys = ("ligne", "etablissement", "saisi_convention", "finess_retenu", "statut", "regle")
    assert ours == [tuple(row[key] for key in keys) for row in rows(folder / "attendu-rapprochement.csv")]
    legal = [(one.name, one.finess_ej, one.statut, one.regle) for one in grappe.entites_juridiques]
    keys = ("entite", "finess_ej_retenu", "statut", "regle")
    assert legal == [tuple(row[key] for key in keys) for row in rows(folder / "attendu-entites-juridiques.csv")]
    with (folder / "marseille-hyeres/raw-projet.csv").open(encoding="utf-8", newline="") as text:
        declared = list(csv.DictReader(text))
    assert [str(number or "") for number in NUMBERS] == [row["nombre_personnes_accompagnees"] for row in declared]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as text:
        return [row for row in csv.DictReader(text) if row["grappe"] == "marseille-hyeres"]
