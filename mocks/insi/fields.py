"""The traits of a request: read as they are, and checked in their order (insi §4, §6.3, §9.2 step 7)."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from mocks.insi.faults import BAD_BODY, FAULTS, Faulted, bad_request
from mocks.insi.operations import TRAITS
from mocks.insi.wire import Element

IDENTIFIER_SEQUENCE = ("NumIdentifiant", "Cle", "TypeMatricule")
TRAITS_SEQUENCE = ("NomNaissance", "Prenom", "Sexe", "DateNaissance", "LieuNaissance")

#: The children of an element by their name, each name in the order of the message.
Children = Mapping[str, Sequence[Element]]

_PLACE = re.compile(r"([0-9]{2}|2[AB])[0-9]{3}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NORMALISED = re.compile(r"[A-Z'][A-Z' -]*")
_MAX_NAME = 100


@dataclass(slots=True)
class Asked:
    """The traits of one request; None when absent or empty. ``whole_list``: ListePrenom, in a verification only."""

    birth_name: str | None = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str | None = field(repr=False)
    birth_date: str | None = field(repr=False)
    birth_place: str | None = field(repr=False)
    whole_list: tuple[str, ...] = field(default=(), repr=False)


def read_search(body: Element, *, strict: bool) -> Asked:
    """RECSANSVITALE. Raises Faulted."""
    traits = in_sequence(body, TRAITS, TRAITS_SEQUENCE, repeated="Prenom")
    if traits is None:
        raise Faulted(BAD_BODY)
    asked = read_traits(traits)
    check(asked, strict=strict)
    return asked


def read_traits(traits: Children) -> Asked:
    return Asked(
        text(traits, "NomNaissance"), _tokens(traits.get("Prenom", ())), text(traits, "Sexe"), text(traits, "DateNaissance"),
        text(traits, "LieuNaissance"), _tokens(traits.get("ListePrenom", ())),
    )  # fmt: skip


def check(asked: Asked, *, strict: bool) -> None:
    """Raises Faulted for the first field at fault, in the order of the fields."""
    code = _field_fault(asked, strict=strict)
    if code is not None:
        raise Faulted(FAULTS[code])


def check_sequence(parent: Element, namespace: str, names: Sequence[str], *, repeated: str = "") -> Children:
    """What ``in_sequence`` reads. Raises Faulted, naming the parent."""
    children = in_sequence(parent, namespace, names, repeated=repeated)
    if children is None:
        raise Faulted(bad_request(f"{_name(parent, namespace)} a un élément inconnu, répété ou mal placé"))
    return children


def in_sequence(parent: Element, namespace: str, names: Sequence[str], *, repeated: str = "") -> Children | None:
    """Its children, when they are these, in this order, each once at most but the one that may be repeated; else None."""
    found: dict[str, list[Element]] = {}
    last = -1
    for child in parent:
        name = _name(child, namespace)
        if name not in names:
            return None
        place = names.index(name)
        if place < last or (place == last and name != repeated):
            return None
        last = place
        found.setdefault(name, []).append(child)
    return found


def text(children: Children, name: str) -> str | None:
    return children[name][0].text or None if name in children else None


def only_child(children: Children, name: str) -> Element:
    """Raises Faulted when it is missing."""
    if name not in children:
        raise Faulted(bad_request(f"{name} est absent"))
    return children[name][0]


def _tokens(elements: Iterable[Element]) -> tuple[str, ...]:
    return tuple(token for element in elements for token in (element.text or "").split())


def _name(child: Element, namespace: str) -> str:
    tag = child.tag
    return tag.removeprefix(namespace) if isinstance(tag, str) and tag.startswith(namespace) else ""


def _field_fault(asked: Asked, *, strict: bool) -> str | None:
    first_names = [" ".join(names) for names in (asked.first_names, asked.whole_list) if names]
    if asked.birth_name is None:
        return "insi_19"
    if not _is_name(asked.birth_name, strict=strict):
        return "insi_20"
    if not first_names:
        return "insi_21"
    if not all(_is_name(one, strict=strict) for one in first_names):
        return "insi_22"
    if asked.sex is None:
        return "insi_23"
    if asked.sex not in ("M", "F"):
        return "insi_24"
    if asked.birth_date is None:
        return "insi_25"
    if not _is_day(asked.birth_date):
        return "insi_26"
    if asked.birth_place is not None and not _PLACE.fullmatch(asked.birth_place):
        return "insi_27"
    return None


def _is_name(name: str, *, strict: bool) -> bool:
    return len(name) <= _MAX_NAME and (not strict or _NORMALISED.fullmatch(name) is not None)


def _is_day(day: str) -> bool:
    if not _DAY.fullmatch(day):
        return False
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True
