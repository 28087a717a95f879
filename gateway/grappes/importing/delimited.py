"""Separated values: which separator a file uses, and its lines, with those that use another one."""
from __future__ import annotations

import csv
import io
from collections import Counter

from gateway.grappes.importing.places import Grid, GridLine, Unreadable

SEPARATORS = (";", ",", "\t", "|")
_MOST_SPANNED = 6  # lines of one cell: more is a quote that nobody closed
MOST_LINES, MOST_COLUMNS, LONGEST_CELL = 5_000, 200, 10_000


class NoColumns(Unreadable):
    """No separator makes columns of this text."""


def delimited_grid(document: str, text: str) -> Grid:
    """The lines of a CSV; quoted cells may hold line breaks. Raises Unreadable, NoColumns."""
    tried = {separator: _lines(document, text, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda one: _evenness(tried[one]))
    lines = tried[best]
    width = _usual_width(lines)
    if width < 2:
        if len(_filled(lines)) > 1:
            raise NoColumns(
                f"{document} : aucune colonne reconnue (séparateurs essayés : point-virgule, virgule, tabulation, barre). "
                "Enregistrez le tableau en CSV, ou donnez un fichier .txt pour un texte collé."
            )
        raise NoColumns(f"{document} : une seule ligne, sans colonne. Donnez le fichier qui contient le tableau.")
    for line in lines:
        if line.spans > 1 and _is_swallowed(line, best, width):
            raise Unreadable(
                f"{document}, ligne {line.number} : guillemet ouvert, et fermé {line.spans - 1} lignes plus bas ou jamais. "
                "Doublez ou retirez les guillemets de cette ligne."
            )
    mended = [_mended(line, width) for line in lines]
    other = [new.number for new, line in zip(mended, lines, strict=True) if new is not line]
    remark = f"{document}, ligne {_listed(other)} : autre séparateur que le reste du fichier, lue quand même."
    return Grid(document, tuple(mended), (remark,) if other else ())


def _lines(document: str, text: str, separator: str) -> list[GridLine]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines: list[GridLine] = []
    start = 1
    try:
        for texts in reader:
            if len(lines) >= MOST_LINES or len(texts) > MOST_COLUMNS:
                raise Unreadable(f"{document}, ligne {start} : plus de {MOST_LINES} lignes ou de {MOST_COLUMNS} colonnes.")
            lines.append(GridLine(start, tuple(texts), reader.line_num - start + 1))
            start = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"{document}, ligne {start} : CSV illisible ({_why(error)}). Corrigez cette ligne.") from error
    return lines


def _is_swallowed(line: GridLine, separator: str, width: int) -> bool:
    """True when a quote took in other rows: too many lines, another width, or a cell that holds a row's worth of separators."""
    return (
        line.spans > _MOST_SPANNED or len(line.texts) != width
        or any("\n" in text and text.count(separator) >= width - 1 for text in line.texts)
    )  # fmt: skip


def _why(error: csv.Error) -> str:
    return "cellule trop longue, guillemet non fermé ?" if "field larger" in str(error) else "guillemets ou fin de ligne"


def _filled(lines: list[GridLine]) -> list[GridLine]:
    return [line for line in lines if not line.is_blank]


def _usual_width(lines: list[GridLine]) -> int:
    widths = Counter(len(line.texts) for line in _filled(lines))
    return max(widths, key=lambda width: (widths[width], width), default=0)


def _evenness(lines: list[GridLine]) -> tuple[int, int]:
    """How many lines have the usual number of columns, if it is two or more; then how many columns."""
    width = _usual_width(lines)
    return (sum(len(line.texts) == width for line in _filled(lines)), width) if width > 1 else (0, 0)


def _mended(line: GridLine, width: int) -> GridLine:
    """A line whose only cell holds the usual number of columns once read with another separator."""
    if len(line.texts) != 1 or line.is_blank:
        return line
    for separator in SEPARATORS:
        texts = next(csv.reader([line.texts[0]], delimiter=separator))
        if len(texts) == width:
            return GridLine(line.number, tuple(texts))
    return line


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (f" et {len(numbers) - 10} autres" if len(numbers) > 10 else "")
