"""`socle grappe check`: what the conventions' tables hold, row by row, and what a person has to decide."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import BAD_INPUT, CHECK_FAILED, AsJson, fail, print_json
from gateway.exports.table_rates import terminal_width
from gateway.grappes.importing.asking_finess import ask_finess
from gateway.grappes.importing.checking import Checked, check
from gateway.grappes.importing.decisions import template
from gateway.grappes.importing.files import documents_in
from gateway.grappes.importing.places import Unreadable
from gateway.grappes.importing.report import as_json, as_text
from gateway.os_errors import in_french

Tables = Annotated[
    list[Path],
    typer.Argument(metavar="TABLEAUX", help="Dossier d'une grappe, dossier de grappes, ou fichiers (.csv, .xlsx, .txt)."),
]
FinessExtraction = Annotated[
    Path | None, typer.Option("--finess", help="Extraction FINESS des établissements, pour comparer.", dir_okay=False)
]


def check_tables(
    tables: Tables,
    finess: FinessExtraction = None,
    decisions: Annotated[
        Path | None, typer.Option("--decisions", help="Écrit ce fichier CSV, à remplir puis à donner à import.", dir_okay=False)
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """Lit les tableaux d'une convention et dit, ligne par ligne, quel numéro retenir. Ne corrige et n'écrit rien."""
    found = read_tables(tables, finess)
    if as_json_:
        print_json(as_json(found))
        for error in (error for one in found for error in one.errors):
            typer.echo(error, err=True)
    else:
        sys.stdout.buffer.write(as_text(found, terminal_width()).encode())
    if decisions is not None:
        try:
            decisions.write_bytes(template(found))
        except OSError as error:
            fail(f"{decisions} : écriture impossible ({in_french(error)}).", BAD_INPUT)
    if not all(one.holds for one in found):
        raise typer.Exit(CHECK_FAILED)


def read_tables(tables: list[Path], finess: Path | None) -> list[Checked]:
    """Every grappe in these paths, checked. Ends the command with one French line when a file is no table."""
    try:
        found = [check(documents) for documents in documents_in(tables)]
        return found if finess is None else ask_finess(found, finess)
    except Unreadable as error:
        fail(str(error), BAD_INPUT)
