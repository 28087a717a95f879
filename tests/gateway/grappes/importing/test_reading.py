"""Tables as people send them: separators, encodings, workbooks, pasted text, headers that drift, lines that are no rows."""
from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from gateway.grappes.importing.checking import Checked, check
from gateway.grappes.importing.files import documents_in
from gateway.grappes.importing.places import Unreadable

# Made-up numbers with a right key: Val-d'Oise, Ain.
ONE, TWO, AIN = "950000018", "950000026", "010000008"
ROWS = [["FINESS ET", "Établissement", "Code postal"], [ONE, "EHPAD Les Tilleuls d'été", "95000"], [TWO, "SSIAD du Lac", "95100"]]


def read(tmp_path: Path, name: str, content: bytes | str) -> Checked:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    [documents] = documents_in([path])
    return check(documents)


def kept(checked: Checked) -> list[tuple[int, str, str, str]]:
    return [(one.ligne, one.name, one.verdict.retenu, one.verdict.regle) for one in checked.establishments]


BOTH = [(1, "EHPAD Les Tilleuls d'été", ONE, "R0"), (2, "SSIAD du Lac", TWO, "R0")]


def csv(separator: str, rows: list[list[str]] = ROWS) -> str:
    return "\r\n".join(separator.join(row) for row in rows) + "\r\n"


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_separators_and_encodings(tmp_path: Path, separator: str, encoding: str) -> None:
    found = read(tmp_path, "t.csv", csv(separator).encode(encoding))
    assert kept(found) == BOTH
    assert found.holds


@pytest.mark.parametrize("text", [
    csv("  "), csv("\t"), csv(" | "), "| " + " |\n| ".join(" | ".join(row) for row in ROWS) + " |\n",
    "FINESS ET | Établissement | Code postal\n----|----|----\n" + csv(" | ", ROWS[1:]), csv(";"),
])
def test_pasted_text(tmp_path: Path, text: str) -> None:
    assert kept(read(tmp_path, "t.txt", text)) == BOTH


def test_text_pasted_into_a_file_named_csv(tmp_path: Path) -> None:
    assert kept(read(tmp_path, "t.csv", csv("   "))) == BOTH


def test_an_empty_cell_between_spaces_cannot_be_seen_and_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, "t.txt", csv("   ", [*ROWS, ["MAS des Vignes", "95200"]]))
    [error] = found.errors
    assert error.startswith("t.txt, ligne 4 : 2 colonnes au lieu de 3.")
    assert kept(found) == BOTH


@pytest.mark.parametrize("titles", [
    ["Code Fitness Geo", "Nom de l'établissement", "Dept"],
    ["N° FINESS\nGéographique", "RAISON SOCIALE ET", "CP"],
    ["code_finess_geo", "etablissement", "dept"],
    ["FINES GEO", "Etablisement", "Code Postale"],
    ["Numéro FINESS", "Dénomination", "Département"],
    ["F1NESS ET", "Structure", "Code postal"],
])
def test_headers_drift(tmp_path: Path, titles: list[str]) -> None:
    quoted = [f'"{title}"' for title in titles]
    assert kept(read(tmp_path, "t.csv", csv(",", [quoted, *ROWS[1:]]))) == BOTH


def test_a_header_of_two_lines_with_merged_cells(tmp_path: Path) -> None:
    above, below = ["N° FINESS", "", "", ""], ["EJ", "ET", "Établissement", "Code postal"]
    rows = [["950000000", *row] for row in ROWS[1:]]
    found = read(tmp_path, "t.csv", csv(";", [above, below, *rows]))
    assert kept(found) == BOTH
    assert [one.verdict.retenu for one in found.entities] == ["950000000"]


def test_no_header_at_all(tmp_path: Path) -> None:
    assert kept(read(tmp_path, "t.csv", csv(";", [["1", *row] for row in ROWS[1:]]))) == BOTH


def test_titles_blank_lines_repeated_headers_sections_and_totals_are_no_rows(tmp_path: Path) -> None:
    header = [*ROWS[0], "Nombre de personnes accompagnées"]
    rows = [
        ["Annexe 1", "", "", ""], ["", "", "", ""], header, [*ROWS[1], "40"], ["", "", "", ""], header,
        ["", "Secteur domicile", "", ""], [*ROWS[2], "25"], ["", "Total", "", "66"], ["", "(1) au 31 décembre", "", ""],
    ]  # fmt: skip
    found = read(tmp_path, "t.csv", csv(";", rows))
    assert kept(found) == BOTH
    assert [one.persons for one in found.establishments] == [40, 25]
    assert "t.csv, ligne 9 : total annoncé 66, somme des lignes 65." in found.remarks
    assert any("Secteur domicile" in remark for remark in found.remarks)


