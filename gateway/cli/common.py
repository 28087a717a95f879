"""What the commands share: the data folder option and one-line French errors with the exit codes of design §9."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

CHECK_FAILED, BAD_INPUT, UNAVAILABLE, REFUSED_TO_START = 1, 2, 3, 4

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="SOCLE_DATA", help="Dossier des données.", show_default=True, file_okay=False)
]


def fail(message: str, code: int) -> NoReturn:
    """Print one line on standard error and leave with ``code``."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
