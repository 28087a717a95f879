"""Rates as a French table for a terminal: one table per grappe, window and indicator."""
from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence
from itertools import groupby, pairwise

from rich import box
from rich.console import Console
from rich.table import Table

from gateway.exports.definitions import FROZEN, POPULATION_NOTE, STATUS, WINDOWS, unmeasured
from gateway.exports.naming import warning_of
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure
from gateway.usage.parts import percent

_NO_EXTRACTION = "aucune extraction du DUI ni déclaration"
_REACHED = {True: "oui", False: "non", None: "—"}
_NARROW, _WIDE = 80, 118


def terminal_width() -> int:
    """Columns for a table: the terminal's, from 80, where names take two lines, to 118, where none does; 118 in a file."""
    columns = shutil.get_terminal_size((_WIDE, 24)).columns if sys.stdout.isatty() else _WIDE
    return min(max(columns, _NARROW), _WIDE)


def rates_table(measures: Sequence[Measure], width: int = 118) -> str:
    """Plain text, without colours. Its first line says that data are simulated when they are.

    width  columns; no figure is cut from 80 on
    ValueError: mixed environments.
    """
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    without = []
    for (_, window, _), rows in groupby(measures, key=lambda row: (row.grappe, row.window, row.indicator)):
        found, period = list(rows), f"{WINDOWS[window.kind]} du {window.start:%d/%m/%Y} au {window.last_day:%d/%m/%Y}"
        if all(map(unmeasured, found)):
            without.append(f"{INDICATORS[found[0].indicator].label} : {_NO_EXTRACTION}, {period}.")
        else:
            _print(console, found, period)
    if without:
        console.print("\n" + "\n".join(without))
    warning = warning_of(measures)
    lines = [] if warning is None else [warning]
    lines += [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([*lines, f"Note : {POPULATION_NOTE}."]) + "\n"


def _print(console: Console, rows: list[Measure], period: str) -> None:
    together = rows[-1]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("ESSMS", max_width=40, overflow="fold")
    table.add_column("FINESS", no_wrap=True)
    narrow = console.width < _WIDE  # the target, the same on every row, then goes to the title
    for heading in ("Num.", "Doute", "Dénom.", "Taux") if narrow else ("Num.", "Doute", "Dénom.", "Taux", "Cible"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Atteint", no_wrap=True)
    table.add_column("État", no_wrap=True)
    for before, row in pairwise([together, *rows]):
        if row.finess_et is None and before.finess_et is not None:
            table.add_section()
        table.add_row(*_cells(row, narrow=narrow))
    console.print(f"\n{INDICATORS[together.indicator].label} : {period}" + (f" (cible {together.target} %)" if narrow else ""))
    console.print(table)
    beside = f" Échecs : {together.failures} ; envois non attribués : {together.unattributed}."
    console.print(
        f"Grappe : somme des numérateurs / somme des dénominateurs, {together.calculable} ET sur {together.members}."
        f"{beside if together.unattributed is not None else ''}\nDénominateur : {together.denominator_label}."
    )


def _cells(row: Measure, *, narrow: bool) -> tuple[str, ...]:
    return (
        row.name if row.finess_et or row.finess_ej else f"Grappe {row.name}",
        row.finess_et or ((row.finess_ej if narrow else f"EJ {row.finess_ej}") if row.finess_ej else ""),
        str(row.numerator),
        str(row.in_doubt),
        "—" if row.denominator is None else str(row.denominator),
        percent(row.tenths),
        *(() if narrow else (f"{row.target} %",)),
        _REACHED[row.reached],
        STATUS[row.status] + (f", v{row.version}" if row.state == "clos" and not narrow else "")
        + (f", {FROZEN}" if row.frozen is not None else ""),
    )
