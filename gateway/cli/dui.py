"""`socle dui extraction | list | template`: what a DUI says of its own files, from which three of the five rates come."""
from __future__ import annotations

import base64
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.common import AsJson, DataFolder, bytes_of, no_journal, print_json
from gateway.cli.csv_files import refuse
from gateway.cli.registry_acts import By, GrappeId, done_by, grappe_in, registry_in
from gateway.exports.cells import csv_bytes, number_as_text
from gateway.grappes.deposit import deposit
from gateway.grappes.extraction import COLUMNS, Received, extractions, latest, read_extraction
from gateway.grappes.registrar import today_of
from gateway.grappes.tables import TableRefused
from gateway.journal.journal import Journal
from gateway.journal.query import JournalMissing
from gateway.journal.standing import clock_of, environment_of
from gateway.settings import Settings
from gateway.usage.source import journal_of

app = typer.Typer(no_args_is_help=True)
_HERE = Path(".socle")


@app.command("extraction")
def bring(
    file: Annotated[Path, typer.Argument(metavar="FICHIER.csv", help="Extraction du DUI (modèle : template).", dir_okay=False)],
    by: By, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Inscrit au journal l'extraction d'un DUI, entière ou pas du tout ; une plus récente la remplacera, sans l'effacer."""
    content, folder = bytes_of(file), data / "gateway"
    registry = registry_in(data)
    try:
        read_extraction(content, registry, today_of(clock_of(folder)))
    except TableRefused as refused:
        refuse(file, refused)

    async def alone(journal: Journal) -> dict[str, Any]:
        return await deposit(journal, _environment(folder), journal.clock, registry, content, by=by)

    body = {"by": by, "csv_base64": base64.b64encode(content).decode()}
    done = done_by(data, "/admin/dui/extraction", body, alone)
    if as_json:
        print_json(done)
    elif done["statut"] == "deja_recue":
        typer.echo(f"{file.name} : déjà reçue (entrée {done['premiere']}), sans autre effet.")
    else:
        typer.echo(f"{file.name} : {done['lignes']} ligne(s) au journal (entrée {done['entree']}).")
    if not as_json:
        for remark in done["remarques"]:
            typer.echo(f"À vérifier, {remark}")


@app.command("list")
def list_extractions(
    every: Annotated[bool, typer.Option("--all", help="Aussi celles qu'une plus récente a remplacées.")] = False,
    data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Liste les extractions qui font foi, par ESSMS et période."""
    folder = data / "gateway"
    try:
        with journal_of(folder) as connection:
            found = list(extractions(connection, _environment(folder)))
    except JournalMissing:
        no_journal(data)
    standing = set(latest(found).values())
    rows = sorted((one for one in found if every or one in standing), key=lambda one: (one.extraction.window, one.rank))
    if as_json:
        items = [{**one.extraction.item(), "entry": one.entry_id, "stands": one in standing} for one in rows]
        print_json({"extractions": items})
    elif rows:
        Console(highlight=False, markup=False, width=130).print(_table(rows, standing))
    else:
        typer.echo("Aucune extraction de DUI au journal.")


@app.command("template")
def template(grappe: GrappeId, data: DataFolder = _HERE) -> None:
    """Écrit sur la sortie standard un CSV à compléter : une ligne par membre de la grappe, pour le dernier mois fini."""
    today = today_of(clock_of(data / "gateway"))
    last = today.replace(day=1) - timedelta(days=1)
    members = [one for one in grappe_in(data, grappe).essms if one.is_member(last)]
    days = (last.replace(day=1).isoformat(), last.isoformat())
    rows = [[number_as_text(one.finess_et), *days, "", "", "", "", today.isoformat(), "extraction"] for one in members]
    sys.stdout.buffer.write(csv_bytes([[column.name for column in COLUMNS], *rows]))


def _table(rows: list[Received], standing: set[Received]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("FINESS ET", "Période", "Présents", "Actifs", "Avec projet", "Avec événement", "Extrait le", "Source", ""):
        table.add_column(title, justify="right" if title in ("Présents", "Actifs", "Avec projet", "Avec événement") else "left")
    for row in rows:
        one = row.extraction
        counts = (one.persons_present, one.active_files, one.active_files_with_project, one.active_files_with_event)
        period = f"{one.since:%m/%Y}" if one.months == 1 else f"{one.since:%m/%Y}, {one.months} mois"
        table.add_row(
            one.finess_et, period, *map(str, counts), f"{one.extracted_on:%d/%m/%Y}", one.source,
            "" if row in standing else "remplacée",
        )  # fmt: skip
    return table


def _environment(folder: Path) -> str:
    return environment_of(folder) or Settings().environment
