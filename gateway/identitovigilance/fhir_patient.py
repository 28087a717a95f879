"""An identity as a FHIR R4 Patient of FR Core INS (reference: insi §19; fr-core-patient-ins 2.2.0-ballot-2)."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.nomenclatures.oids import INS_NIA, INS_NIR, INS_NIR_DEMO, INS_NIR_TEST
from gateway.identitovigilance.identity import Attribute, Identity, Ins, Status
from gateway.identitovigilance.traits import Traits

_FR_CORE = "https://hl7.fr/ig/fhir/core"
_STRUCTURES, _CODES = f"{_FR_CORE}/StructureDefinition", f"{_FR_CORE}/CodeSystem"
_PROFILE = f"{_STRUCTURES}/fr-core-patient-ins"
_PLACES = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
_GENDERS = {"M": "male", "F": "female"}
_SLICES = {
    INS_NIR: ("INS-NIR", "official"), INS_NIA: ("INS-NIA", "temp"), INS_NIR_TEST: ("INS-NIR-TEST", "official"),
    INS_NIR_DEMO: ("INS-NIR-DEMO", "official"),
}  # fmt: skip
_LABELS = {
    Status.PROVISOIRE: "Identité provisoire", Status.RECUPEREE: "Identité récupérée", Status.VALIDEE: "Identité validée",
    Status.QUALIFIEE: "Identité qualifiée",
}  # fmt: skip


def answered(identity: Identity, former: Iterable[Ins]) -> dict[str, Any]:
    """What INSi answered, for the DUI that asked and a user who has not accepted it yet: the INS is there whatever the status,
    and the former ones."""
    assert identity.ins is not None
    return patient(identity) | {"identifier": [_identifier(identity.ins), *(_identifier(one) | {"use": "old"} for one in former)]}


def patient(identity: Identity) -> dict[str, Any]:
    """The resource, as JSON. The INS is there only when the identity is QUAL: unqualified, nothing leaves with it (EXI ID 29).

    A used name, a local identifier, a contact are the DUI's own to add.
    """
    traits = identity.traits
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "meta": {"profile": [_PROFILE]},
        "extension": [_reliability(identity), _birth_place(traits)],
        "name": [_official_name(traits)],
        "gender": _GENDERS.get(traits.sex, "unknown"),
        "birthDate": traits.birth_date.isoformat(),
    }
    if identity.status is Status.QUALIFIEE and identity.ins is not None:
        resource["identifier"] = [_identifier(identity.ins)]
    return resource


def _reliability(identity: Identity) -> dict[str, Any]:
    parts = [_part("methodCollection", "method-collection", identity.method)]
    if identity.ins is not None:
        parts.append({"url": "dateInterrogationINSi", "valueDate": identity.ins.obtained_on.isoformat()})
    parts.append(_part("identityStatus", "identity-status", identity.status, _LABELS[identity.status]))
    for attribute in (Attribute.DOUTEUSE, Attribute.FICTIVE):
        if attribute in identity.attributes:
            parts.append(_part("comment", "identity-status-comment", attribute))
    if identity.evidence is not None:
        parts.append({"url": "validationDate", "valueDate": identity.evidence.checked_on.isoformat()})
        parts.append(_part("validationMode", "mode-validation-identity", identity.evidence.code))
    return {"url": f"{_STRUCTURES}/fr-core-identity-reliability", "extension": parts}


def _part(url: str, system: str, code: str, display: str | None = None) -> dict[str, Any]:
    coding = {"system": f"{_CODES}/fr-core-cs-{system}", "code": str(code)}
    return {"url": url, "valueCoding": coding if display is None else coding | {"display": display}}


def _birth_place(traits: Traits) -> dict[str, Any]:
    coded = {
        "url": f"{_STRUCTURES}/fr-core-address-insee-code", "valueCoding": {"system": _PLACES, "code": traits.birth_place},
    }  # fmt: skip
    return {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"extension": [coded]}}


def _official_name(traits: Traits) -> dict[str, Any]:
    every = {"url": f"{_STRUCTURES}/fr-core-patient-birth-list-given-name", "valueString": " ".join(traits.first_names)}
    return {"use": "official", "extension": [every], "family": traits.birth_name, "given": [traits.first_names[0]]}


def _identifier(ins: Ins) -> dict[str, Any]:
    code, use = _SLICES[ins.oid]
    kind = {"coding": [{"system": f"{_CODES}/fr-core-cs-v2-0203", "code": code}]}
    return {"use": use, "type": kind, "system": f"urn:oid:{ins.oid}", "value": ins.matricule}
