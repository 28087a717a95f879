"""`socle journal erase` and `socle journal retention`: letting go of persons, and of what has served (design §5.6)."""
from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from connectors.nomenclatures.identifiers import InvalidMatricule, Matricule, parse_matricule
from gateway.cli.admin import act
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, AsJson, By, DataFolder, check_author, fail, print_json, tell
from gateway.cli.french import counted
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal.erasure import erase as erase_person
from gateway.journal.journal import Journal
from gateway.journal.proof.leaving import Resting
from gateway.journal.retention import retain
from gateway.journal.standing import environment_of
from gateway.settings import Settings
from gateway.usage.resting import resting


def erase(by: By = "administrateur", data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Efface une personne du journal ; son matricule se lit sur l'entrée standard, jamais en argument."""
    check_author(by)
    matricule = _matricule(sys.stdin.readline() if not sys.stdin.isatty() else typer.prompt("Matricule INS", hide_input=True))

    async def alone(journal: Journal) -> dict[str, Any]:
        return asdict(await erase_person(journal, matricule, by=by))

    done = act(data, Settings().environment, "/admin/erasure", {"matricule": matricule.text, "by": by}, alone)
    tell(done, as_json, _told(done))
    if not done["wal_emptied"]:
        fail(
            "L'effacement est fait, mais un lecteur tient le fichier -wal du journal, qui garde encore d'anciennes pages : "
            "fermez les lectures en cours puis relancez la même commande.", CHECK_FAILED,
        )  # fmt: skip


def retention(by: By = "administrateur", data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Retire messages, faits, noms et entrées plus vieux que leur durée de conservation, et rend la place au disque."""
    check_author(by)
    settings = Settings()

    async def alone(journal: Journal) -> dict[str, Any]:
        done = await retain(
            journal, settings.retention(), datetime.now(UTC), by=by, resting=lambda now: _resting(journal, settings, now)
        )
        return asdict(done)

    done = act(data, settings.environment, "/admin/retention", {"by": by}, alone)
    if as_json:
        print_json(done)
        return
    freed = (done["bytes_before"] - done["bytes_after"]) // 1024
    what = f"{done['bodies']} corps, {done['facts']} faits, {done['refs']} noms, {done['keys']} clés d'envoi"
    typer.echo(f"Retirés : {what}, {counted(done['entries'], 'entrée', 'entrées')}. Place rendue : {freed} Kio.")
    if done["waiting"]:
        waiting = counted(done["waiting"], "entrée a fait son temps et reste", "entrées ont fait leur temps et restent")
        typer.echo(f"{waiting} : une mesure repose encore dessus, ou les tables d'usage les contredisent (socle usage recount).")


def _resting(journal: Journal, settings: Settings, now: datetime) -> Resting | None:
    try:
        registry = Registry.load(journal.folder / "grappes")
    except RegistryError:
        return None
    return resting(journal.folder, registry, environment_of(journal.folder) or settings.environment, now)


def _told(done: dict[str, Any]) -> str:
    if not (done["known"] or done["messages"] or done["sealed_values"]):
        return "Aucune trace de ce matricule dans le journal ; la demande y est inscrite."
    return (
        f"Effacé : {done['entries']} entrée(s) ne mènent plus à la personne, {done['messages']} message(s), "
        f"{done['sealed_values']} valeur(s) scellée(s), {done['questions']} question(s) en attente. Preuves et taux inchangés."
    )


def _matricule(text: str) -> Matricule:
    try:
        return parse_matricule(text.strip())
    except InvalidMatricule as error:
        wrong_key = "la clé est fausse (avec la juste, le numéro part sous toute clé reçue)"
        why = wrong_key if error.reason == "key" else f"{error.received_length} caractères lus, 15 attendus"
        fail(f"Matricule illisible sur l'entrée standard : {why}. Écrivez-le seul sur une ligne, sans espace.", BAD_INPUT)
