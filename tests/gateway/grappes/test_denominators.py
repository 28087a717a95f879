"""Denominators (programme-indicateurs-2 §2): who may say how many persons, when it is frozen, and what a file may hold."""
from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.exports.cells import csv_bytes
from gateway.grappes.changes import apply_all
from gateway.grappes.denominator_files import COLUMNS, read_denominators, template
from gateway.grappes.denominators import ANAP_CATEGORIES, SOURCES, why_not
from gateway.grappes.differences import compare
from gateway.grappes.model import Denominator, Exclusion
from gateway.grappes.reading import RegistryError, check_grappe, example
from gateway.grappes.registry import Registry
from gateway.grappes.tables import TableRefused
from tests.gateway.grappes.world import GRAPPE, HYERES, LES_CARMES, SAINT_TRONC, noted, put, registrar_of, the, with_essms

TODAY = date(2026, 11, 22)
SSIAD = "130802499"  # category 354, the only one of the list
MURIERS = "830206587"  # whose number of persons nobody declared
REGISTRY = Registry([example(GRAPPE)])
HEAD = ";".join(column.name for column in COLUMNS)
LINE = (
    f"{LES_CARMES};LES CARMES;2026-01-01;61;declaration_essms;declare;2025;"
    "accueil_ponctuel:3;accueil_ponctuel:3, autre:2;délibération"
)


def csv_of(*rows: str, head: str = HEAD) -> bytes:
    return "\n".join((head, *rows, "")).encode()


def read(*rows: str) -> Denominator:
    [changes] = read_denominators(csv_of(*rows), REGISTRY, TODAY).values()
    essms = the(apply_all(example(GRAPPE), changes), changes[0].finess_et)
    found = essms.denominator(changes[0].since)
    assert found is not None
    return found


# --- what one may be ----------------------------------------------------------------------------------------------------------


def test_the_anap_list_is_the_reference_s() -> None:
    assert len(ANAP_CATEGORIES) == 21
    assert {"354", "500", "209"} <= ANAP_CATEGORIES
    assert ANAP_CATEGORIES.isdisjoint({"202", "207", "460"})  # résidence autonomie, centre de jour, service d'aide


def test_only_a_category_of_the_anap_list_has_an_anap_value() -> None:
    anap = Denominator(date(2026, 1, 1), 61, "tableau_de_bord_anap")
    ours = the(example(GRAPPE), LES_CARMES)
    assert ours.category == "202"
    assert why_not(ours, anap, TODAY) == (
        "la catégorie 202 n'est pas dans la liste du tableau de bord ANAP, il n'y a donc pas de valeur ANAP ; source attendue : "
        "declaration_essms, ou prorata_horaire pour un service à domicile."
    )
    assert why_not(ours, replace(anap, source="declaration_essms"), TODAY) is None
    assert why_not(the(example(GRAPPE), SSIAD), anap, TODAY) is None


@pytest.mark.parametrize("annee, today, why", [
    (2025, date(2026, 5, 31), "n'est arrêtée qu'après le 31/05/2026"),
    (2025, date(2026, 6, 1), None),
    (2026, TODAY, "n'est arrêtée qu'après le 31/05/2027"),
    (None, TODAY, "demande l'année N"),
])
def test_a_value_is_frozen_after_31_may_of_the_next_year(annee: int | None, today: date, why: str | None) -> None:
    one = Denominator(date(2026, 1, 1), 61, "declaration_essms", "arrete", annee=annee)
    said = why_not(the(example(GRAPPE), LES_CARMES), one, today)
    assert said is None if why is None else why in str(said)
    assert why_not(the(example(GRAPPE), LES_CARMES), replace(one, statut="declare"), today) is None


