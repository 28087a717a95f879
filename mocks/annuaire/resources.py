"""The directory's resources, made from the sandbox's population and structures (psc-annuaire §18).

Codings come without display, mailboxes are ``telecom`` of their bearer: PER on the role of a person in a structure (on the
person when he has none), ORG and APP on the establishment.
"""
from __future__ import annotations

from typing import Any

from connectors.nomenclatures import annuaire as nos

Resource = dict[str, Any]

#: Who registers an establishment of the sandbox; the note ties no region to a fictitious FINESS.
_ARS = "ARS-93"


def resources(structures: list[dict[str, Any]], professionals: list[dict[str, Any]], updated: str) -> list[Resource]:
    """Every resource. ``updated`` is the instant of the last load, ISO 8601 with its offset."""
    made = [organization(structure, updated) for structure in structures]
    entities = {structure["finess_ej"]: structure["sector"] for structure in structures}
    made += [_legal_entity(finess_ej, sector, updated) for finess_ej, sector in entities.items()]
    by_finess = {structure["finess_et"]: structure for structure in structures}
    for person in professionals:
        if person["rpps"] is None:
            continue  # connects, and is in no register that the directory publishes
        places = [place for place in (person, *person.get("also_in", ())) if place["structure"] in by_finess]
        made.append(practitioner(person, updated, with_mailbox=not places))
        made += [practitioner_role(person, place, updated, rank=rank) for rank, place in enumerate(places)]
    return made


def organization(structure: dict[str, Any], updated: str) -> Resource:
    """An establishment (FINESS ET) with its mailboxes."""
    finess = structure["finess_et"]
    return {
        **_head("Organization", organization_id(finess), updated, _ARS, "FINESS"),
        "identifier": [_identifier(nos.SYSTEM_IDNST, f"1{finess}", "IDNST"), _identifier(nos.SYSTEM_FINESS, finess, "FINEG")],
        "active": True,
        "type": [
            _organization_type("organizationType", nos.SYSTEM_ORGANIZATION_TYPE, "GEOGRAPHICAL-ENTITY"),
            _organization_type("secteurActiviteRASS", nos.TRE_R02, structure["sector"]),
            _concept(nos.TRE_R66, structure["category"]),
        ],
        "name": structure["name"],
        "telecom": [mailbox(box["address"], box["type"]) for box in structure["mailboxes"]],
        "address": [{"type": "postal", "district": finess[:2], "country": "FR"}],
        "partOf": {"reference": f"Organization/{organization_id(structure['finess_ej'])}"},
    }


def _legal_entity(finess_ej: str, sector: str, updated: str) -> Resource:
    return {
        **_head("Organization", organization_id(finess_ej), updated, _ARS, "FINESS"),
        "identifier": [
            _identifier(nos.SYSTEM_IDNST, f"1{finess_ej}", "IDNST"),
            _identifier(nos.SYSTEM_FINESS, finess_ej, "FINEJ"),
        ],
        "active": True,
        "type": [
            _organization_type("organizationType", nos.SYSTEM_ORGANIZATION_TYPE, "LEGAL-ENTITY"),
            _organization_type("secteurActiviteRASS", nos.TRE_R02, sector),
        ],
        "name": f"ORGANISME GESTIONNAIRE {finess_ej}",
    }


def practitioner(person: dict[str, Any], updated: str, *, with_mailbox: bool) -> Resource:
    """A person: RPPS and idNat_PS, names, profession."""
    doctor = person["profession"] == "10"
    name: Resource = {"use": "usual", "family": person["family"], "given": [person["given"].upper()]}
    name["prefix"] = [person["civility"]]
    if doctor:
        name["suffix"] = ["DR"]
    resource = {
        **_head("Practitioner", practitioner_id(person["rpps"]), updated, _registered_by(person), "RPPS"),
        "identifier": [
            _identifier(nos.SYSTEM_IDNPS, person["id_nat"], "IDNPS"),
            _identifier(nos.SYSTEM_RPPS, person["rpps"], "RPPS"),
        ],
        "active": True,
        "name": [name],
        "qualification": [{"code": {"coding": [
            {"system": nos.PROFESSION_SYSTEMS[person["profession_oid"]], "code": person["profession"]},
            {"system": nos.TRE_R09, "code": "C"},
        ]}}],
    }  # fmt: skip
    return resource | {"telecom": [mailbox(person["mailbox"], "PER")]} if with_mailbox and person["mailbox"] else resource


