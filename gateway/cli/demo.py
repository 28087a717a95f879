"""`socle demo`: months of a grappe's traffic on business time, reconciled, with its rates (design §9; docs/demo.md)."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import runs
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, UNAVAILABLE, AsJson, fail, print_json, tell
from gateway.exports.csv_rates import rates_csv
from gateway.exports.json_rates import rates_json
from gateway.exports.naming import file_name
from gateway.exports.table_rates import rates_table, terminal_width
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError, example
from gateway.grappes.registry import Registry
from gateway.journal.database import open_for_reading
from gateway.journal.journal import FILE_NAME
from gateway.journal.record import JournalError
from gateway.os_errors import in_french
from gateway.supervise import ChildFailed, PortTaken, Supervisor
from gateway.usage.indicators import SOCLE
from gateway.usage.measure import SIMULATED, Measure
from gateway.usage.rates import measures

_ENVIRONMENT = "bac_a_sable"
_DEADLINE_S = 4.0  # a service armed to say nothing keeps its caller waiting for so long, not for its real deadline
_PLAY_S = 240.0


@dataclass(frozen=True, slots=True)
class Wanted:
    grappe: Grappe
    months: int
    seed: int


@dataclass(slots=True)
class Played:
    """What a run came to: the generator's summary, the reconciliation, the rates, the files that hold them."""

    summary: dict[str, Any]
    report: dict[str, Any]
    rates: list[Measure]
    files: list[Path] = field(default_factory=list)


def demo(
    grappe: Annotated[str, typer.Option(help="Grappe livrée avec Socle.")] = "marseille-hyeres",
    months: Annotated[int, typer.Option(help="Mois joués, de 3 à 12 : une première période de trois, puis mois par mois.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Même graine, mêmes taux.")] = 1,
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", file_okay=False, help="Dossier des fichiers produits.")] = None,
    persons: Annotated[int | None, typer.Option(min=5, help="Plafond de personnes par ESSMS, pour un essai court.")] = None,
    check: Annotated[Path | None, typer.Option("--check", file_okay=False, help="Rapprocher de nouveau ce dossier.")] = None,
) -> None:
    """Joue les mois d'une grappe à travers la passerelle, donne ses taux et réconcilie les comptes."""
    if check is not None:
        _check(check, as_json=as_json)
        return
    if not 3 <= months <= 12:
        fail(f"--months {months} : la première mesure porte sur trois mois ; donnez de 3 à 12 mois.", BAD_INPUT)
    try:
        wanted = Wanted(_capped(example(grappe), persons), months, seed)
    except RegistryError as error:
        fail(str(error), BAD_INPUT)
    run = runs.new_folder("demo")
    said: Callable[[str], None] = _silent if as_json else typer.echo
    said(f"{SIMULATED} (environnement {_ENVIRONMENT})")
    said(f"Grappe {wanted.grappe.name}, {months} mois, graine {seed}. Tout est gardé dans {run}")
    try:
        played = asyncio.run(_play(run, wanted, said, output or run))
    except (ChildFailed, PortTaken) as error:
        fail(str(error), error.code if isinstance(error, ChildFailed) else UNAVAILABLE)
    except runs.NoRoom as error:
        fail(str(error), UNAVAILABLE)
    except runs.GeneratorFailed as error:
        fail(str(error), CHECK_FAILED)
    except OSError as error:
        fail(f"Écriture impossible dans {error.filename or run} : {in_french(error)}.", UNAVAILABLE)
    if as_json:
        print_json(_summary(played, wanted))
    else:
        _print(played, run)
    raise typer.Exit(0 if played.report["reconciled"] else CHECK_FAILED)


async def _play(run: Path, wanted: Wanted, said: Callable[[str], None], output: Path) -> Played:
    await runs.prepare(run, wanted.seed, wanted.grappe)
    settings = {"SOCLE_DEADLINE_S": str(_DEADLINE_S), "SOCLE_ENVIRONMENT": _ENVIRONMENT, **runs.NO_QUESTIONS}
    supervisor = Supervisor(run / "data", settings=settings)
    await supervisor.start()
    said("Passerelle et services simulés prêts ; les ESSMS travaillent …")
    asked = ("play", "--grappe", wanted.grappe.id, "--months", str(wanted.months), "--seed", str(wanted.seed))
    try:
        summary = await runs.generate(run, supervisor, *asked, timeout_s=_PLAY_S, said=said)
        await runs.until_no_intent(run)
    finally:
        await supervisor.stop()
    rates = _rates(run, wanted, summary)
    report = runs.verify(run, _ENVIRONMENT)
    report["gaps"] += [f"scénario : « {why} » devait arriver et aucun DUI ne l'a lu" for why in summary["not_provoked"]]
    report["reconciled"] = not report["gaps"]
    played = Played(summary, report, rates)
    played.files = _write(output, played, datetime.fromisoformat(summary["business_end"]))
    return played


