"""Search parameters of each resource, and how one value matches (psc-annuaire §19). Pure."""
from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from connectors.nomenclatures import annuaire as nos
from mocks.annuaire.resources import Resource

Kind = Literal["string", "token", "reference", "date"]
Token = tuple[str | None, str]

_PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True)
class Parameter:
    """``values`` gives what a resource holds for it: strings, (system, code) pairs, ``Type/id``, or one instant."""

    kind: Kind
    values: Callable[[Resource], Iterable[Any]]


# --- what a resource holds --------------------------------------------------------------------------------------------


def _tokens(concepts: Iterable[Resource]) -> list[Token]:
    return [(coding.get("system"), coding["code"]) for concept in concepts for coding in concept["coding"]]


def _identifiers(resource: Resource) -> list[Token]:
    return [(identifier.get("system"), identifier["value"]) for identifier in resource.get("identifier", ())]


def _identifier_types(resource: Resource) -> list[Token]:
    return _tokens(identifier["type"] for identifier in resource.get("identifier", ()) if "type" in identifier)


def _mailboxes(resource: Resource) -> list[str]:
    """MSSanté addresses only: an establishment may also publish an ordinary e-mail."""
    return [
        contact["value"]
        for contact in resource.get("telecom", ())
        if any(extension["url"] == nos.EXT_EMAIL_TYPE for extension in contact.get("extension", ()))
    ]


def _names(*members: str) -> Callable[[Resource], list[str]]:
    def values(resource: Resource) -> list[str]:
        return [text for name in resource.get("name", ()) for member in members for text in _listed(name.get(member))]

    return values


def _address(*members: str) -> Callable[[Resource], list[str]]:
    def values(resource: Resource) -> list[str]:
        return [text for address in resource.get("address", ()) for member in members for text in _listed(address.get(member))]

    return values


