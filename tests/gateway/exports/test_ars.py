"""The lines for the ARS and the CNSA."""
from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

from gateway.exports.ars_lines import ars_lines
from gateway.exports.edition import Edition
from tests.gateway.exports.world import DETAIL, FIRST, ROOT, edition, grappe, measure


def read(one: Edition) -> list[list[str]]:
    return list(csv.reader(io.StringIO(ars_lines(one).decode("utf-8-sig"), newline=""), delimiter=";"))


def test_one_line_per_et_and_nothing_of_the_sums() -> None:
    header, *lines = read(edition("production"))
    one = edition()
    assert len(lines) == len(list(one.essms())) < len(one.measures)
    assert all(line[header.index("finess_et")] for line in lines)


def test_a_line_says_who_counted_over_what_and_what_to_hash() -> None:
    row = measure("IND-MSS-01", environment="production", finess_et="130790199", name="RESIDENCE FOYER LES CARMES")
    header, line = read(Edition((row,), grappe(), "Socle 0.1.0"))
    said = dict(zip(header, line, strict=True))
    assert said == said | {
        "finess_et": '="130790199"', "periode_debut": "2027-02-01", "periode_fin": "2027-02-28", "numerateur": "40",
        "denominateur": "48", "taux_pct": "83,3", "denominateur_date": "2025-06-06",
        "denominateur_definition": "personnes accompagnées pouvant bénéficier d'un projet d'accueil et d'accompagnement",
        "denominateur_source": "déclaration du projet (provisoire)", "logiciel_dui": "DUI de test 4.2",
        "passerelle": "Socle 0.1.0", "version_mesure": "2", "version_regles": "1", "version_registre": "3",
        "hash_detail": DETAIL, "racine_instantane": ROOT, "environnement": "production",
        "arrete_le": "2027-03-01T00:30:00+01:00", "arrete_le_utc": "2027-02-28T23:30:00Z",
    }  # fmt: skip


def test_only_production_has_lines_without_warning() -> None:
    assert read(edition("production"))[0][0] == "finess_et"
    simulated = edition("recette")
    assert read(simulated)[0][0].startswith("DONNÉES SIMULÉES")
    assert "(environnement recette)" in read(simulated)[0][0]
    assert simulated.name("ars", "csv") == "ars-marseille-hyeres-2026-11_2027-02-v2-DONNEES-SIMULEES.csv"
    assert edition("production").name("ars", "csv") == "ars-marseille-hyeres-2026-11_2027-02-v2.csv"


def test_a_missing_number_is_empty_and_not_zero() -> None:
    row = measure("IND-DMP-01", denominator=None, denominator_since=None, status="non_calculable", environment="production")
    header, line = read(Edition((replace(row, name="+33"),), grappe(), "Socle 0.1.0"))
    said = dict(zip(header, line, strict=True))
    assert (said["denominateur"], said["taux_pct"], said["statut"]) == ("", "", "non_calculable")
    assert said["raison_sociale"] == "'+33"


def test_a_line_is_dated_by_its_own_measure() -> None:
    rows = (measure("IND-DMP-01", FIRST, as_of=datetime(2027, 2, 6, 11, tzinfo=UTC)), measure("IND-DMP-01"))
    _, header, *lines = read(Edition(rows, grappe(), "Socle 0.1.0"))
    assert [line[header.index("arrete_le_utc")] for line in lines] == ["2027-02-06T11:00:00Z", "2027-02-28T23:30:00Z"]
