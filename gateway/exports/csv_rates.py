"""Rates as a CSV that opens in a French spreadsheet (programme-indicateurs §13.2), with six more columns at its end.

UTF-8 with BOM, « ; », CRLF. The same measures and the same ``generated_at`` give the same bytes.
"""
from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.exports.cells import BOM, number_as_text, or_empty, plain_text
from gateway.exports.naming import warning_of
from gateway.usage.measure import DEFINITION_VERSION, Measure

COLUMNS = (
    "grappe", "finess_ej", "finess_et", "raison_sociale", "indicateur", "periode_debut", "periode_fin", "fenetre",
    "numerateur", "denominateur", "denominateur_definition", "denominateur_date", "taux_pct", "cible_pct", "atteint",
    "statut", "nb_echecs", "non_attribues", "version_mesure", "hash_detail", "genere_le",
    "en_doute", "et_calculables", "environnement", "simulation", "finess_statut", "finess_saisi",
)  # fmt: skip
_PARIS = ZoneInfo("Europe/Paris")
_REACHED = {True: "oui", False: "non", None: "nc"}


def rates_csv(measures: Sequence[Measure], generated_at: datetime) -> bytes:
    """One line per measure. Outside production a line « DONNÉES SIMULÉES » comes before the header. ValueError: mixed
    environments."""
    warning = warning_of(measures)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    if warning is not None:
        writer.writerow([warning])
    writer.writerow(COLUMNS)
    stamp = generated_at.astimezone(_PARIS).isoformat(timespec="seconds")
    writer.writerows(_line(row, stamp) for row in measures)
    return (BOM + text.getvalue()).encode()


def _line(row: Measure, stamp: str) -> list[str]:
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
        _REACHED[row.reached],
        row.status,
        str(row.failures),
        or_empty(row.unattributed),
        DEFINITION_VERSION,
        row.detail_sha256,
        stamp,
        str(row.in_doubt),
        f"{row.calculable} sur {row.members}",
        row.environment,
        "oui" if row.simulated else "non",
        row.finess_statut or "",
        number_as_text(row.finess_saisi),
    ]
