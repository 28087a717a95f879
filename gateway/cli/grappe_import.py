"""`socle grappe import`: into the registry goes what the rules confirm or a person decides, in one write, or nothing."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from gateway.cli.admin import act
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, AsJson, DataFolder, fail, print_json
from gateway.cli.grappe_check import FinessExtraction, Tables, read_tables
from gateway.cli.registry_acts import registry_in
from gateway.grappes import tables as cells
from gateway.grappes.importing.checking import Checked
from gateway.grappes.importing.deciding import Decided, Left, Terms, decide
from gateway.grappes.importing.decisions import DecisionRefused, Ruling, accepted, read_decisions
from gateway.grappes.importing.installing import Identity, differences, grappe_of
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError, check_grappe, write_grappe
from gateway.grappes.registrar import Registrar, today_of
from gateway.journal.journal import Journal
from gateway.journal.standing import clock_of
from gateway.settings import Settings

_PATH = "/admin/grappes"
_BY = "import"  # an import without any decision


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an import would do. ``changes`` is empty when the registry says it all already."""

    grappe: Grappe
    previous: Grappe | None
    decided: Decided
    changes: list[str]


def import_tables(
    tables: Tables,
    grappe_id: Annotated[str, typer.Option("--id", help="Identifiant de la grappe : minuscules, chiffres, tirets.")],
    name: Annotated[str | None, typer.Option("--name", help="Nom de la grappe.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Qui décide : un organisme ou un rôle, jamais une personne.")] = None,
    confirm: Annotated[Path | None, typer.Option("--confirm", help="Décisions (CSV préparé par check --decisions).")] = None,
    accept: Annotated[list[str] | None, typer.Option("--accept", metavar="LIGNE=NUMERO:raison", help="Une décision.")] = None,
    as_typed: Annotated[bool, typer.Option("--as-typed", help="Fait entrer tels que saisis les numéros à vérifier.")] = False,
    day: Annotated[str | None, typer.Option("--date", metavar="AAAA-MM-JJ", help="Date de la convention.")] = None,
    ars: Annotated[str | None, typer.Option("--ars", help="ARS de la grappe.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Document d'où viennent les tableaux.")] = None,
    porteur: Annotated[str | None, typer.Option("--porteur", help="FINESS de l'entité juridique porteuse.")] = None,
    legal: Annotated[
        str | None, typer.Option("--ej", metavar="NUMERO:nom", help="Entité juridique des lignes qui n'en ont pas.")
    ] = None,
    finess: FinessExtraction = None,
    yes: Annotated[bool, typer.Option("--yes", help="Écrit les changements d'une grappe déjà au registre.")] = False,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Inscrit une grappe au registre : les numéros confirmés ou décidés, rien d'autre."""
    checked = _checked(tables, finess)
    previous = registry_in(data).grappes.get(grappe_id)
    try:
        legal_number, legal_name = _legal(legal)
        rulings = _rulings(confirm, accept, checked.grappe)
        if rulings and by is None:
            raise DecisionRefused("décisions sans auteur : donnez --by, un organisme ou un rôle (« amoa »), jamais une personne.")
        today = today_of(clock_of(data / "gateway"))
        terms = Terms(by or _BY, today, as_typed, legal_number, legal_name)
        dated, carried = _given("--date", day, cells.day), _given("--porteur", porteur, cells.finess)
        plan = _planned(checked, Identity(grappe_id, today, name, ars, source, dated, carried), rulings, previous, terms)
    except (DecisionRefused, RegistryError) as error:
        fail(f"Rien n'a été importé : {error}", BAD_INPUT)
    if plan is None:
        raise typer.Exit(CHECK_FAILED)
    held = previous is not None and bool(plan.changes) and not yes
    saved = None if held or not plan.changes else _save(data, plan, terms.by)
    _say(plan, saved, held=held, as_json=as_json)
    if held or plan.decided.left:
        raise typer.Exit(CHECK_FAILED)


def _checked(tables: list[Path], finess: Path | None) -> Checked:
    found = read_tables(tables, finess)
    if len(found) != 1:
        names = ", ".join(one.grappe for one in found)
        fail(f"Ces chemins contiennent {len(found)} grappes ({names}) : importez-les une par une.", BAD_INPUT)
    if found[0].errors:
        more = f" (et {len(found[0].errors) - 1} autres : socle grappe check les liste)" if len(found[0].errors) > 1 else ""
        fail(f"Rien n'a été importé. {found[0].errors[0]}{more}", BAD_INPUT)
    return found[0]


def _rulings(confirm: Path | None, accept: list[str] | None, grappe: str) -> list[Ruling]:
    return [*(read_decisions(confirm, grappe) if confirm is not None else []), *accepted(accept or [])]


def _planned(checked: Checked, identity: Identity, rulings: list[Ruling], previous: Grappe | None, terms: Terms) -> _Plan | None:
    """None, and why, when no row may enter."""
    decided = decide(checked, rulings, previous, terms)
    if not decided.kept:
        for line in _outside(decided.left):
            typer.echo(line, err=True)
        typer.echo(f"Rien n'a été importé : aucune ligne de {checked.grappe} ne peut entrer au registre.", err=True)
        return None
    grappe = check_grappe(grappe_of(identity, checked, decided, previous))
    return _Plan(grappe, previous, decided, differences(previous, grappe) if grappe != previous else [])


def _save(data: Path, plan: _Plan, by: str) -> dict[str, Any]:
    expected = {plan.grappe.id: plan.previous.registry_version if plan.previous is not None else 0}

    async def alone(journal: Journal) -> dict[str, Any]:
        registrar = Registrar.of(journal, journal.clock)
        by_hand = {one.grappe: one.version for one in await registrar.adopt()}  # the plan began with that file
        known = {name: by_hand.get(name, number) for name, number in expected.items()}
        [saved] = await registrar.save([plan.grappe], by=by, expected=known)
        return saved.item()

    body = {"grappe": orjson.loads(write_grappe(plan.grappe)), "by": by}
    version = expected[plan.grappe.id]
    started = (b"If-Match", b'"%d"' % version) if version else (b"If-None-Match", b"*")
    path = f"{_PATH}/{plan.grappe.id}"
    try:
        return act(data, Settings().environment, path, body, alone, create=True, method="PUT", headers=[started])
    except RegistryError as error:
        fail(f"Rien n'a été importé : {error}", BAD_INPUT)


def _say(plan: _Plan, saved: dict[str, Any] | None, *, held: bool, as_json: bool) -> None:
    version = saved["version"] if saved is not None else plan.previous.registry_version if plan.previous is not None else None
    if as_json:
        said = {
            "grappe": plan.grappe.id, "version": version, "written": saved is not None, "changes": plan.changes,
            "kept": [one.finess_et for one in plan.decided.kept],
            "left": [{"ligne": one.row.ligne, "etablissement": one.row.name, "raison": one.why} for one in plan.decided.left],
            "warnings": list(plan.decided.warnings),
        }  # fmt: skip
        print_json(said)
        return
    for line in plan.changes:
        typer.echo(line)
    for line in plan.decided.warnings:
        typer.echo(f"Attention, {line}.")
    for line in _outside(plan.decided.left):
        typer.echo(line)
    kept, left = len(plan.decided.kept), len(plan.decided.left)
    counts = f"{kept} établissements retenus, {left} {'reste' if left < 2 else 'restent'} dehors"
    if held:
        typer.echo(f"{plan.grappe.id} : rien n'a été écrit. Relisez les changements, puis relancez avec --yes.")
    elif saved is None:
        typer.echo(f"{plan.grappe.id} : {counts} ; le registre le dit déjà (version {version}), rien n'a changé.")
    else:
        since = f", ESSMS membres à partir du {plan.grappe.document_date:%d/%m/%Y}" if plan.previous is None else ""
        typer.echo(f"{plan.grappe.id} : {counts} ; registre en version {version}{since}.")


def _outside(left: Sequence[Left]) -> list[str]:
    """One line a reason when many rows have the same one."""
    reasons: dict[str, list[Left]] = {}
    for one in left:
        reasons.setdefault(one.why, []).append(one)
    return [
        f"Reste dehors, {same[0]}." if len(same) == 1
        else f"Restent dehors, lignes {_ranges([one.row.ligne for one in same])} : {why}."
        for why, same in reasons.items()
    ]  # fmt: skip


def _ranges(lines: list[int]) -> str:
    """« 1 à 4, 7 »"""
    runs: list[list[int]] = []
    for line in sorted(lines):
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} à {run[-1]}" for run in runs)


def _given(option: str, text: str | None, reader: Any) -> Any:
    try:
        return None if text is None else reader(text)
    except ValueError as error:
        raise DecisionRefused(f"{option} « {text} » : {error}") from error


def _legal(text: str | None) -> tuple[str | None, str | None]:
    number, _, name = (text or "").partition(":")
    return (_given("--ej", number, cells.finess), name.strip() or None) if text is not None else (None, None)