def test_a_quoted_cell_may_hold_lines_and_separators(tmp_path: Path) -> None:
    text = f'FINESS ET,Établissement,CP\n"{ONE}","EHPAD\nLes Tilleuls, d\'été",95000\n{TWO},SSIAD du Lac,95100\n'
    found = read(tmp_path, "t.csv", text)
    assert [one.name for one in found.establishments] == ["EHPAD Les Tilleuls, d'été", "SSIAD du Lac"]
    assert found.establishments[1].typed[0].place.line == 4


def test_a_separator_in_a_name_is_said_with_its_line(tmp_path: Path) -> None:
    found = read(tmp_path, "t.csv", csv(",", [*ROWS, [AIN, "MAS", "des Vignes", "01000"]]))
    assert found.errors == ("t.csv, ligne 4 : 4 colonnes au lieu de 3. Séparateur dans un nom ? Mettez le nom entre guillemets.",)
    assert not found.holds


def test_a_line_with_another_separator_is_read_and_said(tmp_path: Path) -> None:
    found = read(tmp_path, "t.csv", csv(";", ROWS[:2]) + csv(",", [*ROWS[2:]]) + csv(";", [[AIN, "MAS", "01000"]]))
    assert kept(found)[:2] == BOTH
    assert found.remarks == ("t.csv, ligne 3 : autre séparateur que le reste du fichier, lue quand même.",)


def workbook(rows: list[list[object]], **formats: str) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    sheet = book.add_worksheet("Convention")
    form = book.add_format({"num_format": formats.get("num_format", "General")})
    for at, row in enumerate(rows):
        for column, value in enumerate(row):
            if isinstance(value, int | float) and not isinstance(value, bool):
                sheet.write_number(at, column, value, form if column == 0 else None)
            else:
                sheet.write(at, column, value)
    book.close()
    return stream.getvalue()


def test_numbers_stored_as_numbers(tmp_path: Path) -> None:
    rows = [ROWS[0], [int(ONE), "EHPAD Les Tilleuls d'été", 95000], [float(TWO), "SSIAD du Lac", 95100.0]]
    assert kept(read(tmp_path, "t.xlsx", workbook(rows))) == BOTH


def test_a_zero_lost_by_the_spreadsheet_is_proposed_and_never_put_back(tmp_path: Path) -> None:
    [one] = read(tmp_path, "t.xlsx", workbook([ROWS[0], [int(AIN), "MAS", 1000]])).establishments
    assert (one.saisi, one.postcode) == ("10000008", "01000")
    assert (one.verdict.retenu, one.verdict.statut, one.verdict.regle) == (AIN, "corrige_propose", "R3")


def test_a_zero_that_the_workbook_shows_is_there(tmp_path: Path) -> None:
    [one] = read(tmp_path, "t.xlsx", workbook([ROWS[0], [int(AIN), "MAS", "01000"]], num_format="000000000")).establishments
    assert (one.saisi, one.verdict.regle) == (AIN, "R0")


