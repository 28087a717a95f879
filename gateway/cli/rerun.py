"""`socle journal rerun`: the running gateway makes a call of the journal again (docs/journal-lecture.md)."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.admin import need_gateway, post
from gateway.cli.common import AsJson, By, DataFolder, check_author, print_json
from gateway.cli.journal import entry_named, open_reader


def rerun(
    name: Annotated[str, typer.Argument(metavar="ENTRÉE", help="Identifiant, son début, ou numéro comme 1/42.")],
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Refait un appel sans effet dont la requête est gardée en entier ; c'est un nouvel appel, qui ne compte pas."""
    check_author(by)
    with open_reader(data) as reader:
        entry = entry_named(reader, data, name)
    need_gateway(data)
    done = post(data, "/admin/journal/rerun", {"entry": entry["id"], "by": by})
    if as_json:
        print_json(done)
        return
    said = ", ".join(one for one in (done["outcome"], done["service_code"], *done["flags"]) if one)
    typer.echo(f"Appel {done['replays']} refait : {said} (entrée {done['entry']}).")
