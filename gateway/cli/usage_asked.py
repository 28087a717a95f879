"""What the `socle usage` commands share: what may be asked, the journal and the registry behind it, one French line when not."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, get_args
from zoneinfo import ZoneInfo

import apsw
import typer

from connectors.wire.clock import SystemClock
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, fail, no_journal
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version
from gateway.journal.connection import Connection
from gateway.journal.filters import Filters
from gateway.journal.proof.register import RegisterError
from gateway.journal.proof.snapshot import snapshot_root
from gateway.journal.query import JournalMissing, JournalReader
from gateway.journal.record import JournalError
from gateway.settings import Environment
from gateway.usage.counting import Counting, EntryLeft
from gateway.usage.measure import Measure
from gateway.usage.parts import STANDARD, Options, Vector
from gateway.usage.periods import FIRST_PERIOD_MONTHS, MOST_MONTHS, add_months, begun, may_end, parse_month
from gateway.usage.rates import Asked, NoSuchVersion, NotReproduced, Versions, answer
from gateway.usage.source import journal_of
from gateway.usage.variants import NoSuchOption

GrappeId = Annotated[str | None, typer.Option("--grappe", help="Identifiant de la grappe ; toutes par défaut.")]
InEnvironment = Annotated[str, typer.Option("--environment", help="bac_a_sable, recette, charge ou production.")]
_PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True)
class Source:
    """An open journal, its registry, and the business time that decides what is over."""

    journal: Connection
    registry: Registry
    folder: Path
    environment: str
    now: datetime
    versions: Versions


@contextmanager
def source_of(data: Path, environment: str, grappe: str | None) -> Iterator[Source]:
    """Ends the command when there is no journal, no registry, no such grappe, or nothing of this environment."""
    check_environment(environment)
    folder = data / "gateway"
    registry = registry_of(data, grappe)
    with journal_errors(data), journal_of(folder) as journal:
        counting = Counting(journal, environment)
        if not counting.any_entry() and not _seen(folder, environment):
            fail(_nothing(data, environment), BAD_INPUT)
        now = max(filter(None, (SystemClock().real(), counting.last_event())))
        yield Source(journal, registry, folder, environment, now, lambda name, n: load_version(folder / "grappes", name, n))


@contextmanager
def journal_errors(data: Path) -> Iterator[None]:
    try:
        yield
    except JournalMissing:
        no_journal(data, or_start=True)
    except RegistryError as error:
        fail(str(error), BAD_INPUT)
    except NoSuchOption as error:
        fail(f"Option de comptage refusée, {error}", BAD_INPUT)
    except NoSuchVersion as error:
        last = f"la dernière close est la {error.known}" if error.known else "aucune version n'en est close"
        fail(f"--version : pas de telle version pour ce mois, {last}. Pour clore : « socle usage close ».", BAD_INPUT)
    except EntryLeft as error:
        fail(f"Impossible : {error}", BAD_INPUT)
    except NotReproduced as error:
        fail(f"Une version close ne se recalcule plus ({error}) : lancez « socle usage recount ».", CHECK_FAILED)
    except (JournalError, RegisterError, apsw.Error) as error:
        fail(f"Le journal de {data} ne se lit pas : {error}.", BAD_INPUT)


def question(
    source: Source, *, first: str | None, months: int, month: str | None, version: int | None, options: Options = STANDARD,
    vector: Vector | None = None, breakdown: bool = False, trend: bool = False,
) -> Asked:  # fmt: skip
    """Ends the command for what cannot be asked together, or lies in the future."""
    if month is not None and first is not None:
        fail("--month et --from : donnez l'un ou l'autre.", BAD_INPUT)
    if version is not None and month is None:
        fail("--version : dites aussi de quel mois, par --month AAAA-MM.", BAD_INPUT)
    if not FIRST_PERIOD_MONTHS <= months <= MOST_MONTHS:
        fail(f"--months {months} : entre {FIRST_PERIOD_MONTHS}, la première période, et {MOST_MONTHS}.", BAD_INPUT)
    start = None if first is None else past_month(first, "--from", source.now)
    asked = None if month is None else _last_month(month, source.now)
    root = snapshot_root(source.folder, None if vector is None else dict(vector))
    return Asked(
        source.environment, source.now, start=start, months=None if asked else months, month=asked, version=version,
        options=options, vector=vector, breakdown=breakdown, trend=trend, snapshot_root=root,
    )  # fmt: skip


def measured(source: Source, asked: Asked, grappe: str | None) -> list[Measure]:
    """The measures that are asked, of windows that have begun. Ends the command when none ends in the month."""
    found = answer(source.journal, source.registry, asked, grappe, source.versions)
    if not found:
        assert asked.month is not None
        past(asked.month, "--month", source.now)
        why = "la première période de trois mois n'y est pas finie, donnez son dernier mois"
        fail(f"Aucune fenêtre ne finit en {asked.month:%Y-%m} : {why}.", BAD_INPUT)
    return [row for row in found if begun(row.window.start, source.now)]


def past_month(text: str, option: str, now: datetime) -> date:
    """A month that has begun. Ends the command for another."""
    return past(_month(text, option), option, now)


def past(month: date, option: str, now: datetime) -> date:
    """The same, of a month that was read."""
    today = now.astimezone(_PARIS).date()
    if month > today:
        fail(f"{option} {month:%Y-%m} : mois à venir, rien n'y est compté ; le dernier commencé est {today:%Y-%m}.", BAD_INPUT)
    return month


def _last_month(text: str, now: datetime) -> date:
    """The last month of a window that may have begun. Ends the command for another."""
    month = _month(text, "--month")
    return month if may_end(month, now) else past(month, "--month", now)


def _month(text: str, option: str) -> date:
    try:
        return parse_month(text)
    except ValueError:
        fail(f"« {text} » n'est pas un mois : écrivez {option} AAAA-MM, par exemple {option} 2026-11.", BAD_INPUT)


def last_day_of(text: str, option: str, now: datetime) -> date:
    """The last day of a month that has begun."""
    return add_months(past_month(text, option, now), 1) - timedelta(days=1)


def check_environment(environment: str) -> None:
    if environment not in get_args(Environment):
        fail(f"« {environment} » n'est pas un environnement ; possibles : {', '.join(get_args(Environment))}.", BAD_INPUT)


def registry_of(data: Path, grappe: str | None = None) -> Registry:
    """Ends the command when there is none, or not this grappe."""
    try:
        registry = Registry.load(data / "gateway" / "grappes")
        if not registry.grappes:
            fail(f"Aucune grappe dans {data} : installez-en une, ou indiquez le bon dossier par --data.", BAD_INPUT)
        return registry if grappe is None else Registry([registry.grappe(grappe)])
    except RegistryError as error:
        fail(str(error), BAD_INPUT)


def _seen(folder: Path, environment: str) -> bool:
    """Whether the search index knows an entry of it: one amid those of others, that feeds no indicator."""
    with JournalReader(folder) as reader:
        return bool(reader.entries(Filters(environment=environment), limit=1).entries)


def _nothing(data: Path, environment: str) -> str:
    return (
        f"Aucune entrée de l'environnement « {environment} » dans le journal de {data} : un taux de 0 % n'aurait pas de sens. "
        "Choisissez un autre --environment ou un autre --data."
    )
