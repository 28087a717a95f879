"""`socle grappe`: the grappes of the registry and those shipped with Socle."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from connectors.nomenclatures.identifiers import luhn_holds
from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, print_json
from gateway.cli.grappe_check import check_tables
from gateway.cli.grappe_import import import_tables
from gateway.cli.registry_acts import registry_in
from gateway.grappes.model import Essms, Grappe
from gateway.grappes.reading import example, examples, write_grappe

app = typer.Typer(no_args_is_help=True)
app.command("check")(check_tables)
app.command("import")(import_tables)

_LEVELS = {"essms": "ESSMS", "og": "organisme gestionnaire", "grappe": "grappe"}
_STATUTS = {"confirme": "confirmé", "corrige_propose": "corrigé", "a_verifier": "à vérifier"}


@app.command("list")
def list_grappes(data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Liste les grappes installées dans le dossier des données, puis celles livrées avec Socle."""
    known = _known(data)
    if as_json:
        rows = [
            {"id": one.id, "name": one.name, "ars": one.ars, "essms": len(one.essms), "installed": installed}
            for one, installed in known
        ]
        print_json({"grappes": rows})
        return
    for one, installed in known:
        typer.echo(f"{one.id} : {one.name}, {one.ars}, {len(one.essms)} ESSMS ({'installée' if installed else 'livrée'})")


@app.command("show")
def show(
    grappe: Annotated[str, typer.Argument(metavar="GRAPPE", help="Identifiant de la grappe.")],
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Montre une grappe : ses ESSMS, leurs numéros tels que saisis et tels que retenus, leurs personnes accompagnées."""
    known = {one.id: one for one, _ in _known(data)}
    if grappe not in known:
        fail(f"Grappe inconnue : « {grappe} ». Grappes connues : {', '.join(known)}.", BAD_INPUT)
    found = known[grappe]
    if as_json:
        sys.stdout.buffer.write(write_grappe(found))
        return
    console = Console(highlight=False, markup=False, width=130)
    console.print(f"{found.name} ({found.ars}) — {found.source}, {found.document_date:%d/%m/%Y}")
    console.print(f"Version {found.registry_version} ; cible due au niveau : {_LEVELS[found.contractual_level]}{_started(found)}")
    console.print(_table(found))
    console.print(f"Dénominateur : {found.denominator_label}")
    for essms in found.essms:
        for line in _remarks(essms):
            console.print(line)


def _known(data: Path) -> list[tuple[Grappe, bool]]:
    installed = registry_in(data).grappes
    shipped = [example(name) for name in examples() if name not in installed]
    return [(one, True) for one in installed.values()] + [(one, False) for one in shipped]


def _table(grappe: Grappe) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Ligne", "FINESS ET", "FINESS EJ", "Nom", "Catégorie", "Statut", "Règle", "Clé"):
        table.add_column(title, no_wrap=True)
    for title in ("Personnes", "BAL"):
        table.add_column(title, justify="right")
    for one in grappe.essms:
        table.add_row(
            str(one.ligne or ""), one.finess_et, one.finess_ej, one.name, one.category, _STATUTS[one.statut], one.regle,
            "juste" if luhn_holds(one.finess_et) else "fausse",
            "non déclaré" if one.persons is None else str(one.persons), str(len(one.mailboxes)),
        )  # fmt: skip
    return table


def _started(grappe: Grappe) -> str:
    return f" ; démarrage le {grappe.date_demarrage:%d/%m/%Y}" if grappe.date_demarrage else ""


def _project(essms: Essms) -> str:
    """What an ESSMS is in the project, when somebody said it."""
    dated = (
        ("démarrage le", essms.date_demarrage), ("facture de fin de déploiement reçue le", essms.facture_recue),
        ("sorti le", essms.member_until),
    )  # fmt: skip
    said = [f"logiciel {essms.dui_product}"] if essms.dui_product else []
    said += [f"{what} {when:%d/%m/%Y}" for what, when in dated if when is not None]
    said += ["AHI non éligible à SONS, MSSanté et DMP hors champ"] if essms.out_of_scope("IND-MSS-01") else []
    said += [f"{len(essms.certificates)} certificat(s)"] if essms.certificates else []
    said += [f"{len(essms.external_counts)} comptage(s) d'ailleurs"] if essms.external_counts else []
    return ", ".join(said)


def _remarks(essms: Essms) -> list[str]:
    project = _project(essms)
    found = [f"{essms.finess_et} : {project}"] if project else []
    if essms.justification:
        found.append(f"{essms.finess_et} (saisi {essms.saisi}) : {essms.justification}")
    if essms.decision is not None:
        said = essms.decision
        found.append(f"{essms.finess_et} : décision de {said.by}, le {said.on:%d/%m/%Y} : {said.why}")
    return found
