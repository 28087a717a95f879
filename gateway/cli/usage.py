"""`socle usage`: rates of the grappes, the recount that proves them, the closing of their windows (design §6, §9)."""
from __future__ import annotations

from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, Literal

import typer

from gateway.cli import usage_asked
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, AsJson, DataFolder, fail, print_json
from gateway.cli.french import counted
from gateway.cli.usage_asked import GrappeId, InEnvironment, Source, journal_errors, measured, question, source_of
from gateway.cli.usage_close import close
from gateway.cli.usage_explain import explain_command
from gateway.cli.usage_export import export
from gateway.exports.cells import PARIS
from gateway.exports.json_rates import envelope
from gateway.exports.table_rates import rates_table, terminal_width
from gateway.journal.units import Unit
from gateway.usage import recount as recounting
from gateway.usage.alerts import Alert, alerts
from gateway.usage.alerts import lines as alert_lines
from gateway.usage.counting import Counting, Slot
from gateway.usage.frozen_rows import Altered
from gateway.usage.ins import LEFT as INS_LEFT
from gateway.usage.ins import InsLine, ins_lines
from gateway.usage.measure import PRODUCTION, SIMULATED, Measure
from gateway.usage.money import Stake, lines, stakes
from gateway.usage.parts import Options
from gateway.usage.signs import Signs, signs
from gateway.usage.vector import text_of

app = typer.Typer(no_args_is_help=True)
app.command("export")(export)
app.command("explain")(explain_command)
app.command("close")(close)

_GAPS = {
    "manquante": "ligne manquante dans la table", "en_trop": "ligne en trop dans la table", "differente": "ligne différente",
}  # fmt: skip


