"""The dashboard of the socle services as an extraction: a CSV of every line, a workbook with one sheet per requirement."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gateway.exports.cells import csv_table, local_and_utc, number_as_text, plain_text
from gateway.exports.definitions import CHANNELS as CHANNEL_NAMES
from gateway.exports.edition import Edition
from gateway.exports.workbook import Cell, Column, workbook
from gateway.usage.flows import CHANNELS
from gateway.usage.tbb import Dashboard, Key

COLUMNS = (
    "finess_et", "raison_sociale", "periode", "periode_debut", "periode_fin", "canal", "type_document", "statut_ins",
    "resultat", "envois", "documents", "environnement", "passerelle", "arrete_le", "arrete_le_utc",
)  # fmt: skip
QUALIFIED = "qualifiee"
_PERIODS = {"mois_courant": "mois courant", "annee_courante": "année courante", "annee_precedente": "année précédente"}
_PLACE = (Column("FINESS ET", 11), Column("Raison sociale", 42), Column("Période", 16), Column("Du", 11), Column("Au", 11))


def tbb_csv(edition: Edition, found: Dashboard) -> bytes:
    """va1.01: attempts by geographic FINESS, period, channel, document type, INS status and outcome."""
    stamps = local_and_utc(edition.as_of)
    bounds = _bounds(found)
    lines = (
        [
            number_as_text(key.finess_et), plain_text(edition.member_name(key.finess_et)), key.period, *bounds[key.period],
            key.channel, plain_text(key.document_type), key.ins_status, _outcome(key), str(count), str(found.documents[key]),
            edition.environment, edition.software, *stamps,
        ]
        for key, count in found.events.items()
    )  # fmt: skip
    return csv_table(COLUMNS, lines, edition.warning)


def tbb_xlsx(edition: Edition, found: Dashboard) -> bytes:
    """One sheet for each of va1.01, va1.03 and va1.05."""
    with workbook(edition.as_of, f"Tableau de bord services socles, {edition.grappe.name}", edition.warning) as (book, content):
        attempts = (Column("Canal", 24), Column("Type de document", 18), Column("Statut INS", 14), Column("Résultat", 10),
                    Column("Envois", 9), Column("Documents", 11))  # fmt: skip
        notes = ["TBB/va1.01 : tentatives par FINESS géographique. « absent » : l'entrée du journal ne le dit pas."]
        book.sheet("va1.01 tentatives", (*_PLACE, *attempts), _attempts(edition, found), notes)
        sent = (Column("Canal", 24), Column("Succès", 9), Column("INS qualifiée", 13), Column("INS non qualifiée", 13),
                Column("INS non renseignée", 13))  # fmt: skip
        book.sheet("va1.03 envois", (*_PLACE, *sent), _sent(edition, found), ["TBB/va1.03 : envois acceptés, selon l'INS."])
        failed = (Column("Échecs DMP", 11), Column("Échecs MSSanté", 15))
        book.sheet("va1.05 échecs", (*_PLACE, *failed), _failed(edition, found), ["TBB/va1.05 : envois refusés ou échoués."])
    return content.getvalue()


def _attempts(edition: Edition, found: Dashboard) -> Iterator[tuple[Cell, ...]]:
    for key, count in found.events.items():
        yield (
            *_place(edition, found, key.finess_et, key.period), CHANNEL_NAMES[key.channel], key.document_type, key.ins_status,
            _outcome(key), count, found.documents[key],
        )  # fmt: skip


def _sent(edition: Edition, found: Dashboard) -> Iterator[tuple[Cell, ...]]:
    totals = Counter[tuple[str, str, str, str]]()
    for key, count in found.events.items():
        if key.accepted:
            totals[key.finess_et, key.period, key.channel, key.ins_status] += count
    for number, period in _places(found):
        for channel in CHANNELS:
            of = {status: count for (*place, status), count in totals.items() if place == [number, period, channel]}
            qualified, absent, total = of.get(QUALIFIED, 0), of.get("absent", 0), sum(of.values())
            place = _place(edition, found, number, period)
            yield (*place, CHANNEL_NAMES[channel], total, qualified, total - qualified - absent, absent)


def _failed(edition: Edition, found: Dashboard) -> Iterator[tuple[Cell, ...]]:
    for number, period in _places(found):
        failures = Counter[bool]()
        for key, count in found.events.items():
            if (key.finess_et, key.period, key.accepted) == (number, period, False):
                failures[key.channel == "dmp"] += count
        yield (*_place(edition, found, number, period), failures[True], failures[False])


def _places(found: Dashboard) -> list[tuple[str, str]]:
    return list(dict.fromkeys((key.finess_et, key.period) for key in found.events))


def _place(edition: Edition, found: Dashboard, number: str, period: str) -> tuple[Cell, ...]:
    one = next(one for one in found.periods if one.name == period)
    return number, edition.member_name(number), _PERIODS[period], one.start, one.last_day


def _bounds(found: Dashboard) -> dict[str, tuple[str, str]]:
    return {one.name: (one.start.isoformat(), one.last_day.isoformat()) for one in found.periods}


def _outcome(key: Key) -> str:
    return "succes" if key.accepted else "echec"
