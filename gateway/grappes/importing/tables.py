"""A grid understood: its rows of data, without titles, repeated headers, blank lines, section lines and totals."""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.grappes.importing.headers import Header, header_of, repeats
from gateway.grappes.importing.names import fold
from gateway.grappes.importing.numbers import plain
from gateway.grappes.importing.places import Cell, Grid, GridLine, Place, column_letters
from gateway.grappes.importing.values import NotACount, persons_in
from gateway.grappes.importing.vocabulary import Field, field_of

_FEWEST_DIGITS = 7  # of what may still be a FINESS, however mistyped
_TOTAL = re.compile(r"((S|ST|SOUS|NB|NOMBRE|EFFECTIF|GRAND) )?TOTA(L|UX)\b.*|SOMME\b.*|ENSEMBLE( DE LA GRAPPE)?")
# Cells merged over several rows give their text to the first one only. A number is never repeated this way.
_MERGED: tuple[Field, ...] = ("og", "finess_ej", "finess_ej_porteur", "role")
# Of two columns that say one of these otherwise, none may be chosen: one is whose rate it is, the other what divides it.
_SAID_ONCE: tuple[Field, ...] = ("finess_et", "personnes")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of data.

    order  0 for the first row of data of its table
    """

    order: int
    cells: dict[Field, Cell]
    place: Place

    def text(self, field: Field) -> str:
        """On one line, without spaces around; empty when the table has no such column."""
        cell = self.cells.get(field)
        return "" if cell is None else cell.trimmed

    def typed(self, field: Field) -> str:
        """As it was typed, to the space."""
        cell = self.cells.get(field)
        return "" if cell is None else cell.text


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a convention. ``errors``: rows that cannot be used; while there is one, nothing is imported."""

    document: str
    fields: frozenset[Field]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    def has(self, field: Field) -> bool:
        return field in self.fields


def table_of(grid: Grid) -> Table | None:
    """The table in a grid; None when it holds nothing like one. Raises Unreadable when its columns are ambiguous."""
    header = header_of(grid)
    if header is None:
        return None
    remarks, errors = list(grid.remarks), list[str]()
    rows: list[Row] = []
    merged: dict[Field, Cell] = {}
    for line in grid.lines[header.line :]:
        if line.is_blank or repeats(header, line):
            continue
        cells = _cells(grid, header, line)
        said = _not_data(header, line, cells)
        if said is not None:
            remarks += [f"{grid.document}, ligne {line.number} : {said}"] if said else []
            remarks += _sum_remark(grid.document, line, cells, rows)
            continue
        if problem := _misaligned(grid, header, line):
            errors.append(f"{grid.document}, ligne {line.number} : {problem}")
            continue
        if problem := _said_twice(header, line):
            errors.append(f"{grid.document}, ligne {line.number} : {problem}")
        rows.append(Row(len(rows), _filled(cells, merged), Place(grid.document, line.number)))
    return Table(grid.document, frozenset(header.fields), tuple(rows), tuple(remarks), tuple(errors))


def _cells(grid: Grid, header: Header, line: GridLine) -> dict[Field, Cell]:
    return {
        field: Cell(_text_at(line, at), Place(grid.document, line.number, at, header.titles[at]))
        for field, at in header.fields.items()
    }


def _text_at(line: GridLine, at: int) -> str:
    """Empty beyond the last cell: a workbook leaves out those that end a line."""
    return line.texts[at] if at < len(line.texts) else ""


def _not_data(header: Header, line: GridLine, cells: dict[Field, Cell]) -> str | None:
    """Why this line is no row: « total », section or footnote; an empty reason says nothing; None when it is a row."""
    if _is_total(line, cells):
        return "ligne de total, non lue."
    known = [cell for field, cell in cells.items() if field != "ligne" and cell.text.strip()]
    keyless = not {"finess_et", "etablissement"} & set(header.fields)
    if not known:  # in a fragment that follows the order of rows, a numbered row left blank still is one
        return None if keyless and "ligne" in cells and cells["ligne"].text.strip() else ""
    filled = [text for text in line.texts if text.strip()]
    if len(header.fields) > 2 and len(filled) == 1 and not plain_number(cells):
        return f"une seule cellule remplie (« {' '.join(filled[0].split())[:60]} »), lue comme un titre ou une note."
    return None


def plain_number(cells: dict[Field, Cell]) -> str:
    cell = cells.get("finess_et")
    number = plain(cell.text) if cell is not None else ""
    return number if any(char.isdecimal() for char in number) else ""


def _is_total(line: GridLine, cells: dict[Field, Cell]) -> bool:
    digits = sum(map(str.isdecimal, plain_number(cells)))
    return digits < _FEWEST_DIGITS and any(_TOTAL.fullmatch(fold(text)) for text in line.texts)


def _sum_remark(document: str, line: GridLine, cells: dict[Field, Cell], rows: Iterable[Row]) -> list[str]:
    """A total that is not the sum of what stands above it is said: one of the two is mistyped (anomaly A41)."""
    try:
        announced = persons_in(cells["personnes"].text) if "personnes" in cells else None
        above = sum(persons_in(row.text("personnes")) or 0 for row in rows)
    except NotACount:
        return []
    if announced is None or announced == above:
        return []
    return [f"{document}, ligne {line.number} : total annoncé {announced}, somme des lignes {above}."]


def _misaligned(grid: Grid, header: Header, line: GridLine) -> str | None:
    """Why the cells of this line cannot be put under the titles."""
    said = f"{len(line.texts)} colonnes au lieu de {len(header.titles)}."
    if any(text.strip() for text in line.texts[len(header.titles) :]):
        return f"{said} Séparateur dans un nom ? Mettez le nom entre guillemets."
    if grid.exact and len(line.texts) < len(header.titles):
        return f"{said} Entre des espaces, une cellule vide ne se voit pas : séparez les colonnes par des tabulations."
    return None


def _said_twice(header: Header, line: GridLine) -> str | None:
    """Two columns of one field, which differ here."""
    for field in _SAID_ONCE:
        columns = [at for at, title in enumerate(header.titles) if at == header.fields.get(field) or field_of(title) == field]
        if len({plain(text) for at in columns if (text := _text_at(line, at)).strip()}) > 1:
            titles = " et ".join(f"{column_letters(at)} « {' '.join(header.titles[at].split())} »" for at in columns)
            return f"deux colonnes disent la même chose ({titles}), et pas la même valeur. N'en gardez qu'une."
    return None


def _filled(cells: dict[Field, Cell], merged: dict[Field, Cell]) -> dict[Field, Cell]:
    """The cells, with those merged with the row above when the whole group of the organisation is blank."""
    group = [field for field in _MERGED if field in cells]
    if any(cells[field].text.strip() for field in group):
        merged.clear()
        merged.update({field: cells[field] for field in group})
        return cells
    return cells | {field: merged[field] for field in group if field in merged}
