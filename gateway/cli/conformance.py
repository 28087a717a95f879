"""`socle conformance`: judge what passed, lay the result out, list the checks (design §4, §9)."""
from __future__ import annotations

import sys
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import orjson
import typer
from rich.console import Console
from rich.table import Table

from connectors.wire.clock import SystemClock
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, AsJson, DataFolder, fail, no_journal, print_json
from gateway.cli.journal_filters import period_of
from gateway.conformance import reports
from gateway.conformance.declared import BadDeclaration, read_declaration
from gateway.conformance.evidence import Evidence
from gateway.conformance.layouts import FAMILIES, LAYOUTS, warnings
from gateway.conformance.model import Vendor
from gateway.conformance.rules import ALL, SMOKE, RuleSet, rule_set, set_names
from gateway.conformance.running import Header, rule_item, run_item, run_rules
from gateway.conformance.window import JournalWindow
from gateway.grappes.reading import RegistryError
from gateway.journal.query import JournalMissing, JournalReader
from gateway.journal.record import JournalError
from gateway.os_errors import in_french
from gateway.population import people_if_any
from gateway.settings import Environment

app = typer.Typer(no_args_is_help=True)

Suite = Annotated[
    str | None, typer.Option("--suite", help="Jeu de contrôles : smoke (par défaut ; tout avec --service), journal ou tout.")
]
Service = Annotated[str | None, typer.Option("--service", help=f"Une famille de contrôles : {', '.join(FAMILIES)}.")]
Start = Annotated[str | None, typer.Option("--from", metavar="DATE", help="Temps métier : à partir de (AAAA-MM-JJ, Paris).")]
End = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Temps métier : jusqu'à ce jour compris.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Éditeur, comme au journal.")]
In = Annotated[str, typer.Option("--environment", help="bac_a_sable, recette, charge ou production.")]
Declared = Annotated[
    Path | None, typer.Option("--declared", dir_okay=False, help="Ce que le DUI déclare (JSON, voir docs/conformite.md).")
]
VendorName = Annotated[str, typer.Option("--vendor-name", help="Raison sociale de l'éditeur.")]
Product = Annotated[str, typer.Option("--product", help="Nom commercial du logiciel.")]
Version = Annotated[str, typer.Option("--version", help="Version du logiciel.")]

#: What ``run --json`` gives beside its version: a file without one of them was not made by it.
_PARTS = {"simule", "entete", "regles", "resume", "controles", "preuves"}
_WORDS = {"conforme": "conforme", "non_conforme": "NON CONFORME", "non_observe": "non observé", "non_applicable": "sans objet"}


