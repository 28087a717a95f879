"""Text pasted from a document: columns told by tabs, bars, or two spaces and more; else by semicolons or commas."""
from __future__ import annotations

import re

from gateway.grappes.importing.delimited import MOST_COLUMNS, MOST_LINES, delimited_grid
from gateway.grappes.importing.places import Grid, GridLine, Unreadable

_TAB, _BAR, _SPACES = re.compile(r"\t"), re.compile(r" *\| *"), re.compile(r"(?: |\u00a0){2,}")
_RULE = re.compile(r"[\s|+:=_-]*")


def pasted_grid(document: str, text: str) -> Grid:
    """Raises Unreadable when the text has no columns. Between spaces an empty cell cannot be seen: the grid is ``exact``."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if not _RULE.fullmatch(line)]
    if len(lines) > MOST_LINES:
        raise Unreadable(f"{document} : plus de {MOST_LINES} lignes pour un tableau.")
    framed = all(line.strip().startswith("|") and line.strip().endswith("|") for _, line in lines)
    for cut in (_TAB, _BAR, _SPACES):
        rows = [(number, _cells(cut, line, framed=framed)) for number, line in lines]
        if sum(len(cells) > 1 for _, cells in rows) * 2 > len(rows):
            found = tuple(GridLine(number, tuple(cells)[:MOST_COLUMNS]) for number, cells in rows)
            return Grid(document, found, exact=cut is _SPACES)
    return delimited_grid(document, text)


def _cells(cut: re.Pattern[str], line: str, *, framed: bool) -> list[str]:
    if cut is _BAR and framed:
        line = line.strip()[1:-1]
    return [cell.strip() for cell in cut.split(line if cut is _TAB else line.strip())]
