"""Odd tables that a convention may well contain: each reads as a person would read it, or says why it cannot."""
from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from gateway.grappes.importing.checking import Checked, check
from gateway.grappes.importing.files import documents_in
from gateway.grappes.importing.numbers import plain
from gateway.grappes.importing.places import Unreadable
from gateway.grappes.importing.vocabulary import field_of

A, B, C = "010000008", "010000016", "010000024"


def checked(folder: Path, text: str, name: str = "convention.csv") -> Checked:
    (folder / name).write_text(text, "utf-8")
    [documents] = documents_in([folder])
    return check(documents)


@pytest.mark.parametrize("typed, number", [
    (f"N° {A}", A), (f"FINESS : {A}", A), (f"n°finess ET {A}", A), (f'="{A}"', A), (f"'{A}", A), ("01.000.000.8", A),
    ("01\u00a0000\u202f0008", A), ("\u200b" + A, A), ("2a 000 001 4", "2A0000014"), (f"{A}²", A), ("010000008,00", A),
    ("—", ""), ("N.C.", ""), ("#N/A", ""),
])  # fmt: skip
def test_what_surrounds_a_number_is_not_the_number(typed: str, number: str) -> None:
    assert plain(typed) == number


@pytest.mark.parametrize("title, field", [
    ("N° FINESS géographique", "finess_et"), ("Code Fitness Geo", "finess_et"), ("FINESS_ET", "finess_et"),
    ("N° ET", "finess_et"),
    ("FINESS juridique", "finess_ej"), ("N° FINESS de l'organisme gestionnaire", "finess_ej"), ("EJ", "finess_ej"),
    ("FINESS EJ porteur", "finess_ej_porteur"), ("FINESS", "finess"), ("SIRET", "siret"), ("Nom du directeur", "autre"),
    ("Contact établissement", "autre"), ("Établissement signataire", "etablissement"), ("Type d'établissement", "activite"),
    ("Catégorie de l'ESSMS", "activite"), ("Ville de l'établissement", "ville"), ("Nombre d'ESSMS", None),
    ("File active", "personnes"), ("Nombre de places", "autre"), ("Raison sociale EJ", "og"), ("Organisme gestionnaire", "og"),
    ("Raison sociale ET", "etablissement"), ("Type de projet", "projet"), ("SONS oui / non", "sons"), ("", None),
    ("Bonjour à tous", None), ("Etab.", "etablissement"), ("N° FINESS Ets", "finess_et"), ("FINESS géogr.", "finess_et"),
    ("nofinessej", "finess_ej"), ("nofinesset", "finess_et"), ("Désignation", "etablissement"), ("C.P.", "code_postal"),
    ("Adresse postale", "adresse"), ("Nb pers. accompagnées", "personnes"), ("Effectifs", "personnes"),
    ("Public accompagné", "secteur"), ("Nombre de personnes par type", "personnes"), ("Nom du signataire", "autre"),
    ("Personne référente", "autre"),
])  # fmt: skip
def test_titles(title: str, field: str | None) -> None:
    assert field_of(title) == field


def test_a_postal_address_does_not_hide_the_postcode_beside_it(tmp_path: Path) -> None:
    found = checked(tmp_path, f"FINESS ET;Établissement;Adresse postale;Code postal\n{A};EHPAD;1 RUE DU BAC;31000\n")
    [one] = found.establishments
    assert (one.postcode, one.verdict.statut, one.verdict.regle) == ("31000", "a_verifier", "R7")


def test_the_name_of_a_signatory_is_never_the_establishment_s(tmp_path: Path) -> None:
    found = checked(tmp_path, f"FINESS ET;Nom du signataire;Établissement;CP\n{A};Mme Exemple;EHPAD Un;01000\n")
    assert [one.name for one in found.establishments] == ["EHPAD Un"]


def test_a_quote_that_nobody_closes_is_said_and_swallows_no_row(tmp_path: Path) -> None:
    rows = "".join(f"{number};MAS {at};01000\n" for at, number in enumerate((B, C)))
    for below in (rows, rows.replace("MAS 1", '"MAS 1')):
        with pytest.raises(Unreadable, match=r"convention\.csv, ligne 2 : guillemet ouvert"):
            checked(tmp_path, f'FINESS ET;Nom;CP\n{A};"EHPAD Un;01000\n{below}')


def test_a_column_that_nobody_called_finess(tmp_path: Path) -> None:
    found = checked(tmp_path, f"N° établissement;Nom;CP;Téléphone\n{A};EHPAD;01000;0400000000\n{B};MAS;01000;0400000001\n")
    assert [(one.name, one.verdict.retenu) for one in found.establishments] == [("EHPAD", A), ("MAS", B)]


def test_a_department_column_that_holds_departments(tmp_path: Path) -> None:
    found = checked(tmp_path, f"FINESS ET;Nom;Département\n{A};EHPAD;1\n{B};MAS;2A\n{C};SSIAD;Ain (01)\n")
    assert [one.verdict.regle for one in found.establishments] == ["R0", "R7", "R0"]


