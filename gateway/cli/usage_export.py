"""`socle usage export`: the files that an AMOA sends, of one month and version or of a span of months (design §6, §9)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Annotated, NoReturn, get_args

import apsw
import typer

from connectors.wire.clock import SystemClock
from gateway.cli.admin import note
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, By, DataFolder, check_author, fail
from gateway.exports.edition import Edition
from gateway.exports.manifest import File, with_manifest, write
from gateway.exports.opened import FORMATS as OPENED
from gateway.exports.opened import opened_files
from gateway.exports.pack import MAKERS, files_of
from gateway.exports.standing import ACTION, before_exports
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version
from gateway.journal.proof.register import RegisterError
from gateway.journal.proof.snapshot import latest
from gateway.journal.query import JournalMissing
from gateway.journal.record import JournalError
from gateway.settings import Environment
from gateway.usage import rates
from gateway.usage import vector as vectors
from gateway.usage.measure import Measure
from gateway.usage.periods import FIRST_PERIOD_MONTHS, parse_month
from gateway.usage.source import journal_of

_MOST_MONTHS = 120
_KNOWN = (*MAKERS, *OPENED)
_ALL = "tout"
_FORMS = (
    f"{', '.join(_KNOWN)} ou {_ALL} ; séparés par des virgules, ou plusieurs fois."
    f" Sans cette option : {', '.join(MAKERS)}, qui ne demandent que les taux."
)


def export(
    out: Annotated[Path, typer.Option("-o", "--out", help="Dossier où écrire les fichiers.", file_okay=False)],
    grappe: Annotated[str | None, typer.Option("--grappe", help="Identifiant de la grappe ; toutes par défaut.")] = None,
    month: Annotated[str | None, typer.Option("--month", metavar="AAAA-MM", help="Les fenêtres qui finissent ce mois.")] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Avec --month : une version close, réimprimée à l'octet.")
    ] = None,
    forms: Annotated[
        list[str] | None, typer.Option("--format", help=_FORMS)
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="AAAA-MM", help="Sans --month : premier mois de la première période.")
    ] = None,
    months: Annotated[int, typer.Option("--months", help="Sans --month : nombre de mois à partir de là.")] = 4,
    environment: Annotated[
        str, typer.Option("--environment", help="bac_a_sable, recette, charge ou production.")
    ] = "bac_a_sable",
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
) -> None:
    """Écrit les fichiers d'une grappe et leur manifeste ; l'export est lui-même une entrée du journal."""
    check_author(by)
    asked = _Asked(grappe, month, version, first, months, environment, data)
    chosen = _formats(forms or [])
    for edition in _editions(asked):
        files = with_manifest(edition, [*files_of(edition, chosen), *_opened(data, edition, chosen)])
        try:
            out.mkdir(parents=True, exist_ok=True)
            note(data, ACTION, by, _said(edition, files, chosen))
            for path in write(out, files):
                typer.echo(str(path))
        except OSError as error:
            fail(f"Écriture impossible dans {out} ({error.strerror}) : choisissez un autre dossier par -o.", BAD_INPUT)


@dataclass(frozen=True, slots=True)
class _Asked:
    grappe: str | None
    month: str | None
    version: int | None
    first: str | None
    months: int
    environment: str
    data: Path


def _formats(given: Sequence[str]) -> list[str]:
    wanted = [name.strip() for one in given for name in one.split(",") if name.strip()] or list(MAKERS)
    for name in wanted:
        if name not in (*_KNOWN, _ALL):
            fail(f"« {name} » : format inconnu ; possibles : {', '.join(_KNOWN)}, {_ALL}.", BAD_INPUT)
    return list(_KNOWN) if _ALL in wanted else wanted


def _opened(data: Path, edition: Edition, formats: Sequence[str]) -> list[File]:
    try:
        return opened_files(data, edition, formats)
    except (JournalError, apsw.Error) as error:
        fail(f"Le journal de {data} ne se lit pas ({error}) : recommencez, ou demandez moins de formats.", BAD_INPUT)


def _editions(asked: _Asked) -> list[Edition]:
    """One per grappe that has a window there."""
    folder = asked.data / "gateway"
    software = f"Socle {metadata.version('socle')}"
    try:
        registry = Registry.load(folder / "grappes")
        if not registry.grappes:
            fail(f"Aucune grappe dans {asked.data} : installez-en une, ou indiquez le bon dossier par --data.", BAD_INPUT)
        measures = _measures(asked, registry, folder)
        kept = [list(rows) for _, rows in groupby(measures, key=lambda row: row.grappe)]
        versions = [load_version(folder / "grappes", rows[0].grappe, rows[0].registry_version or 1) for rows in kept]
    except RegistryError as error:
        fail(str(error), BAD_INPUT)
    if not kept and asked.version is not None:
        _no_such_version(asked, 0)
    if not kept:
        fail(f"Aucune fenêtre ne finit en {asked.month} : c'est avant la fin de la première période de trois mois.", BAD_INPUT)
    return [Edition(tuple(rows), one, software) for rows, one in zip(kept, versions, strict=True)]


def _measures(asked: _Asked, registry: Registry, folder: Path) -> list[Measure]:
    try:
        with journal_of(folder) as journal:
            return rates.answer(
                journal, registry, _question(asked, journal, folder), asked.grappe,
                lambda name, number: load_version(folder / "grappes", name, number),
            )  # fmt: skip
    except JournalMissing:
        fail(f"Aucun journal dans {asked.data} : indiquez le bon dossier par --data, ou lancez d'abord socle up.", BAD_INPUT)
    except rates.NoSuchVersion as error:
        _no_such_version(asked, error.known)
    except rates.NotReproduced as error:
        fail(f"Une version close ne se recalcule plus ({error}) : rien n'est écrit. Lancez socle usage recount.", CHECK_FAILED)
    except (JournalError, RegisterError, apsw.Error) as error:
        fail(f"Le journal de {asked.data} est illisible par cette version de Socle ({error}).", BAD_INPUT)


def _question(asked: _Asked, journal: apsw.Connection, folder: Path) -> rates.Asked:
    if asked.environment not in get_args(Environment):
        possible = ", ".join(get_args(Environment))
        fail(f"« {asked.environment} » n'est pas un environnement ; possibles : {possible}.", BAD_INPUT)
    if asked.month is None and asked.version is not None:
        fail("--version : dites aussi de quel mois, par --month AAAA-MM.", BAD_INPUT)
    if asked.month is not None and asked.first is not None:
        fail("--month et --from : donnez l'un ou l'autre.", BAD_INPUT)
    if not FIRST_PERIOD_MONTHS <= asked.months <= _MOST_MONTHS:
        fail(f"--months {asked.months} : entre {FIRST_PERIOD_MONTHS}, la première période, et {_MOST_MONTHS}.", BAD_INPUT)
    vector = before_exports(journal)
    snapshot = latest(folder, dict(vector))
    return rates.Asked(
        asked.environment,
        max(filter(None, (SystemClock().real(), vectors.last_event(journal, vector)))),
        start=None if asked.first is None else _month(asked.first, "--from"),
        months=asked.months if asked.month is None else None,
        month=None if asked.month is None else _month(asked.month, "--month"),
        version=asked.version, vector=vector, breakdown=True, trend=True,
        snapshot_root=None if snapshot is None else snapshot.root,
    )  # fmt: skip


def _month(text: str, option: str) -> date:
    try:
        return parse_month(text)
    except ValueError:
        fail(f"« {text} » n'est pas un mois : écrivez {option} AAAA-MM, par exemple {option} 2026-11.", BAD_INPUT)


def _no_such_version(asked: _Asked, known: int) -> NoReturn:
    last = f"la dernière est la {known}" if known else "rien n'y est clos"
    fail(f"Pas de version {asked.version} close de {asked.month} : {last}. Closez d'abord par socle usage close.", BAD_INPUT)


def _said(edition: Edition, files: Sequence[File], formats: Sequence[str]) -> dict[str, object]:
    """What the entry says: which measures left, and the digest that their manifest has."""
    manifest = next(file for file in files if file.name == edition.name("manifeste", "json"))
    return {
        "format": "usage", "grappe": edition.grappe.id, "formats": list(formats), "version": edition.version_name,
        "period_start": edition.windows[0].start.isoformat(), "period_end": edition.last_windows[0].last_day.isoformat(),
        "manifest_sha256": manifest.sha256,
    }  # fmt: skip
