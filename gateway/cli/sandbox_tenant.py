"""`socle sandbox tenant`: tenants of the running sandbox, added, listed, given other secrets, removed."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, print_json, tell
from gateway.cli.sandbox_control import ask

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NOM", help="Éditeur : minuscules, chiffres et tirets.")]
_HERE = Path(".socle")
_USES = {"auth_cli": "INSI-AUTO", "auth_manu": "INSI-MANU", "sign": "signature"}


@app.command("add")
def add(
    name: Name,
    structures: Annotated[int, typer.Option("--structures", min=1, max=20, help="Établissements fictifs.")] = 2,
    persons: Annotated[int, typer.Option("--persons", min=0, max=1000, help="Personnes par établissement.")] = 25,
    product: Annotated[str | None, typer.Option("--product", help="Nom du logiciel, dit au journal.")] = None,
    data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Ajoute un éditeur avec ses établissements, personnes, certificats et clés ; la clé de contrôle n'est montrée qu'ici."""
    wish = {"name": name, "structures": structures, "persons": persons, "product": product}
    said = ask(data, "POST", "/tenants", {key: value for key, value in wish.items() if value is not None})
    _told(said, as_json, f"Éditeur {name} ajouté : il peut appeler dès maintenant.")


@app.command("rotate")
def rotate(name: Name, data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Change tous les secrets et certificats d'un éditeur ; les anciens sont refusés aussitôt."""
    said = ask(data, "POST", f"/tenants/{quote(name, safe='')}/rotate")
    _told(said, as_json, f"Secrets et certificats de {name} changés ; les anciens sont refusés.")


@app.command("list")
def list_tenants(data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Liste les éditeurs du bac à sable, sans leurs secrets."""
    said = ask(data, "GET", "/tenants")
    if as_json:
        print_json(said)
        return
    table = Table(box=None, pad_edge=False)
    for title in ("Éditeur", "Logiciel", "Établissements", "Clé de contrôle"):
        table.add_column(title, overflow="fold")
    for row in said["tenants"]:
        table.add_row(row["name"], row["product"], " ".join(row["structures"]) or "aucun", "oui" if row["has_key"] else "non")
    Console().print(table)
    if said["removed"]:
        typer.echo(f"Retirés : {', '.join(said['removed'])}.")


@app.command("remove")
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Ne demande pas de confirmer.")] = False,
    data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Retire un éditeur : accès refusés, données oubliées des services simulés ; ses entrées restent au journal."""
    if not yes:
        fail(f"Retirer « {name} » ne se défait pas, et ce nom ne se reprend pas : ajoutez --yes pour le faire.", BAD_INPUT)
    said = ask(data, "DELETE", f"/tenants/{quote(name, safe='')}")
    tell(said, as_json, f"Éditeur {name} retiré : plus rien ne lui répond ; ses entrées restent au journal.")


def _told(said: dict[str, Any], as_json: bool, line: str) -> None:
    if as_json:
        print_json(said)
        return
    typer.echo(line)
    typer.echo(f"  clé de contrôle, montrée cette fois seulement : {said['control_key']}")
    for client in said["psc_clients"]:
        typer.echo(f"  client Pro Santé Connect {client['client_id']} : {client['client_secret']}")
    typer.echo(f"  clé Annuaire : {said['annuaire_key']}")
    typer.echo(f"  clé des portes simples : {said['own_key']}")
    for row in said["structures"]:
        typer.echo(f"  {row['name']} : FINESS ET {row['finess_et']}, EJ {row['finess_ej']}, boîte {row['mailboxes'][0]}")
        for use, identity in row["identities"].items():
            typer.echo(f"    {_USES[use]:<9} {identity['p12']} (mot de passe {identity['password']})")
