"""A workbook whose bytes depend on its content only: its date is the measure's, and its archive has none (design §6)."""
from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from gateway.exports.cells import plain_text

Cell = str | int | Fraction | date | bool | None
_WORDS = {True: "oui", False: "non"}
_A4 = 9


@dataclass(frozen=True, slots=True)
class Column:
    """``width`` in characters. ``form``: ``rate`` is a ratio shown in percent, ``wrap`` a long text; else as the cell's type."""

    title: str
    width: float = 14
    form: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A written sheet, and the numbers of its first and last rows of data, from 1 as a spreadsheet shows them."""

    _sheet: Any
    _book: Book
    first: int
    last: int

    def mark(self, column: str, *, green: str, red: str) -> None:
        """Colour a column's cells by two formulas on the first row of data (``=100*$I2>=$K2*$J2``)."""
        if self.last < self.first:
            return
        place = f"{column}{self.first}:{column}{self.last}"
        for formula, form in ((green, self._book.green), (red, self._book.red)):
            self._sheet.conditional_format(place, {"type": "formula", "criteria": formula, "format": form})


class Book:
    """Sheets of plain tables, written row after row: memory does not grow with them."""

    def __init__(self, book: Any, warning: str | None) -> None:
        self._book, self._warning = book, warning
        top = {"valign": "top"}
        self._head = book.add_format({"bold": True, "text_wrap": True, "bg_color": "#DDE6F0", "bottom": 1, **top})
        self._text = book.add_format({"num_format": "@", **top})
        self._wrap = book.add_format({"num_format": "@", "text_wrap": True, **top})
        self._number = book.add_format({"num_format": "#,##0", **top})
        self._rate = book.add_format({"num_format": "0.0%", **top})
        self._day = book.add_format({"num_format": "dd/mm/yyyy", **top})
        self._alert = book.add_format({"bold": True, "font_color": "#9C0006"})
        self._note = book.add_format({"italic": True})
        self.green = book.add_format({"bg_color": "#C6EFCE", "font_color": "#006100"})
        self.red = book.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006"})

    def sheet(
        self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], notes: Sequence[str] = ()
    ) -> Sheet:
        """A sheet: the warning and the notes, the header, which stays in sight, then the rows."""
        sheet = self._book.add_worksheet(name)
        for number, column in enumerate(columns):
            sheet.set_column(number, number, column.width)
        top = [(self._warning, self._alert)] if self._warning is not None else []
        top += [(note, self._note) for note in notes]
        for number, (text, form) in enumerate(top):
            sheet.write_string(number, 0, plain_text(text), form)
        head = len(top)
        for number, column in enumerate(columns):
            sheet.write_string(head, number, column.title, self._head)
        last = head
        for last, row in enumerate(rows, start=head + 1):
            for number, (cell, column) in enumerate(zip(row, columns, strict=True)):
                self._write(sheet, last, number, cell, column)
        self._finish(sheet, head, last, len(columns))
        return Sheet(sheet, self, head + 2, last + 1)

    def _write(self, sheet: Any, row: int, number: int, cell: Cell, column: Column) -> None:
        if cell is None:
            return
        if isinstance(cell, bool):
            sheet.write_string(row, number, _WORDS[cell], self._text)
        elif isinstance(cell, str):
            sheet.write_string(row, number, plain_text(cell), self._wrap if column.form == "wrap" else self._text)
        elif isinstance(cell, date):
            sheet.write_datetime(row, number, cell, self._day)
        else:
            sheet.write_number(row, number, float(cell), self._rate if column.form == "rate" else self._number)

    def _finish(self, sheet: Any, head: int, last: int, columns: int) -> None:
        sheet.freeze_panes(head + 1, 0)
        sheet.repeat_rows(head)
        if last > head:
            sheet.autofilter(head, 0, last, columns - 1)
            sheet.ignore_errors({"number_stored_as_text": f"A1:Z{last + 1}"})  # a FINESS is meant to be a text
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{(self._warning or '')[:120].replace('&', '&&')}&Rpage &P sur &N")


@contextmanager
def workbook(as_of: datetime, title: str, warning: str | None) -> Iterator[tuple[Book, io.BytesIO]]:
    """A new workbook, whole in the buffer once the block ends.

    as_of    the date that its properties give        warning  printed on top of every sheet, and under every page
    """
    buffer = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    import xlsxwriter  # type: ignore[import-untyped] # here: every command would wait for it

    with xlsxwriter.Workbook(buffer, options) as book:
        book.set_properties({"title": title, "author": "Socle", "created": as_of.astimezone(UTC).replace(tzinfo=None)})
        yield Book(book, warning), buffer
