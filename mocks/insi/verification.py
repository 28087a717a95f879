"""Verification of an INS and its traits, one by one (insi §7) or by lot; what is not in the note is assumed. Pure."""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from mocks.insi import fields
from mocks.insi.faults import Faulted, bad_request
from mocks.insi.operations import LOT, UNIT
from mocks.insi.search import matches
from mocks.insi.state import Register
from mocks.insi.wire import Element

MAX_INDIVIDUALS = 1000
MAX_ID = 64

_NUMBER = re.compile(r"[0-9]{6}[0-9A-Za-z][0-9]{6}")
_KEY = re.compile(r"[0-9]{2}")
_OID = re.compile(r"[0-9]+(\.[0-9]+)+")
_TRAITS_SEQUENCE = ("NomNaissance", "Prenom", "ListePrenom", "Sexe", "DateNaissance", "LieuNaissance")


@dataclass(frozen=True, slots=True)
class Individual:
    """An INS and the traits given with it. ``id``: chosen by the caller, in a lot."""

    matricule: str = field(repr=False)
    oid: str
    traits: fields.Asked = field(repr=False)
    id: str = field(default="", repr=False)


def read_unit(body: Element, *, strict: bool) -> Individual:
    """RequeteUnitaire. Raises Faulted."""
    if len(body) != 1:
        raise Faulted(bad_request("RequeteUnitaire doit avoir un IndividuVerifie"))
    held = fields.in_sequence(body, UNIT, ("IndividuVerifie",)) or {}
    return _individual(fields.only_child(held, "IndividuVerifie"), UNIT, strict=strict)


def read_lot(body: Element, *, strict: bool) -> list[Individual]:
    """RequeteLot, refused whole by its first mistake. Raises Faulted."""
    if not 1 <= len(body) <= MAX_INDIVIDUALS or any(child.tag != f"{LOT}IndividuVerifie" for child in body):
        raise Faulted(bad_request(f"RequeteLot doit avoir de 1 à {MAX_INDIVIDUALS} IndividuVerifie"))
    ids = [child.get("Id", "") for child in body]
    if not all(0 < len(one) <= MAX_ID for one in ids) or len(set(ids)) < len(ids):
        raise Faulted(bad_request(f"chaque IndividuVerifie doit avoir un Id, unique, de {MAX_ID} caractères au plus"))
    return [_individual(child, LOT, strict=strict) for child in body]


def read_retrieval(body: Element) -> str:
    """The IdLot of RequeteRetrait. Raises Faulted."""
    asked = fields.text(fields.in_sequence(body, LOT, ("IdLot",)) or {}, "IdLot")
    if asked is None or len(asked) > MAX_ID:
        raise Faulted(bad_request("RequeteRetrait doit avoir un IdLot"))
    return asked


def holds(one: Individual, register: Register) -> bool:
    """OK only for the INS that is active now, and traits that all equal the reference ones (insi §7)."""
    person = register.active(one.matricule)
    return person is not None and person["oid"] == one.oid and matches(person, one.traits, any_token=register.rules.any_token)


def _individual(element: Element, namespace: str, *, strict: bool) -> Individual:
    held = fields.check_sequence(element, namespace, ("INSFourni", "TraitsIdentiteIndividu"))
    matricule, oid = _ins(fields.only_child(held, "INSFourni"), namespace)
    traits = fields.only_child(held, "TraitsIdentiteIndividu")
    asked = fields.read_traits(fields.check_sequence(traits, namespace, _TRAITS_SEQUENCE, repeated="Prenom"))
    fields.check(asked, strict=strict)
    return Individual(matricule, oid, asked, element.get("Id", ""))


def _ins(given: Element, namespace: str) -> tuple[str, str]:
    held = fields.check_sequence(given, namespace, ("IdIndividu", "OID"))
    identifier = fields.check_sequence(fields.only_child(held, "IdIndividu"), namespace, fields.IDENTIFIER_SEQUENCE)
    number, key = (fields.text(identifier, name) or "" for name in ("NumIdentifiant", "Cle"))
    oid = fields.text(held, "OID") or ""
    if not (_NUMBER.fullmatch(number) and _KEY.fullmatch(key) and _OID.fullmatch(oid)):
        raise Faulted(bad_request("INSFourni doit avoir NumIdentifiant (13 caractères), Cle (2 chiffres) et OID"))
    return number + key, oid
