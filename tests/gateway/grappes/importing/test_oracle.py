"""The five grappes of the reference: 81 establishments and 7 legal entities, number kept, status and rule, line by line."""
from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.grappe import app
from gateway.grappes.importing.checking import check
from gateway.grappes.importing.deciding import Terms, decide
from gateway.grappes.importing.decisions import accepted
from gateway.grappes.importing.files import documents_in
from gateway.grappes.importing.installing import Identity, grappe_of
from gateway.grappes.importing.names import fold
from gateway.grappes.model import Grappe
from gateway.grappes.reading import example

DATA = Path(__file__).parents[3] / "data" / "grappes"
PACKAGE = Path(__file__).parents[4] / "gateway" / "grappes" / "importing"
GRAPPES = ["antibes", "bon-accueil", "marseille-hyeres", "normandie", "ra-idf"]


def expected(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def checked(*paths: Path) -> tuple[int, dict[str, Any]]:
    answer = CliRunner().invoke(app, ["check", *map(str, paths), "--json"])
    return answer.exit_code, orjson.loads(answer.stdout_bytes)


def test_all_the_establishments_line_by_line() -> None:
    code, found = checked(DATA)
    wanted = expected("attendu-rapprochement.csv")
    assert len(wanted) == 81
    ours = {(one["grappe"], str(one["ligne"])): (one["retenu"], one["statut"], one["regle"]) for one in found["establishments"]}
    assert ours == {(one["grappe"], one["ligne"]): (one["finess_retenu"], one["statut"], one["regle"]) for one in wanted}
    assert len(found["establishments"]) == 81
    assert code == 1  # two proposals, six doubts


def test_what_was_typed_is_kept_as_typed() -> None:
    _, found = checked(DATA)
    ours = {(one["grappe"], str(one["ligne"])): one["saisi"] for one in found["establishments"]}
    wanted = expected("attendu-rapprochement.csv")
    assert ours == {
        (one["grappe"], one["ligne"]): one["saisi_convention"] or one["saisi_signatures_ou_annexe"] for one in wanted
    }  # fmt: skip


def legal(rows: list[dict[str, str]]) -> dict[tuple[str, str], tuple[str, str, str]]:
    return {(one["grappe"], fold(one["entite"])): (one["finess_ej_retenu"], one["statut"], one["regle"]) for one in rows}


def test_all_the_legal_entities() -> None:
    _, found = checked(DATA)
    wanted = expected("attendu-entites-juridiques.csv")
    assert len(wanted) == 7
    assert legal(found["entites_juridiques"]) == legal(wanted)


@pytest.mark.parametrize("name", GRAPPES)
def test_a_grappe_alone_says_the_same_whatever_the_order_of_its_files(name: str) -> None:
    _, together = checked(DATA)
    rows = [one for one in together["establishments"] if one["grappe"] == name]
    files = sorted((DATA / name).iterdir(), reverse=True)
    code, alone = checked(*files)
    assert alone["establishments"] == rows
    assert checked(DATA / name)[1]["establishments"] == rows
    assert code == int(any(one["statut"] != "confirme" for one in rows))


def test_persons_follow_the_order_of_the_fragments() -> None:
    _, found = checked(DATA / "marseille-hyeres")
    assert [one["personnes"] for one in found["establishments"]] == [25, 80, 38, 125, 61, 48, 80, 14, 15, 115, 45, None]
    assert [one["sons"] for one in found["establishments"]] == [False, True, *[False] * 4, *[True] * 6]
    assert [one["categorie"] for one in found["establishments"]] == [
        "207", "460", "202", "202", "202", "202", "354", "202", "202", "460", "202", "202",
    ]  # fmt: skip
    acquisition = [one["ligne"] for one in found["establishments"] if one["projet"] == "acquisition"]
    assert acquisition == [1, 3, 4, 5, 6]


def test_the_mark_of_a_mise_en_conformite_is_read_and_taken_off_nothing() -> None:
    _, found = checked(DATA / "bon-accueil")
    marked = [one["ligne"] for one in found["establishments"] if one["projet"] == "mise_en_conformite"]
    assert marked == [7, 11, 13, 14, 15, 18, 22]


def test_a_doubt_names_the_numbers_that_a_person_may_look_at() -> None:
    _, found = checked(DATA)
    rows = {(one["grappe"], one["ligne"]): one for one in found["establishments"]}
    assert len(rows["marseille-hyeres", 2]["choix"]) == 7
    assert len(rows["antibes", 1]["choix"]) == 7
    assert rows["bon-accueil", 17]["choix"] == []
    source = rows["bon-accueil", 13]["sources"][0]
    assert source == {"fichier": "raw-convention.csv", "ligne": 14, "colonne": "B", "saisi": "6 000 479 7"}


def test_no_line_of_the_package_knows_a_grappe() -> None:
    """No number, no name, no place of the five grappes: rules only."""
    code = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    numbers = {row[name] for path in DATA.rglob("*.csv") for row in rows_of(path) for name in row if "finess" in name}
    bare = {re.sub(r"\W", "", number) for number in numbers} - {""}
    assert len(bare) > 80
    assert [number for number in bare if number in code] == []
    words = fold(code)
    names = {fold(one["etablissement"]) for one in expected("attendu-rapprochement.csv")} | {fold(name) for name in GRAPPES}
    places = {fold(row["ville"]) for path in DATA.rglob("raw-*.csv") for row in rows_of(path) if row.get("ville")}
    assert [name for name in names | places if re.search(rf"\b{name}\b", words)] == []


def rows_of(path: Path) -> list[dict[str, str]]:
    return expected(str(path.relative_to(DATA)))


def test_every_trap_with_a_line_of_a_table_is_judged() -> None:
    """The numbers of the 52 traps that bite naive code (programme-indicateurs §3): what we keep instead."""
    _, found = checked(DATA)
    kept = {(one["grappe"], one["ligne"]): one["retenu"] for one in found["establishments"]}
    assert "060004797" not in kept.values()  # trap 2: zfill
    assert "050003959" not in kept.values()  # trap 3: zfill
    assert kept["normandie", 10] != kept["normandie", 11]  # trap 5: nearest match
    [documents] = documents_in([DATA / "normandie"])
    assert any("lettre-engagement" in remark for remark in check(documents).remarks)  # anomaly A25: never a 24th row


def test_the_grappe_shipped_with_socle_is_what_an_import_of_its_tables_makes() -> None:
    shipped = example("marseille-hyeres")
    [documents] = documents_in([DATA / "marseille-hyeres"])
    terms = Terms("amoa", shipped.document_date, as_typed=True)
    decided = decide(check(documents), accepted([f"3={shipped.essms[2].finess_et}:vu"]), None, terms)
    made = grappe_of(Identity("essai", shipped.document_date), check(documents), decided, None)
    assert facts(made) == facts(shipped)
    assert made.porteur_ej == shipped.porteur_ej
    assert [(one.finess_ej, one.regle) for one in made.entites_juridiques] == [
        (one.finess_ej, one.regle) for one in shipped.entites_juridiques
    ]  # fmt: skip


def facts(grappe: Grappe) -> list[tuple[object, ...]]:
    return [
        (
            one.ligne, one.finess_et, one.finess_ej, one.saisi, one.statut, one.regle,
            one.persons, one.category, one.sector, one.projet,
        )
        for one in grappe.essms
    ]  # fmt: skip