def test_both_eligible_populations_are_everybody_unless_an_exclusion_says_otherwise() -> None:
    one = Denominator(date(2026, 1, 1), 61, "declaration_essms")
    assert {one.of(indicator) for indicator in ("IND-DUI-01", "IND-MSS-01", "IND-DMP-01")} == {61}
    reduced = replace(one, exclusions=(Exclusion("dmp", "accueil_ponctuel", 3), Exclusion("dmp", "mesure_judiciaire", 1)))
    assert (reduced.of("IND-DUI-01"), reduced.of("IND-MSS-01"), reduced.of("IND-DMP-01")) == (61, 61, 57)


@pytest.mark.parametrize("exclusions, eligible, why", [
    ((Exclusion("dmp", "autre", 2),), None, "exclusion « autre » sans justificatif"),
    ((Exclusion("dmp", "accueil_ponctuel", 62),), None, "plus de personnes exclues que de personnes accompagnées"),
    ((Exclusion("dmp", "accueil_ponctuel", 2),), 50, "alors que les exclusions en laissent 59"),
    ((Exclusion("mss", "accueil_ponctuel", 2),), 50, "réduite sans exclusion déclarée"),
])
def test_an_exclusion_adds_up_and_says_why(exclusions: tuple[Exclusion, ...], eligible: int | None, why: str) -> None:
    one = Denominator(date(2026, 1, 1), 61, "declaration_essms", population_eligible_dmp=eligible, exclusions=exclusions)
    with pytest.raises(RegistryError, match=why):
        check_grappe(with_essms(example(GRAPPE), LES_CARMES, denominators=(one,)))
    good = replace(one, population_eligible_dmp=59, exclusions=(Exclusion("dmp", "autre", 2, "délibération du 3 mars"),))
    check_grappe(with_essms(example(GRAPPE), LES_CARMES, denominators=(good,)))


def test_a_value_divides_from_its_day_to_the_next_one_s() -> None:
    old = with_essms(example(GRAPPE), LES_CARMES, denominators=(
        Denominator(date(2025, 6, 6), 61, "declaration_projet"), Denominator(date(2026, 6, 1), 70, "declaration_essms"),
    ))  # fmt: skip
    new = with_essms(old, LES_CARMES, denominators=(
        Denominator(date(2025, 6, 6), 60, "declaration_projet"), Denominator(date(2026, 6, 1), 70, "declaration_essms"),
    ))  # fmt: skip
    difference = compare(old, new)
    assert difference.codes == ("denominateur",)
    assert [one.item() for one in difference.touched] == [{"finess_et": LES_CARMES, "from": "2025-06-06", "to": "2026-06-01"}]


async def test_a_frozen_value_that_changes_says_so(tmp_path: Path) -> None:
    put(tmp_path)
    frozen = f"{LES_CARMES};;2026-01-01;61;declaration_essms;arrete;2024;;;"
    async with registrar_of(tmp_path) as registrar:
        for line in (frozen, frozen.replace(";61;", ";60;")):
            [changes] = read_denominators(csv_of(line), registrar.registry, TODAY).values()
            await registrar.change(GRAPPE, lambda grappe, asked=changes: apply_all(grappe, asked), by="amoa")  # type: ignore[misc]
    assert [entry["change"] for entry in noted(tmp_path)] == [["denominateur"], ["denominateur", "denominateur_arrete_modifie"]]


async def test_the_rule_holds_whatever_the_way_in(tmp_path: Path) -> None:
    put(tmp_path)
    anap = Denominator(date(2026, 1, 1), 61, "tableau_de_bord_anap")
    async with registrar_of(tmp_path) as registrar:
        with pytest.raises(RegistryError, match="n'est pas dans la liste du tableau de bord ANAP"):
            await registrar.change(GRAPPE, lambda one: with_essms(one, LES_CARMES, denominators=(anap,)), by="amoa")
    assert noted(tmp_path) == []


# --- what a file may hold -----------------------------------------------------------------------------------------------------


