"""`socle journal backup` and `socle journal restore`: the journal and its keys in one file (docs/securite.md)."""
from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.admin import note
from gateway.cli.common import BAD_INPUT, REFUSED_TO_START, AsJson, By, DataFolder, check_author, fail, need_journal, tell
from gateway.cli.french import counted
from gateway.journal import backup as copies
from gateway.journal.backup import BackupError, Copied
from gateway.journal.journal import Journal
from gateway.journal.record import JournalError
from gateway.journal.standing import clock_of, environment_of
from gateway.settings import Settings


def backup(
    out: Annotated[Path, typer.Option("-o", "--out", help="Fichier à créer ; jamais écrasé.", dir_okay=False)],
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Copie le journal et ses clés, passerelle en marche ou non ; phrase de passe lue sur l'entrée standard."""
    need_journal(data)
    check_author(by)
    passphrase = _passphrase("Phrase de passe de la copie")

    def noted(made: Copied) -> None:
        note(data, "backup", by, {"copy": made.sha256, "made_at": made.made_at, "entries": made.entries})

    try:
        copied = copies.back_up(data / "gateway", out, passphrase, datetime.now(UTC), noted)
    except BackupError as error:
        fail(str(error), BAD_INPUT)
    except JournalError as error:
        fail(f"Le journal de {data} ne se lit pas : {str(error).rstrip('.')}.", BAD_INPUT)
    entries = counted(copied.entries, "entrée", "entrées")
    tell(asdict(copied), as_json, f"Copie faite dans {out} : {entries}, la dernière du {copied.last_recorded_at}.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FICHIER", help="La copie.", exists=True, dir_okay=False)],
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Remet une copie dans un dossier qui n'a pas de journal ; phrase de passe lue sur l'entrée standard."""
    check_author(by)
    passphrase = _passphrase("Phrase de passe de la copie")
    try:
        copied = copies.restore(file, data / "gateway", passphrase)
    except BackupError as error:
        fail(str(error), BAD_INPUT)
    _note(data, copied, by)
    tell(
        asdict(copied), as_json,
        f"Restauré dans {data} : {counted(copied.entries, 'entrée', 'entrées')}, copie du {copied.made_at}. Ce qui a été "
        f"journalisé après le {copied.last_recorded_at} n'y est pas ; une personne effacée depuis y est de nouveau : effacez-la "
        "encore. Ne laissez pas tourner l'ancien journal à côté de celui-ci.",
    )  # fmt: skip


def _note(data: Path, copied: Copied, by: str) -> None:
    """The restored journal says that it is one: everybody who reads it later must know where its past stops."""
    folder = data / "gateway"
    detail: dict[str, Any] = {"action": "restore", "by": by, "copy": copied.sha256, "made_at": copied.made_at}

    async def write() -> None:
        environment = environment_of(folder) or Settings().environment
        journal = Journal.open(folder, environment=environment, clock=clock_of(folder))
        try:
            await journal.write(journal.admin(detail))
        finally:
            await journal.close()

    try:
        asyncio.run(write())
    except JournalError as error:
        fail(f"La copie est en place mais le journal refuse de s'ouvrir : {error}.", REFUSED_TO_START)


def _passphrase(asked: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(asked, hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")
