"""Whom a search finds: by traits (insi §9.3), by the data of a carte Vitale (insi §4). Pure."""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from connectors.nomenclatures.identifiers import matricule_key
from mocks.insi.faults import Faulted, bad_request
from mocks.insi.fields import IDENTIFIER_SEQUENCE, Asked, Children, check_sequence, text
from mocks.insi.operations import VITALE
from mocks.insi.state import Person, Register
from mocks.insi.wire import Element

_CARD_SEQUENCE = ("MatriculeIndividu", "MatriculeOD", "NomNaissance", "DateNaissance", "RangNaissance")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")  # a lunar date too (insi §14)
_FIRST_BORN = 1


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says of one beneficiary. ``own`` and ``holder``: fifteen characters, the holder's the *ouvrant droit*'s."""

    own: str | None = field(repr=False)
    holder: str | None = field(repr=False)
    birth_name: str | None = field(repr=False)
    birth_date: str = field(repr=False)
    rank: str | None


def read_card(body: Element) -> Card:
    """RECVITALE. Raises Faulted."""
    given = check_sequence(body, VITALE, _CARD_SEQUENCE)
    own, holder = _matricule(given, "MatriculeIndividu"), _matricule(given, "MatriculeOD")
    born = text(given, "DateNaissance")
    if own is None and holder is None:
        raise Faulted(bad_request("RECVITALE n'a ni MatriculeIndividu ni MatriculeOD"))
    if born is None or not _DAY.fullmatch(born):
        raise Faulted(bad_request("DateNaissance est absente de RECVITALE ou n'est pas AAAA-MM-JJ"))
    return Card(own, holder, text(given, "NomNaissance"), born, text(given, "RangNaissance"))


def by_card(card: Card, register: Register) -> list[Person]:
    """By the beneficiary's own number, a former one too; without it, by the number of the *ouvrant droit* and the rank."""
    if card.own is not None:
        return [one for one in register.bearers(card.own) if _is_on(card, one)]
    assert card.holder is not None
    covered = [one for one in register.covered_by(card.holder) if _is_on(card, one)]
    return [one for one in covered if card.rank in (None, str(one.get("birth_rank") or _FIRST_BORN))]


def by_traits(asked: Asked, register: Register) -> list[Person]:
    born = register.born(asked.birth_name or "", asked.birth_date or "")
    return [person for person in born if matches(person, asked, any_token=register.rules.any_token)]


def matches(person: Person, asked: Asked, *, any_token: bool) -> bool:
    """Plain equality, no folding of case or accents: a client that forgets to normalise finds nobody (insi §9.3)."""
    if (person["birth_name"], person["sex"], person["birth_date"]) != (asked.birth_name, asked.sex, asked.birth_date):
        return False
    if asked.birth_place is not None and person["birth_place"] != asked.birth_place:
        return False
    known = " ".join(person["first_names"]).split()
    if asked.whole_list and list(asked.whole_list) != known:
        return False
    wanted = list(asked.first_names)
    if any_token and len(wanted) == 1:
        return wanted[0] in known
    return known[: len(wanted)] == wanted


def _is_on(card: Card, person: Person) -> bool:
    return person["birth_date"] == card.birth_date and card.birth_name in (None, person["birth_name"])


def _matricule(given: Children, name: str) -> str | None:
    """Number and key, the key computed when it is not there; None without a number."""
    if name not in given:
        return None
    identifier = check_sequence(given[name][0], VITALE, IDENTIFIER_SEQUENCE)
    number, key = text(identifier, "NumIdentifiant"), text(identifier, "Cle")
    if number is None:
        return None
    try:
        return number + (key or matricule_key(number))
    except ValueError:
        raise Faulted(bad_request(f"NumIdentifiant de {name} n'a pas treize caractères de matricule")) from None