@app.command("rates")
def rates(
    grappe: GrappeId = None,
    first: Annotated[str | None, typer.Option("--from", metavar="AAAA-MM", help="Premier mois de la première période.")] = None,
    months: Annotated[int, typer.Option("--months", help="Nombre de mois, les trois de la première période compris.")] = 4,
    month: Annotated[str | None, typer.Option("--month", metavar="AAAA-MM", help="Les fenêtres qui finissent ce mois.")] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Avec --month : une version close.")] = None,
    environment: InEnvironment = "bac_a_sable",
    detail: Annotated[bool, typer.Option("--detail", help="Détaille documents, messages, personnes, types et alertes.")] = False,
    per: Annotated[str, typer.Option("--per", help="Ce que compte MSSanté : message ou destinataire.")] = "message",
    patients: Annotated[bool, typer.Option("--patients/--sans-patients", help="Compter les messages aux usagers.")] = True,
    suppressions: Annotated[bool, typer.Option("--deduire-suppressions", help="Retirer ce qui a été supprimé.")] = False,
    first_end: Annotated[
        str | None, typer.Option("--premiere-mesure-fin", metavar="AAAA-MM", help="Dernier mois de la première période.")
    ] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Montre les taux d'usage : la première période de trois mois, puis chaque mois ; ou ceux d'un mois, d'une version."""
    with source_of(data, environment, grappe) as source:
        options = Options(_per(per), patients, suppressions, _last_day(first_end, source))
        asked = question(
            source, first=first, months=months, month=month, version=version, options=options, breakdown=detail,
            trend=month is not None,
        )  # fmt: skip
        found = measured(source, asked, grappe)
        more = _More(source, found) if detail else None
        if as_json:
            print_json(envelope(found) | ({} if more is None else more.item()))
        else:
            width = terminal_width()
            said = [*_standing(found), *([] if more is None else more.lines())]
            folded = (fill(line, width, subsequent_indent="    ") for line in said)
            typer.echo("\n".join([rates_table(found, width).rstrip(), *folded]))


@app.command("recount")
def recount(data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Recompte les unités depuis les seules entrées du journal et compare, ligne à ligne. Code 1 au premier écart."""
    with journal_errors(data):
        found = recounting.recount(data / "gateway")
    simulated = found.environments != [PRODUCTION]
    if as_json:
        print_json(_recount_item(found, simulated))
    else:
        typer.echo("\n".join(_recount_lines(found, simulated)))
    if found.gap_count:
        raise typer.Exit(CHECK_FAILED)


class _More:
    """What `--detail` adds, grappe by grappe: alerts, money, INS lines, all beside the five rates and never in them."""

    def __init__(self, source: Source, found: list[Measure]) -> None:
        self.alerts: list[Alert] = []
        self.stakes: list[Stake] = []
        self.money: list[str] = []
        self.ins: list[InsLine] = []
        self.signs: dict[str, Signs] = {}
        for name, rows in groupby(found, key=lambda row: row.grappe):
            mine, grappe = list(rows), source.registry.grappe(name)
            with source.journal:
                counting = Counting(source.journal, source.environment, mine[-1].vector)
                self.alerts += alerts(counting, grappe, mine, _known_until(source, mine))
                for essms in grappe.essms:
                    seen = signs(counting, Slot("IND-MSS-01", essms.finess_et, mine[-1].window))
                    if seen is not None and (seen.messages or seen.automatic):
                        self.signs[essms.finess_et] = seen
            held = stakes(grappe, mine)
            self.stakes += held
            self.money += lines(grappe, held)
            self.ins += ins_lines(source.folder, source.environment, grappe, mine[-1].window, mine[-1].vector)

    def item(self) -> dict[str, Any]:
        return {
            "alerts": [one.item() for one in self.alerts], "stakes": [one.item() for one in self.stakes],
            "stakes_lines": self.money, "ins": [one.item() for one in self.ins],
            "signs": [{"finess_et": number} | seen.item() for number, seen in self.signs.items()],
        }  # fmt: skip

    def lines(self) -> list[str]:
        said = ["", "Alertes :" if self.alerts else "Alertes : aucune", *(f"  {line}" for line in alert_lines(self.alerts))]
        said += ["", "Ce dont le taux MSSanté est fait :" if self.signs else "Messages : aucun dans la fenêtre"]
        said += [f"  {number} : {seen.line}" for number, seen in self.signs.items()]
        said += ["", "Argent en jeu :", *(f"  {line}" for line in self.money)]
        seen = [one for one in self.ins if one.calls or one.persons]
        none = INS_LEFT if any(one.left for one in self.ins) else "aucun appel dans la fenêtre"
        said += ["", "INS, pour information :" if seen else f"INS, pour information : {none}"]
        return said + [
            f"  {one.name} : {one.persons} personnes à INS qualifiée vues ; {one.calls} appels INSi"
            + "".join(f", {code} : {number}" for code, number in one.by_result.items())
            for one in seen
        ]


def _known_until(source: Source, rows: list[Measure]) -> datetime:
    """Up to when silence is judged, as on the COPIL page: what a window that is over rests on knows nothing of later messages."""
    return source.now if rows[-1].state == "ouvert" else rows[-1].window.bounds(PARIS)[1]


def _standing(found: list[Measure]) -> list[str]:
    """State of each window, what is left, why a version is not the one before; then how it was counted."""
    said = [""]
    for (_, window), rows in groupby(found, key=lambda row: (row.grappe, row.window)):
        mine = list(rows)
        state = {"ouvert": "ouverte", "en_cloture": "en clôture", "clos": "close"}[mine[-1].state]
        said.append(
            f"Fenêtre du {window.start:%d/%m/%Y} au {window.last_day:%d/%m/%Y} : {state}, version {mine[-1].version} ; registre "
            f"version {mine[-1].registry_version} ; journal {text_of(mine[-1].vector)}"
        )
        said += dict.fromkeys(f"  {cause.text}" for row in mine for cause in row.causes)
        said += [f"  {row.indicator} : {row.frozen.text}" for row in mine if row.level == "grappe" and row.frozen is not None]
        said += [line for row in mine if row.level == "grappe" and row.contractual for line in _left(row)]
    return [*said, f"Comptage : {found[0].options.label}."]


def _left(row: Measure) -> list[str]:
    """The trend, when it was asked; what is missing, and where the pace leads."""
    first = {"premiere": "trois mois à ", "mensuelle": ""}
    trend = [f"{past.rate} ({first[past.window.kind]}{past.window.last_day:%m/%Y})" for past in row.trend]
    known = len(trend) > 1 and any(past.denominator for past in row.trend)
    told = [f"  {row.indicator}, tendance : {', puis '.join(trend)}"] if known else []
    if not row.remaining or row.state == "clos":
        return told
    said = f"  {row.indicator} : manque {row.remaining} pour {row.target} %"
    if row.projection is not None:
        on = row.projection.on
        said += f" ; au rythme actuel {row.projection.at_end} en fin de fenêtre" + (f", cible le {on:%d/%m/%Y}" if on else "")
    return [*told, said]


def _per(text: str) -> Literal["message", "destinataire"]:
    if text == "message":
        return "message"
    if text != "destinataire":
        fail(f"--per {text} : « message » ou « destinataire ».", BAD_INPUT)
    return "destinataire"


def _last_day(text: str | None, source: Source) -> date | None:
    if text is None:
        return None
    return usage_asked.last_day_of(text, "--premiere-mesure-fin", source.now)


def _recount_item(found: recounting.Recount, simulated: bool) -> dict[str, Any]:
    return {
        "simulated": simulated,
        "environments": found.environments,
        "holds": not found.gap_count,
        "entries": found.entries,
        "units": found.units,
        "stored": found.stored,
        "beside": found.beside,
        "beside_gaps": found.beside_gaps,
        "frozen": found.frozen,
        "altered": [one.item() for one in found.altered],
        "measures": [one.item() for one in found.measures],
        "gap_count": found.gap_count,
        "gaps": [gap.item() for gap in found.gaps],
    }


def _recount_lines(found: recounting.Recount, simulated: bool) -> list[str]:
    lines = [SIMULATED] if simulated else []
    entries = counted(found.entries, "entrée lue", "entrées lues")
    units = counted(found.units, "unité recomptée", "unités recomptées")
    lines.append(f"{entries}, {units}, {counted(found.stored, 'ligne', 'lignes')} dans la table.")
    lines.append(f"{found.beside} appels à côté des taux recomptés, {found.beside_gaps} écart(s).")
    if found.frozen:
        gone = counted(found.frozen, "unité figée", "unités figées")
        lines.append(f"Dont {gone} : entrées retirées par la conservation, lignes comparées à l'empreinte prise alors.")
    lines += [one.text for one in found.measures]
    lines += [_altered_line(one) for one in found.altered]
    lines += [_gap_line(gap) for gap in found.gaps]
    unlike = sum(len(one.unlike) for one in found.measures)  # said with their measures
    more = found.gap_count - found.beside_gaps - len(found.altered) - len(found.gaps) - unlike
    if more > 0:
        lines.append(f"… et {more} autres.")
    lines.append("recompté : non" if found.gap_count else "recompté : oui")
    return lines


def _altered_line(one: Altered) -> str:
    where = f"entrées {one.log}/{one.first} à {one.log}/{one.last}, retirées le {one.at[:10]}"
    return f"lignes figées changées — {where} : {one.expected} ligne(s) alors, {one.found} trouvée(s) ou pas les mêmes"


def _gap_line(gap: recounting.Gap) -> str:
    rows = (("attendu", gap.expected), ("trouvé", gap.found))
    return f"{_GAPS[gap.kind]} — " + " ; ".join(f"{word} : {_unit(row)}" for word, row in rows if row is not None)


def _unit(row: Unit) -> str:
    place = f"{row.environment} {row.indicator} ET {row.finess_et}"
    return f"{place} unité {row.unit_ref} le {row.event_time} entrée {row.log}/{row.seq}"
