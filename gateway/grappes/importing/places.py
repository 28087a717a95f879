"""Where a value was typed, and what is said when it cannot be used: file, line and column, in French."""
from __future__ import annotations

from dataclasses import dataclass

_CONTROLS = dict.fromkeys((*range(0x09), *range(0x0B, 0x0D), *range(0x0E, 0x20), *range(0x7F, 0xA0)), None)


class Unreadable(ValueError):
    """A file that cannot be read as a table. The message is one French line: what, where, why, what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a document.

    document  file name, with the sheet's name when a workbook has several
    line      1 for the first line of the file or of the sheet
    column    0 for the first column; None for the whole line
    header    the column's title as typed
    """

    document: str
    line: int
    column: int | None = None
    header: str = ""

    def __str__(self) -> str:
        said = f"{self.document}, ligne {self.line}"
        if self.column is None:
            return said
        title = " ".join(self.header.split())
        return f"{said}, colonne {column_letters(self.column)}" + (f" « {title} »" if title else "")


@dataclass(frozen=True, slots=True)
class Cell:
    """What was typed, as it was typed."""

    text: str
    place: Place

    @property
    def trimmed(self) -> str:
        """The text on one line, without the spaces around it."""
        return " ".join(self.text.split())


@dataclass(frozen=True, slots=True)
class GridLine:
    """One line of a grid: its number in the file, its texts, and how many lines of the file it takes."""

    number: int
    texts: tuple[str, ...]
    spans: int = 1

    @property
    def is_blank(self) -> bool:
        return not any(text.strip() for text in self.texts)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table before anything is understood of it.

    exact  an empty cell leaves no trace here: a line with fewer columns than the header cannot be read
    """

    document: str
    lines: tuple[GridLine, ...]
    remarks: tuple[str, ...] = ()
    exact: bool = False


def printable(text: str) -> str:
    """The text without control characters: nobody typed them, and a terminal would obey them. Tabs and line ends stay."""
    return text.translate(_CONTROLS)


def column_letters(index: int) -> str:
    """0 is A, 25 is Z, 26 is AA: as spreadsheets name columns."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
