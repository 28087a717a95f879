"""`socle usage explain`: a numerator opened to its entries, and what made one version differ from another (design §6)."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, print_json
from gateway.cli.usage_asked import InEnvironment, Source, past_month, question, source_of
from gateway.grappes.model import Grappe
from gateway.usage.causes import touching
from gateway.usage.closings import Closings, key_of
from gateway.usage.counting import Counting, Slot
from gateway.usage.explain import SAID, Explained, Line, explain
from gateway.usage.indicators import DUI, INDICATORS
from gateway.usage.measure import SIMULATED, Measure
from gateway.usage.parts import percent
from gateway.usage.rates import answer

_HOW = {
    "late": "une réponse tardive", "duplicate": "un refus en double", "superseded": "un nouvel envoi",
    "ask": "une question au service", "person": "une personne",
}  # fmt: skip
_OTHERS_SAID = "accepté(s) et attribué(s) à personne dans tout l'environnement, pour cette fenêtre"


def explain_command(
    grappe: Annotated[str, typer.Option("--grappe", help="Identifiant de la grappe.")],
    finess: Annotated[str, typer.Option("--finess", help="Numéro FINESS géographique (ET) de l'ESSMS.")],
    indicator: Annotated[str, typer.Option("--indicator", help="IND-MSS-01, IND-DMP-01, ou un taux du DUI.")],
    month: Annotated[str, typer.Option("--month", metavar="AAAA-MM", help="La fenêtre qui finit ce mois.")],
    version: Annotated[int | None, typer.Option("--version", min=1, help="Une version close ; la plus récente sinon.")] = None,
    environment: InEnvironment = "bac_a_sable",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Ouvre un numérateur jusqu'à ses entrées : ce qui compte, ce qui ne compte pas et pourquoi, d'une version à l'autre."""
    if indicator not in INDICATORS:
        fail(f"« {indicator} » n'est pas un indicateur ; possibles : {', '.join(INDICATORS)}.", BAD_INPUT)
    with source_of(data, environment, grappe) as source:
        _member(source.registry.grappe(grappe), finess)
        found = answer(
            source.journal, source.registry, question(source, first=None, months=4, month=month, version=version), grappe,
            source.versions,
        )  # fmt: skip
        measure = next((row for row in found if (row.finess_et, row.indicator) == (finess, indicator)), None)
        if measure is None:
            past_month(month, "--month", source.now)
            why = "pas membre, ou première période en cours (donnez son dernier mois)"
            fail(f"{finess} n'a pas de fenêtre qui finit en {month} : {why}.", BAD_INPUT)
        opened = _open(source, measure)
        history = _history(source, measure)
        if as_json:
            print_json(_item(measure, opened, history))
        else:
            typer.echo("\n".join(_lines(measure, opened, history)))


def _member(grappe: Grappe, finess: str) -> None:
    if grappe.find(finess) is not None:
        return
    if any(one.finess_ej == finess for one in grappe.entites_juridiques):
        fail(f"{finess} est une entité juridique (EJ) de {grappe.id} : donnez le numéro géographique (ET) d'un ESSMS.", BAD_INPUT)
    fail(f"{finess} n'est pas un ESSMS de la grappe {grappe.id} : socle grappe show {grappe.id} donne ses numéros.", BAD_INPUT)


def _open(source: Source, measure: Measure) -> Explained | None:
    """None for the rates of the DUI: one entry holds the whole number."""
    if measure.indicator in DUI:
        return None
    with source.journal:
        counting = Counting(source.journal, source.environment, measure.vector)
        opened = explain(counting, source.folder, Slot(measure.indicator, measure.finess_et or "", measure.window))
    return opened  # noqa: RET504 - the transaction ends first


def _history(source: Source, measure: Measure) -> list[dict[str, Any]]:
    """Each closed version: its number, and what changed since the one before."""
    with source.journal:
        counting = Counting(source.journal, source.environment)
        known = Closings(source.journal, source.environment, counting.vector).of(measure.grappe, measure.window)
    said = []
    for closed in known:
        row = closed.rows.get(key_of(measure))
        why = touching(closed.causes, [measure.finess_et or ""], measure.indicator)
        said.append({
            "version": closed.version, "numerator": row and row.numerator, "denominator": row and row.denominator,
            "in_doubt": row and row.in_doubt, "entry": [closed.place.log, closed.place.seq],
            "vector": [list(size) for size in closed.vector], "registry_version": closed.registry_version,
            "causes": [cause.item() for cause in why],
        })  # fmt: skip
    return said


def _item(measure: Measure, opened: Explained | None, history: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "avertissement": SIMULATED if measure.simulated else None,
        "measure": measure.item(),
        "entries": [] if opened is None else [line.item() for line in opened.lines],
        "unattributed": {} if opened is None else opened.others,
        "versions": history,
    }


def _lines(measure: Measure, opened: Explained | None, history: list[dict[str, Any]]) -> list[str]:
    window = measure.window
    said = [SIMULATED] if measure.simulated else []
    said += [
        f"{INDICATORS[measure.indicator].label}, {measure.name} ({measure.finess_et}), du {window.start:%d/%m/%Y} au "
        f"{window.last_day:%d/%m/%Y}",
        f"{measure.numerator} / {'—' if measure.denominator is None else measure.denominator} = {percent(measure.tenths)} ; "
        f"version {measure.version} ({measure.state}) ; {measure.options.label}",
    ]
    if opened is None:
        source = measure.source_detail or "aucune extraction ni déclaration pour cette fenêtre"
        return [*said, f"Source : {source}.", *_told(history)]
    if measure.frozen is not None:
        said.append(f"Mesure {measure.frozen.text}.")
    for why, label in SAID.items():
        mine = [line for line in opened.lines if line.why == why]
        if mine:
            said += ["", f"{label} : {len(mine)}", *(f"  {_entry(line)}" for line in mine)]
    said += ["", *(f"{number} {_OTHERS_SAID} ({reason})" for reason, number in opened.others.items())]
    fresh = () if measure.state == "clos" else measure.causes
    return [*said, *_told(history), *(f"Version {measure.version}, non close : {cause.text}" for cause in fresh)]


def _entry(line: Line) -> str:
    parts = [f"{line.log}/{line.seq}", line.event_time, line.outcome, line.service_code or "", *line.flags]
    if line.id is None:
        parts.append("(entrée retirée par la conservation)")
    if line.how is not None:
        parts.append(f"réglé par {_HOW.get(line.how, line.how)}")
    if line.first is not None:
        parts.append(f"compté par {line.first[0]}/{line.first[1]}")
    if line.border:
        parts.append("à la frontière, heure estimée")
    return " ".join(part for part in parts if part)


def _told(history: list[dict[str, Any]]) -> list[str]:
    said = []
    for one in history:
        log, seq = one["entry"]
        counted, among = ("—" if number is None else number for number in (one["numerator"], one["denominator"]))
        said.append(f"Version {one['version']} close : {counted} / {among}, entrée {log}/{seq}")
        said += [f"  {cause['text']}" for cause in one["causes"]]
    return said
