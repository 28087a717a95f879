"""The DUI's own counts (programme-indicateurs §5, §6.1): what a file may say, and which one stands."""
from __future__ import annotations

from datetime import date
from pathlib import Path

import apsw
import pytest

from gateway.grappes.extraction import (
    COLUMNS,
    OPERATION,
    Extraction,
    detail_of,
    digest_of,
    extractions,
    latest,
    read_extraction,
    same_as,
)
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.grappes.tables import TableRefused
from gateway.journal.database import open_for_reading
from gateway.journal.journal import FILE_NAME
from gateway.journal.record import Record
from tests.gateway.grappes.world import GRAPPE, HYERES, LES_CARMES, SAINT_TRONC
from tests.gateway.journal.world import open_journal

TODAY = date(2026, 11, 22)
REGISTRY = Registry([example(GRAPPE)])
HEAD = ";".join(column.name for column in COLUMNS)
OCTOBER = f"{LES_CARMES};2026-10-01;2026-10-31;61;58;40;50;2026-11-03;extraction"
READ = Extraction(LES_CARMES, date(2026, 10, 1), date(2026, 11, 1), 61, 58, 40, 50, date(2026, 11, 3), "extraction")


def csv_of(*rows: str, head: str = HEAD) -> bytes:
    return "\r\n".join((head, *rows, "")).encode()


def read(content: bytes) -> list[Extraction]:
    return read_extraction(content, REGISTRY, TODAY)


@pytest.mark.parametrize("content", [
    csv_of(OCTOBER),
    b"\xef\xbb\xbf" + csv_of(OCTOBER),
    csv_of(OCTOBER).replace(b"\r\n", b"\n"),
    csv_of(OCTOBER.replace("2026-10-01", "01/10/2026").replace("2026-11-03", "03/11/2026")),
    csv_of(OCTOBER.replace(LES_CARMES, f'"=""{LES_CARMES}"""')),  # as our own exports protect it from spreadsheets
    csv_of("", OCTOBER, ";;;;;;;;"),
    csv_of(OCTOBER, head=HEAD.replace("dossiers_actifs;", " Dossiers actifs ;").replace("extrait_le", "Extrait le")),
])
def test_a_file_is_read_whatever_a_spreadsheet_did_to_its_form(content: bytes) -> None:
    assert read(content) == [READ]


def changed(column: str, value: str) -> str:
    cells = dict(zip(HEAD.split(";"), OCTOBER.split(";"), strict=True)) | {column: value}
    return ";".join(cells.values())


@pytest.mark.parametrize("column, value, why", [
    ("finess_et", "13079019", "ligne 2, colonne finess_et : 8 chiffres sur 9 : le tableur a sans doute retiré un zéro"),
    ("finess_et", "1,3079E+08", "changé en nombre par le tableur"),
    ("finess_et", "", "FINESS absent"),
    ("finess_et", "1307901999", "10 caractères ou forme fausse"),
    ("finess_et", HYERES, "numéro d'entité juridique"),
    ("finess_et", "750832156", "FINESS inconnu du registre"),
    ("periode_debut", "2026-10-02", "du premier jour d'un mois au dernier"),
    ("periode_fin", "2026-10-30", "du premier jour d'un mois au dernier"),
    ("periode_fin", "2026-09-30", "du premier jour d'un mois au dernier"),
    ("periode_debut", "octobre", "date attendue"),
    ("periode_debut", "2026-02-30", "date attendue"),
    ("personnes_presentes", "-3", "colonne personnes_presentes : nombre négatif"),
    ("personnes_presentes", "61,5", "nombre décimal"),
    ("personnes_presentes", "1 061", "ce n'est pas un nombre entier"),
    ("personnes_presentes", "", "nombre absent"),
    ("dossiers_actifs", "275126322074974", "nombre supérieur à 999999"),
    ("dossiers_actifs_avec_projet", "59", "plus grand que dossiers_actifs"),
    ("dossiers_actifs_avec_evenement", "59", "plus grand que dossiers_actifs"),
    ("extrait_le", "2026-10-31", "période non close"),
    ("extrait_le", "2026-11-23", "date à venir"),
    ("source", "tableur", "valeur hors de la liste : extraction, declaration"),
])
def test_a_row_that_cannot_be_counted_is_named_by_line_and_column(column: str, value: str, why: str) -> None:
    later = OCTOBER.replace("2026-10-01", "2026-09-01").replace("2026-10-31", "2026-09-30")
    with pytest.raises(TableRefused, match=why) as refused:
        read(csv_of(changed(column, value), later))  # and nothing of the good row is taken
    assert {problem.line for problem in refused.value.problems} == {2}
    if value:
        assert value not in str(refused.value) or column == "source"  # a cell may hold anything: it is not repeated


def test_a_window_of_which_no_day_was_a_member_s_is_refused() -> None:
    early = OCTOBER.replace("2026-10-01", "2025-05-01").replace("2026-10-31", "2025-05-31")
    with pytest.raises(TableRefused, match="membre de sa grappe à aucun jour"):
        read(csv_of(early))


def test_two_rows_of_one_window_are_both_named() -> None:
    with pytest.raises(TableRefused, match="ligne 3, colonne finess_et : même ESSMS et même période qu'à la ligne 2"):
        read(csv_of(OCTOBER, OCTOBER))


