"""What the commands share: the data folder option and one-line French errors with the exit codes of design §9."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer

from gateway.journal.authors import is_author
from gateway.journal.location import present
from gateway.os_errors import in_french

CHECK_FAILED, BAD_INPUT, UNAVAILABLE, REFUSED_TO_START = 1, 2, 3, 4

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="SOCLE_DATA", help="Dossier des données.", show_default=True, file_okay=False)
]

By = Annotated[str, typer.Option("--by", help="Qui le demande, pour l'entrée du journal : minuscules, chiffres, point, tiret.")]

AsJson = Annotated[bool, typer.Option("--json", help="Sortie JSON.")]


def bytes_of(file: Path) -> bytes:
    """What a file given to the command holds. Ends the command when it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"Fichier {file} illisible : {in_french(error)}.", BAD_INPUT)


def check_author(by: str) -> None:
    """Ends the command for a ``--by`` that an entry cannot hold in clear."""
    if not is_author(by):
        form = "lettres minuscules, chiffres, point et tiret, 64 caractères au plus"
        fail(f"--by : un organisme ou un rôle ({form}), jamais le numéro d'une personne.", BAD_INPUT)


def tell(said: dict[str, Any], as_json: bool, line: str) -> None:
    """Print what was done: ``said`` for a program, ``line`` for a person."""
    if as_json:
        print_json(said)
    else:
        typer.echo(line)


def print_json(content: Any) -> None:
    """Print indented JSON on standard output, in UTF-8 whatever the terminal's encoding."""
    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def need_journal(data: Path) -> None:
    """End the command when the data folder has no journal."""
    if not present(data / "gateway"):
        no_journal(data)


def no_journal(data: Path, *, or_start: bool = False) -> NoReturn:
    """The data folder has no journal: say so; ``or_start`` adds that a first start makes one."""
    otherwise = ", ou lancez d'abord socle up" if or_start else ""
    fail(f"Aucun journal dans {data} : indiquez le bon dossier par --data{otherwise}.", BAD_INPUT)


def fail(message: str, code: int) -> NoReturn:
    """Print one line on standard error and leave with ``code``."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
