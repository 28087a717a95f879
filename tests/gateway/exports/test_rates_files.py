"""The files that leave: their exact bytes, their names, what a spreadsheet makes of them."""
from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from gateway.exports.cells import local_and_utc
from gateway.exports.csv_rates import COLUMNS, rates_csv
from gateway.exports.json_rates import rates_json
from gateway.exports.naming import file_name
from gateway.exports.table_rates import rates_table
from gateway.usage.measure import Measure
from gateway.usage.periods import Window

AT = datetime(2027, 2, 3, 7, 30, tzinfo=UTC)
WINDOW = Window("premiere", date(2026, 11, 1), date(2027, 2, 1))
CARMES = Measure(
    grappe="antibes", finess_et="060790508", finess_ej="060791001", name="RESIDENCE LES CARMES", indicator="IND-MSS-01",
    window=WINDOW, numerator=40, in_doubt=2, denominator=48, denominator_label="personnes ; sous-ensemble éligible inconnu",
    denominator_since=date(2025, 6, 6), target=70, status="calcule", environment="bac_a_sable", failures=3, unattributed=None,
    detail_sha256="ab" * 32, calculable=1, members=1, finess_statut="corrige_propose", finess_saisi="60790508",
)  # fmt: skip
MURIERS = replace(
    CARMES, finess_et="830206587", name="=HYPERLINK(1)", numerator=5, in_doubt=0, denominator=None, denominator_since=None,
    status="non_calculable", failures=0, calculable=0, finess_statut="confirme", finess_saisi="830206587",
)  # fmt: skip
TOGETHER = replace(
    CARMES, finess_et=None, finess_ej=None, name="Antibes", unattributed=4, members=2, finess_statut=None, finess_saisi=None
)
ROWS = [CARMES, MURIERS, TOGETHER]
GOLDEN = Path(__file__).parent / "golden" / "taux.csv"


def lines(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_the_csv_is_the_golden_one_to_the_byte() -> None:
    assert rates_csv(ROWS, AT) == GOLDEN.read_bytes()


def test_a_finess_keeps_its_leading_zero_in_a_spreadsheet() -> None:
    [_, _, first, *_] = lines(rates_csv(ROWS, AT))
    assert first[COLUMNS.index("finess_et")] == '="060790508"'


def test_each_line_says_how_sure_its_number_is() -> None:
    [_, _, *rows] = lines(rates_csv(ROWS, AT))
    sure = [(row[COLUMNS.index("finess_statut")], row[COLUMNS.index("finess_saisi")]) for row in rows]
    assert sure == [("corrige_propose", '="60790508"'), ("confirme", '="830206587"'), ("", "")]


def test_a_name_is_never_a_formula() -> None:
    [_, _, _, second, _] = lines(rates_csv(ROWS, AT))
    assert second[COLUMNS.index("raison_sociale")] == "'=HYPERLINK(1)"


def test_in_production_the_header_comes_first_and_nothing_says_simulated() -> None:
    real = [replace(row, environment="production") for row in ROWS]
    [header, first, *_] = lines(rates_csv(real, AT))
    assert header == list(COLUMNS)
    assert first[COLUMNS.index("simulation")] == "non"
    assert "SIMUL" not in file_name(real, "csv")
    assert orjson.loads(rates_json(real, AT))["avertissement"] is None
    assert not rates_table(real).startswith("DONNÉES")


def test_elsewhere_the_first_line_and_the_name_say_it() -> None:
    assert lines(rates_csv(ROWS, AT))[0][0].startswith("DONNÉES SIMULÉES")
    assert file_name(ROWS, "csv") == "taux-antibes-2026-11_2027-01-provisoire-DONNEES-SIMULEES.csv"
    assert rates_table(ROWS).startswith("DONNÉES SIMULÉES")


def test_the_json_holds_the_items_and_what_is_true_of_all() -> None:
    said = orjson.loads(rates_json(ROWS, AT))
    assert said["rates"] == [row.item() for row in ROWS]
    assert (said["generated_at"], said["simulated"], said["environment"]) == ("2027-02-03T07:30:00Z", True, "bac_a_sable")
    assert said["note"] == "population éligible : définition de la note 2 de l'annexe non disponible"
    assert said["coverage"] == [
        {"grappe": "antibes", "indicator": "IND-MSS-01", "period_start": "2026-11-01", "calculable": 1, "total": 2},
    ]


def test_a_name_tells_a_closed_version_from_a_provisional_one() -> None:
    closed = [replace(row, state="clos", version=number) for number, row in enumerate(ROWS, start=1)]
    assert file_name(closed, "csv") == "taux-antibes-2026-11_2027-01-v3-DONNEES-SIMULEES.csv"
    assert file_name([*closed[:2], ROWS[2]], "csv", "ars") == "ars-antibes-2026-11_2027-01-provisoire-DONNEES-SIMULEES.csv"


def test_times_are_local_with_their_offset_and_utc_beside() -> None:
    [_, header, first, *_] = lines(rates_csv(ROWS, AT))
    assert first[header.index("genere_le")] == "2027-02-03T08:30:00+01:00"
    assert first[header.index("genere_le_utc")] == "2027-02-03T07:30:00Z"
    summer = datetime(2026, 7, 1, 22, 0, tzinfo=UTC)
    assert local_and_utc(summer, ZoneInfo("Indian/Reunion"))[0] == "2026-07-02T02:00:00+04:00"


def test_two_environments_never_share_a_file() -> None:
    mixed = [CARMES, replace(CARMES, environment="production")]
    for export in (lambda: rates_csv(mixed, AT), lambda: rates_json(mixed, AT), lambda: rates_table(mixed)):
        with pytest.raises(ValueError, match="one environment, not 2"):
            export()


def test_the_table_reads_like_a_page() -> None:
    text = rates_table(ROWS).splitlines()
    first = next(line for line in text if "RESIDENCE LES CARMES" in line)
    second = next(line for line in text if "=HYPERLINK(1)" in line)
    together = next(line for line in text if "Grappe Antibes" in line)
    assert first.split()[3:] == ["060790508", "40", "2", "48", "83,3", "%", "70", "%", "oui", "calculé"]
    assert second.split()[1:] == ["830206587", "5", "0", "—", "—", "70", "%", "—", "non", "calculable"]
    assert together.split()[2:] == ["40", "2", "48", "83,3", "%", "70", "%", "oui", "calculé"]
    assert "MSSanté, messages envoyés : première période du 01/11/2026 au 31/01/2027" in text
    assert any("1 ET sur 2. Échecs : 3 ; envois non attribués : 4." in line for line in text)


def test_a_narrow_table_folds_names_and_cuts_no_figure() -> None:
    long = replace(MURIERS, name="RESIDENCE AUTONOMIE LES BOUGAINVILLIERS", numerator=12345)
    text = rates_table([CARMES, long, TOGETHER], 80).splitlines()
    table = [line for line in text if line.startswith(" ")]
    assert max(len(line) for line in table) <= 80
    assert "…" not in "".join(table)
    first = next(line for line in table if "060790508" in line)
    assert first.split("060790508")[1].split() == ["40", "2", "48", "83,3", "%", "oui", "calculé"]
    second = next(line for line in table if "830206587" in line)
    assert second.split("830206587")[1].split() == ["12345", "0", "—", "—", "—", "non", "calculable"]
    assert "BOUGAINVILLIERS" in "".join(line.strip() for line in table)
    assert "MSSanté, messages envoyés : première période du 01/11/2026 au 31/01/2027 (cible 70 %)" in " ".join(text)