def practitioner_role(person: dict[str, Any], place: dict[str, Any], updated: str, *, rank: int = 0) -> Resource:
    """A person in a structure: activity, role, and the personal mailbox attached to both. ``rank``: which of the activities."""
    role, rpps = place["role"], person["rpps"]
    table = nos.TRE_R21 if role.startswith("FON-") else nos.TRE_R85
    resource_id = f"005-{rpps[4:]}-{rpps[3:]}" + (f"-{rank}" if rank else "")
    resource = {
        **_head("PractitionerRole", resource_id, updated, _registered_by(person), "RPPS"),
        "identifier": [{"use": "official", "system": nos.SYSTEM_RPPS, "value": f"{10 + rank}{rpps[3:]}"}],
        "active": True,
        "practitioner": {"reference": f"Practitioner/{practitioner_id(rpps)}"},
        "organization": {"reference": f"Organization/{organization_id(place['structure'])}"},
        "code": [
            _concept(nos.TRE_R22, nos.activity_kind(person["profession_oid"])),
            _concept(nos.TRE_R23, "S"),
            *([_concept(table, role)] if role else []),
        ],
    }
    return resource | {"telecom": [mailbox(place["mailbox"], "PER")]} if place["mailbox"] else resource


def mailbox(address: str, kind: str) -> Resource:
    """A MSSanté mailbox (§18.5); ``kind`` is PER, ORG, APP or CAB."""
    return {
        "extension": [
            {"url": nos.EXT_MAILBOX, "extension": [{"url": "type", "valueCodeableConcept": _concept(nos.TRE_R257, kind)}]},
            {"url": nos.EXT_EMAIL_TYPE, "valueCoding": {"system": nos.TRE_R256, "code": "MSSANTE"}},
        ],
        "system": "email",
        "value": address,
    }


def practitioner_id(rpps: str) -> str:
    return f"003-{rpps[3:]}-{rpps[4:]}"


def organization_id(finess: str) -> str:
    """An opaque technical id, in digits: a letter of the FINESS becomes its rank in two digits."""
    return "001-01-" + "".join(char if char.isdigit() else f"{ord(char.upper()) - 55:02}" for char in finess)


def _registered_by(person: dict[str, Any]) -> str:
    authority = nos.authority(person["profession"], person["profession_oid"])
    return _ARS if authority == "ARS" else authority


def _head(kind: str, resource_id: str, updated: str, authority: str, system: str) -> Resource:
    trace = [
        {"url": "autorite-enregistrement", "valueCodeableConcept": _concept(nos.TRE_R60, authority)},
        {"url": "systeme-information", "valueCode": system},
        {"url": "date-maj-ae", "valueDate": updated[:10]},
    ]
    meta = {
        "extension": [{"url": nos.EXT_DATA_TRACE, "extension": trace}],
        "versionId": "1", "lastUpdated": updated, "source": "https://annuaire.sante.fr", "profile": list(nos.PROFILES[kind]),
    }  # fmt: skip
    return {"resourceType": kind, "id": resource_id, "meta": meta, "language": "fr"}


def _identifier(system: str, value: str, code: str) -> Resource:
    kind = _concept(nos.SYSTEM_IDENTIFIER_TYPE, code)
    return {"use": "official", "type": kind, "system": system, "value": value}


def _organization_type(label: str, system: str, code: str) -> Resource:
    return {"extension": [{"url": nos.EXT_ORGANIZATION_TYPES, "valueCode": label}], **_concept(system, code)}


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}
