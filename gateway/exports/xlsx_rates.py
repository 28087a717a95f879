"""Rates as a workbook: a sheet per indicator, what they are made of, the definitions and the sources.

Whoever checks a rate finds here what it was divided by, since when, who said so, and what to hash.
"""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from gateway.exports.cells import local_and_utc
from gateway.exports.definitions import (
    COUNTING,
    FROZEN,
    LEVELS,
    POPULATION_NOTE,
    REACHED,
    SIGNED,
    STATES,
    STATUS,
    WINDOWS,
    denominator_source,
    numerator_source,
)
from gateway.exports.edition import Edition
from gateway.exports.workbook import Book, Cell, Column, workbook
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure

COLUMNS = (
    Column("Niveau", 13), Column("FINESS ET", 11), Column("FINESS EJ", 11), Column("Raison sociale", 42),
    Column("Fenêtre", 15), Column("Du", 11), Column("Au", 11), Column("Numérateur", 11), Column("Dénominateur", 13),
    Column("Taux", 9, "rate"), Column("Cible", 8, "rate"), Column("Atteint", 8), Column("Statut", 14), Column("État", 11),
    Column("Version", 8), Column("Reste à faire", 9), Column("En doute", 9), Column("Échecs", 8), Column("Non attribués", 10),
    Column("ET calculables", 11), Column("Dénominateur au", 13), Column("Source du dénominateur", 26),
    Column("Source du numérateur", 32), Column("Compté ailleurs", 10), Column("Par", 16), Column("Écart", 8),
    Column("À la frontière", 9), Column("FINESS : statut", 16), Column("FINESS saisi", 14), Column("Empreinte du détail", 20),
)  # fmt: skip
_NUM, _DEN, _RATE, _TARGET = "H", "I", "J", "K"
_PARTS = (
    Column("Indicateur", 13), Column("FINESS ET", 11), Column("Raison sociale", 42), Column("Du", 11), Column("Au", 11),
    Column("Ventilation", 22), Column("Valeur", 24), Column("Nombre", 10),
)  # fmt: skip
_TEXTS = (Column("Rubrique", 38), Column("Élément", 44), Column("Valeur", 100, "wrap"))


def rates_xlsx(edition: Edition) -> bytes:
    """The workbook. ValueError: mixed environments."""
    with workbook(edition.as_of, f"Taux d'usage, {edition.grappe.name}", edition.warning) as (book, content):
        for indicator in edition.indicators:
            _indicator_sheet(book, edition, indicator)
        parts = list(_breakdown(edition))
        if parts:
            book.sheet("Ventilation", _PARTS, parts, ["Événements comptés ; une personne alimentée trois fois en fait trois."])
        book.sheet("Définitions et sources", _TEXTS, definitions(edition))
    return content.getvalue()


def _indicator_sheet(book: Book, edition: Edition, indicator: str) -> None:
    what = INDICATORS[indicator]
    notes = [f"{what.label} : {what.numerator} / {what.denominator}. Cible : {what.target} %. Note : {POPULATION_NOTE}."]
    sheet = book.sheet(indicator, COLUMNS, (_row(row) for row in edition.of(indicator)), notes)
    first = sheet.first
    number, divisor, target = f"${_NUM}{first}", f"${_DEN}{first}", f"ROUND(100*${_TARGET}{first},0)"
    known = f"{divisor}>0,${_RATE}{first}<>\"\""  # on integers: 69,96 % shows as 70,0 % and is not reached
    sheet.mark(
        _RATE, green=f"=AND({known},100*{number}>={target}*{divisor})", red=f"=AND({known},100*{number}<{target}*{divisor})"
    )


def _row(row: Measure) -> tuple[Cell, ...]:
    rate = Fraction(row.numerator, row.denominator) if row.denominator and row.status != "non_calculable" else None
    external = (None, None, None) if row.external is None else (row.external.count, row.external.origin, row.gap)
    return (
        LEVELS[row.level] + (" (contractuel)" if row.contractual else ""), row.finess_et, row.finess_ej, row.name,
        WINDOWS[row.window.kind], row.window.start, row.window.last_day, row.numerator, row.denominator, rate,
        Fraction(row.target, 100), REACHED[row.reached], STATUS[row.status], _state(row), f"v{row.version}",
        row.remaining, row.in_doubt, row.failures, row.unattributed, f"{row.calculable} sur {row.members}",
        row.denominator_since, denominator_source(row), numerator_source(row), *external, row.border, row.finess_statut,
        row.finess_saisi, row.detail_sha256,
    )  # fmt: skip


