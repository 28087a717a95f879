"""Rates as a bundle of FHIR R4 Measures and MeasureReports (programme-indicateurs §13.1): one report per ET, indicator, window.

Built as plain JSON, so that the bytes are ours; the R4B models check its structure in the tests. Scores are ratios, not
percentages, and keep all their digits. R4 has no place for its own version in a bundle but a CapabilityStatement.
"""
from __future__ import annotations

from typing import Any

import orjson

from gateway.exports.cells import local_and_utc
from gateway.exports.definitions import POPULATION_NOTE
from gateway.exports.edition import Edition
from gateway.exports.fhir_measures import (
    BASE,
    FHIR_VERSION,
    INCREASE,
    STRATIFIERS,
    Resource,
    canonical,
    measure_resource,
    name_based,
    population_code,
)
from gateway.grappes.finess import zone_of
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure
from gateway.usage.parts import Breakdown

FINESS = "https://finess.esante.gouv.fr"
#: Outside production, on every resource.
TEST_DATA = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}
_ID_NAT = "urn:oid:1.2.250.1.71.4.2.2"  # idNat_Struct: « 1 » then the number
_STATUS = {"calcule": "complete", "hors_champ": "complete", "provisoire": "pending", "non_calculable": "error"}
_REASONS = {
    "non_calculable": ("error", "required", "Dénominateur absent ou nul : le taux n'est pas calculable, et n'est pas 0 %."),
    "provisoire": ("information", "informational", "Provisoire : la fenêtre n'est pas finie, ou un appel y est en doute."),
    "hors_champ": ("information", "informational", "ESSMS hors champ : la cible de cet indicateur ne s'y applique pas."),
}  # fmt: skip