def test_sheets_that_are_hidden_or_something_else_are_left_and_said(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for title, state in (("Convention", "visible"), ("Ancien", "hidden"), ("Notes", "visible")):
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        for row in [["bonjour", "à tous"]] if title == "Notes" else ROWS:
            sheet.append(row)
    del book["Sheet"]
    stream = io.BytesIO()
    book.save(stream)
    found = read(tmp_path, "t.xlsx", stream.getvalue())
    assert kept(found) == BOTH
    assert "t.xlsx : feuilles masquées, non lues : Ancien." in found.remarks
    assert "t.xlsx [Notes] : aucun tableau d'établissements reconnu, non lu." in found.remarks


def archive(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


BOMB = archive(**{"xl__workbook.xml": b"<x/>", "xl__worksheets__sheet1.xml": b" " * (101 * 1024 * 1024)})


@pytest.mark.parametrize("name, content, said", [
    ("t.csv", b"", "t.csv : fichier vide"),
    ("t.csv", b"\xef\xbb\xbf\r\n \r\n", "t.csv : fichier vide"),
    ("t.csv", b"%PDF-1.7 ...", "t.csv : c'est un PDF"),
    ("t.pdf", b"%PDF-1.7 ...", "t.pdf : c'est un PDF"),
    ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "t.xls : c'est un ancien classeur"),
    ("t.xls", b"<html><table>", "t.xls : c'est une page HTML"),
    ("t.csv", b"\x89PNG\r\n", "t.csv : c'est une image"),
    ("t.csv", b"abc\x00def;x\nabc\x01;y\n" * 9, "t.csv : ce n'est pas un texte"),
    ("t.xlsx", b"PK\x03\x04 cut", "t.xlsx : archive abîmée"),
    ("t.docx", archive(word__document__xml=b"x").replace(b"document/xml", b"document.xml"), "t.docx : c'est un document Word"),
    ("t.xlsx", archive(other=b"x"), "t.xlsx : ce n'est pas un classeur"),
    ("t.xlsx", BOMB, "t.xlsx : classeur anormalement gros"),
    ("t.xlsx", archive(**{"xl__workbook.xml": b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"}), "t.xlsx : classeur illisible"),
    ("t.csv", b"un texte sans colonne\net une autre ligne\n", "t.csv : aucune colonne reconnue"),
    ("t.csv", b"Ville;Contact\nLyon;x\n", "t.csv : aucun tableau avec une colonne de num"),
    ("t.csv", b"FINESS;FINESS;Nom\n950000018;950000026;x\n", "deux colonnes « FINESS » (A et B)"),
])  # fmt: skip
def test_what_is_no_table_is_refused_in_one_french_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(tmp_path, name, content)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_control_characters_reach_no_terminal(tmp_path: Path) -> None:
    rows = [ROWS[0], [f"\x1b[31m{ONE}", "EHPAD\x07\x9b31m Un\x7f", "95000"]]
    [one] = read(tmp_path, "t.csv", csv(";", rows)).establishments
    assert (one.name, one.saisi) == ("EHPAD31m Un", f"[31m{ONE}")


def test_a_file_that_is_too_big_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="10 au plus"):
        read(tmp_path, "t.csv", b"a;b\n" * (3 * 1024 * 1024))


@pytest.mark.parametrize("typed, why", [
    ("-3", "nombre de personnes négatif (-3)"), ("12,5", "nombre de personnes décimal (12,5)"),
    ("12.5", "nombre de personnes décimal"), ("1.000", "nombre de personnes ambigu (1.000)"),
    ("1,200", "nombre de personnes ambigu (1,200)"),
    ("environ 40", "nombre de personnes illisible"), ("1000000", "nombre de personnes supérieur à 100000"),
])  # fmt: skip
def test_persons_that_are_no_count_are_said_with_line_and_column(tmp_path: Path, typed: str, why: str) -> None:
    found = read(tmp_path, "t.csv", csv(";", [[*ROWS[0], "Nb personnes"], [*ROWS[1], typed], [*ROWS[2], "30"]]))
    [error] = found.errors
    assert error.startswith("t.csv, ligne 2, colonne D « Nb personnes » : " + why)
    assert [one.persons for one in found.establishments] == [None, 30]


@pytest.mark.parametrize("typed, persons", [
    ("40", 40), (" 40 ", 40), ("1 250", 1250), ("40.0", 40), ("40,00", 40), ("", None), ("-", None), ("0", 0),
])  # fmt: skip
def test_persons_that_are_counts(tmp_path: Path, typed: str, persons: int | None) -> None:
    found = read(tmp_path, "t.csv", csv(";", [[*ROWS[0], "Nb personnes"], [*ROWS[1], typed], [*ROWS[2], "30"]]))
    assert not found.errors
    assert found.establishments[0].persons == persons


def test_a_count_left_out_at_the_end_of_a_workbook_s_line_is_said(tmp_path: Path) -> None:
    """As below a merged cell: the number of the row above is not this one's, and none is made up."""
    rows: list[list[object]] = [["FINESS ET", "Établissement", "Code postal", "Personnes accompagnées"]]
    found = read(tmp_path, "t.xlsx", workbook([*rows, [*ROWS[1], 12], [*ROWS[2]]]))
    assert [(one.persons, one.remarks) for one in found.establishments] == [
        (12, ()), (None, ("nombre de personnes absent : taux non calculable",)),
    ]  # fmt: skip


@pytest.mark.parametrize("second, said", [
    ("13", "ligne 2 : deux colonnes disent la même chose (C « Nombre de personnes » et D « Personnes accompagnées »)"),
    ("12", None), ("", None),
])
def test_two_columns_of_persons_must_agree(tmp_path: Path, second: str, said: str | None) -> None:
    head = "FINESS ET;Établissement;Nombre de personnes;Personnes accompagnées"
    found = read(tmp_path, "t.csv", f"{head}\n{ONE};EHPAD Les Tilleuls;12;{second}\n")
    assert len(found.errors) == (said is not None)
    assert all(one.startswith(f"t.csv, {said}") for one in found.errors)


def test_a_folder_of_folders_is_as_many_grappes_and_what_lies_beside_is_said(tmp_path: Path) -> None:
    for name in ("est", "ouest"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "convention.csv").write_text(csv(";"))
    (tmp_path / "est" / "convention.pdf").write_bytes(b"%PDF")
    (tmp_path / "porteurs.csv").write_text("a;b\n")
    found = [check(documents) for documents in documents_in([tmp_path])]
    assert [(one.grappe, len(one.establishments)) for one in found] == [("est", 2), ("ouest", 2)]
    assert any("porteurs.csv" in remark for remark in found[0].remarks)
    assert any("convention.pdf" in remark for remark in found[0].remarks)


def test_a_folder_without_tables_and_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="aucun tableau"):
        documents_in([tmp_path])
    with pytest.raises(Unreadable, match="introuvable"):
        documents_in([tmp_path / "rien.csv"])
