"""`socle journal key add|list|remove`: who may read the journal over HTTP. Each act is an entry of the journal.

Alone, `socle journal key` gives the public key of the journal's checkpoints (decision 0026).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.access import rights
from gateway.cli.admin import act
from gateway.cli.common import BAD_INPUT, AsJson, By, DataFolder, check_author, fail, print_json, tell
from gateway.cli.journal import open_reader
from gateway.cli.journal_proof import public_key
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.settings import Settings

app = typer.Typer(invoke_without_command=True, callback=public_key)

Name = Annotated[str, typer.Argument(metavar="NOM", help="Nom de la clé : lettres minuscules, chiffres, point, tiret.")]


@app.command("add")
def add(
    name: Name,
    asked: Annotated[
        list[str], typer.Option("--right", "--rights", metavar="DROIT", help="metadata, body, settle, export, usage ; répétable.")
    ],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Ne montrer que les entrées de cet éditeur.")] = None,
    grappes: Annotated[
        list[str] | None, typer.Option("--grappe", metavar="GRAPPE", help="Ne montrer que cette grappe et ses ESSMS ; répétable.")
    ] = None,
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Fait une clé et la montre une seule fois : le journal n'en garde que l'empreinte."""
    check_author(by)
    asked = [right for some in asked for right in some.split(",")]
    bound = _known_grappes(data, grappes or [])

    async def alone(journal: Journal) -> dict[str, Any]:
        secret = await rights.add(_present(data), journal, name=name, rights=asked, tenant=tenant, by=by, grappes=bound)
        return {"name": name, "key": secret}

    body = {"name": name, "rights": asked, "tenant": tenant, "grappes": bound, "by": by}
    done = _change(data, "/admin/journal/keys", body, alone)
    if as_json:
        print_json(done)
        return
    typer.echo(f"Clé « {name} », montrée une seule fois : {done['key']}")
    sees = f"Grappes : {', '.join(bound)}" if bound else f"Éditeur : {tenant or 'tous'}"
    typer.echo(f"{sees}. Droits : {', '.join(asked)}.")


@app.command("list")
def list_keys(data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Montre les clés en vigueur, sans leur secret."""
    keys = [key.item() for key in _present(data).all()]
    if as_json:
        print_json(keys)
        return
    if not keys:
        typer.echo("Aucune clé.")
    for key in keys:
        sees = ", ".join(key["grappes"] or []) or key["tenant"] or "tous les éditeurs"
        typer.echo(f"{key['name']:<24} {sees:<24} {', '.join(key['rights'])}")


@app.command("rotate")
def rotate(name: Name, by: By = "administrateur", data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Donne un autre secret à une clé, montré une seule fois ; l'ancien cesse aussitôt d'ouvrir le journal."""
    check_author(by)

    async def alone(journal: Journal) -> dict[str, Any]:
        return {"name": name, "key": await rights.rotate(_present(data), journal, name=name, by=by)}

    done = _change(data, "/admin/journal/keys/rotate", {"name": name, "by": by}, alone)
    tell(done, as_json, f"Clé « {name} », nouveau secret montré une seule fois : {done['key']}")


@app.command("remove")
def remove(name: Name, by: By = "administrateur", data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Retire une clé ; elle cesse aussitôt d'ouvrir le journal."""
    check_author(by)

    async def alone(journal: Journal) -> dict[str, Any]:
        await rights.remove(_present(data), journal, name=name, by=by)
        return {"name": name, "removed": True}

    done = _change(data, "/admin/journal/keys/remove", {"name": name, "by": by}, alone)
    tell(done, as_json, f"Clé « {name} » retirée.")


def _change(data: Path, path: str, body: dict[str, Any], alone: Callable[[Journal], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """What was done to the keys; ends the command when it is refused."""
    try:
        return act(data, Settings().environment, path, body, alone)
    except rights.KeyRefused as refused:
        fail(str(refused), BAD_INPUT)


def _known_grappes(data: Path, names: list[str]) -> list[str]:
    """A name that is no grappe's would make a key that sees nothing."""
    try:
        registry = Registry.load(data / "gateway" / "grappes")
        return [registry.grappe(name).id for name in names]
    except RegistryError as error:
        fail(str(error), BAD_INPUT)


def _present(data: Path) -> rights.Keys:
    with open_reader(data) as reader:
        return rights.Keys.from_journal(reader)
