"""Searches of the Annuaire built and read, without a socket (psc-annuaire §18 to §21).

Strict in what it sends, lenient in what it reads: ``total`` and ``search.mode`` may be absent, ``entry`` may be empty, unknown
extensions are passed over.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from connectors.annuaire.errors import Unreadable
from connectors.nomenclatures.annuaire import EXT_EMAIL_TYPE, EXT_MAILBOX, SYSTEM_FINESS, SYSTEM_RPPS, TRE_R09

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A MSSanté address; ``kind`` is PER, CAB, ORG, APP or empty when the directory does not say."""

    address: str
    kind: str


@dataclass(frozen=True, slots=True)
class Professional:
    """A person of the directory. ``mailboxes`` are those of the person and of each of his roles."""

    rpps: str
    id_nat: str
    family: str
    given: str
    profession: str
    active: bool
    mailboxes: tuple[Mailbox, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who holds a mailbox: the type of resource and its business identifiers (a technical id is never kept)."""

    resource_type: str
    identifiers: tuple[tuple[str, str], ...]
    name: str
    mailbox: Mailbox


def search_url(base: str, kind: str, *params: tuple[str, str]) -> str:
    """An absolute search; ``|`` and ``:`` of values are percent-encoded."""
    return f"{base}/{kind}?{urlencode(params, quote_via=quote, safe='')}"


def by_rpps(base: str, rpps: str) -> str:
    """A person and his roles, by RPPS number with its register: without it other registers could answer."""
    return search_url(
        base, "Practitioner", ("identifier", f"{SYSTEM_RPPS}|{rpps}"), ("_revinclude", "PractitionerRole:practitioner")
    )


def by_mailbox(base: str, kind: str, address: str) -> str:
    """Bearers of exactly this address; the search by type of mailbox does not exist."""
    return search_url(base, kind, ("mailbox-mss:exact", address))


def read_bundle(body: bytes) -> tuple[list[Resource], str | None]:
    """The resources of a page and the address of the next one. Raises Unreadable."""
    try:
        bundle = orjson.loads(body)
        resources = [entry["resource"] for entry in bundle.get("entry") or ()]
        links = {link["relation"]: link["url"] for link in bundle.get("link") or ()}
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        raise Unreadable("not a searchset") from None
    if bundle.get("resourceType") != "Bundle":
        raise Unreadable("not a searchset")
    return resources, links.get("next")


def diagnostics(body: bytes) -> str:
    """The words of an OperationOutcome; empty for any other body."""
    try:
        return str(orjson.loads(body)["issue"][0].get("diagnostics", ""))
    except (orjson.JSONDecodeError, AttributeError, KeyError, IndexError, TypeError):
        return ""


def read_professional(resources: list[Resource], rpps: str) -> Professional | None:
    """The person with this RPPS among what a search gave; roles are told from persons by their type, not by their place."""
    persons = [row for row in resources if row.get("resourceType") == "Practitioner" and (SYSTEM_RPPS, rpps) in identifiers(row)]
    if not persons:
        return None
    person, reference = persons[0], f"Practitioner/{persons[0].get('id')}"
    roles = [
        row
        for row in resources
        if row.get("resourceType") == "PractitionerRole" and (row.get("practitioner") or {}).get("reference") == reference
    ]
    name = (person.get("name") or [{}])[0]
    return Professional(
        rpps=rpps,
        id_nat=next((value for system, value in identifiers(person) if system != SYSTEM_RPPS), ""),
        family=name.get("family", ""),
        given=" ".join(name.get("given") or ()),
        profession=next(_professions(person), ""),
        active=bool(person.get("active", True)),
        mailboxes=tuple(box for row in (person, *roles) for box in mailboxes(row)),
    )


def read_bearers(resources: list[Resource], address: str) -> list[Bearer]:
    """Who holds exactly this address."""
    return [
        Bearer(row["resourceType"], identifiers(row), _name(row), box)
        for row in resources
        for box in mailboxes(row)
        if box.address == address
    ]


def mailboxes(resource: Resource) -> Iterator[Mailbox]:
    """The MSSanté mailboxes of a resource: ordinary e-mail addresses are left out."""
    for contact in resource.get("telecom") or ():
        extensions = {extension.get("url"): extension for extension in contact.get("extension") or ()}
        if (extensions.get(EXT_EMAIL_TYPE, {}).get("valueCoding") or {}).get("code") == "MSSANTE":
            details = extensions.get(EXT_MAILBOX, {}).get("extension") or ()
            kinds = [part["valueCodeableConcept"]["coding"][0]["code"] for part in details if part.get("url") == "type"]
            yield Mailbox(contact.get("value", ""), kinds[0] if kinds else "")


def identifiers(resource: Resource) -> tuple[tuple[str, str], ...]:
    """(system, value) of the business identifiers."""
    return tuple((row.get("system", ""), row.get("value", "")) for row in resource.get("identifier") or ())


def finess_of(bearer: Bearer) -> str | None:
    """The FINESS of an establishment that holds a mailbox."""
    return next((value for system, value in bearer.identifiers if system == SYSTEM_FINESS), None)


def _professions(person: Resource) -> Iterator[str]:
    """Codes of the professions: the qualifications that also carry a professional category (TRE_R09)."""
    for qualification in person.get("qualification") or ():
        codings = qualification.get("code", {}).get("coding") or ()
        if any(coding.get("system") == TRE_R09 for coding in codings):
            yield from (coding.get("code", "") for coding in codings if coding.get("system") != TRE_R09)


def _name(resource: Resource) -> str:
    name = resource.get("name")
    if isinstance(name, str):
        return name
    first = (name or [{}])[0]
    return " ".join([*(first.get("given") or ()), first.get("family", "")]).strip()
