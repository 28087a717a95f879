"""An edition to lay out: a real grappe, measures made by hand, every state that a rate can be in."""
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from gateway.exports.edition import Edition
from gateway.grappes.model import Grappe
from gateway.grappes.reading import example
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure
from gateway.usage.parts import Breakdown, Cause, Closing, External, Past, Projection
from gateway.usage.periods import Window

AS_OF = datetime(2027, 2, 28, 23, 30, tzinfo=UTC)
FIRST = Window("premiere", date(2026, 11, 1), date(2027, 2, 1))
MONTH = Window("mensuelle", date(2027, 2, 1), date(2027, 3, 1))
ROOT = "9f" * 32
DETAIL = "ab" * 32


def grappe() -> Grappe:
    one = example("marseille-hyeres")
    products = (replace(member, dui_product="DUI de test 4.2") for member in one.essms)
    return replace(one, essms=tuple(products), registry_version=3)


def measure(
    indicator: str, window: Window = MONTH, numerator: int = 40, denominator: int | None = 48, **change: object
) -> Measure:
    base = Measure(
        grappe="marseille-hyeres", finess_et="060790508", finess_ej="060791001", name="RESIDENCE LES CARMES",
        indicator=indicator, window=window, numerator=numerator, in_doubt=0, denominator=denominator,
        denominator_label="personnes accompagnées (déclaration du projet, 2025)", denominator_since=date(2025, 6, 6),
        target=INDICATORS[indicator].target, status="calcule", environment="bac_a_sable", failures=0, unattributed=None,
        detail_sha256=DETAIL, calculable=1, members=1, finess_statut="confirme", finess_saisi="060790508",
        source=INDICATORS[indicator].fed_by,
        source_detail="extraction du DUI du 02/02/2027" if INDICATORS[indicator].fed_by == "extraction" else None,
        denominator_source="declaration_projet", denominator_statut="provisoire",
        state="clos", version=2, causes=(Cause("reglement", "un appel en doute a réussi", ((1, 42),)),),
        closing=Closing(1, 900, AS_OF), vector=((0, 12), (1, 900)), snapshot_root=ROOT, registry_version=3, as_of=AS_OF,
    )  # fmt: skip
    return replace(base, **change)  # type: ignore[arg-type]


def edition(environment: str = "bac_a_sable", windows: tuple[Window, ...] = (FIRST, MONTH)) -> Edition:
    """Twelve ESSMS, their two legal entities and the grappe, five indicators, in each window."""
    one = grappe()
    rows = [
        replace(row, environment=environment)
        for window in windows
        for indicator in INDICATORS
        for row in _table(one, indicator, window)
    ]
    return Edition(tuple(rows), one, "Socle 0.1.0")


def _table(one: Grappe, indicator: str, window: Window) -> list[Measure]:
    rows = []
    for n, member in enumerate(one.essms):
        persons = member.persons
        numerator = ((n * 37 + len(indicator) + window.start.month) % 100) * (persons or 20) // 100
        past = (Past(FIRST, numerator // 2, persons), Past(window, numerator, persons))
        rows.append(measure(
            indicator, window, numerator, persons, finess_et=member.finess_et, finess_ej=member.finess_ej, name=member.name,
            status="calcule" if persons else "non_calculable", denominator_since=date(2025, 6, 6) if persons else None,
            finess_statut=member.statut, finess_saisi=member.saisi, in_doubt=n % 3, failures=n, trend=past,
            external=External(numerator + 3, "SI-DMP", date(2027, 2, 20)) if n == 1 and indicator == "IND-DMP-01" else None,
            breakdown=_parts(numerator) if INDICATORS[indicator].fed_by == "journal" else None,
        ))  # fmt: skip
    legal = [_together([row for row in rows if row.finess_ej == entity.finess_ej], entity.name, entity.finess_ej)
             for entity in one.entites_juridiques]  # fmt: skip
    return [*rows, *legal, _together(rows, one.name, None)]


def _together(rows: list[Measure], name: str, finess_ej: str | None) -> Measure:
    known = [row for row in rows if row.denominator]
    numerator, denominator = sum(row.numerator for row in known), sum(row.denominator or 0 for row in known)
    window = rows[0].window
    return replace(
        rows[0], finess_et=None, finess_ej=finess_ej, name=name, numerator=numerator, denominator=denominator,
        level="og" if finess_ej else "grappe", contractual=finess_ej is None, status="calcule", calculable=len(known),
        members=len(rows), unattributed=None if finess_ej else 4, finess_statut=None, finess_saisi=None, breakdown=None,
        denominator_source=None, denominator_statut=None, projection=Projection(28, 28, numerator, None),
        external=None, trend=(Past(FIRST, numerator // 2, denominator), Past(window, numerator, denominator)),
    )  # fmt: skip


def _parts(events: int) -> Breakdown:
    return Breakdown(
        events=events, messages=events, documents=events, persons=events, recipients={"pro": events, "citoyen": 1},
        by_document_type={"11490-0": events, "absent": 1}, by_ins_status={"qualifiee": events}, by_channel={"mss_pro": events},
    )  # fmt: skip
