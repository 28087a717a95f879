"""`socle sandbox reset|load|snapshot`: the mocks as on the first day, with a data set, or as they were under a name."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, tell
from gateway.cli.sandbox_control import ask
from gateway.os_errors import in_french

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NOM", help="Minuscules, tirets, peu de chiffres.")]
_HERE = Path(".socle")


def reset(
    keep_people: Annotated[bool, typer.Option("--keep-people", help="Garde les personnes et professionnels ajoutés.")] = False,
    data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Remet les services simulés et leur population au premier jour ; le temps métier ne recule pas."""
    said = ask(data, "POST", "/reset", keep_people="true" if keep_people else None)
    tell(said, as_json, "bac à sable remis à zéro ; le temps métier n'a pas bougé")


def load(
    name: Annotated[str | None, typer.Argument(metavar="[NOM|FICHIER]", help="Jeu fourni, ou fichier .json.")] = None,
    data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Remet à zéro, puis met en place un jeu de données ; liste les jeux fournis sans nom."""
    if name is None:
        said = ask(data, "GET", "/datasets")
        tell(said, as_json, "\n".join(f"{one:<16} {about}" for one, about in said["datasets"].items()))
        return
    file = Path(name)
    own = file.suffix == ".json"
    said = ask(data, "POST", "/datasets", _read(file)) if own else ask(data, "POST", f"/datasets/{_quoted(name)}")
    tell(said, as_json, f"jeu en place : {said['documents']} document(s), {said['messages']} message(s)")


@app.command("save")
def save(name: Name, data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Garde sous un nom ce que tiennent les services simulés."""
    said = ask(data, "POST", "/snapshots", {"name": name})
    tell(said, as_json, f"instantané « {name} » gardé (temps métier {said['business']})")


@app.command("list")
def list_snapshots(data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Liste les instantanés gardés."""
    said = ask(data, "GET", "/snapshots")
    lines = [f"{one['name']:<24} {one['made_at'][:19]}  effets gardés : {sum(one['held'].values())}" for one in said["snapshots"]]
    tell(said, as_json, "\n".join(lines) or "Aucun instantané.")


@app.command("restore")
def restore(name: Name, data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Remet tout comme alors, sauf le temps métier, qui ne recule pas."""
    said = ask(data, "POST", f"/snapshots/{_quoted(name)}/restore")
    tell(said, as_json, f"instantané « {name} » remis : sessions closes, temps métier inchangé")


@app.command("remove")
def remove(name: Name, data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Retire un instantané."""
    tell(ask(data, "DELETE", f"/snapshots/{_quoted(name)}"), as_json, f"instantané « {name} » retiré")


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _read(file: Path) -> dict[str, Any]:
    try:
        wanted = orjson.loads(file.read_bytes())
    except OSError as error:
        fail(f"{file} ne se lit pas ({in_french(error)}).", BAD_INPUT)
    except orjson.JSONDecodeError:
        fail(f"{file} n'est pas du JSON : voyez docs/bac-a-sable.md pour sa forme.", BAD_INPUT)
    if not isinstance(wanted, dict):
        fail(f"{file} : un objet JSON est attendu ; voyez docs/bac-a-sable.md pour sa forme.", BAD_INPUT)
    return wanted
