"""`socle grappe denominateurs set | import | template`: how many persons each ESSMS accompanies, who says so, since when."""
from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, bytes_of, fail, print_json
from gateway.cli.csv_files import refuse
from gateway.cli.registry_acts import (
    By,
    Et,
    GrappeId,
    IfVersion,
    Why,
    change,
    day,
    done_by,
    finess,
    grappe_in,
    number,
    registry_in,
    told,
)
from gateway.exports.cells import csv_bytes, number_as_text, plain_text
from gateway.grappes.denominator_files import read_denominators, template
from gateway.grappes.denominators import MOTIFS, SOURCES
from gateway.grappes.reading import RegistryError
from gateway.grappes.registrar import Registrar, today_of
from gateway.grappes.tables import TableRefused
from gateway.journal.journal import Journal
from gateway.journal.standing import clock_of

app = typer.Typer(no_args_is_help=True)
_HERE = Path(".socle")


@app.command("set")
def set_one(
    grappe: GrappeId, et: Et, by: By,
    since: Annotated[str, typer.Option("--since", metavar="AAAA-MM-JJ", help="Jour à partir duquel la valeur divise.")],
    persons: Annotated[str | None, typer.Option("--persons", help="Personnes accompagnées.")] = None,
    source: Annotated[str | None, typer.Option("--source", help=f"D'où vient le nombre : {', '.join(SOURCES)}.")] = None,
    statut: Annotated[str, typer.Option("--statut", help="provisoire, declare ; arrete, après le 31/05 de N+1.")] = "provisoire",
    year: Annotated[int | None, typer.Option("--annee", help="Année N des personnes comptées.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="SERVICE:MOTIF:NOMBRE", help="Personnes non éligibles ; à répéter.")
    ] = None,
    reason: Annotated[str, typer.Option("--justificatif", help="Ce qui justifie les exclusions.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Retire la valeur de ce jour.")] = False,
    why: Why = None, if_version: IfVersion = None, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Donne, corrige ou retire le nombre de personnes accompagnées d'un ESSMS à partir d'un jour."""
    said = {
        "kind": "denominateur", "finess_et": finess(et), "since": day("--since", since),
        "persons": None if persons is None else number("--persons", persons), "source": source, "statut": statut, "annee": year,
        "exclusions": [_exclusion(one, reason) for one in exclude or []], "remove": remove,
    }  # fmt: skip
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FICHIER.csv", help="Une valeur par ligne (voir template).", dir_okay=False)],
    by: By, why: Why = None, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Prend toutes les valeurs d'un CSV, ou aucune : chaque faute est dite par ligne et par colonne."""
    content = bytes_of(file)
    _refuse_early(data, file, content)

    async def alone(journal: Journal) -> dict[str, Any]:
        registrar = Registrar.of(journal, journal.clock)
        await registrar.adopt()
        saved = await registrar.change_all(
            lambda registry: read_denominators(content, registry, registrar.today), by=by, why=why
        )
        return {"grappes": [one.item() for one in saved]}

    body = {"by": by, "why": why, "csv_base64": base64.b64encode(content).decode()}
    done = done_by(data, "/admin/grappes/denominateurs", body, alone)
    if as_json:
        print_json(done)
        return
    for one in done["grappes"]:
        typer.echo(told(one))


@app.command("template")
def write_template(grappe: GrappeId, data: DataFolder = _HERE) -> None:
    """Écrit sur la sortie standard un CSV à compléter : les ESSMS de la grappe et leurs valeurs actuelles."""
    head, *rows = template(grappe_in(data, grappe))
    sys.stdout.buffer.write(csv_bytes([head, *([number_as_text(row[0]), *map(plain_text, row[1:])] for row in rows)]))


def _refuse_early(data: Path, file: Path, content: bytes) -> None:
    """What is wrong with the file, before a gateway is asked to take it."""
    registry = registry_in(data)
    try:
        read_denominators(content, registry, today_of(clock_of(data / "gateway")))
    except RegistryError as error:
        fail(str(error), BAD_INPUT)
    except TableRefused as refused:
        refuse(file, refused)


def _exclusion(text: str, reason: str) -> dict[str, Any]:
    parts = text.split(":")
    if len(parts) != 3 or parts[0] not in ("mss", "dmp") or parts[1] not in MOTIFS:
        fail(f"--exclude « {text} » : attendu mss ou dmp, « : », un motif ({', '.join(MOTIFS)}), « : », un nombre.", BAD_INPUT)
    return {"service": parts[0], "motif": parts[1], "nombre": number("--exclude", parts[2]), "justificatif": reason}
