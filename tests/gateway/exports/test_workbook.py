"""The workbook, read back with another library."""
from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from openpyxl import load_workbook
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from gateway.exports.edition import Edition
from gateway.exports.xlsx_rates import COLUMNS, rates_xlsx
from gateway.usage.indicators import INDICATORS
from tests.gateway.exports.world import AS_OF, DETAIL, MONTH, ROOT, edition, grappe, measure

TITLES = [column.title for column in COLUMNS]


def book(one: Edition) -> Workbook:
    return load_workbook(io.BytesIO(rates_xlsx(one)))


def table(sheet: Worksheet) -> list[dict[str, object]]:
    """The rows under the header, which is the one with a FINESS ET."""
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    head = next(n for n, row in enumerate(rows) if "FINESS ET" in row)
    return [dict(zip(rows[head], row, strict=True)) for row in rows[head + 1 :]]


@pytest.fixture(scope="module")
def made() -> Workbook:
    return book(edition())


def test_one_sheet_per_indicator_then_what_they_rest_on(made: Workbook) -> None:
    assert made.sheetnames == [*INDICATORS, "Ventilation", "Définitions et sources"]


def test_every_measure_has_its_row_in_its_own_types(made: Workbook) -> None:
    one = edition()
    for indicator in INDICATORS:
        rows = table(made[indicator])
        assert [list(row) for row in rows] == [TITLES] * len(one.of(indicator))
        for row, given in zip(rows, one.of(indicator), strict=True):
            assert (row["Numérateur"], row["Dénominateur"]) == (given.numerator, given.denominator)
            assert row["FINESS ET"] == given.finess_et
            assert row["Du"] == datetime(given.window.start.year, given.window.start.month, 1)
            assert row["Empreinte du détail"] == DETAIL
            if given.denominator:
                assert row["Taux"] == pytest.approx(given.numerator / given.denominator, abs=1e-15)
            else:
                assert row["Taux"] is None


def test_numbers_are_numbers_and_a_finess_is_a_text() -> None:
    sheet = book(Edition((measure("IND-MSS-01"),), grappe(), "Socle 0.1.0"))["IND-MSS-01"]
    cells = {TITLES[n]: cell for n, cell in enumerate(next(row for row in sheet.iter_rows() if row[1].value == "060790508"))}
    assert (cells["FINESS ET"].data_type, cells["FINESS ET"].number_format) == ("s", "@")
    assert (cells["Numérateur"].data_type, cells["Taux"].data_type) == ("n", "n")
    assert (cells["Taux"].number_format, cells["Cible"].value) == ("0.0%", 0.7)


def test_the_target_colours_the_rate_on_integers(made: Workbook) -> None:
    sheet = made["IND-DMP-01"]
    [(place, rules)] = [(str(where.sqref), where.rules) for where in sheet.conditional_formatting]
    first = next(row[0].row for row in sheet.iter_rows() if row[1].value == "130038748")
    assert place == f"J{first}:J{sheet.max_row}"
    formulas = [rule.formula[0] for rule in rules]
    assert formulas[0].endswith(f"100*$H{first}>=ROUND(100*$K{first},0)*$I{first})")
    assert formulas[1].endswith(f"100*$H{first}<ROUND(100*$K{first},0)*$I{first})")
    assert sheet.freeze_panes == f"A{first}"


def test_what_is_not_calculable_has_no_rate_and_says_so(made: Workbook) -> None:
    row = next(row for row in table(made["IND-MSS-01"]) if row["FINESS ET"] == "830206587")
    assert (row["Taux"], row["Atteint"], row["Statut"]) == (None, "nc", "non calculable")


def test_a_denominator_of_zero_divides_nothing() -> None:
    none = measure("IND-MSS-01", numerator=3, denominator=0, status="non_calculable")
    [row] = table(book(Edition((none,), grappe(), "Socle 0.1.0"))["IND-MSS-01"])
    assert (row["Numérateur"], row["Dénominateur"], row["Taux"], row["Atteint"]) == (3, 0, None, "nc")


def test_the_last_sheet_defines_and_sources_every_number(made: Workbook) -> None:
    said = {(row[0].value, row[1].value): str(row[2].value) for row in made["Définitions et sources"].iter_rows() if row[2].value}
    assert said["IND-DMP-01", "numérateur"] == "DMP alimentés avec au moins un document"
    assert "telles que signées par les grappes" in said["définitions", "origine"]
    assert "note 2" in said["définitions", "population"]
    assert said["dénominateur IND-MSS-01", "130790199 RESIDENCE FOYER LES CARMES"] == (
        "61, depuis le 06/06/2025, déclaration du projet (provisoire)"
    )
    assert said["dénominateur IND-MSS-01", "830206587 RESIDENCE AUTONOMIE LES MURIERS"].startswith("aucun")
    assert said["mesures", "environnement"] == "bac_a_sable"
    assert said["mesures", "arrêtées au"] == "2027-03-01T00:30:00+01:00 (UTC : 2027-02-28T23:30:00Z)"
    month = "fenêtre du 01/02/2027 au 28/02/2027"
    assert (said[month, "racine de l'instantané"], said[month, "version du registre"]) == (ROOT, "3")
    assert (said[month, "version"], said[month, "journal lu (journal : entrées)"]) == ("v2, clos", "0 : 12, 1 : 900")
    assert "une unité par message" in said["comptage", "options"]


@pytest.mark.parametrize("environment, marked", [("bac_a_sable", True), ("production", False)])
def test_every_sheet_says_that_data_are_simulated_when_they_are(environment: str, marked: bool) -> None:
    for sheet in book(edition(environment, (MONTH,))).worksheets:
        assert str(sheet["A1"].value).startswith("DONNÉES SIMULÉES") is marked
        assert ("DONNÉES SIMULÉES" in str(sheet.oddFooter.left.text)) is marked


def test_no_text_becomes_a_formula_or_a_link() -> None:
    named = replace(measure("IND-MSS-01"), name='=HYPERLINK("http://x";"y")', finess_saisi="http://x")
    sheet = book(Edition((named,), grappe(), "Socle 0.1.0"))["IND-MSS-01"]
    values = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in values} <= {"s", "n", "d"}
    assert "'=HYPERLINK(\"http://x\";\"y\")" in [cell.value for cell in values]
    assert not [cell for cell in values if cell.hyperlink]


def test_the_archive_has_no_date_of_its_own() -> None:
    content = rates_xlsx(edition(windows=(MONTH,)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 31, 0, 0, 0)}
    properties = load_workbook(io.BytesIO(content)).properties
    assert {properties.created, properties.modified} == {AS_OF.astimezone(UTC).replace(tzinfo=None)}
