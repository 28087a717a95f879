"""`socle sandbox`: talks to the control API of the running sandbox, by network (docs/architecture.md)."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, tell
from gateway.cli.sandbox_control import ask

app = typer.Typer(no_args_is_help=True)
client = typer.Typer(no_args_is_help=True)
app.add_typer(client, name="client", help="Clients Pro Santé Connect du bac à sable.")


@app.command("clock")
def clock(
    advance: Annotated[str | None, typer.Option("--advance", help="Avance le temps métier : 3d, 12h, 30m ou 45s.")] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Avance même si aucune passerelle ne tourne.")] = False,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Montre l'horloge du bac à sable, ou l'avance ; elle ne recule pas."""
    method, body = ("GET", None) if advance is None else ("POST", {"advance_s": seconds(advance), "alone": alone})
    said = ask(data, method, "/clock", body)
    tell(said, as_json, f"temps métier {said.get('business')} (décalage {said.get('offset_s')} s)")


@client.command("redirect")
def redirect(
    client_id: Annotated[str, typer.Argument(metavar="CLIENT", help="client_id Pro Santé Connect.")],
    uri: Annotated[str, typer.Argument(metavar="ADRESSE", help="redirect_uri à déclarer, comparée à l'identique.")],
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Déclare une redirect_uri pour un client Pro Santé Connect du bac à sable."""
    said = ask(data, "POST", "/psc/redirects", {"client_id": client_id, "uri": uri})
    tell(said, as_json, f"redirect_uri déclarée pour {client_id}")


def seconds(text: str) -> float:
    """Of a duration as a command takes it; ends the command for anything else."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or not int(number):
        fail(f"« {text} » : durée attendue, comme 3d, 12h, 30m ou 45s.", BAD_INPUT)
    return float(int(number) * units[unit])
