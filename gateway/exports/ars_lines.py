"""The lines that the ARS and the CNSA receive: per ET, dated, versioned, with who counted and over what (note §8).

They come from production. Elsewhere the same file begins with « DONNÉES SIMULÉES » and its name says so (design §6).
"""
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from gateway.exports.cells import comma, csv_table, local_and_utc, number_as_text, or_empty, plain_text
from gateway.exports.definitions import POPULATION_NOTE, denominator_source, numerator_source
from gateway.exports.edition import Edition
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure

COLUMNS = (
    "finess_et", "finess_ej", "raison_sociale", "grappe", "indicateur", "periode_debut", "periode_fin", "numerateur",
    "denominateur", "denominateur_definition", "denominateur_date", "denominateur_source", "taux_pct", "cible_pct", "statut",
    "etat", "source", "logiciel_dui", "passerelle", "version_mesure", "version_regles", "version_registre", "hash_detail",
    "racine_instantane", "arrete_le", "arrete_le_utc", "environnement", "note",
)  # fmt: skip


def ars_lines(edition: Edition) -> bytes:
    """One line per ET, window and indicator. ValueError: mixed environments."""
    return csv_table(COLUMNS, _lines(edition), edition.warning)


def _lines(edition: Edition) -> Iterator[list[str]]:
    for row in edition.essms():
        stamps = local_and_utc(row.as_of or edition.as_of)
        member = edition.member(row.finess_et)
        product = None if member is None else member.dui_product
        yield [*_what(row), plain_text(product or "non renseigné"), plain_text(edition.software), *_versions(row), *stamps,
               row.environment, POPULATION_NOTE if row.frozen is None else f"{POPULATION_NOTE} | {row.frozen.text}"]  # fmt: skip


def _what(row: Measure) -> list[str]:
    return [
        number_as_text(row.finess_et), number_as_text(row.finess_ej), plain_text(row.name), plain_text(row.grappe), row.indicator,
        row.window.start.isoformat(), row.window.last_day.isoformat(), str(row.numerator), or_empty(row.denominator),
        INDICATORS[row.indicator].denominator, "" if row.denominator_since is None else row.denominator_since.isoformat(),
        plain_text(denominator_source(row)), "" if row.tenths is None else comma(Fraction(row.tenths, 10)), str(row.target),
        row.status, row.state, plain_text(numerator_source(row)),
    ]  # fmt: skip


def _versions(row: Measure) -> list[str]:
    return [
        str(row.version), row.definition_version, or_empty(row.registry_version), row.detail_sha256, row.snapshot_root or "",
    ]  # fmt: skip