def bundle(edition: Edition) -> bytes:
    """A collection: what made it, the Measures, the Organizations, then the reports. ValueError: mixed environments."""
    rows = list(edition.essms())
    who = {row.finess_et: _organization(row) for row in rows}
    version = edition.last.definition_version
    resources = [_software(edition)]
    resources += [measure_resource(INDICATORS[one], version, edition.as_of) for one in edition.indicators]
    resources += who.values()
    resources += [_report(row, _url(who[row.finess_et]), edition) for row in rows]
    said: Resource = {
        "resourceType": "Bundle",
        "id": name_based("Bundle", *(name for row in edition.measures for name in _names(row))),
        "type": "collection",
        "timestamp": local_and_utc(edition.as_of)[1],
        "entry": [{"fullUrl": _url(one), "resource": _tagged(one, edition)} for one in resources],
    }
    return orjson.dumps(_tagged(said, edition), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _software(edition: Edition) -> Resource:
    name, _, version = edition.software.partition(" ")
    return {
        "resourceType": "CapabilityStatement",
        "id": name_based("CapabilityStatement", edition.software),
        "status": "active",
        "date": local_and_utc(edition.as_of)[0],
        "kind": "instance",
        "software": {"name": name, "version": version or "inconnue"},
        "implementation": {"description": f"{edition.warning or 'Production'} ; {POPULATION_NOTE}"},
        "fhirVersion": FHIR_VERSION,
        "format": ["json"],
        "document": [{"mode": "producer", "profile": "http://hl7.org/fhir/StructureDefinition/MeasureReport"}],
    }


def _organization(row: Measure) -> Resource:
    assert row.finess_et is not None
    return {
        "resourceType": "Organization",
        "id": name_based("Organization", row.finess_et),
        "identifier": [{"system": FINESS, "value": row.finess_et}, {"system": _ID_NAT, "value": f"1{row.finess_et}"}],
        "name": row.name,
        "partOf": {"identifier": {"system": FINESS, "value": row.finess_ej}},
    }


def _report(row: Measure, subject: str, edition: Edition) -> Resource:
    assert row.finess_et is not None
    calculable = row.status != "non_calculable"
    populations = [{"code": population_code("denominator"), "count": row.denominator}] if row.denominator is not None else []
    populations.append({"code": population_code("numerator"), "count": row.numerator})
    group: Resource = {"population": populations}
    if calculable and row.denominator:
        group["measureScore"] = {"value": row.numerator / row.denominator}
    if row.breakdown is not None:
        group["stratifier"] = _stratifiers(row.breakdown)
    report: Resource = {
        "resourceType": "MeasureReport",
        "id": name_based("MeasureReport", *_names(row)),
        "extension": _provenance(row),
        "identifier": [{"system": f"{BASE}/mesure", "value": " ".join(_names(row))}],
        "status": _STATUS[row.status],
        "type": "summary",
        "measure": canonical(row.indicator, row.definition_version),
        "subject": {"reference": subject, "identifier": {"system": FINESS, "value": row.finess_et}, "display": row.name},
        "date": local_and_utc(row.as_of or edition.as_of, zone_of(row.finess_et))[0],
        "reporter": {"display": edition.software},
        "period": {"start": row.window.start.isoformat(), "end": row.window.last_day.isoformat()},
        "improvementNotation": INCREASE,
        "group": [group],
    }
    reason = _REASONS.get(row.status)
    return report if reason is None else _explained(report, reason)


def _provenance(row: Measure) -> list[Resource]:
    """What the base resource has no element for."""
    said: list[tuple[str, str, Any]] = [
        ("environnement", "valueCode", row.environment),
        ("etat", "valueCode", row.state),
        ("version-mesure", "valueString", f"v{row.version}"),
        ("source", "valueCode", row.source),
        ("detail-sha256", "valueString", row.detail_sha256),
        ("options", "valueString", row.options.label),
        ("denominateur", "valueString", row.denominator_label),
    ]
    if row.denominator_since is not None:
        said.append(("denominateur-date", "valueDate", row.denominator_since.isoformat()))
    if row.registry_version is not None:
        said.append(("version-registre", "valueString", str(row.registry_version)))
    if row.frozen is not None:
        said.append(("figee", "valueString", row.frozen.text))
    if row.snapshot_root is not None:
        said.append(("racine-instantane", "valueString", row.snapshot_root))
    return [{"url": f"{BASE}/StructureDefinition/{name}", kind: value} for name, kind, value in said]


def _explained(report: Resource, reason: tuple[str, str, str]) -> Resource:
    """With a contained OperationOutcome that says why there is no final score; a contained resource must be pointed at."""
    severity, code, text = reason
    outcome = {
        "resourceType": "OperationOutcome", "id": "motif",
        "issue": [{"severity": severity, "code": code, "details": {"text": text}}],
    }  # fmt: skip
    motif = {"url": f"{BASE}/StructureDefinition/motif", "valueReference": {"reference": "#motif"}}
    return {**report, "contained": [outcome], "extension": [*report["extension"], motif]}


def _stratifiers(breakdown: Breakdown) -> list[Resource]:
    """Events, not units: one person fed three times is three of them."""
    parts = zip(STRATIFIERS, (breakdown.by_channel, breakdown.by_ins_status, breakdown.by_document_type), strict=True)
    return [{"code": [{"text": code}], "stratum": _strata(counts)} for code, counts in parts if counts]


def _strata(counts: dict[str, int]) -> list[Resource]:
    return [
        {"value": {"text": value}, "population": [{"code": population_code("measure-observation"), "count": count}]}
        for value, count in sorted(counts.items())
    ]


def _tagged(resource: Resource, edition: Edition) -> Resource:
    if edition.warning is None:
        return resource
    kind, identifier, *rest = resource.items()
    return dict([kind, identifier, ("meta", {"tag": [TEST_DATA]}), *rest])


def _url(resource: Resource) -> str:
    return f"urn:uuid:{resource['id']}"


def _names(row: Measure) -> tuple[str, ...]:
    """What tells a measure from every other one."""
    window = f"{row.window.start.isoformat()}/{row.window.last_day.isoformat()}"
    place = row.finess_et or row.finess_ej or row.grappe
    return (row.environment, row.grappe, place, row.indicator, window, f"v{row.version}", f"regles-{row.definition_version}")