def _rates(run: Path, wanted: Wanted, summary: dict[str, Any]) -> list[Measure]:
    folder = run / "data" / "gateway"
    with closing(open_for_reading(folder / FILE_NAME)) as journal:
        return measures(
            journal, Registry.load(folder / "grappes"), _ENVIRONMENT, date.fromisoformat(summary["first_month"]), wanted.months,
            now=datetime.fromisoformat(summary["business_end"]), grappe=wanted.grappe.id, indicators=SOCLE,
        )  # fmt: skip


def _write(output: Path, played: Played, at: datetime) -> list[Path]:
    """The CSV and JSON of the rates, dated in business time: the same run writes the same bytes."""
    output.mkdir(parents=True, exist_ok=True)
    contents = {"csv": rates_csv(played.rates, at), "json": rates_json(played.rates, at)}
    files = []
    for extension, content in contents.items():
        path = output / file_name(played.rates, extension)
        path.write_bytes(content)
        files.append(path)
    return files


def _capped(grappe: Grappe, persons: int | None) -> Grappe:
    """The grappe whose declared numbers stop at ``persons``: the same shape, fewer people, and a label that says so."""
    if persons is None:
        return grappe
    small = (
        replace(one, denominators=tuple(replace(given, persons=min(given.persons, persons)) for given in one.denominators))
        for one in grappe.essms
    )
    label = f"{grappe.denominator_label} ; plafonné à {persons} par ESSMS pour un essai court"
    return replace(grappe, denominator_label=label, essms=tuple(small))


def _check(run: Path, *, as_json: bool) -> None:
    """Reconcile a kept run again, from its journal and its files as they are now."""
    if not (run / "sent.jsonl").is_file():
        fail(f"{run} n'est pas une exécution : sent.jsonl y manque. Indiquez le dossier que socle demo a affiché.", BAD_INPUT)
    try:
        report = runs.verify(run, _ENVIRONMENT)
    except JournalError as error:
        fail(f"Le journal de {run} est illisible : {error}.", BAD_INPUT)
    tell(report, as_json, reconciliation_table(report))
    raise typer.Exit(0 if report["reconciled"] else CHECK_FAILED)


def _summary(played: Played, wanted: Wanted) -> dict[str, Any]:
    """The keys of design §9, and what explains them."""
    report = played.report
    return {
        "simulated": True, "avertissement": SIMULATED, "seed": wanted.seed, "grappe": wanted.grappe.id, "months": wanted.months,
        "sent": report["sent"], "journal": report["journal"], "mocks": report["mocks"], "held": report["held"],
        "in_doubt": report["in_doubt"], "reconciled": report["reconciled"], "gaps": report["gaps"],
        "failures": played.summary["failures"], "requests_per_second": played.summary["requests_per_second"],
        "rates": [row.item() for row in played.rates], "files": [str(path) for path in played.files],
    }  # fmt: skip


def _print(played: Played, run: Path) -> None:
    summary = played.summary
    typer.echo(rates_table(played.rates, terminal_width()))
    typer.echo("Échecs provoqués ou subis, tels que les DUI les ont lus :")
    for reason, number in summary["failures"].items():
        typer.echo(f"  {number:>5}  {reason}")
    calls = sum(summary["sent"].values())
    typer.echo(f"\n{calls} appels en {summary['took_s']} s, {summary['requests_per_second']} par seconde.\n")
    for path in played.files:
        typer.echo(f"Fichier : {path}")
    typer.echo(f"Pour comparer de nouveau : socle demo --check {run}")
    typer.echo(f"Pour lire chaque appel : socle journal list --data {run / 'data'}\n")
    typer.echo(reconciliation_table(played.report))


def reconciliation_table(report: dict[str, Any]) -> str:
    """The table of design §9, then what does not hold, then the verdict: always the last line."""
    lines = [f"{'Opération':<22}{'Relation':<42}{'Gauche':>8}{'Droite':>8}"]
    for row in report["equations"]:
        mark = "" if row["holds"] else "  ≠"
        lines.append(f"{row['operation']:<22}{row['relation']:<42}{row['left']:>8}{row['right']:>8}{mark}")
    lines += ["", *(f"Écart : {gap}" for gap in report["gaps"]), f"réconcilié : {'oui' if report['reconciled'] else 'non'}"]
    return "\n".join(lines)


def _silent(_text: str) -> None:
    return None
