"""The COPROJ pack: ESSMS by ESSMS, what is sent and what fails, who and what is missing, where the acceptance tests are (§8)."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.exports.cells import csv_table, local_and_utc, number_as_text, plain_text
from gateway.exports.definitions import CHANNELS
from gateway.exports.edition import Edition
from gateway.exports.workbook import Cell, Column, workbook
from gateway.usage.activity import Activity
from gateway.usage.ins import LEFT, NOTE, InsLine

COLUMNS = (
    "finess_et", "raison_sociale", "semaine", "canal", "envois", "echecs", "environnement", "arrete_le", "arrete_le_utc",
)  # fmt: skip
_PLACE = (Column("FINESS ET", 11), Column("Raison sociale", 42))
_MISSING = (
    *_PLACE, Column("Professionnels vus", 14), Column("dont jamais vus par Pro Santé Connect", 18),
    Column("Personnes alimentées, INS qualifiée", 18), Column("Éligibles jamais alimentées (au moins)", 18),
    Column("BAL sans envoi", 60, "wrap"), Column("En doute", 10),
)  # fmt: skip
_CODES = (*_PLACE, Column("Canal", 24), Column("Code ou signalement", 44), Column("Nombre", 9))
_INS = (
    *_PLACE, Column("Du", 11), Column("Au", 11), Column("Personnes à INS qualifiée", 13), Column("Appels INSi", 9),
    Column("INS trouvées", 9), Column("Par résultat", 60, "wrap"),
)  # fmt: skip
_RUNS = (
    Column("Éditeur", 24), Column("Contrôle", 14), Column("Intitulé", 70, "wrap"), Column("Résultat", 16),
    Column("Observations", 12), Column("Écarts", 9),
)  # fmt: skip
_SEEN = "Vu par la passerelle seulement : ce qui prend un autre chemin ne s'y voit pas."
_STATES = {
    "conforme": "conforme", "non_conforme": "non conforme", "non_observe": "non observé", "non_applicable": "sans objet",
}  # fmt: skip
_TOP = 10  # failure codes of an ESSMS


def coproj_csv(edition: Edition, found: Sequence[Activity]) -> bytes:
    """Sends and failures by week."""
    stamps = local_and_utc(edition.as_of)
    lines = (
        [number_as_text(str(number)), plain_text(str(name)), str(week), str(channel), str(sent), str(failed), edition.environment,
         *stamps]
        for number, name, week, channel, sent, failed in _weeks(edition, found)
    )  # fmt: skip
    return csv_table(COLUMNS, lines, edition.warning)


def coproj_xlsx(
    edition: Edition, found: Sequence[Activity], ins: Sequence[InsLine], runs: Mapping[str, dict[str, Any]]
) -> bytes:
    """``runs``: the conformance run of each vendor, by tenant."""
    with workbook(edition.as_of, f"COPROJ, grappe {edition.grappe.name}", edition.warning) as (book, content):
        weekly = (*_PLACE, Column("Semaine", 10), Column("Canal", 24), Column("Envois", 9), Column("Échecs", 9))
        rows = ((number, name, week, CHANNELS[str(channel)], sent, failed)
                for number, name, week, channel, sent, failed in _weeks(edition, found))  # fmt: skip
        book.sheet("Par semaine", weekly, rows, ["Semaines ISO, à l'heure locale de l'ESSMS."])
        book.sheet("Échecs", _CODES, _failures(edition, found), [f"Les {_TOP} codes les plus fréquents de chaque ESSMS."])
        book.sheet("À relancer", _MISSING, _missing(edition, found), [_SEEN])
        book.sheet("INS", _INS, _ins(ins), [f"{NOTE.capitalize()}. Personnes vues par la passerelle avec une INS qualifiée."])
        book.sheet("Recette", _RUNS, _acceptance(runs), ["Contrôles de conformité sur les appels de la période, par éditeur."])
    return content.getvalue()


def _weeks(edition: Edition, found: Sequence[Activity]) -> Iterator[tuple[Cell, ...]]:
    for one in found:
        name = edition.member_name(one.finess_et)
        for week in sorted({*one.sent, *one.failed}):
            yield (one.finess_et, name, week.week, week.channel, one.sent.get(week, 0), one.failed.get(week, 0))


def _failures(edition: Edition, found: Sequence[Activity]) -> Iterator[tuple[Cell, ...]]:
    for one in found:
        for channel, code, count in one.codes[:_TOP]:
            yield (one.finess_et, edition.member_name(one.finess_et), CHANNELS[channel], code, count)


def _missing(edition: Edition, found: Sequence[Activity]) -> Iterator[tuple[Cell, ...]]:
    doubts: dict[str | None, int] = {}
    for row in edition.essms():
        if row.window in edition.last_windows:
            doubts[row.finess_et] = doubts.get(row.finess_et, 0) + row.in_doubt
    for one in found:
        silent = "non vérifiable ici" if one.silent is None else ", ".join(one.silent) or "aucune"
        yield (
            one.finess_et, edition.member_name(one.finess_et), one.professionals, one.without_psc, one.qualified,
            one.never_fed, silent, doubts.get(one.finess_et, 0),
        )  # fmt: skip


def _ins(lines: Sequence[InsLine]) -> Iterator[tuple[Cell, ...]]:
    for one in lines:
        results = LEFT if one.left else ", ".join(f"{code} : {number}" for code, number in one.by_result.items())
        yield (one.finess_et, one.name, one.window.start, one.window.last_day, one.persons, one.calls, one.succeeded, results)


def _acceptance(runs: Mapping[str, dict[str, Any]]) -> Iterator[tuple[Cell, ...]]:
    for tenant, run in sorted(runs.items()):
        for check in run["controles"]:
            yield (tenant, check["id"], check["titre"], _STATES[check["etat"]], check["observations"], check["ecarts"])
