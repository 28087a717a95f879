"""`socle journal`: read the journal, beside the gateway or without it (design §9)."""
from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import apsw
import orjson
import typer

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, no_journal
from gateway.cli.journal_filters import Asked, filters_of, with_filters
from gateway.cli.journal_text import NARROW, entry_lines, list_lines, sheet
from gateway.exports.journal_lines import first_line, warning_for
from gateway.journal.filters import Filters
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalMissing, JournalReader, Page, PrefixTooShort
from gateway.journal.record import JournalError
from gateway.journal.search import Follower

app = typer.Typer(no_args_is_help=True)

_PAUSE_S = 0.25
_LATE = 5_000  # entries not indexed above which reading pays for indexing them first
_SHEET_WIDTH = 100


@app.command("list")
@with_filters
def list_entries(
    asked: Asked,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Nombre d'entrées par page.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Entrées plus anciennes que cette page.")] = None,
    after: Annotated[str | None, typer.Option("--after", help="Entrées plus récentes que cette page.")] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Liste les entrées, les plus récentes d'abord."""
    if cursor is not None and after is not None:
        fail("--cursor et --after : donnez l'un ou l'autre.", BAD_INPUT)
    with open_reader(data) as reader:
        page = _page(reader, filters_of(asked, reader, data), cursor, limit, after)
        warning = _warning(reader, page.entries)
    if as_json:
        said = {"simulated": warning is not None, "avertissement": warning}
        _print_json(said | {"entries": page.entries, "cursor": page.cursor, "newer": page.newer})
        return
    _say(warning)
    if not page.entries:
        typer.echo("Aucune entrée.")
        return
    for line in list_lines(page.entries, _width()):
        typer.echo(line)
    if page.cursor is not None:
        typer.echo(f"Suite : --cursor {page.cursor}")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="ENTRÉE", help="Identifiant, son début, ou numéro comme 1/42.")],
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Montre une entrée en entier, et ce qu'on en a su après coup."""
    with open_reader(data) as reader:
        entry = entry_named(reader, data, name)
        later = reader.settlements_of(entry["id"])
        warning = warning_for([entry["environment"]])
        if as_json:
            said = {"simulated": warning is not None, "avertissement": warning}
            _print_json(said | {"entry": entry, "settlements": later})
            return
        settled = None if entry["settles"] is None else reader.entry(entry["settles"])
        _say(warning)
        typer.echo(sheet(entry, later, settled, reader.counted, min(_width() or _SHEET_WIDTH, _SHEET_WIDTH)))


@app.command("tail")
@with_filters
def tail(
    asked: Asked,
    number: Annotated[int, typer.Option("-n", "--lines", min=0, max=1000, help="Nombre d'entrées d'abord montrées.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Attend la suite, même si la passerelle redémarre.")] = False,
    for_s: Annotated[float | None, typer.Option("--for", min=0, help="Avec -f : s'arrête après tant de secondes.")] = None,
    data: DataFolder = Path(".socle"),
    as_json: Annotated[bool, typer.Option("--json", help="NDJSON : une ligne sur le flux, puis une par entrée.")] = False,
) -> None:
    """Montre les dernières entrées, la plus récente en bas."""
    show_entry = _teller(as_json)
    with open_reader(data) as reader:
        filters = filters_of(asked, reader, data)
        page = _page(reader, filters, None, max(number, 1), None)
        warning = _warning(reader, page.entries)
        if as_json:
            sys.stdout.buffer.write(first_line(warning))
            sys.stdout.flush()
        else:
            _say(warning)
        for entry in reversed(page.entries[:number]):
            show_entry(entry)
    deadline = None if for_s is None else time.monotonic() + for_s
    if follow:
        for entry in _following(data, filters, str(page.newer), deadline):
            show_entry(entry)


# --- reading ------------------------------------------------------------------------------------------------------------------


@contextmanager
def open_reader(data: Path) -> Iterator[JournalReader]:
    """The journal of a data folder; ends the command with one line when it cannot be read."""
    try:
        reader = JournalReader(data / "gateway")
    except JournalMissing:
        no_journal(data, or_start=True)
    except JournalError as error:
        fail(f"Le journal de {data} ne se lit pas : {str(error).rstrip('.')}.", BAD_INPUT)
    with reader:
        late = reader.late
        if late > _LATE:
            typer.echo(f"Indexation de {late} entrées, une fois pour toutes …", err=True)
            _index(data)
        yield reader


def entry_named(reader: JournalReader, data: Path, name: str) -> dict[str, Any]:
    """The one entry that ``name`` means: an identifier, its beginning, or a number as 1/42. Ends the command otherwise."""
    found = reader.find(name)
    if not found:
        fail(f"Aucune entrée « {name} » dans le journal de {data} : vérifiez l'identifiant (socle journal list).", BAD_INPUT)
    if len(found) > 1:
        fail(f"« {name} » : plusieurs entrées commencent ainsi ; donnez-en plus (socle journal list --id {name}).", BAD_INPUT)
    return found[0]


def _index(data: Path) -> None:
    """Nobody has indexed this journal for long: do it once, so that this command and the next ones are quick."""
    try:
        follower = Follower(data / "gateway" / FILE_NAME)
    except apsw.Error:
        return  # a folder that may only be read: the search is slower, and as right
    while follower.catch_up():
        pass
    follower.close()


def _page(reader: JournalReader, filters: Filters, cursor: str | None, limit: int, after: str | None) -> Page:
    try:
        return reader.entries(filters, cursor, limit, after=after)
    except PrefixTooShort:
        fail(f"« {filters.id_prefix} » : trop d'identifiants commencent ainsi ; donnez-en plus.", BAD_INPUT)
    except ValueError:
        fail(f"« {cursor or after} » n'est pas un curseur : reprenez celui qu'une page a donné.", BAD_INPUT)


def _following(data: Path, filters: Filters, after: str, deadline: float | None) -> Generator[dict[str, Any], None, None]:
    """Entries as they are committed. A gateway that restarts, or a journal not there for a while, is waited for."""
    reader: JournalReader | None = None
    try:
        while True:
            try:
                reader = reader or JournalReader(data / "gateway")
                page = reader.entries(filters, after=after, limit=200)
            except (JournalError, apsw.Error):
                page = Page([], None, after)
                if reader is not None:
                    reader.close()
                reader = None
            yield from reversed(page.entries)
            after = str(page.newer)
            if page.entries:
                continue
            if deadline is not None and time.monotonic() >= deadline:
                return
            time.sleep(_PAUSE_S)
    finally:
        if reader is not None:
            reader.close()


# --- saying -------------------------------------------------------------------------------------------------------------------


def _warning(reader: JournalReader, entries: list[dict[str, Any]]) -> str | None:
    """What must be said of these entries; of the whole journal when there is none in particular."""
    return warning_for([entry["environment"] for entry in entries] or reader.environments())


def _say(warning: str | None) -> None:
    if warning is not None:
        typer.echo(warning)


def _teller(as_json: bool) -> Callable[[dict[str, Any]], None]:
    width = _width()

    def tell(entry: dict[str, Any]) -> None:
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS) + b"\n")
        else:
            for line in entry_lines(entry, wide=width is None or width >= NARROW, whole=width is None):
                typer.echo(line)
        sys.stdout.flush()

    return tell


def _width() -> int | None:
    """Columns of the terminal; None when the output goes elsewhere and nobody set COLUMNS."""
    columns = shutil.get_terminal_size((0, 0)).columns
    return columns or None


def _print_json(content: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
