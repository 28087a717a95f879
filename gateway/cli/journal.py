"""`socle journal`: read the journal, beside the gateway or without it (design §9)."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_args

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.common import BAD_INPUT, DataFolder, fail
from gateway.journal.query import Filters, JournalMissing, JournalReader
from gateway.journal.record import JournalError, Outcome
from gateway.operations import OPERATIONS, Service

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Sortie JSON.")]

_OUTCOMES = {
    "ok": "réussi", "refused": "refusé par le service", "invalid": "appel invalide", "unauthorised": "non autorisé",
    "failed": "échec du service", "cut": "coupé par le DUI", "in_doubt": "issue inconnue",
    "succeeded": "réussi, su après coup", "undecidable": "indécidable",
}  # fmt: skip


@app.command("list")
def list_entries(
    operation: Annotated[str | None, typer.Option("--operation", help="Identifiant d'opération, par exemple DMP.TD2.1.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Résultat : ok, refused, in_doubt …")] = None,
    service: Annotated[str | None, typer.Option("--service", help="Service : INS, DMP, MSS, PSC ou ANN.")] = None,
    finess_et: Annotated[str | None, typer.Option("--finess-et", help="Numéro FINESS de l'établissement.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Nombre d'entrées par page.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Suite : le curseur donné par la page précédente.")] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Liste les entrées, les plus récentes d'abord."""
    _check("opération inconnue", operation, list(OPERATIONS))
    _check("résultat inconnu", outcome, list(get_args(Outcome)))
    _check("service inconnu", service, list(get_args(Service)))
    filters = Filters(operation=operation, outcome=outcome, service=service, finess_et=finess_et)
    with _reader(data) as reader:
        try:
            page = reader.entries(filters, cursor, limit)
        except ValueError:
            fail(f"« {cursor} » n'est pas un curseur : reprenez celui que la page précédente a donné.", BAD_INPUT)
    if as_json:
        _print_json({"entries": page.entries, "cursor": page.cursor})
        return
    if not page.entries:
        typer.echo("Aucune entrée.")
        return
    Console().print(_table(page.entries))
    if page.cursor is not None:
        typer.echo(f"Suite : --cursor {page.cursor}")


@app.command("show")
def show(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="Identifiant de l'entrée.")],
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Montre une entrée en entier, et ce qu'on en a su après coup."""
    with _reader(data) as reader:
        entry = reader.entry(entry_id)
        later = reader.entries(Filters(settles=entry_id)).entries
    if entry is None:
        fail(f"Aucune entrée « {entry_id} » dans le journal de {data} : vérifiez l'identifiant (socle journal list).", BAD_INPUT)
    if as_json:
        _print_json(entry)
        return
    console = Console()
    console.print(_details(entry))
    for settlement in later:
        console.print(f"Dénouée le {settlement['recorded_at']} : {_outcome(settlement)} (entrée {settlement['id']})")


@contextmanager
def _reader(data: Path) -> Iterator[JournalReader]:
    try:
        reader = JournalReader(data / "gateway")
    except JournalMissing:
        fail(f"Aucun journal dans {data} : indiquez le bon dossier par --data, ou lancez d'abord socle up.", BAD_INPUT)
    except JournalError as error:
        fail(f"Le journal de {data} est illisible par cette version de Socle ({error}).", BAD_INPUT)
    with reader:
        yield reader


def _check(what: str, value: str | None, allowed: list[str]) -> None:
    if value is not None and value not in allowed:
        fail(f"« {value} » : {what} ; possibles : {', '.join(allowed)}.", BAD_INPUT)


def _table(entries: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Heure (UTC)", "Opération", "Résultat", "Code", "Signalements", "FINESS ET", "Identifiant"):
        table.add_column(title, no_wrap=title == "Identifiant", overflow="fold")
    for entry in entries:
        table.add_row(
            entry["event_time"][:19].replace("T", " "), entry["operation"] or entry["kind"], _outcome(entry),
            entry["service_code"] or "", " ".join(entry["flags"]), entry["finess_et"] or "", entry["id"],
        )  # fmt: skip
    return table


def _details(entry: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in entry.items():
        if value not in (None, [], {}):
            table.add_row(name, value if isinstance(value, str) else orjson.dumps(value).decode())
    return table


def _outcome(entry: dict[str, Any]) -> str:
    return "" if entry["outcome"] is None else _OUTCOMES[entry["outcome"]]


def _print_json(content: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
