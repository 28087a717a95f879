"""`socle usage export`: the files that an AMOA sends, of one month and version or of a span of months (design §6, §9)."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.admin import note
from gateway.cli.common import BAD_INPUT, By, DataFolder, check_author, fail
from gateway.cli.journal import open_reader
from gateway.cli.usage_asked import GrappeId, InEnvironment, Source, journal_errors, measured, question, source_of
from gateway.cli.usage_signing import sign as sign_files
from gateway.exports.assembling import assembled
from gateway.exports.edition import Edition
from gateway.exports.manifest import File, with_manifest, write
from gateway.exports.opened import FORMATS as OPENED
from gateway.exports.opened import opened_files
from gateway.exports.pack import MAKERS, files_of
from gateway.exports.standing import ACTION, before_exports
from gateway.os_errors import in_french
from gateway.usage.measure import Measure

_KNOWN = (*MAKERS, *OPENED)
_ALL = "tout"
_FORMS = (
    f"{', '.join(_KNOWN)} ou {_ALL} ; séparés par des virgules, ou plusieurs fois."
    f" Sans cette option : {', '.join(MAKERS)}, qui ne demandent que les taux."
)


def export(
    out: Annotated[Path, typer.Option("-o", "--out", help="Dossier où écrire les fichiers.", file_okay=False)],
    grappe: GrappeId = None,
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
    sign: Annotated[bool, typer.Option("--sign", help="Joindre la preuve des entrées et une signature.")] = False,
    environment: InEnvironment = "bac_a_sable",
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
) -> None:
    """Écrit les fichiers d'une grappe et leur manifeste ; l'export est lui-même une entrée du journal."""
    check_author(by)
    chosen = _formats(forms or [])
    if not set(OPENED).isdisjoint(chosen):
        with open_reader(data):  # indexes a journal that nobody has followed, once
            pass
    for edition in _editions(data, environment, grappe, first, months, month, version):
        with journal_errors(data):
            files = with_manifest(edition, [*files_of(edition, chosen), *opened_files(data, edition, chosen)])
        try:
            out.mkdir(parents=True, exist_ok=True)
            note(data, ACTION, by, _said(edition, files, chosen))
            written = write(out, files)
            if sign:
                written += sign_files(data, out, edition, written)
        except OSError as error:
            fail(f"Écriture impossible dans {out} ({in_french(error)}) : choisissez un autre dossier par -o.", BAD_INPUT)
        for path in written:
            typer.echo(str(path))


def _editions(
    data: Path, environment: str, grappe: str | None, first: str | None, months: int, month: str | None, version: int | None
) -> list[Edition]:
    """One per grappe that has a window there, the journal being read before the entry of the export is written."""
    with source_of(data, environment, grappe) as source:
        asked = question(
            source, first=first, months=months, month=month, version=version, vector=before_exports(source.journal),
            breakdown=True, trend=True,
        )  # fmt: skip
        found = measured(source, asked, grappe)
        return [_edition(source, list(rows)) for _, rows in groupby(found, key=lambda row: row.grappe)]


def _formats(given: Sequence[str]) -> list[str]:
    wanted = [name.strip() for one in given for name in one.split(",") if name.strip()] or list(MAKERS)
    for name in wanted:
        if name not in (*_KNOWN, _ALL):
            fail(f"« {name} » : format inconnu ; possibles : {', '.join(_KNOWN)}, {_ALL}.", BAD_INPUT)
    return list(_KNOWN) if _ALL in wanted else wanted


def _edition(source: Source, rows: Sequence[Measure]) -> Edition:
    """The measures of one grappe, with what a COPIL asks beside them, all at the vector of the measures."""
    grappe = source.versions(rows[-1].grappe, rows[-1].registry_version or 1)  # of the last window
    return assembled(source.journal, grappe, rows)


def _said(edition: Edition, files: Sequence[File], formats: Sequence[str]) -> dict[str, object]:
    """What the entry says: which measures left, and the digest that their manifest has."""
    manifest = next(file for file in files if file.name == edition.name("manifeste", "json"))
    return {
        "format": "usage", "grappe": edition.grappe.id, "formats": list(formats), "version": edition.version_name,
        "period_start": edition.windows[0].start.isoformat(), "period_end": edition.last_windows[0].last_day.isoformat(),
        "manifest_sha256": manifest.sha256,
    }  # fmt: skip
