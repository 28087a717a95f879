"""`socle grappe historique`: the versions of a grappe, and the file of one of them."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, print_json
from gateway.cli.registry_acts import GrappeId, span
from gateway.grappes.history import Step, history
from gateway.grappes.reading import RegistryError, write_grappe
from gateway.grappes.versions import load_version


def historique(
    grappe: GrappeId,
    version: Annotated[int | None, typer.Option("--version", help="Montre le fichier de cette version.")] = None,
    data: DataFolder = Path(".socle"), as_json: AsJson = False,
) -> None:  # fmt: skip
    """Les versions d'une grappe : qui, quand, quoi, et les mesures touchées ; ou le fichier d'une version."""
    folder = data / "gateway"
    try:
        if version is not None:
            sys.stdout.buffer.write(write_grappe(load_version(folder / "grappes", grappe, version)))
            return
        steps = history(folder, folder / "grappes", grappe)
        if not steps:
            load_version(folder / "grappes", grappe, 1)
    except RegistryError as error:
        fail(str(error), BAD_INPUT)
    if as_json:
        print_json({"grappe": grappe, "versions": [one.item() for one in steps]})
    elif not steps:
        typer.echo(f"{grappe} : version 1, telle que son fichier a été posé.")
    else:
        Console(highlight=False, markup=False, width=130).print(_table(steps))


def _table(steps: list[Step]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Version", "Inscrite le (UTC)", "Par", "Changements", "Mesures touchées", "Fichier"):
        table.add_column(title, overflow="fold")
    for one in steps:
        touched = [f"{each['finess_et']} {span(each)}" for each in one.touched]
        if len(touched) > 3:
            touched = [*touched[:2], f"et {len(touched) - 2} autres"]
        state = {True: "intact", False: "ALTÉRÉ", None: "" if one.entry is None else "absent"}[one.intact]
        table.add_row(
            str(one.version), (one.recorded_at or "")[:19].replace("T", " "), one.by or "", ", ".join(one.change) or "posée",
            "\n".join(touched) or "aucune", state,
        )  # fmt: skip
    return table
