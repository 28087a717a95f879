"""Searches of the Annuaire: parameters checked, resources chosen, bundles written as the real server does (§19, §20). Pure."""
from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from mocks.annuaire.parameters import MODIFIERS, PARAMETERS, matches
from mocks.annuaire.resources import Resource

DEFAULT_COUNT, MAX_COUNT = 50, 10_000

_INCLUDES = {
    "Practitioner": (),
    "PractitionerRole": ("PractitionerRole:organization", "PractitionerRole:practitioner"),
    "Organization": ("Organization:partof",),
    "HealthcareService": ("HealthcareService:organization",),
    "Device": ("Device:organization",),
}
_REVINCLUDES = {
    "Practitioner": ("PractitionerRole:practitioner",),
    "Organization": ("Device:organization", "HealthcareService:organization", "PractitionerRole:organization"),
}
_IGNORED = ("_pretty", "_format")
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


class FhirError(Exception):
    """A refusal, written as an OperationOutcome."""

    def __init__(self, status: int, diagnostics: str, code: str = "exception") -> None:
        super().__init__(f"{status}: {diagnostics}")
        self.status, self.diagnostics, self.code = status, diagnostics, code

    def outcome(self) -> bytes:
        issue = {"severity": "error", "code": self.code, "diagnostics": self.diagnostics}
        return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})


@dataclass(frozen=True, slots=True)
class Search:
    """A checked search. ``criteria`` are (parameter, modifier, wanted); ``query`` is as the client sent it."""

    kind: str
    query: str
    criteria: tuple[tuple[str, str, str], ...] = ()
    count: int = DEFAULT_COUNT
    with_total: bool = False
    elements: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    revincludes: tuple[str, ...] = ()


