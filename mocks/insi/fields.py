"""The traits of a request: read as they are, and checked in their order (insi §4, §6.3, §9.2 step 7)."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from mocks.insi.faults import BAD_BODY, FAULTS, Faulted, bad_request
from mocks.insi.operations import TRAITS
from mocks.insi.wire import Element

IDENTIFIER_SEQUENCE = ("NumIdentifiant", "Cle", "TypeMatricule")
TRAITS_SEQUENCE = ("NomNaissance", "Prenom", "Sexe", "DateNaissance", "LieuNaissance")

_PLACE = re.compile(r"([0-9]{2}|2[AB])[0-9]{3}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NORMALISED = re.compile(r"[A-Z'][A-Z' -]*")
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
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
    if not in_sequence(body, TRAITS, TRAITS_SEQUENCE, repeated="Prenom"):
        raise Faulted(BAD_BODY)
    asked = read_traits(body, TRAITS)
    check(asked, strict=strict)
    return asked


def read_traits(parent: Element, namespace: str) -> Asked:
    given: dict[str, list[str]] = {}
    for child in parent:
        given.setdefault(_name(child, namespace), []).append(child.text or "")
    first = {name: texts[0] or None for name, texts in given.items()}
    return Asked(
        first.get("NomNaissance"), _tokens(given.get("Prenom", ())), first.get("Sexe"), first.get("DateNaissance"),
        first.get("LieuNaissance"), _tokens(given.get("ListePrenom", ())),
    )  # fmt: skip


def check(asked: Asked, *, strict: bool) -> None:
    """Raises Faulted for the first field at fault, in the order of the fields."""
    code = _field_fault(asked, strict=strict)
    if code is not None:
        raise Faulted(FAULTS[code])


def check_sequence(parent: Element, namespace: str, names: Sequence[str], *, repeated: str = "") -> None:
    """Raises Faulted, naming the parent."""
    if not in_sequence(parent, namespace, names, repeated=repeated):
        raise Faulted(bad_request(f"{_name(parent, namespace)} a un élément inconnu, répété ou mal placé"))


def in_sequence(parent: Element, namespace: str, names: Sequence[str], *, repeated: str = "") -> bool:
    """Whether its children are these, in this order, each once at most but the one that may be repeated."""
    last = -1
    for child in parent:
        name = _name(child, namespace)
        if name not in names:
            return False
        place = names.index(name)
        if place < last or (place == last and name != repeated):
            return False
        last = place
    return True


def text(parent: Element, namespace: str, name: str) -> str | None:
    return parent.findtext(f"{namespace}{name}") or None


def only_child(parent: Element, namespace: str, name: str) -> Element:
    """Raises Faulted when it is missing."""
    found = parent.find(f"{namespace}{name}")
    if found is None:
        raise Faulted(bad_request(f"{name} est absent"))
    return found


def _tokens(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(token for text in texts for token in text.split())


def _name(child: Element, namespace: str) -> str:
    return child.tag.removeprefix(namespace) if isinstance(child.tag, str) and child.tag.startswith(namespace) else ""


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
