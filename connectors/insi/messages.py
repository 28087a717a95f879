"""INSi requests: both searches, the verification of an identity, and lots of them (reference: insi §4, §7).

Writing only; what comes back is read by connectors.insi.answers. A search changes nothing anywhere, nor does a verification.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lxml import etree

from connectors.insi import codes
from connectors.insi.answers import Fault as Fault
from connectors.insi.answers import Result as Result
from connectors.insi.answers import read_answer as read_answer
from connectors.insi.contexts import Header, new_coverage, sub
from connectors.insi.contexts import Software as Software
from connectors.insi.contexts import Stamp as Stamp
from connectors.insi.contexts import new_stamp as new_stamp
from connectors.insi.identities import Identity as Identity
from connectors.insi.identities import Ins as Ins
from connectors.insi.identities import read_identity
from connectors.wire import soap


@dataclass(frozen=True, slots=True)
class Traits:
    """One attempt's traits, normalised as insi §15 wants. ``first_name``: one civil first name, or all joined by a space."""

    birth_name: str = field(repr=False)
    first_name: str = field(repr=False)
    sex: str = field(repr=False)  # M or F
    birth_date: str = field(repr=False)  # YYYY-MM-DD
    birth_place: str | None = field(default=None, repr=False)  # COG code, optional


@dataclass(frozen=True, slots=True)
class Person:
    """Whom one looks for: the local civil identity, normalised. First names in civil order; ``JEAN-PAUL`` is one."""

    birth_name: str = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str = field(repr=False)
    birth_date: str = field(repr=False)
    birth_place: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CardNumber:
    """13 characters and their key, without an OID: a card holds none."""

    number: str = field(repr=False)
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VitaleCard:
    """What the search needs of a carte Vitale; where no card is read, somebody typed or made it up.

    holder      of the insurance (*ouvrant droit*), who may be the person
    birth_date  as the card has it: a lunar date is one
    rank        among the children born on that day
    """

    person: CardNumber
    holder: CardNumber
    birth_name: str = field(repr=False)
    birth_date: str = field(repr=False)
    rank: str = "1"


@dataclass(frozen=True, slots=True)
class Individual:
    """An INS with the person it is said to belong to: what a verification asks about."""

    ins: Ins
    person: Person


def search_request(traits: Traits, software: Software, emetteur: str, stamp: Stamp) -> bytes:
    """A complete request by traits of a software that its certificate alone names (variant A)."""
    return Header(software, emetteur, stamp).envelope(codes.ACTION_TRAITS, search_body(traits))


def search_body(traits: Traits) -> soap.Element:
    body = etree.Element(codes.ROOT_TRAITS, nsmap={"t": codes.TRAITS})
    sub(body, "NomNaissance", traits.birth_name)
    sub(body, "Prenom", traits.first_name)
    _rest(body, traits)
    return body


def vitale_body(card: VitaleCard) -> soap.Element:
    body = etree.Element(codes.ROOT_VITALE, nsmap={"v": codes.VITALE})
    for name, number in (("MatriculeIndividu", card.person), ("MatriculeOD", card.holder)):
        _number(sub(body, name), number)
    sub(body, "NomNaissance", card.birth_name)
    sub(body, "DateNaissance", card.birth_date)
    sub(body, "RangNaissance", card.rank)
    return body


def vitale_coverage(card: VitaleCard) -> soap.Element:
    """ContexteBAM/COUVERTURE, which repeats what the card says (insi §4)."""
    coverage = new_coverage()
    sub(sub(sub(coverage, "ASSURE"), "Id"), "Num", card.holder.number)
    person = sub(coverage, "BENEFICIAIRE")
    sub(sub(person, "Nir"), "Num", card.person.number)
    sub(person, "DateNai", card.birth_date)
    sub(person, "Rang", card.rank)
    return coverage


def verification_body(individual: Individual) -> soap.Element:
    body = etree.Element(codes.ROOT_VERIFY, nsmap={"v": codes.VERIFY})
    _individual(body, individual)
    return body


def deposit_body(lot: Sequence[tuple[str, Individual]]) -> soap.Element:
    """``lot``: 1 to 1000 individuals, each under the Id that its result will bear. ValueError for any other."""
    if not 1 <= len(lot) <= codes.LOT_MAX or len(dict(lot)) != len(lot):
        raise ValueError(f"a lot has 1 to {codes.LOT_MAX} individuals, each with an Id of its own")
    body = etree.Element(codes.ROOT_DEPOSIT, nsmap={"l": codes.LOT})
    for name, individual in lot:
        _individual(body, individual).set("Id", name)
    return body


def retrieval_body(lot_id: str) -> soap.Element:
    body = etree.Element(codes.ROOT_RETRIEVE, nsmap={"l": codes.LOT})
    sub(body, "IdLot", lot_id)
    return body


def read_individuals(body: soap.Element) -> tuple[tuple[str | None, Identity], ...]:
    """Whom a verification or a deposit asks about, each with its Id (None in a unit request).

    Who has no number or no OID is left out: it is nobody's INS. Anything else may be missing, as sent.
    """
    holders = [one for one in body if one.tag in (f"{{{codes.VERIFY}}}IndividuVerifie", f"{{{codes.LOT}}}IndividuVerifie")]
    read = [(one.get("Id"), read_identity(one, "INSFourni", "TraitsIdentiteIndividu")) for one in holders]
    return tuple((name, identity) for name, identity in read if identity is not None)


def _individual(body: soap.Element, individual: Individual) -> soap.Element:
    ins, person = individual.ins, individual.person
    holder = sub(body, "IndividuVerifie")
    given = sub(holder, "INSFourni")
    named = sub(given, "IdIndividu")
    sub(named, "NumIdentifiant", ins.number)
    if ins.key is not None:
        sub(named, "Cle", ins.key)
    sub(given, "OID", ins.oid)
    civil = sub(holder, "TraitsIdentiteIndividu")
    sub(civil, "NomNaissance", person.birth_name)
    sub(civil, "Prenom", person.first_names[0])
    sub(civil, "ListePrenom", " ".join(person.first_names))
    _rest(civil, person)
    return holder


def _rest(holder: soap.Element, traits: Traits | Person) -> None:
    sub(holder, "Sexe", traits.sex)
    sub(holder, "DateNaissance", traits.birth_date)
    if traits.birth_place is not None:
        sub(holder, "LieuNaissance", traits.birth_place)


def _number(holder: soap.Element, number: CardNumber) -> None:
    sub(holder, "NumIdentifiant", number.number)
    sub(holder, "Cle", number.key)