class Directory:
    """The resources by type and id, in the order of their making."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_kind: dict[str, dict[str, Resource]] = {kind: {} for kind in PARAMETERS}
        for resource in resources:
            self._by_kind[resource["resourceType"]][resource["id"]] = resource
        self._held: dict[tuple[str, str], list[list[Any]]] = {}

    def all(self, kind: str) -> list[Resource]:
        return list(self._by_kind[kind].values())

    def get(self, reference: str) -> Resource | None:
        kind, _, resource_id = reference.partition("/")
        return self._by_kind.get(kind, {}).get(resource_id)

    def held(self, kind: str, name: str) -> list[list[Any]]:
        """What each resource holds for a parameter, worked out once: the directory does not change."""
        if (kind, name) not in self._held:
            values = PARAMETERS[kind][name].values
            self._held[kind, name] = [list(values(resource)) for resource in self._by_kind[kind].values()]
        return self._held[kind, name]

    def counts(self) -> dict[str, int]:
        return {kind: len(rows) for kind, rows in self._by_kind.items()}


def parse_search(kind: str, query: str, *, unknown_status: int = 400) -> Search:
    """Check a search; raises FhirError. ``unknown_status`` answers unknown parameters: 400 as documented, 500 as once seen."""
    criteria: list[tuple[str, str, str]] = []
    control: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in ("_count", "_total", "_elements", "_include", "_revinclude", *_IGNORED):
            control.setdefault(name, []).append(value)
        else:
            criteria.append((*_parameter(kind, name, unknown_status), value))
    return Search(
        kind=kind,
        query=query,
        criteria=tuple(criteria),
        count=_count(control.get("_count", [str(DEFAULT_COUNT)])[-1]),
        with_total=_total(control.get("_total", ["none"])[-1]),
        elements=tuple(part for value in control.get("_elements", ()) for part in value.split(",") if part),
        includes=_links(kind, control.get("_include", ()), _INCLUDES.get(kind, ())),
        revincludes=_links(kind, control.get("_revinclude", ()), _REVINCLUDES.get(kind, ())),
    )


def _parameter(kind: str, name: str, unknown_status: int) -> tuple[str, str]:
    bare, _, modifier = name.partition(":")
    parameter = PARAMETERS[kind].get(bare)
    if parameter is None:
        raise FhirError(unknown_status, f"Parameter {bare} not found for resource {kind}")
    if modifier not in MODIFIERS[parameter.kind]:
        raise FhirError(400, f"Modifier {modifier} is not supported for parameter {bare}")
    return bare, modifier


def _count(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) > 0):
        raise FhirError(400, 'The _count parameter must be in the FHIR format with an integer value : "_count=30"')
    return min(int(value), MAX_COUNT)


def _total(value: str) -> bool:
    if value not in ("accurate", "none", "estimate"):
        raise FhirError(400, "Bad value for the _total parameter. Allowed values are : accurate, none, estimate")
    return value == "accurate"


def _links(kind: str, asked: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    wanted: list[str] = []
    for value in asked:
        if value == "*" and allowed:
            wanted.extend(allowed)
        elif value in allowed:
            wanted.append(value)
        else:
            raise FhirError(400, f"Parameter {value} not found for resource {kind}")
    return tuple(dict.fromkeys(wanted))


def find(directory: Directory, search: Search) -> list[Resource]:
    """The resources that answer every criterion; raises FhirError on a value that cannot be read."""
    kept = [True] * len(directory.all(search.kind))
    for name, modifier, wanted in search.criteria:
        parameter = PARAMETERS[search.kind][name]
        try:
            for index, held in enumerate(directory.held(search.kind, name)):
                kept[index] = kept[index] and matches(parameter, modifier, wanted, held)
        except ValueError:
            raise FhirError(400, f"Invalid value for parameter {name}") from None
    return [resource for resource, keep in zip(directory.all(search.kind), kept, strict=True) if keep]


def included(directory: Directory, search: Search, page: Sequence[Resource]) -> list[Resource]:
    """What ``_include`` and ``_revinclude`` bring beside a page, once each, matches left out."""
    members = {"PractitionerRole:organization": "organization", "PractitionerRole:practitioner": "practitioner"}
    members["Organization:partof"] = "partOf"
    found: dict[str, Resource] = {}
    for link in search.includes:
        references = [resource[members[link]]["reference"] for resource in page if members.get(link) in resource]
        found |= {reference: target for reference in references if (target := directory.get(reference)) is not None}
    mine = {f"{search.kind}/{resource['id']}" for resource in page}
    for link in search.revincludes:
        kind, _, name = link.partition(":")
        for resource, held in zip(directory.all(kind), directory.held(kind, name), strict=True):
            if mine.intersection(held):
                found[f"{kind}/{resource['id']}"] = resource
    return [resource for reference, resource in found.items() if reference not in mine]


def bundle(
    base: str, search: Search, page: Sequence[Resource], beside: Sequence[Resource],
    *, total: int, own: str, next_page: str | None,
) -> bytes:
    """The searchset: no ``search.mode``, ``entry`` even when empty, ``next`` before ``self`` (§20)."""
    shown = [*((_subset(resource, search.elements) if search.elements else resource) for resource in page), *beside]
    links = [{"relation": "next", "url": next_page}] if next_page else []
    return orjson.dumps({
        "resourceType": "Bundle", "type": "searchset", "id": str(uuid.uuid4()), **({"total": total} if search.with_total else {}),
        "entry": [{"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", "resource": resource} for resource in shown],
        "link": [*links, {"relation": "self", "url": own}],
    })  # fmt: skip


def _subset(resource: Resource, elements: Sequence[str]) -> Resource:
    meta = {**resource["meta"], "tag": [_SUBSETTED]}
    return {"resourceType": resource["resourceType"], "id": resource["id"], "meta": meta} | {
        name: resource[name] for name in elements if name in resource and name not in ("id", "meta")
    }


def capability(base: str) -> bytes:
    """The CapabilityStatement: what this server searches on."""
    resources = [
        {
            "type": kind,
            "interaction": [{"code": "search-type"}, {"code": "read"}],
            **({"searchInclude": [*_INCLUDES[kind], "*"]} if _INCLUDES[kind] else {}),
            **({"searchRevInclude": list(_REVINCLUDES[kind])} if kind in _REVINCLUDES else {}),
            "searchParam": [{"name": name, "type": row.kind} for name, row in sorted(parameters.items())],
        }
        for kind, parameters in PARAMETERS.items()
    ]
    return orjson.dumps({
        "resourceType": "CapabilityStatement", "status": "active", "date": "2026-11-21", "kind": "instance",
        "implementation": {"description": "Annuaire Santé simulé (bac à sable Socle)", "url": base},
        "fhirVersion": "4.0.1", "format": ["application/fhir+json", "json"], "rest": [{"mode": "server", "resource": resources}],
    })  # fmt: skip
