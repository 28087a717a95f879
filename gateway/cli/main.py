"""The `socle` command: one module per group of commands. Exit codes are those of design §9."""
from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import apsw
import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from gateway.cli import (
    backup,
    bench,
    conformance,
    demo,
    denominators,
    dui,
    erase,
    grappe,
    journal,
    journal_export,
    journal_key,
    journal_proof,
    load,
    registry,
    registry_history,
    rerun,
    reseal,
    sandbox,
    sandbox_faults,
    sandbox_people,
    sandbox_pki,
    sandbox_seed,
    sandbox_snapshot,
    sandbox_state,
    sandbox_tenant,
    settle,
    up,
    usage,
)  # fmt: skip
from gateway.cli.common import REFUSED_TO_START, UNAVAILABLE
from gateway.cli.french import UsageError, said
from gateway.journal.connection import StoreLost
from gateway.journal.record import JournalError
from gateway.settings import why_refused

app = typer.Typer(
    name="socle", no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Passerelle d'interopérabilité devant les services socles du Ségur, avec leur bac à sable.",
)  # fmt: skip


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"socle {metadata.version('socle')}")
        raise typer.Exit


@app.callback()
def socle(
    _asked: Annotated[
        bool, typer.Option("--version", help="Donne la version et s'arrête.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Passerelle d'interopérabilité devant les services socles du Ségur, avec leur bac à sable."""


app.command("up")(up.up)
app.add_typer(up.gateway, name="gateway", help="La passerelle seule ; ses identités déposées.")
app.command("mock")(up.mock)
app.command("demo")(demo.demo)
app.command("bench")(bench.bench)
journal.app.command("settle")(settle.settle)
journal.app.command("rerun")(rerun.rerun)
journal.app.command("erase")(erase.erase)
journal.app.command("retention")(erase.retention)
journal.app.command("reseal")(reseal.reseal)
journal.app.command("backup")(backup.backup)
journal.app.command("restore")(backup.restore)
journal.app.command("export")(journal_export.export)
journal.app.command("verify")(journal_proof.verify)
journal.app.command("witness")(journal_proof.witness)
journal.app.command("rekey")(journal_proof.rekey)
journal.app.add_typer(journal_key.app, name="key", help="Clé publique du journal ; clés de lecture par HTTP.")
app.add_typer(journal.app, name="journal", help="Lire le journal.")
app.add_typer(usage.app, name="usage", help="Taux d'usage, explication, clôture, recomptage.")
app.add_typer(conformance.app, name="conformance", help="Contrôles de conformité, comptes rendus.")
registry.attach(grappe.app)
grappe.app.command("historique")(registry_history.historique)
grappe.app.add_typer(denominators.app, name="denominateurs", help="Personnes accompagnées de chaque ESSMS.")
app.add_typer(grappe.app, name="grappe", help="Grappes et ESSMS.")
app.add_typer(dui.app, name="dui", help="Extractions du DUI : dossiers actifs, projets, événements.")
sandbox.app.add_typer(sandbox_people.app, name="people", help="Personnes et professionnels : lister, montrer, ajouter, importer.")
sandbox.app.command("seed")(sandbox_seed.seed)
sandbox.app.add_typer(sandbox_pki.app, name="pki", help="Certificats du bac à sable : émettre, lister, révoquer.")
sandbox.app.add_typer(sandbox_faults.app, name="faults")
sandbox.app.command("inject")(sandbox_faults.inject)
sandbox.app.add_typer(sandbox_state.app, name="state", help="Ce que les services simulés gardent et ont reçu.")
sandbox.app.add_typer(sandbox_snapshot.app, name="snapshot", help="Instantanés du bac à sable : garder, remettre.")
sandbox.app.add_typer(sandbox_tenant.app, name="tenant", help="Éditeurs du bac à sable : ajouter, lister, changer, retirer.")
sandbox.app.command("load")(sandbox_snapshot.load)
sandbox.app.command("reset")(sandbox_snapshot.reset)
app.add_typer(sandbox.app, name="sandbox", help="Bac à sable : population, état, horloge, pannes, clients, certificats.")
app.add_typer(load.app, name="load", help="Tests de charge.")


def main() -> None:
    """Entry point of the console script."""
    try:
        sys.exit(app(prog_name="socle", standalone_mode=False) or 0)
    except UsageError as error:
        typer.echo(said(error), err=True)
        sys.exit(2)
    except (ValidationError, SettingsError) as error:
        typer.echo(why_refused(error), err=True)
        sys.exit(2)
    except StoreLost as error:
        typer.echo(f"Le journal n'est pas joignable : {error}.", err=True)
        sys.exit(UNAVAILABLE)
    except (JournalError, apsw.Error) as error:
        typer.echo(f"Le journal ne peut pas servir : {error}.", err=True)
        sys.exit(REFUSED_TO_START)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
