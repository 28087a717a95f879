"""CSV files given to a command: read, and refused line by line."""
from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import typer

from gateway.cli.common import BAD_INPUT, fail
from gateway.grappes.tables import TableRefused


def refuse(file: Path, refused: TableRefused) -> NoReturn:
    """Each mistake on its own line, then the end."""
    for problem in refused.problems:
        typer.echo(f"{file.name}, {problem}", err=True)
    fail(f"{file.name} : rien n'a été pris. Corrigez, puis relancez la même commande.", BAD_INPUT)
