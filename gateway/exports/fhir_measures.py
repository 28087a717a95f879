"""The indicators as FHIR R4 Measures (programme-indicateurs §13.1). Base R4, no profile of another country."""
from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from gateway.exports.cells import local_and_utc
from gateway.exports.definitions import POPULATION_NOTE, SIGNED, SOURCES, scoring_of
from gateway.usage.indicators import Indicator

Resource = dict[str, Any]

FHIR_VERSION = "4.0.1"
#: A host that cannot exist (RFC 2606): these addresses are names.
BASE = "https://socle.invalid/fhir"
STRATIFIERS = {"canal": "canal d'envoi", "statut_ins": "statut de l'INS", "type_document": "type de document"}
INCREASE = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-improvement-notation", "code": "increase"}]
}
_NAMESPACE = UUID("5d9b1f0e-6a34-5c1c-9d1e-0f6b9c1f7a52")
_POPULATIONS = "http://terminology.hl7.org/CodeSystem/measure-population"
_SCORING = "http://terminology.hl7.org/CodeSystem/measure-scoring"


def name_based(*names: str) -> str:
    """An id that depends on these names only, on every machine."""
    return str(uuid5(_NAMESPACE, "\n".join(names)))


def population_code(code: str) -> Resource:
    """``denominator`` or ``numerator``, as a coded concept."""
    return {"coding": [{"system": _POPULATIONS, "code": code}]}


def canonical(indicator: str, version: str) -> str:
    return f"{BASE}/Measure/{_slug(indicator)}|{version}"


def measure_resource(one: Indicator, version: str, as_of: datetime) -> Resource:
    """The definition as a Measure. ``version``: of the counting rules."""
    return {
        "resourceType": "Measure",
        "id": name_based("Measure", one.id, version),
        "url": f"{BASE}/Measure/{_slug(one.id)}",
        "identifier": [{"system": f"{BASE}/indicateur", "value": one.id}],
        "version": version,
        "name": one.id.replace("-", "_"),
        "title": one.label,
        "status": "active",
        "date": local_and_utc(as_of)[0],
        "description": f"{one.numerator} / {one.denominator} ; cible {one.target} % ; source : {SOURCES[one.fed_by]}",
        "disclaimer": f"{SIGNED} ; {POPULATION_NOTE}",
        "scoring": {"coding": [{"system": _SCORING, "code": scoring_of(one.id)}]},
        "improvementNotation": INCREASE,
        "group": [
            {
                "population": [_described("denominator", one.denominator), _described("numerator", one.numerator)],
                "stratifier": [
                    {"code": {"text": code}, "description": label, "criteria": _criteria(label)}
                    for code, label in STRATIFIERS.items()
                ],
            }
        ],
    }


def _described(code: str, text: str) -> Resource:
    return {"code": population_code(code), "description": text, "criteria": _criteria(text)}


def _criteria(text: str) -> Resource:
    """A criterion is required to name a language; this one is a sentence, not a program."""
    return {"language": "text/plain", "expression": text}


def _slug(indicator: str) -> str:
    return f"esms-{indicator.lower()}"