@pytest.mark.parametrize("header", ["nom", "Prénom", "NIR", "date_naissance", "INS usager", "e-mail", "Nom de l'usager"])
def test_a_column_about_persons_refuses_the_file(header: str) -> None:
    with pytest.raises(TableRefused, match="ligne 1, colonne 10 : cette colonne parle de personnes") as refused:
        read(csv_of(OCTOBER + ";DUPONT", head=f"{HEAD};{header}"))
    assert "DUPONT" not in str(refused.value)


@pytest.mark.parametrize("content, why", [
    (b"", "ligne 1 : fichier vide"),
    (csv_of(), "aucune ligne sous l'en-tête"),
    (csv_of(OCTOBER).replace(b";", b","), "séparateur « , », « ; » attendu"),
    (csv_of(OCTOBER).replace(b";", b"\t"), "séparateur tabulation, « ; » attendu"),
    (csv_of(OCTOBER).decode().encode("utf-16"), "fichier en UTF-16"),
    (csv_of(OCTOBER, OCTOBER + "\u00e9").decode().encode("cp1252"), "ligne 3 : caractère 66 illisible"),
    (csv_of(OCTOBER) + b"\x00", "octet nul"),
    (csv_of(OCTOBER + ";1"), "ligne 2 : 10 cellules, l'en-tête en a 9"),
    (csv_of('"' + OCTOBER), "guillemets ouverts et jamais fermés"),
    (csv_of(OCTOBER, head=HEAD + ";remarque"), "ligne 1, colonne 10 : colonne inconnue"),
    (csv_of(OCTOBER, head=HEAD.replace("source", "finess_et")), "colonne finess_et : colonne donnée deux fois"),
    (csv_of(OCTOBER.rpartition(";")[0], head=HEAD.rpartition(";")[0]), "colonne source : colonne absente"),
    (csv_of(*["x"] * 3).replace(b"x", OCTOBER.encode() * 30_000), "plus de 1 Mio"),
])
def test_what_is_not_such_a_file_says_how_to_make_one(content: bytes, why: str) -> None:
    with pytest.raises(TableRefused, match=why):
        read(content)


def test_the_digest_is_of_what_is_said_not_of_how() -> None:
    other = OCTOBER.replace(LES_CARMES, SAINT_TRONC)
    french = OCTOBER.replace("2026-10-01", "01/10/2026")
    assert digest_of(read(csv_of(OCTOBER, other))) == digest_of(read(csv_of(other, "", french)))
    assert digest_of(read(csv_of(OCTOBER))) != digest_of(read(csv_of(OCTOBER.replace(";58;", ";57;"))))


def test_what_an_entry_holds_is_read_back() -> None:
    [item] = detail_of([READ])["rows"]
    assert item == {
        "finess_et": LES_CARMES, "from": "2026-10-01", "to": "2026-11-01", "persons_present": 61, "active_files": 58,
        "active_files_with_project": 40, "active_files_with_event": 50, "extracted_on": "2026-11-03", "source": "extraction",
    }
    assert Extraction.of(item) == READ


# --- the one that stands ------------------------------------------------------------------------------------------------------


def row(active: int, asked: str) -> Extraction:
    text = OCTOBER.replace(";58;", f";{active};").replace("2026-11-03", asked)
    return read(csv_of(text))[0]


async def journal_with(folder: Path, *files: list[Extraction], outcome: str = "ok") -> apsw.Connection:
    journal = open_journal(folder)
    for file in files:
        record = Record(OPERATION, outcome=outcome, tenant="editeur-a", detail=detail_of(file))  # type: ignore[arg-type]
        await journal.write(record)
    await journal.close()
    return open_for_reading(folder / FILE_NAME)


async def test_a_later_extraction_stands_and_the_earlier_one_stays(tmp_path: Path) -> None:
    first, second = row(58, "2026-11-03"), row(55, "2026-11-10")
    connection = await journal_with(tmp_path, [first], [second])
    try:
        assert [one.extraction for one in extractions(connection, "bac_a_sable")] == [first, second]
        [standing] = latest(extractions(connection, "bac_a_sable")).values()
        assert (standing.extraction, standing.seq, standing.tenant) == (second, 1, "editeur-a")
        [before] = latest(extractions(connection, "bac_a_sable", {1: 1})).values()  # as the journal was after its first entry
        assert before.extraction == first
        assert list(extractions(connection, "bac_a_sable", {})) == []
        assert list(extractions(connection, "production")) == []
    finally:
        connection.close()


async def test_one_asked_earlier_and_sent_later_does_not_stand(tmp_path: Path) -> None:
    connection = await journal_with(tmp_path, [row(55, "2026-11-10")], [row(58, "2026-11-03")])
    try:
        [standing] = latest(extractions(connection, "bac_a_sable")).values()
        assert standing.extraction.active_files == 55
    finally:
        connection.close()


async def test_a_refused_file_is_no_extraction(tmp_path: Path) -> None:
    connection = await journal_with(tmp_path, [row(58, "2026-11-03")], outcome="unauthorised")
    try:
        assert list(extractions(connection, "bac_a_sable")) == []
    finally:
        connection.close()


async def test_a_file_already_received_is_recognised_for_its_tenant(tmp_path: Path) -> None:
    connection = await journal_with(tmp_path, [READ])
    try:
        [received] = extractions(connection, "bac_a_sable")
        assert same_as(connection, "bac_a_sable", "editeur-a", digest_of([READ])) == received.entry_id
        assert same_as(connection, "bac_a_sable", "editeur-b", digest_of([READ])) is None
        assert same_as(connection, "bac_a_sable", "editeur-a", digest_of([row(57, "2026-11-03")])) is None
    finally:
        connection.close()