def test_sheets_are_believed_by_their_names(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for title, number in (("Signatures", "01000009"), ("Convention", A)):
        sheet = book.create_sheet(title)
        for row in (["Établissement", "FINESS ET", "CP"], ["EHPAD Un", number, "01000"]):
            sheet.append(row)
    del book["Sheet"]
    book.save(tmp_path / "tableaux.xlsx")
    [documents] = documents_in([tmp_path])
    [one] = check(documents).establishments
    assert (one.saisi, one.verdict.regle, len(one.typed)) == (A, "R2", 2)


def test_merged_cells_of_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["OG", "FINESS EJ", "FINESS ET", "Nom"], ["CCAS", C, A, "RA"], [None, None, B, "SAD"]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    sheet.merge_cells("B2:B3")
    book.save(tmp_path / "annexe.xlsx")
    [documents] = documents_in([tmp_path])
    assert [one.entity.verdict.retenu for one in check(documents).establishments if one.entity] == [C, C]


def test_a_whole_line_of_separators_and_a_sep_line_are_nothing(tmp_path: Path) -> None:
    found = checked(tmp_path, f"sep=;\n;;\nFINESS ET;Nom;CP\n;;\n{A};EHPAD;01000\n;;\n;;\n")
    assert [(one.ligne, one.verdict.retenu) for one in found.establishments] == [(1, A)]
    assert not found.errors


@pytest.mark.parametrize("last", [
    "TOTAL;;;65", ";Total général;;65", "Nombre total : 2;;;", ";Effectif total;;65", ";Total : 2 ESSMS;;", ";S/Total;;65",
])  # fmt: skip
def test_totals(tmp_path: Path, last: str) -> None:
    found = checked(tmp_path, f"FINESS ET;Nom;CP;Personnes\n{A};EHPAD;01000;40\n{B};MAS;01000;25\n{last}\n")
    assert len(found.establishments) == 2
    assert not any("somme" in remark for remark in found.remarks)


def test_a_porteur_named_by_the_role_column(tmp_path: Path) -> None:
    text = f"OG;FINESS OG;Rôle;FINESS ET;Nom\nUn;010000032;membre;{A};RA\nDeux;{C};porteur;{B};SAD\n"
    found = checked(tmp_path, text, "annexe.csv")
    assert [(one.name, one.is_porteur) for one in found.entities] == [("Un", False), ("Deux", True)]


@pytest.mark.parametrize("name, marked", [
    ("RA Les Pins MC", True), ("RA Les Pins (MC)", True), ("RA Les Pins - MC", True), ("RA Les Pins", False), ("RA LPMC", False),
])  # fmt: skip
def test_the_mark_of_a_mise_en_conformite(tmp_path: Path, name: str, marked: bool) -> None:
    [one] = checked(tmp_path, f"FINESS ET;Établissement;CP\n{A};{name};01000\n").establishments
    assert one.projet == ("mise_en_conformite" if marked else None)


@pytest.mark.parametrize("typed, projet", [
    ("MISE EN C0NFORMITE", "mise_en_conformite"), ("ACQUISITI0N", "acquisition"), ("MEC", "mise_en_conformite"), ("10", None),
])  # fmt: skip
def test_a_scanner_s_zero_in_the_type_of_project(tmp_path: Path, typed: str, projet: str | None) -> None:
    [one] = checked(tmp_path, f"FINESS ET;Établissement;Type de projet\n{A};EHPAD;{typed}\n").establishments
    assert one.projet == projet


@pytest.mark.parametrize("name, number, entities", [
    ("CCAS de Bordelak", "010000034", [(C, "R9")]),  # a letter and a digit misread
    ("CCAS de Bordelak", "010000132", [(C, "R0"), ("010000132", "R6")]),  # two digits away
    ("Association Autre", "010000034", [(C, "R0"), ("010000034", "R6")]),  # somebody else
])  # fmt: skip
def test_a_misread_organisation_with_a_misread_number(
    tmp_path: Path, name: str, number: str, entities: list[tuple[str, str]]
) -> None:
    found = checked(tmp_path, f"OG;FINESS EJ;FINESS ET;Nom\nCCAS de Bordelac;{C};{A};RA Un\n{name};{number};{B};RA Deux\n")
    assert [(one.verdict.retenu, one.verdict.regle) for one in found.entities] == entities
    assert [one.entity.verdict.retenu for one in found.establishments if one.entity] == [C, entities[-1][0]]


def test_an_organisation_spelled_otherwise_is_one_entity(tmp_path: Path) -> None:
    text = f"OG;FINESS EJ;FINESS ET;Nom\nCCAS de Fleurville;{C};{A};RA\nC.C.A.S. FLEURVILLE;010000025;{B};SAD\n"
    assert [(one.verdict.retenu, one.verdict.regle) for one in checked(tmp_path, text).entities] == [(C, "R9")]


def test_more_rows_than_any_grappe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="plus de 5000 lignes"):
        checked(tmp_path, "FINESS ET;Nom\n" + f"{A};X\n" * 5001)
