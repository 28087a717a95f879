"""What the commands that change the registry share: who acts, from which version, and what became of it."""
from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from gateway.cli.admin import act
from gateway.cli.common import BAD_INPUT, fail, tell
from gateway.doors.own.fields import said
from gateway.grappes import tables
from gateway.grappes.change_model import NONE, MaybeDate
from gateway.grappes.changes import CHANGES, apply_all
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError
from gateway.grappes.registrar import Conflict, Registrar
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.settings import Settings

T = TypeVar("T")
GrappeId = Annotated[str, typer.Argument(metavar="GRAPPE", help="Identifiant de la grappe (socle grappe list).")]
Et = Annotated[str, typer.Argument(metavar="ET", help="FINESS géographique de l'ESSMS.")]
By = Annotated[str, typer.Option("--by", help="Qui décide : un organisme ou un rôle (« amoa »), jamais une personne.")]
Why = Annotated[str | None, typer.Option("--why", help="Pourquoi ; gardé scellé au journal.")]
IfVersion = Annotated[int | None, typer.Option("--if-version", help="Refuse si la grappe n'en est plus à cette version.")]
Since = Annotated[str | None, typer.Option("--since", metavar="AAAA-MM-JJ", help="À partir de ce jour, compris.")]
Until = Annotated[
    str | None, typer.Option("--until", metavar="AAAA-MM-JJ", help="Jusqu'à ce jour, non compris ; « aucune » : sans fin.")
]
Remove = Annotated[bool, typer.Option("--remove", help="Retire ce qui commence à --since, comme jamais déclaré.")]


def change(
    data: Path, grappe: str, changes: Sequence[dict[str, Any]], *, by: str, why: str | None, version: int | None, as_json: bool
) -> None:
    """Make one version of these changes, through the gateway that runs or without one, and say what became of it."""
    items = [{name: value for name, value in one.items() if value is not None} for one in changes]
    try:
        wanted = CHANGES.validate_python(items)
    except ValidationError as error:
        wrong = [f"{one['champ'].rpartition('.')[2]}, {one['raison']}" for one in said(error)]
        fail(f"Rien n'a été changé : {' ; '.join(wrong)}.", BAD_INPUT)

    grappe_in(data, grappe)  # before a journal is begun for nothing in a folder that has no such grappe

    async def alone(journal: Journal) -> dict[str, Any]:
        registrar = Registrar.of(journal, journal.clock)
        await registrar.adopt()
        saved = await registrar.change(grappe, lambda now: apply_all(now, wanted), by=by, why=why, expected=version)
        return saved.item()

    body = {"by": by, "why": why, "version": version, "changes": [one.model_dump(mode="json") for one in wanted]}
    done = done_by(data, f"/admin/grappes/{grappe}/changes", body, alone)
    tell(done, as_json, told(done))


def done_by(data: Path, path: str, body: dict[str, Any], alone: Callable[[Journal], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """``act``, for the registry: what it refuses ends the command with its own line."""
    given = {name: value for name, value in body.items() if value is not None}
    try:
        return act(data, Settings().environment, path, given, alone, create=True)
    except Conflict as conflict:
        fail(str(conflict), BAD_INPUT)
    except RegistryError as error:
        fail(f"Rien n'a été changé : {error}", BAD_INPUT)


def registry_in(data: Path) -> Registry:
    """Every grappe of the data folder. Ends the command when a file of theirs cannot be used."""
    try:
        return Registry.load(data / "gateway" / "grappes")
    except RegistryError as error:
        fail(str(error), BAD_INPUT)


def grappe_in(data: Path, grappe: str) -> Grappe:
    """One grappe of the data folder. Ends the command when it is not there."""
    try:
        return registry_in(data).grappe(grappe)
    except RegistryError as error:
        fail(str(error), BAD_INPUT)


def told(saved: dict[str, Any]) -> str:
    """One line: the version, what changed, which measures it touches."""
    if not saved["change"]:
        return f"{saved['grappe']} : le registre le dit déjà (version {saved['version']}), rien n'a changé."
    line = f"{saved['grappe']} : registre en version {saved['version']} ({', '.join(saved['change'])})."
    spans = [f"{one['finess_et']} {span(one)}" for one in saved["touched"]]
    if not spans:
        return f"{line} Aucune mesure touchée."
    shown = ", ".join(spans[:4]) + (f" et {len(spans) - 4} autres" if len(spans) > 4 else "")
    return f"{line} Mesures touchées : {shown}."


def span(touched: dict[str, Any]) -> str:
    since = date.fromisoformat(touched["from"])
    until = touched["to"] and date.fromisoformat(touched["to"])
    return f"du {since:%d/%m/%Y} au {until:%d/%m/%Y} non compris" if until else f"à partir du {since:%d/%m/%Y}"


def finess(text: str, what: str = "ET") -> str:
    """A number as typed; ends the command when it is not one."""
    return _read(what, text, tables.finess)


def day(option: str, text: str | None) -> date | None:
    return None if text is None else _read(option, text, tables.day)


def maybe_day(option: str, text: str | None) -> MaybeDate:
    return NONE if text == NONE else day(option, text)


def number(option: str, text: str) -> int:
    return _read(option, text, tables.whole)


def _read(what: str, text: str, reader: Callable[[str], T]) -> T:
    try:
        return reader(text.strip())
    except ValueError as error:
        fail(f"{what} « {text} » : {error} Rien n'a été changé.", BAD_INPUT)
