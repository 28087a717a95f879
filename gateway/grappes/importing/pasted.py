"""Text pasted from a document: columns told by tabs, bars, or two spaces and more; else by semicolons or commas."""
from __future__ import annotations

import re

from gateway.grappes.importing.delimited import MOST_COLUMNS, MOST_LINES, delimited_grid
from gateway.grappes.importing.places import Grid, GridLine, Unreadable

_CUTS = (re.compile(r"\t"), re.compile(r" *\| *"), re.compile(r"(?: |\u00a0){2,}"))
_RULE = re.compile(r"[\s|+:=_-]*")


def pasted_grid(document: str, text: str) -> Grid:
    """Raises Unreadable when the text has no columns."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if not _RULE.fullmatch(line)]
    if len(lines) > MOST_LINES:
        raise Unreadable(f"{document} : plus de {MOST_LINES} lignes pour un tableau.")
    for cut in _CUTS:
        if sum(len(_cells(cut, line)) > 1 for _, line in lines) * 2 > len(lines):
            return Grid(document, tuple(GridLine(number, tuple(_cells(cut, line))[:MOST_COLUMNS]) for number, line in lines))
    return delimited_grid(document, text)


def _cells(cut: re.Pattern[str], line: str) -> list[str]:
    bars = "|" in cut.pattern
    return cut.split(line.strip().strip("|").strip() if bars else line.strip("\n\r") if cut.pattern == "\\t" else line.strip())
