"""The page of a COPIL: five rates per ET with their trend, what is not calculable, at stake, unresolved, to be decided (note §8).

Everything on it comes from the edition: whoever asks where a number comes from finds it in the workbook beside.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.exports.cells import PARIS
from gateway.exports.definitions import FROZEN, LEVELS, POPULATION_NOTE, REACHED, STATES, WINDOWS, unmeasured
from gateway.exports.edition import Edition
from gateway.exports.pdf import page_images, pdf
from gateway.exports.workbook import Column, workbook
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure
from gateway.usage.parts import percent
from gateway.usage.periods import Window

MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_TREND = 3
#: Letter size and row gap in points, lines of a box (the rest is in the workbook): the first that fits on one page, from the one
#: that usually does for so many rows.
_SIZES = ((8.4, 2.2, 7), (7.8, 1.7, 7), (7.2, 1.3, 6), (6.6, 0.9, 5), (6.0, 0.7, 4))
_TO_COUNT_PPI = 8.0
_CELL = {True: "oui", False: "non", None: "nc"}
_LEGEND = (
    "oui : cible atteinte ; non : pas atteinte. n. c. : non calculable, ce n'est pas 0 %. h. ch. : hors champ. "
    "Barres : trois dernières fenêtres, la plus récente à droite ; trait : cible. Grappe et OG : somme des numérateurs sur somme "
    "des dénominateurs, ESSMS calculables seulement. Note : "
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """A list under the table; ``sheet`` is its name in the workbook, ``empty`` is said when it has no line."""

    title: str
    sheet: str
    lines: Sequence[str]
    empty: str = "aucun"


def copil_pdf(edition: Edition, boxes: Sequence[Box]) -> bytes:
    """One page, of the edition's last window; more only when the smallest letters do not fit."""
    return pdf("copil", fitted(edition, boxes), edition.as_of)


def fitted(edition: Edition, boxes: Sequence[Box]) -> dict[str, Any]:
    """What the template shows, in the largest letters that make one page."""
    data = page(edition, boxes)
    likely = min(max(0, (len(data["rows"]) - 12) // 6), len(_SIZES) - 2)
    for size, gap, lines in _SIZES[likely:]:
        data |= {"size": size, "gap": gap, "boxes": [_shown(box, lines) for box in boxes]}
        if len(page_images("copil", data, edition.as_of, _TO_COUNT_PPI)) == 1:
            break
    return data


def page(edition: Edition, boxes: Sequence[Box]) -> dict[str, Any]:
    """What the template shows."""
    window = edition.last_windows[-1]
    size, gap, lines = _SIZES[0]
    local = edition.as_of.astimezone(PARIS)
    last = edition.of(edition.indicators[0], window)[-1]
    return {
        "title": f"{_grappe(edition.grappe.name)} : taux d'usage, {window_name(window)}",
        "warning": edition.warning,
        "state": _state(last, [row for row in edition.measures if row.window == window]),
        "subtitle": f"{WINDOWS[window.kind].capitalize()} du {window.start:%d/%m/%Y} au {window.last_day:%d/%m/%Y}. "
        f"Arrêté au {local:%d/%m/%Y à %H:%M} (heure de Paris). {edition.grappe.ars}. "
        f"Cible jugée au niveau : {LEVELS[edition.grappe.contractual_level]}.",
        "date": [local.year, local.month, local.day],
        "footer": f"{edition.software} ; règles {last.definition_version}, registre {last.registry_version or '—'} ; "
        f"racine du journal : {edition.root or 'sans instantané'}",
        "size": size, "gap": gap,
        "indicators": [{"label": INDICATORS[one].label, "target": INDICATORS[one].target} for one in edition.indicators],
        "rows": _table(edition),
        "legend": _LEGEND + POPULATION_NOTE + ".",
        "boxes": [_shown(box, lines) for box in boxes],
    }  # fmt: skip


def _state(last: Measure, rows: Sequence[Measure]) -> str:
    frozen = next((row.frozen for row in rows if row.frozen is not None), None)
    said = f"{STATES[last.state]}, v{last.version}" if last.state == "clos" else f"non clos ({STATES[last.state]})"
    return said if frozen is None else f"{said}, {FROZEN} le {frozen.day}"


def window_name(window: Window) -> str:
    """``janvier 2027`` or ``première période (novembre 2026 à janvier 2027)``."""
    last = f"{MONTHS[window.last_day.month - 1]} {window.last_day.year}"
    if window.kind == "mensuelle":
        return last
    return f"première période ({MONTHS[window.start.month - 1]} {window.start.year} à {last})"


def _table(edition: Edition) -> list[dict[str, Any]]:
    """Of each place, the windows that end last: one, unless members started at different times; the month first."""
    windows = edition.last_windows
    by_place: dict[tuple[Window, str | None, str | None], dict[str, Measure]] = {}
    for row in sorted((row for row in edition.measures if row.window in windows), key=lambda row: -windows.index(row.window)):
        by_place.setdefault((row.window, row.finess_et, row.finess_ej), {})[row.indicator] = row
    return [
        _line(cells, edition.indicators, "" if window == windows[-1] else f" ({WINDOWS[window.kind]})")
        for (window, _, _), cells in by_place.items()
    ]


def _line(cells: dict[str, Measure], indicators: Sequence[str], mark: str) -> dict[str, Any]:
    one = next(iter(cells.values()))
    number = one.finess_et or (f"EJ {one.finess_ej}" if one.finess_ej else f"{one.members} ET")
    name = one.name if one.finess_et else f"OG {one.name}" if one.finess_ej else _grappe(one.name)
    shown = [_cell(cells.get(indicator)) for indicator in indicators]
    return {"name": name + mark, "finess": number, "total": one.finess_et is None, "cells": shown}


def _grappe(name: str) -> str:
    return name if name.lower().startswith("grappe") else f"Grappe {name}"


def _cell(row: Measure | None) -> dict[str, Any]:
    if row is None:
        return {"fraction": "", "rate": "", "state": "nc", "trend": [None] * _TREND}
    fraction = "—" if unmeasured(row) else f"{row.numerator} / {'—' if row.denominator is None else row.denominator}"
    if row.status in ("non_calculable", "hors_champ"):
        short = "n. c." if row.status == "non_calculable" else "h. ch."
        return {"fraction": fraction, "rate": short, "state": "nc", "trend": _trend(row)}
    rate = f"{percent(row.tenths)} {REACHED[row.reached]}"
    return {"fraction": fraction, "rate": rate, "state": _CELL[row.reached], "trend": _trend(row)}


def _trend(row: Measure) -> list[float | None]:
    past = [one.numerator / one.denominator if one.denominator else None for one in row.trend][-_TREND:]
    return [None] * (_TREND - len(past)) + past


def copil_xlsx(edition: Edition, boxes: Sequence[Box]) -> bytes:
    """Every line of the lists under the table, a sheet each: the page cuts them."""
    title = f"COPIL, grappe {edition.grappe.name}"
    with workbook(edition.as_of, title, edition.warning) as (book, content):
        for box in boxes:
            book.sheet(box.sheet, (Column(box.title, 120, "wrap"),), [(line,) for line in box.lines or [box.empty]])
    return content.getvalue()


def _shown(box: Box, most: int) -> dict[str, Any]:
    """Its first lines, and how many more the workbook has: a page that overflows is not read."""
    lines = list(box.lines)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"… et {len(lines) - most + 1} autres : voir le classeur"]
    return {"title": box.title, "lines": lines, "empty": box.empty}
