"""`socle sandbox state`: what the mocks hold and received, as a table or as JSON; it can wait until there is enough."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.common import CHECK_FAILED, AsJson, DataFolder, fail, print_json
from gateway.cli.sandbox_control import ask, ask_bytes

app = typer.Typer(invoke_without_command=True)

Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Nombre de lignes, au plus.")]
AtLeast = Annotated[int, typer.Option("--at-least", min=0, help="Attendre qu'il y en ait autant ; code 1 s'il en manque.")]
Wait = Annotated[float, typer.Option("--wait", min=0, max=30, help="Secondes d'attente, au plus, avec --at-least.")]
_HERE = Path(".socle")

Row = Mapping[str, Any]


@app.callback()
def overview(context: typer.Context, data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Montre, en nombres, ce que les services simulés ont reçu et gardent."""
    if context.invoked_subcommand is not None:
        return
    said = ask(data, "GET", "/state")
    operations = sorted(said["received"].keys() | said["held"].keys())
    rows = [(name, str(said["received"].get(name, 0)), str(said["held"].get(name, 0))) for name in operations]
    _show(said, as_json, ("opération", "reçues", "gardées"), rows)


@app.command("mock")
def mock(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="insi, dmp, mssante, psc ou annuaire.")], data: DataFolder = _HERE
) -> None:
    """Montre l'état d'un service simulé, en JSON."""
    print_json(ask(data, "GET", f"/state/{quote(name, safe='')}"))


@app.command("requests")
def requests(
    name: Annotated[str | None, typer.Option("--mock", help="Service simulé.")] = None,
    operation: Annotated[str | None, typer.Option("--operation", help="Opération.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Code rendu par le service.")] = None,
    at_least: AtLeast = 0, wait: Wait = 0, limit: Limit = 20, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Liste les dernières requêtes reçues, avec les codes rendus."""
    asked: dict[str, Any] = {"mock": name, "operation": operation, "code": code}
    said = ask(data, "GET", "/requests", **asked, at_least=at_least, wait_s=wait, limit=limit)
    _listed(said, said["requests"], as_json, {
        "n°": lambda row: str(row["number"]), "temps métier": _business, "opération": lambda row: row["operation"],
        "statut": lambda row: "—" if row["status"] is None else str(row["status"]), "code": lambda row: row["code"],
        "panne": lambda row: row["fault"] or "",
    })  # fmt: skip


@app.command("messages")
def messages(
    to: Annotated[str | None, typer.Option("--to", help="L'un des destinataires.")] = None,
    sender: Annotated[str | None, typer.Option("--from", help="Expéditeur.")] = None,
    message_id: Annotated[str | None, typer.Option("--message-id", help="Message-ID.")] = None,
    at_least: AtLeast = 0, wait: Wait = 0, limit: Limit = 20, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Liste les messages acceptés par l'opérateur simulé."""
    asked: dict[str, Any] = {"to": to, "sender": sender, "message_id": message_id}
    said = ask(data, "GET", "/messages", **asked, at_least=at_least, wait_s=wait, limit=limit)
    _listed(said, said["messages"], as_json, {
        "id": lambda row: row["id"], "temps métier": lambda row: row["at"][:19], "de": lambda row: row["sender"],
        "à": lambda row: ", ".join(row["recipients"]), "octets": lambda row: str(row["size_bytes"]),
    })  # fmt: skip


@app.command("message")
def message(
    name: Annotated[str, typer.Argument(metavar="ID", help="Identifiant, comme SIM00000001.")],
    raw: Annotated[bool, typer.Option("--raw", help="Les octets, tels que remis.")] = False,
    data: DataFolder = _HERE,
) -> None:
    """Montre un message ouvert, en JSON, ou ses octets."""
    path = f"/messages/{quote(name, safe='')}"
    if raw:
        sys.stdout.buffer.write(ask_bytes(data, "GET", f"{path}/raw"))
        return
    print_json(ask(data, "GET", path))


@app.command("documents")
def documents(
    matricule: Annotated[str | None, typer.Option("--matricule", help="Personne (fictive).")] = None,
    structure: Annotated[str | None, typer.Option("--structure", help="Structure qui a alimenté (struct_id).")] = None,
    at_least: AtLeast = 0, wait: Wait = 0, limit: Limit = 20, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Liste les documents que garde le DMP simulé."""
    asked: dict[str, Any] = {"matricule": matricule, "struct_id": structure}
    said = ask(data, "GET", "/documents", **asked, at_least=at_least, wait_s=wait, limit=limit)
    _listed(said, said["documents"], as_json, {
        "uniqueId": lambda row: row["unique_id"], "temps métier": lambda row: row["stored_at"][:19],
        "matricule": lambda row: row["matricule"], "type": lambda row: row["type_code"], "titre": lambda row: row["title"],
    })  # fmt: skip


@app.command("document")
def document(
    name: Annotated[str, typer.Argument(metavar="UNIQUEID", help="Tel que « documents » le donne.")], data: DataFolder = _HERE
) -> None:
    """Rend les octets d'un document, tels que le DMP simulé les a reçus."""
    sys.stdout.buffer.write(ask_bytes(data, "GET", f"/documents/{quote(name, safe='')}/content"))


@app.command("sessions")
def sessions(data: DataFolder = _HERE, as_json: AsJson = False) -> None:
    """Liste les sessions Pro Santé Connect ouvertes, sans jeton."""
    said = ask(data, "GET", "/sessions")
    rows = [(*(row[name] for name in ("id", "client_id", "id_nat", "channel")), "oui" if row["alive"] else "non")
            for row in said["sessions"]]  # fmt: skip
    _show(said, as_json, ("session", "client", "idNat", "moyen", "vivante"), rows)


def _business(row: Row) -> str:
    return str(row["business"])[:19]


def _listed(said: Row, rows: Iterable[Row], as_json: bool, columns: Mapping[str, Callable[[Row], str]]) -> None:
    """The rows; exit code 1 when there are fewer than was asked for."""
    _show(said, as_json, tuple(columns), [tuple(shown(row) for shown in columns.values()) for row in rows])
    if not said["reached"]:
        fail(f"Il n'y en a que {said['total']} : moins que demandé par --at-least.", CHECK_FAILED)


def _show(said: Row, as_json: bool, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    if as_json:
        print_json(said)
        return
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # an identifier cut short opens nothing
    for row in rows:
        table.add_row(*row)
    typer.echo("Rien." if not table.row_count else "", nl=not table.row_count)
    if table.row_count:
        Console(highlight=False, markup=False).print(table)
