"""`socle sandbox seed`: makes the sandbox of a data folder without starting it (docs/population.md)."""
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from gateway.cli.common import AsJson, DataFolder, fail
from gateway.population import People
from gateway.supervise import ChildFailed, make_sandbox

Persons = Annotated[
    int | None,
    typer.Option("--persons", min=0, help="Personnes accompagnées en tout, partagées entre les structures ; 50 par défaut."),
]


def seed(
    persons: Persons = None,
    number: Annotated[int | None, typer.Option("--seed", help="Graine : la même rend les mêmes personnes.")] = None,
    structures: Annotated[
        Path | None, typer.Option("--structures", exists=True, dir_okay=False, help="Liste JSON de structures.")
    ] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Prépare le bac à sable d'un dossier : certificats, population, manifeste ; un dossier déjà fait n'est pas changé."""
    try:
        asyncio.run(make_sandbox(data, structures=structures, seed=number, persons=persons))
    except ChildFailed as error:
        fail(str(error), error.code)
    counts = People.of(data / "sandbox").counts()
    if as_json:
        typer.echo(orjson.dumps(counts).decode())
    else:
        typer.echo(f"{counts['persons']} personnes et {counts['professionals']} professionnels dans {data}")
