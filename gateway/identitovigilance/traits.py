"""The strict traits of a person, and when two sets of them are the same person's (reference: insi §15, §16.1; EXI ID 10)."""
from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date

from connectors.nomenclatures.names import normalise_birth_name, normalise_first_names

_ALIKE = str.maketrans("-'", "  ")


@dataclass(frozen=True, slots=True)
class Traits:
    """The five strict traits, as typed or as INSi returned them. Hidden from repr: they name somebody.

    first_names  civil ones in their order, at least one
    birth_place  COG code at birth; ``99`` and the country's three digits abroad
    """

    birth_name: str = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str = field(repr=False)
    birth_date: date = field(repr=False)
    birth_place: str = field(repr=False)


def differences(local: Traits, reference: Traits) -> tuple[str, ...]:
    """The names of the traits that are not consistent, in the order of the fields; empty when all five are.

    A first name compares with hyphen, apostrophe and space alike, and a list with its beginning: whoever is registered as
    ANNE is consistent with ANNE MARIE, not the other way round. A birth name keeps its hyphens: comparing it is strict.
    Raises InvalidName for a name that INSi could never hold.
    """
    return tuple(one.name for one in fields(Traits) if not _same(one.name, local, reference))


def _same(name: str, local: Traits, reference: Traits) -> bool:
    if name == "birth_name":
        return normalise_birth_name(local.birth_name) == normalise_birth_name(reference.birth_name)
    if name == "first_names":
        mine, theirs = _words(local.first_names), _words(reference.first_names)
        return bool(mine) and theirs[: len(mine)] == mine
    return bool(getattr(local, name) == getattr(reference, name))


def _words(first_names: tuple[str, ...]) -> list[str]:
    return [word for one in first_names for word in normalise_first_names(one).translate(_ALIKE).split()]
