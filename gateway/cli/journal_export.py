"""`socle journal export`: entries as a file, for a spreadsheet, for programs, or with their proof (docs/preuve.md)."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import typer

from gateway.access.sight import places_of
from gateway.cli.admin import note
from gateway.cli.common import BAD_INPUT, By, DataFolder, check_author, fail
from gateway.cli.journal import open_reader
from gateway.cli.journal_filters import Asked, filters_of, with_filters
from gateway.cli.journal_proof import write_export
from gateway.exports.journal_lines import lines, warning_for
from gateway.exports.whole import write_whole
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal.filters import Filters
from gateway.journal.proof.snapshot import told
from gateway.journal.query import JournalReader, PrefixTooShort
from gateway.os_errors import in_french

Row = tuple[bytes, dict[str, Any]]
Form = Literal["csv", "ndjson", "zip"]
_FORMS: dict[str, Form] = {"csv": "csv", "ndjson": "ndjson", "zip": "zip"}
#: What is not repeated in the file: whom it is about.
_PERSONS = ("person", "person_ref", "professional_ref")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked, and what must be said of it."""

    form: Form
    filters: Filters
    warning: str | None
    told: dict[str, Any]  # the options, as the proof's description repeats them
    by: str


@with_filters
def export(
    asked: Asked,
    form: Annotated[
        str | None, typer.Option("--format", help="csv (tableur français), ndjson (une entrée par ligne), zip (avec sa preuve).")
    ] = None,
    grappe: Annotated[str | None, typer.Option("--grappe", help="Établissements de cette grappe, tant qu'ils en sont.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Fichier ou dossier ; sortie standard par défaut ; .zip : avec sa preuve.")
    ] = None,
    witnesses: Annotated[
        list[Path] | None, typer.Option("--witness", metavar="TÉMOIN", help="Zip : pouvoir comparer à ce témoin ; répétable.")
    ] = None,
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
) -> None:
    """Écrit toutes les entrées demandées, les plus anciennes d'abord ; l'export est lui-même une entrée."""
    check_author(by)
    chosen = _form(form, out)
    if witnesses and chosen != "zip":
        fail("--witness : seul un export .zip porte une preuve.", BAD_INPUT)
    with open_reader(data) as reader:
        filters = filters_of(asked, reader, data)
        if grappe is not None:
            filters = replace(filters, within=places_of([_grappe(data, grappe)]))
        wanted = Wanted(chosen, filters, warning_for(reader.environments()), _told(asked, grappe), by)
        if chosen == "zip":
            _proved(data, _later(reader, filters), wanted, out, witnesses or [])
        else:
            rows = _selected(reader.select(filters), filters)  # before its own entry
            _plain(data, lines(rows, chosen, wanted.warning, told(data / "gateway")), wanted, out)


def _plain(data: Path, pieces: Iterable[bytes], wanted: Wanted, out: Path | None) -> None:
    if out is None:
        _note(data, wanted)
        _pour(pieces, sys.stdout.buffer)
        return

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            _note(data, wanted)
            _pour(pieces, file)

    typer.echo(str(_written(_path(out, wanted), write)))


def _proved(data: Path, rows: Iterable[Row], wanted: Wanted, out: Path | None, witnesses: list[Path]) -> None:
    if out is None:
        fail("Un export avec sa preuve s'écrit dans un fichier : donnez-le par -o.", BAD_INPUT)
    counts: dict[int, int] = {}

    def write(draft: Path) -> None:
        _note(data, wanted)
        found = ((entry["log"], entry["seq"], body) for body, entry in rows)
        counts.update(write_export(data, draft, found, wanted.told, wanted.warning, witnesses))

    path = _written(_path(out, wanted), write)
    typer.echo(f"{path} : {sum(number for log, number in counts.items() if log)} entrées et leur preuve (socle journal verify)")


def _written(path: Path, write: Callable[[Path], None]) -> Path:
    """The file, whole or not at all."""
    try:
        write_whole(path, write)
    except OSError as error:
        fail(f"{path} ne peut pas être écrit ({in_french(error)}) : choisissez un autre endroit par -o.", BAD_INPUT)
    return path


def _form(given: str | None, out: Path | None) -> Form:
    if given is None:
        return "zip" if out is not None and out.suffix == ".zip" else "csv"
    if given not in _FORMS:
        fail(f"« {given} » : format inconnu ; possibles : {', '.join(_FORMS)}.", BAD_INPUT)
    return _FORMS[given]


def _path(out: Path, wanted: Wanted) -> Path:
    return out / f"journal{'-DONNEES-SIMULEES' if wanted.warning else ''}.{wanted.form}" if out.is_dir() else out


def _grappe(data: Path, grappe: str) -> Any:
    try:
        return Registry.load(data / "gateway" / "grappes").grappe(grappe)
    except RegistryError as error:
        fail(str(error), BAD_INPUT)


def _told(asked: Asked, grappe: str | None) -> dict[str, Any]:
    given = {one.name: value for one in fields(asked) if (value := getattr(asked, one.name)) not in (None, [], False)}
    said = {name: True if name in _PERSONS else value for name, value in given.items()}
    return said if grappe is None else said | {"grappe": grappe}


def _note(data: Path, wanted: Wanted) -> None:
    note(data, "export", wanted.by, {"format": wanted.form, "filters": wanted.filters.asked()})


def _later(reader: JournalReader, filters: Filters) -> Iterator[Row]:
    """Looked for when it is first asked for: after the snapshot, so that whatever the snapshot covers is found."""
    yield from _selected(reader.select(filters), filters)


def _selected(found: Iterator[Row], filters: Filters) -> Iterator[Row]:
    try:
        yield from found
    except PrefixTooShort:
        fail(f"« {filters.id_prefix} » : trop d'identifiants commencent ainsi ; donnez-en plus.", BAD_INPUT)


def _pour(pieces: Iterable[bytes], file: BinaryIO) -> None:
    for piece in pieces:
        file.write(piece)
    file.flush()