def _listed(value: str | list[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else value


def _trace(url: str) -> Callable[[Resource], list[Token]]:
    def values(resource: Resource) -> list[Token]:
        parts = [part for part in resource["meta"]["extension"][0]["extension"] if part["url"] == url]
        return [
            (None, part["valueCode"]) if "valueCode" in part else _tokens([part["valueCodeableConcept"]])[0] for part in parts
        ]

    return values


def _reference(member: str) -> Callable[[Resource], list[str]]:
    return lambda resource: [resource[member]["reference"]] if member in resource else []


def _nothing(_resource: Resource) -> tuple[()]:
    return ()


_COMMON = {
    "_id": Parameter("token", lambda resource: [(None, resource["id"])]),
    "_lastUpdated": Parameter("date", lambda resource: [resource["meta"]["lastUpdated"]]),
    "active": Parameter("token", lambda resource: [(None, str(resource["active"]).lower())]),
    "data-information-system": Parameter("token", _trace("systeme-information")),
    "data-registration-authority": Parameter("token", _trace("autorite-enregistrement")),
    "identifier": Parameter("token", _identifiers),
    "mailbox-mss": Parameter("string", _mailboxes),
}
_NO_DATA = Parameter("token", _nothing)  # the sandbox holds no card, licence, equipment or service

PARAMETERS: dict[str, dict[str, Parameter]] = {
    "Practitioner": _COMMON | {
        "family": Parameter("string", _names("family")),
        "given": Parameter("string", _names("given")),
        "name": Parameter("string", _names("family", "given", "prefix", "suffix")),
        "identifier-type": Parameter("token", _identifier_types),
        "qualification-code": Parameter("token", lambda r: _tokens(q["code"] for q in r.get("qualification", ()))),
        "number-smartcard": Parameter("string", _nothing),
        "type-smartcard": _NO_DATA,
    },
    "PractitionerRole": _COMMON | {
        "organization": Parameter("reference", _reference("organization")),
        "practitioner": Parameter("reference", _reference("practitioner")),
        "role": Parameter("token", lambda r: _tokens(r.get("code", ()))),
    },
    "Organization": _COMMON | {
        "name": Parameter("string", lambda r: [r["name"]]),
        "identifier-type": Parameter("token", _identifier_types),
        "type": Parameter("token", lambda r: _tokens(r.get("type", ()))),
        "partof": Parameter("reference", _reference("partOf")),
        "address": Parameter("string", _address("line", "city", "district", "postalCode", "country")),
        "address-city": Parameter("string", _address("city")),
        "address-line": Parameter("string", _address("line")),
        "address-postalcode": Parameter("string", _address("postalCode")),
        "pharmacy-licence": Parameter("string", _nothing),
    },
    "HealthcareService": dict.fromkeys(
        ("_id", "_lastUpdated", "_profile", "active", "characteristic", "data-information-system", "identifier", "organization",
         "service-category", "service-type"), _NO_DATA,
    ),
    "Device": dict.fromkeys(
        ("_id", "_lastUpdated", "data-information-system", "identifier", "manufacturer", "model", "organization", "status",
         "type"), _NO_DATA,
    ),
}  # fmt: skip

# --- how a value matches ----------------------------------------------------------------------------------------------

MODIFIERS: dict[Kind, tuple[str, ...]] = {
    "string": ("", "contains", "exact"), "token": ("", "not"), "reference": ("",), "date": ("",),
}  # fmt: skip


def matches(parameter: Parameter, modifier: str, wanted: str, held: Iterable[Any]) -> bool:
    """Whether a resource holding ``held`` answers ``wanted``; commas mean *or*. Raises ValueError on a bad date."""
    choices = wanted.split(",")
    if parameter.kind == "string":
        return any(_string(modifier, choice, text) for choice in choices for text in held)
    if parameter.kind == "date":
        return any(_date(choice, instant) for choice in choices for instant in held)
    if parameter.kind == "reference":
        return any(reference in (choice, f"{reference.partition('/')[0]}/{choice}") for choice in choices for reference in held)
    found = any(_token(choice, system, code) for choice in choices for system, code in held)
    return found != (modifier == "not")


def _string(modifier: str, wanted: str, text: str) -> bool:
    if modifier == "exact":
        return text == wanted
    plain, sought = _plain(text), _plain(wanted)
    return sought in plain if modifier == "contains" else plain.startswith(sought)


def _plain(text: str) -> str:
    """Without case or accents."""
    return "".join(char for char in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(char))


def _token(wanted: str, system: str | None, code: str) -> bool:
    asked_system, bar, asked_code = wanted.rpartition("|")
    if bar and asked_system != (system or ""):
        return False
    return (bool(bar) and not asked_code) or asked_code == code


def _date(wanted: str, instant: str) -> bool:
    prefix, value = (wanted[:2], wanted[2:]) if wanted[:2].isalpha() else ("eq", wanted)
    start, end = _period(value)
    held = datetime.fromisoformat(instant)
    answers = {
        "eq": start <= held < end, "ne": not start <= held < end, "ge": held >= start, "gt": held >= end, "sa": held >= end,
        "le": held < end, "lt": held < start, "eb": held < start,
        "ap": start - timedelta(days=1) <= held < end + timedelta(days=1),
    }  # fmt: skip
    if prefix not in answers:
        raise ValueError(prefix)
    return answers[prefix]


def _period(value: str) -> tuple[datetime, datetime]:
    """The span of time that a FHIR date names: a year, a month, a day, or an instant."""
    if len(value) == 4:
        start = datetime(int(value), 1, 1, tzinfo=_PARIS)
        return start, start.replace(year=start.year + 1)
    if len(value) == 7:
        start = datetime.fromisoformat(f"{value}-01").replace(tzinfo=_PARIS)
        return start, (start + timedelta(days=32)).replace(day=1)
    start = datetime.fromisoformat(value)
    if len(value) == 10:
        start = start.replace(tzinfo=_PARIS)
        return start, start + timedelta(days=1)
    start = start if start.tzinfo else start.replace(tzinfo=_PARIS)
    return start, start + timedelta(seconds=1)
