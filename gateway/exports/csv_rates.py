"""Rates as a CSV that opens in a French spreadsheet (programme-indicateurs §13.2), with more columns at its end.

UTF-8 with BOM, « ; », CRLF. The same measures and the same ``generated_at`` give the same bytes.
"""
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.exports.cells import csv_table, local_and_utc, number_as_text, or_empty, plain_text
from gateway.exports.definitions import POPULATION_NOTE, REACHED
from gateway.exports.naming import warning_of
from gateway.usage.measure import Measure

COLUMNS = (
    "grappe", "finess_ej", "finess_et", "raison_sociale", "indicateur", "periode_debut", "periode_fin", "fenetre",
    "numerateur", "denominateur", "denominateur_definition", "denominateur_date", "taux_pct", "cible_pct", "atteint",
    "statut", "nb_echecs", "non_attribues", "version_mesure", "hash_detail", "genere_le",
    "en_doute", "et_calculables", "environnement", "simulation", "finess_statut", "finess_saisi", "genere_le_utc", "niveau",
    "contractuel", "etat", "causes", "version_regles", "version_registre", "racine_instantane", "source", "source_detail",
    "denominateur_source", "denominateur_statut", "reste_a_faire", "a_la_frontiere", "compte_externe", "origine_externe",
    "ecart_externe", "options", "note",
)  # fmt: skip


def rates_csv(measures: Sequence[Measure], generated_at: datetime) -> bytes:
    """One line per measure. Outside production a line « DONNÉES SIMULÉES » comes before the header. ValueError: mixed
    environments."""
    stamps = local_and_utc(generated_at)
    return csv_table(COLUMNS, (_line(row, stamps) for row in measures), warning_of(measures))


def _line(row: Measure, stamps: tuple[str, str]) -> list[str]:
    return [
        plain_text(row.grappe),
        number_as_text(row.finess_ej),
        number_as_text(row.finess_et),
        plain_text(row.name),
        row.indicator,
        row.window.start.isoformat(),
        row.window.last_day.isoformat(),
        row.window.kind,
        str(row.numerator),
        or_empty(row.denominator),
        plain_text(row.denominator_label),
        "" if row.denominator_since is None else row.denominator_since.isoformat(),
        "" if row.tenths is None else f"{row.tenths // 10},{row.tenths % 10}",
        str(row.target),
        REACHED[row.reached],
        row.status,
        str(row.failures),
        or_empty(row.unattributed),
        str(row.version),
        row.detail_sha256,
        stamps[0],
        str(row.in_doubt),
        f"{row.calculable} sur {row.members}",
        row.environment,
        "oui" if row.simulated else "non",
        row.finess_statut or "",
        number_as_text(row.finess_saisi),
        stamps[1],
        row.level,
        "oui" if row.contractual else "non",
        row.state,
        plain_text(" | ".join(cause.text for cause in row.causes)),
        row.definition_version,
        or_empty(row.registry_version),
        row.snapshot_root or "",
        row.source,
        plain_text(row.source_detail or ""),
        plain_text(row.denominator_source or ""),
        row.denominator_statut or "",
        or_empty(row.remaining),
        str(row.border),
        *_elsewhere(row),
        row.options.label,
        POPULATION_NOTE if row.frozen is None else plain_text(f"{POPULATION_NOTE} | {row.frozen.text}"),
    ]


def _elsewhere(row: Measure) -> tuple[str, str, str]:
    """What somebody else counted, who, and by how much it differs; the gap may be negative, which is a number here."""
    if row.external is None:
        return "", "", ""
    return str(row.external.count), plain_text(row.external.origin), str(row.gap)