@app.command("run")
def run(
    suite: Suite = None,
    service: Service = None,
    start: Start = None,
    end: End = None,
    tenant: Tenant = None,
    environment: In = "bac_a_sable",
    declared: Declared = None,
    vendor_name: VendorName = "",
    product: Product = "",
    version: Version = "",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Juge les appels du journal. Code 1 dès qu'un contrôle n'est pas conforme."""
    asked = _Asked(_rules(suite, service), start, end, tenant, environment, declared, Vendor(vendor_name, product, version), data)
    found = _run(asked)
    if as_json:
        sys.stdout.buffer.write(reports.json(found))
    else:
        _show(found)
    if found["resume"]["non_conforme"]:
        raise typer.Exit(CHECK_FAILED)


@app.command("report")
def report(
    layout: Annotated[
        str | None, typer.Option("--format", help="convergence, exigences, rem, csv (par défaut d'un fichier), junit ou json.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", dir_okay=False, help="Fichier à écrire ; .xlsx : un classeur. Sinon l'écran.")
    ] = None,
    made: Annotated[Path | None, typer.Option("--run", dir_okay=False, help="Résultat déjà obtenu (run --json).")] = None,
    suite: Suite = None,
    service: Service = None,
    start: Start = None,
    end: End = None,
    tenant: Tenant = None,
    environment: In = "bac_a_sable",
    declared: Declared = None,
    vendor_name: VendorName = "",
    product: Product = "",
    version: Version = "",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Écrit le compte rendu, dans un fichier ou à l'écran. Code 1 dès qu'un contrôle n'est pas conforme."""
    layout = "json" if as_json else layout
    if layout is not None and layout not in reports.FORMATS:
        fail(f"« {layout} » : format inconnu ; possibles : {', '.join(reports.FORMATS)}.", BAD_INPUT)
    as_book = out is not None and out.suffix.lower() == ".xlsx"
    if as_book and (layout or "csv") not in LAYOUTS:
        fail(f"« {layout} » ne se met pas en classeur ; possibles : {', '.join(LAYOUTS)}.", BAD_INPUT)
    asked = _Asked(_rules(suite, service), start, end, tenant, environment, declared, Vendor(vendor_name, product, version), data)
    if made is not None and service is not None:
        fail("--service choisit ce qui est jugé : donnez-le à « run », et pas ici avec --run.", BAD_INPUT)
    found = _run(asked) if made is None else _made(made)
    if out is not None:
        _write(out, reports.build(found, layout or "csv", as_book=as_book))
    elif layout is not None:
        sys.stdout.buffer.write(reports.build(found, layout))
    else:
        _show(found)
    for _, subject, text in warnings(found):
        if subject in asdict(Vendor()):
            typer.echo(f"{subject} {text}.", err=True)
    if found["resume"]["non_conforme"]:
        raise typer.Exit(CHECK_FAILED)


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        fail(f"Écriture impossible : {out} ({in_french(error)}) ; donnez un autre fichier par -o.", BAD_INPUT)
    typer.echo(str(out))


@app.command("rules")
def rules(suite: Suite = ALL, service: Service = None, as_json: AsJson = False) -> None:
    """Liste les contrôles, leur texte et les exigences qu'ils citent."""
    chosen = _rules(suite, service)
    if as_json:
        item = {
            "regles": {"nom": chosen.name, "version": chosen.version, "sha256": chosen.sha256, "libelle": chosen.label},
            "controles": [rule_item(rule) for rule in chosen.rules],
        }
        print_json(item)
        return
    table = Table(title=f"{chosen.label} — {chosen.name} {chosen.version}, sha256 {chosen.sha256[:16]}…", show_lines=True)
    for column in ("contrôle", "texte", "exigences", "applicabilité"):
        table.add_column(column)
    for rule in chosen.rules:
        cited = ", ".join(one.id for one in rule.requirements)
        table.add_row(rule.id, f"{rule.title}. {rule.text}", cited, "proxy")
    Console().print(table)


@dataclass(frozen=True, slots=True)
class _Asked:
    rules: RuleSet
    start: str | None
    end: str | None
    tenant: str | None
    environment: str
    declared: Path | None
    vendor: Vendor
    data: Path


def _run(asked: _Asked) -> dict[str, Any]:
    chosen, event = asked.rules, period_of(asked.start, asked.end)
    if not all(map(str.isprintable, astuple(asked.vendor))):
        fail("--vendor-name, --product, --version : du texte, sans caractère de contrôle.", BAD_INPUT)
    if asked.environment not in get_args(Environment):
        fail(f"« {asked.environment} » : environnement inconnu ; possibles : {', '.join(get_args(Environment))}.", BAD_INPUT)
    declaration = None if asked.declared is None else _declaration(asked.declared)
    folder = asked.data / "gateway"
    people = None if asked.environment == "production" else people_if_any(asked.data / "sandbox")
    header = Header(asked.vendor, asked.environment, asked.tenant, event, SystemClock().real())
    try:
        with (
            JournalWindow.open(folder, asked.environment, event=event, tenant=asked.tenant, declared=declaration) as window,
            JournalReader(folder) as reader,
        ):
            if asked.tenant is not None and not reader.has_entries_of(asked.tenant):
                fail(f"« {asked.tenant} » n'a aucune entrée dans ce journal : vérifiez le nom de l'éditeur.", BAD_INPUT)
            evidence = Evidence(reader, folder, asked.environment, people)
            return run_item(header, chosen, run_rules(window, chosen), evidence.describe)
    except JournalMissing:
        no_journal(asked.data, or_start=True)
    except RegistryError as error:
        fail(str(error), BAD_INPUT)
    except JournalError as error:
        fail(f"Le journal de {asked.data} ne se lit pas : {str(error).rstrip('.')}.", BAD_INPUT)


def _rules(suite: str | None, service: str | None) -> RuleSet:
    """A set, or what it holds of one family: of them all when a family alone is named."""
    name = suite or (SMOKE if service is None else ALL)
    if name not in set_names():
        fail(f"« {name} » : jeu de contrôles inconnu ; possibles : {', '.join(set_names())}.", BAD_INPUT)
    if service is not None and service not in FAMILIES:
        fail(f"« {service} » : service inconnu ; possibles : {', '.join(FAMILIES)}.", BAD_INPUT)
    chosen = rule_set(name) if service is None else rule_set(name).only(service)
    if not chosen.rules:
        fail(f"Le jeu « {name} » n'a aucun contrôle du service {service} ; prenez --suite {ALL}.", BAD_INPUT)
    return chosen


def _declaration(path: Path) -> dict[str, Any]:
    try:
        return read_declaration(path)
    except OSError as error:
        fail(f"{path} : lecture impossible ({in_french(error)}).", BAD_INPUT)
    except BadDeclaration as error:
        fail(f"{path} : {error} ; voir docs/conformite.md.", BAD_INPUT)


def _made(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        fail(f"{path} : lecture impossible ({in_french(error)}).", BAD_INPUT)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or found.get("version") != 1 or not found.keys() >= _PARTS:
        fail(f"{path} : ce n'est pas un résultat de « socle conformance run --json ».", BAD_INPUT)
    return found


def _show(found: dict[str, Any]) -> None:
    rules_, counts = found["regles"], found["resume"]
    table = Table(title=f"{rules_['libelle']} — {rules_['nom']} {rules_['version']}, sha256 {rules_['sha256'][:16]}…")
    for column in ("contrôle", "résultat", "observé", "écarts", "constat"):
        table.add_column(column, justify="right" if column in ("observé", "écarts") else "left")
    for check in found["controles"]:
        worst = next((one for one in check["constats"] if one["etat"] == check["etat"]), None)
        table.add_row(
            f"{check['id']}\n{check['titre']}", _WORDS[check["etat"]], str(check["observations"]), str(check["ecarts"]),
            _finding(worst),
        )  # fmt: skip
    Console().print(table)
    typer.echo(" · ".join(f"{_WORDS[state]} : {counts[state]}" for state in _WORDS))


def _finding(one: dict[str, Any] | None) -> str:
    if one is None:
        return ""
    proof = f"\nentrée {one['entrees'][-1]}" if one["entrees"] else ""
    if one["etat"] == "non_conforme":
        return f"{one['lieu']}\nattendu : {one['attendu']}\ntrouvé : {one['trouve']}{proof}"
    return f"{one['trouve']}{proof}"