def _state(row: Measure) -> str:
    return STATES[row.state] if row.frozen is None else f"{STATES[row.state]}, {FROZEN}"


def _breakdown(edition: Edition) -> Iterator[tuple[Cell, ...]]:
    for row in edition.essms():
        if row.breakdown is None:
            continue
        one = row.breakdown
        place = (row.indicator, row.finess_et, row.name, row.window.start, row.window.last_day)
        for what, count in (("événements", one.events), ("messages", one.messages), ("documents", one.documents)):
            yield (*place, "total", what, count)
        if one.persons is not None:
            yield (*place, "total", "personnes distinctes", one.persons)
        for what, counts in (
            ("canal", one.by_channel), ("statut de l'INS", one.by_ins_status), ("type de document", one.by_document_type),
            ("destinataires", one.recipients),
        ):  # fmt: skip
            for value, count in sorted(counts.items()):
                yield (*place, what, value, count)


def definitions(edition: Edition) -> Iterator[tuple[Cell, ...]]:
    """What was counted, over what, with which versions: rubric, element, value."""
    for indicator in edition.indicators:
        what = INDICATORS[indicator]
        yield (indicator, "intitulé", what.label)
        yield (indicator, "numérateur", what.numerator)
        yield (indicator, "dénominateur", what.denominator)
        yield (indicator, "cible", f"{what.target} %")
    yield ("définitions", "origine", SIGNED)
    yield ("définitions", "population", POPULATION_NOTE)
    for element, value in COUNTING:
        yield ("comptage", element, value)
    for options in sorted({row.options.label for row in edition.measures}):
        yield ("comptage", "options", options)
    yield ("comptage", "version des règles", edition.last.definition_version)
    local, utc = local_and_utc(edition.as_of)
    yield ("mesures", "environnement", edition.environment)
    yield ("mesures", "arrêtées au", f"{local} (UTC : {utc})")
    yield ("mesures", "passerelle", edition.software)
    for window in edition.windows:
        yield from _standing(edition.of_window(window))
    yield from _denominators(edition)
    yield from _causes(edition)


def _standing(row: Measure) -> Iterator[tuple[Cell, ...]]:
    """What the measures of one window depend on."""
    window = f"fenêtre du {row.window.start:%d/%m/%Y} au {row.window.last_day:%d/%m/%Y}"
    yield (window, "version", f"v{row.version}, {STATES[row.state]}")
    if row.frozen is not None:
        yield (window, "conservation", row.frozen.text)
    yield (window, "version du registre", "" if row.registry_version is None else str(row.registry_version))
    yield (window, "journal lu (journal : entrées)", ", ".join(f"{log} : {size}" for log, size in row.vector))
    yield (window, "racine de l'instantané", row.snapshot_root or "journal sans instantané")


def _denominators(edition: Edition) -> Iterator[tuple[Cell, ...]]:
    """Each divisor once, with the day since when it holds."""
    said = (
        (f"dénominateur {row.indicator}", f"{row.finess_et} {row.name}", _divisor(row)) for row in edition.essms()
    )
    yield from dict.fromkeys(said)


def _divisor(row: Measure) -> str:
    if row.denominator is None:
        return "aucun : non calculable"
    since = "" if row.denominator_since is None else f", depuis le {row.denominator_since:%d/%m/%Y}"
    return f"{row.denominator}{since}, {denominator_source(row)}"


def _causes(edition: Edition) -> Iterator[tuple[Cell, ...]]:
    for row in edition.measures:
        for cause in row.causes:
            place = row.finess_et or row.finess_ej or row.grappe
            yield (f"version {row.version}", f"{row.indicator} {place} {row.window.start:%m/%Y}", cause.text)
