"""Facts of a search of the Annuaire: which resource, which parameters, which mailboxes it gave (psc-annuaire §18)."""
from __future__ import annotations

from urllib.parse import parse_qsl

import orjson

from connectors.annuaire.messages import mailboxes
from connectors.nomenclatures.mssante import normalise
from gateway.conformance.facts.identity import OTHER
from gateway.conformance.model import Eyes, Made, Message

MAX_MAILBOXES = 500
_RESOURCES = frozenset({"Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Device"})
_PARAMETERS = frozenset({
    "identifier", "name", "family", "given", "active", "mailbox-mss", "address-city", "address-postalcode", "organization",
    "practitioner", "role", "specialty", "type", "partof", "_id", "_lastUpdated", "_since", "_count", "_include", "_revinclude",
    "_sort", "_total", "_format", "_elements",
})  # fmt: skip


def search_facts(message: Message, eyes: Eyes, made: Made) -> None:
    path, _, query = message.target.partition("?")
    kind = path.partition("/fhir/v2/")[2].partition("/")[0]
    names = [name.partition(":")[0] for name, _ in _pairs(query)]
    made.values.update(
        resource=kind if kind in _RESOURCES else OTHER,
        parameters=sorted({one if one in _PARAMETERS else OTHER for one in names}),
        status=message.status,
    )
    found = _resources(message.response)
    boxes = {normalise(box.address) for row in found for box in mailboxes(row)}
    made.values["results"] = len(found)
    made.values["mailboxes"] = [eyes.digest("mailbox", one) for one in sorted(boxes)[:MAX_MAILBOXES]]


def _resources(body: bytes) -> list[dict[str, object]]:
    """The resources of a Bundle, or the one that was read; none of another answer."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(said, dict) or said.get("resourceType") == "OperationOutcome":
        return []
    if said.get("resourceType") != "Bundle":
        return [said]
    entries = said.get("entry") or []
    rows = [entry.get("resource") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [row for row in rows if isinstance(row, dict)]


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return []