def test_a_line_is_a_dated_sourced_value() -> None:
    assert read(LINE) == Denominator(
        date(2026, 1, 1), 61, "declaration_essms", "declare", annee=2025,
        exclusions=(
            Exclusion("mss", "accueil_ponctuel", 3, "délibération"), Exclusion("dmp", "accueil_ponctuel", 3, "délibération"),
            Exclusion("dmp", "autre", 2, "délibération"),
        ),
    )  # fmt: skip


def changed(column: str, value: str) -> str:
    cells = dict(zip(HEAD.split(";"), LINE.split(";"), strict=True)) | {column: value}
    return ";".join(cells.values())


@pytest.mark.parametrize("column, value, why", [
    ("finess_et", "30790199", "ligne 2, colonne finess_et : 8 chiffres sur 9"),
    ("finess_et", HYERES, "ligne 2, colonne finess_et : numéro d'entité juridique"),
    ("finess_et", "750832156", "FINESS inconnu du registre"),
    ("personnes", "-61", "ligne 2, colonne personnes : nombre négatif"),
    ("personnes", "61,5", "nombre décimal"),
    ("personnes", "61.0", "nombre décimal"),
    ("depuis", "janvier", "ligne 2, colonne depuis : date attendue"),
    ("source", "tableau_de_bord_anap", "ligne 2, colonne source : la catégorie 202 n'est pas dans la liste"),
    ("source", "moi", "valeur hors de la liste : declaration_projet"),
    ("statut", "arrêté", "valeur hors de la liste : provisoire, declare, arrete"),
    ("annee", "25", "année sur quatre chiffres"),
    ("exclus_dmp", "vacances:3", "attendu « motif:nombre »"),
    ("exclus_dmp", "accueil_ponctuel:-3", "ligne 2, colonne exclus_dmp : nombre négatif"),
    ("exclus_mss", "accueil_ponctuel:62", "plus de personnes exclues"),
    ("justificatif", "", "l'exclusion « autre » demande un justificatif"),
])
def test_a_wrong_cell_is_named_and_nothing_is_taken(column: str, value: str, why: str) -> None:
    good = f"{SAINT_TRONC};;2026-01-01;38;declaration_essms;provisoire;;;;"
    assert read(good).persons == 38
    with pytest.raises(TableRefused, match=why) as refused:
        read_denominators(csv_of(changed(column, value), good), REGISTRY, TODAY)
    assert {problem.line for problem in refused.value.problems} == {2}


def test_a_value_of_the_current_year_is_not_yet_frozen() -> None:
    assert read(changed("statut", "arrete")).statut == "arrete"  # 2025 is due since 31 May 2026
    with pytest.raises(TableRefused, match=r"ligne 2, colonne statut : une valeur de 2026 n'est arrêtée qu'après le 31/05/2027"):
        read(changed("statut", "arrete").replace(";2025;", ";2026;"))


def test_two_lines_of_one_day_and_two_essms_with_one_number_are_named() -> None:
    with pytest.raises(TableRefused, match="ligne 3, colonne depuis : même ESSMS et même date qu'à la ligne 2"):
        read(LINE, LINE)
    other = LINE.replace("LES CARMES", "LES AMANDIERS").replace("2026-01-01", "2026-02-01")
    with pytest.raises(TableRefused, match="ligne 3, colonne finess_et : même numéro qu'à la ligne 2, pour un autre ESSMS"):
        read(LINE, other)


def test_the_template_read_back_changes_nothing_that_is_in_force() -> None:
    grappe = example(GRAPPE)
    rows = template(grappe)
    assert [row[0] for row in rows[1:]] == [one.finess_et for one in grappe.essms]
    assert rows[-1][:4] == [MURIERS, the(grappe, MURIERS).name, "", ""]  # what is missing is there to be filled in
    [changes] = read_denominators(csv_bytes(rows[:-1]), REGISTRY, TODAY).values()
    assert compare(grappe, apply_all(grappe, changes)).codes == ()


def test_every_source_may_be_written() -> None:
    assert [read(changed("source", one).replace(LES_CARMES, SSIAD)).source for one in SOURCES] == list(SOURCES)
