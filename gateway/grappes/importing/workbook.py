"""XLSX workbooks, read as what their reader sees: shown zeros are kept, quantities are whole numbers, hidden sheets are left out.

A workbook is hostile until proven otherwise: sizes are bounded before anything is unpacked, and entities are refused
(defusedxml, through openpyxl).
"""
from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from itertools import islice
from typing import Any

from gateway.grappes.importing.delimited import LONGEST_CELL, MOST_COLUMNS, MOST_LINES
from gateway.grappes.importing.places import Grid, GridLine, Unreadable, printable

MOST_UNPACKED, MOST_PARTS = 100 * 1024 * 1024, 2_000
_OTHER_ZIPS = {
    "word/document.xml": "c'est un document Word : copiez le tableau dans un tableur",
    "content.xml": "c'est un document LibreOffice : enregistrez-le en .xlsx ou en .csv",
    "ppt/presentation.xml": "c'est une présentation : copiez le tableau dans un tableur",
}


def workbook_grids(document: str, content: bytes) -> list[Grid]:
    """One grid for each visible sheet that is not empty. Raises Unreadable."""
    _check_archive(document, content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of drawings and validations that it does not read
            return _grids(document, content)
    except Unreadable:
        raise
    except Exception as error:  # openpyxl has no error of its own: a damaged part raises whatever it met
        why = type(error).__name__
        raise Unreadable(f"{document} : classeur illisible ({why}). Enregistrez-le de nouveau en .xlsx.") from error


def _grids(document: str, content: bytes) -> list[Grid]:
    import openpyxl  # type: ignore[import-untyped] # here: every command would wait for it

    workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    try:
        visible = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
        hidden = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state != "visible"]
        remarks = (f"{document} : feuilles masquées, non lues : {', '.join(hidden)}.",) if hidden else ()
        named = len(visible) > 1
        grids = [_grid(f"{document} [{sheet.title}]" if named else document, sheet) for sheet in visible]
    finally:
        workbook.close()
    filled = [grid for grid in grids if any(not line.is_blank for line in grid.lines)]
    if not filled:
        raise Unreadable(f"{document} : classeur vide. Donnez le fichier qui contient le tableau.")
    return [Grid(filled[0].document, filled[0].lines, remarks), *filled[1:]]


def _grid(document: str, sheet: Any) -> Grid:
    sheet.reset_dimensions()  # the size that a sheet announces is not always its size
    lines = [GridLine(number, tuple(_texts(cells))) for number, cells in enumerate(islice(sheet.iter_rows(), MOST_LINES), 1)]
    while lines and lines[-1].is_blank:  # a column formatted down to the last row is not a million lines
        lines.pop()
    if len(lines) == MOST_LINES or any(any(line.texts[MOST_COLUMNS:]) for line in lines):
        raise Unreadable(f"{document} : plus de {MOST_LINES} lignes ou de {MOST_COLUMNS} colonnes remplies, refusé.")
    return Grid(document, tuple(lines))


def _texts(cells: Iterable[Any]) -> Iterable[str]:
    for cell in cells:
        yield _text(cell.value, getattr(cell, "number_format", "General"))[:LONGEST_CELL]


def _text(value: object, number_format: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "OUI" if value else "NON"
    if isinstance(value, datetime | date):
        return value.strftime("%d/%m/%Y")
    if isinstance(value, int | float):
        whole = int(value) if value == int(value) else None
        if whole is None:
            return repr(value).replace(".", ",")
        shown = number_format.split(";")[0].replace("\\ ", " ").replace('" "', " ")
        zeros = shown.replace(" ", "")
        return str(whole).zfill(len(zeros)) if zeros and set(zeros) == {"0"} and whole >= 0 else str(whole)
    return printable(str(value))


def _check_archive(document: str, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise Unreadable(f"{document} : archive abîmée ou incomplète. Reprenez le fichier d'origine.") from error
    names = {part.filename for part in parts}
    for name, why in _OTHER_ZIPS.items():
        if name in names:
            raise Unreadable(f"{document} : {why}.")
    if "xl/workbook.xml" not in names:
        raise Unreadable(f"{document} : ce n'est pas un classeur .xlsx. Enregistrez le tableau en .xlsx ou en .csv.")
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
        raise Unreadable(f"{document} : classeur anormalement gros une fois décompressé. Enregistrez le seul tableau en .csv.")
