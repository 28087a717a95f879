"""`socle journal reseal`: another key K2, and everything sealed again with it (docs/securite.md)."""
from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from gateway.cli.admin import act
from gateway.cli.common import AsJson, By, DataFolder, check_author, print_json
from gateway.journal.journal import Journal
from gateway.journal.resealing import reseal as reseal_journal
from gateway.settings import Settings


def reseal(
    by: By = "administrateur",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Change la clé K2 et scelle de nouveau tout ce qui l'est, passerelle en marche ou non ; interrompu, se reprend."""
    check_author(by)

    async def alone(journal: Journal) -> dict[str, Any]:
        return asdict(await reseal_journal(journal, by=by))

    done = act(data, Settings().environment, "/admin/reseal", {"by": by}, alone)
    if as_json:
        print_json(done)
        return
    lost = f" {done['unreadable']} valeur(s) abîmée(s), qu'aucune clé n'ouvrait, restent telles." if done["unreadable"] else ""
    again = f"{done['values']} valeur(s) scellée(s) de nouveau, l'ancienne clé est détruite."
    typer.echo(f"Nouvelle clé K2 ({done['key']}) : {again}{lost}")
    typer.echo("Les copies faites avant (journal backup) s'ouvrent encore avec l'ancienne : refaites-en une, détruisez-les.")
