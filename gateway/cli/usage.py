"""`socle usage`: rates of the grappes, and the recount that proves them (design §6, §9); export is in ``usage_export``."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo

import apsw
import typer

from connectors.wire.clock import SystemClock
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, DataFolder, fail
from gateway.cli.usage_export import export
from gateway.exports.json_rates import envelope, to_bytes
from gateway.exports.table_rates import rates_table, terminal_width
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal.query import JournalMissing
from gateway.journal.record import JournalError
from gateway.journal.units import Unit
from gateway.settings import Environment
from gateway.usage import recount as recounting
from gateway.usage.counting import Counting
from gateway.usage.measure import PRODUCTION, SIMULATED, Measure
from gateway.usage.periods import FIRST_PERIOD_MONTHS, first_full_month, parse_month
from gateway.usage.rates import measures
from gateway.usage.source import journal_of

app = typer.Typer(no_args_is_help=True)
app.command("export")(export)

Grappe = Annotated[str | None, typer.Option("--grappe", help="Identifiant de la grappe ; toutes par défaut.")]
From = Annotated[str | None, typer.Option("--from", metavar="AAAA-MM", help="Premier mois de la première période.")]
Months = Annotated[int, typer.Option("--months", help="Nombre de mois, les trois de la première période compris.")]
InEnvironment = Annotated[str, typer.Option("--environment", help="bac_a_sable, recette, charge ou production.")]
AsJson = Annotated[bool, typer.Option("--json", help="Sortie JSON.")]

_MOST_MONTHS = 120
_GAPS = {
    "manquante": "ligne manquante dans la table", "en_trop": "ligne en trop dans la table", "differente": "ligne différente",
}  # fmt: skip


@app.command("rates")
def rates(
    grappe: Grappe = None,
    first: From = None,
    months: Months = 4,
    environment: InEnvironment = "bac_a_sable",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Montre les taux d'usage : la première période de trois mois, puis chaque mois."""
    found = _measures(_Asked(grappe, first, months, environment, data))
    sys.stdout.buffer.write(to_bytes(envelope(found)) if as_json else rates_table(found, terminal_width()).encode())


@app.command("recount")
def recount(data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Recompte les unités depuis les seules entrées du journal et compare, ligne à ligne. Code 1 au premier écart."""
    with _journal_errors(data):
        found = recounting.recount(data / "gateway")
    simulated = found.environments != [PRODUCTION]
    if as_json:
        sys.stdout.buffer.write(to_bytes(_recount_item(found, simulated)))
    else:
        typer.echo("\n".join(_recount_lines(found, simulated)))
    if found.gap_count:
        raise typer.Exit(CHECK_FAILED)


@dataclass(frozen=True, slots=True)
class _Asked:
    grappe: str | None
    first: str | None
    months: int
    environment: str
    data: Path


def _measures(asked: _Asked) -> list[Measure]:
    if asked.environment not in get_args(Environment):
        possible = ", ".join(get_args(Environment))
        fail(f"« {asked.environment} » n'est pas un environnement ; possibles : {possible}.", BAD_INPUT)
    if not FIRST_PERIOD_MONTHS <= asked.months <= _MOST_MONTHS:
        fail(f"--months {asked.months} : entre {FIRST_PERIOD_MONTHS}, la première période, et {_MOST_MONTHS}.", BAD_INPUT)
    try:
        registry = Registry.load(asked.data / "gateway" / "grappes")
        if not registry.grappes:
            fail(f"Aucune grappe dans {asked.data} : installez-en une, ou indiquez le bon dossier par --data.", BAD_INPUT)
        if asked.grappe is not None:
            registry = Registry([registry.grappe(asked.grappe)])
    except RegistryError as error:
        fail(str(error), BAD_INPUT)
    with _journal_errors(asked.data), journal_of(asked.data / "gateway") as journal:
        counting = Counting(journal, asked.environment)
        now = max(filter(None, (SystemClock().real(), counting.last_event())))
        start = _month(asked.first) if asked.first is not None else _default_start(registry, counting, now)
        return measures(journal, registry, asked.environment, start, asked.months, now=now)


def _default_start(registry: Registry, counting: Counting, now: datetime) -> date:
    """The first full month after the declared go-live; else the month of the first counted unit; else this month."""
    declared = [one.date_demarrage for one in registry.grappes.values() if one.date_demarrage is not None]
    if declared:
        return first_full_month(min(declared))
    numbers = [one.finess_et for grappe in registry.grappes.values() for one in grappe.essms]
    return (counting.first_unit(numbers) or now).astimezone(ZoneInfo("Europe/Paris")).date().replace(day=1)


def _month(text: str) -> date:
    try:
        return parse_month(text)
    except ValueError:
        fail(f"« {text} » n'est pas un mois : écrivez --from AAAA-MM, par exemple --from 2026-11.", BAD_INPUT)


@contextmanager
def _journal_errors(data: Path) -> Iterator[None]:
    try:
        yield
    except JournalMissing:
        fail(f"Aucun journal dans {data} : indiquez le bon dossier par --data, ou lancez d'abord socle up.", BAD_INPUT)
    except (JournalError, apsw.Error) as error:
        fail(f"Le journal de {data} est illisible par cette version de Socle ({error}).", BAD_INPUT)


def _recount_item(found: recounting.Recount, simulated: bool) -> dict[str, Any]:
    return {
        "simulated": simulated,
        "environments": found.environments,
        "holds": not found.gap_count,
        "entries": found.entries,
        "units": found.units,
        "stored": found.stored,
        "gap_count": found.gap_count,
        "gaps": [gap.item() for gap in found.gaps],
    }


def _recount_lines(found: recounting.Recount, simulated: bool) -> list[str]:
    lines = [SIMULATED] if simulated else []
    lines.append(f"{found.entries} entrées lues, {found.units} unités recomptées, {found.stored} lignes dans la table.")
    lines += [_gap_line(gap) for gap in found.gaps]
    if found.gap_count > len(found.gaps):
        lines.append(f"… et {found.gap_count - len(found.gaps)} autres.")
    lines.append("recompté : non" if found.gap_count else "recompté : oui")
    return lines


def _gap_line(gap: recounting.Gap) -> str:
    rows = (("attendu", gap.expected), ("trouvé", gap.found))
    return f"{_GAPS[gap.kind]} — " + " ; ".join(f"{word} : {_unit(row)}" for word, row in rows if row is not None)


def _unit(row: Unit) -> str:
    place = f"{row.environment} {row.indicator} ET {row.finess_et}"
    return f"{place} unité {row.unit_ref} le {row.event_time} entrée {row.log}/{row.seq}"
