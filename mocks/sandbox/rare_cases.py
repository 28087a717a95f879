"""Rare identities among the persons of a structure: twins, homonyms, NIA, changed OIDs, incomplete dates, shared cards
(insi §4, §13, §14)."""
from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from connectors.nomenclatures.identifiers import matricule_key
from connectors.nomenclatures.oids import INS_NIA, INS_NIR
from mocks.sandbox.persons import Crowd, number

Person = dict[str, Any]

#: Months of a matricule whose bearer's civil status is incomplete (insi §13).
_PSEUDO_MONTHS = (20, *range(30, 43))
_TRIES = 50


def make_rare(crowd: Crowd, draw: random.Random, persons: Iterator[Person]) -> None:
    """Change some of these persons in place; ``persons`` gives each once. At least one of each case, then by share."""
    rest = list(persons)
    made = iter(rest)
    for case, share in _CASES:
        for _ in range(max(1, int(len(rest) * share))):
            if not case(crowd, draw, made):
                return


def _twins(crowd: Crowd, draw: random.Random, persons: Iterator[Person]) -> bool:
    """Same name, day, place and sex; the matricules follow one another, as those of the published twins do."""
    first, second = next(persons, None), next(persons, None)
    if first is None or second is None:
        return False
    others = [name for name in crowd.names["female" if first["sex"] == "F" else "male"] if name not in first["first_names"]]
    same = {key: first[key] for key in ("birth_name", "birth_date", "birth_place", "sex")}
    for order in range(int(first["matricule"][10:13]) + 1, 1000):
        thirteen = f"{first['matricule'][:10]}{order:03d}"
        twin = {**second, **same, "matricule": thirteen + matricule_key(thirteen), "first_names": [draw.choice(others)]}
        if crowd.take(twin):
            second.update(twin, used_name=None, situations=["jumeaux"])
            first["situations"] = ["jumeaux"]
            break
    return True


def _homonyms(crowd: Crowd, draw: random.Random, persons: Iterator[Person]) -> bool:
    """Same name, first name and sex, another day."""
    first, second = next(persons, None), next(persons, None)
    if first is None or second is None:
        return False
    born, place = date.fromisoformat(second["birth_date"]), second["birth_place"]
    thirteen = number(first["sex"], born, place, draw)
    like = {key: first[key] for key in ("birth_name", "sex")} | {"first_names": first["first_names"][:1]}
    other = {**second, **like, "matricule": thirteen + matricule_key(thirteen)}
    if crowd.take(other):
        second.update(other, used_name=None, situations=["homonyme"])
        first["situations"] = ["homonyme"]
    return True


def _nia(crowd: Crowd, draw: random.Random, persons: Iterator[Person]) -> bool:
    person = next(persons, None)
    if person is not None:
        person.update(oid=INS_NIA, matricule=_provisional(crowd, draw, person))
    return person is not None


def _changed_oid(crowd: Crowd, draw: random.Random, persons: Iterator[Person]) -> bool:
    """A NIA first, a NIR since."""
    person = next(persons, None)
    if person is not None:
        changed = date.fromisoformat(person["birth_date"]).replace(day=1)
        changed = changed.replace(year=max(changed.year + 1, 2015))
        past = {"matricule": _provisional(crowd, draw, person), "oid": INS_NIA, "start": None, "end": changed.isoformat()}
        person["history"] = [past]
    return person is not None


def _changed_number(crowd: Crowd, draw: random.Random, persons: Iterator[Person]) -> bool:
    """A NIR that replaced another NIR: the order number was wrong."""
    person = next(persons, None)
    if person is not None:
        born = date.fromisoformat(person["birth_date"])
        drawn = crowd.take_matricule(draw, lambda: number(person["sex"], born, person["birth_place"], draw))
        person["history"] = [{"matricule": drawn, "oid": INS_NIR, "start": None, "end": None}]
    return person is not None


def _covered(_crowd: Crowd, _draw: random.Random, persons: Iterator[Person]) -> bool:
    """On the carte Vitale of another person of the structure, as a spouse may be."""
    holder, covered = next(persons, None), next(persons, None)
    if holder is None or covered is None:
        return False
    covered.update(ouvrant_droit=holder["matricule"], birth_rank="1")
    return True


def _provisional(crowd: Crowd, draw: random.Random, person: Person) -> str:
    born = date.fromisoformat(person["birth_date"])
    return crowd.take_matricule(draw, lambda: number(person["sex"], born, person["birth_place"], draw, provisional=True))


def _incomplete(situation: str, written: Callable[[date], date], *, pseudo: bool) -> _Case:
    """The date as identity rules write it (insi §14), and for an unknown month a matricule whose month is none."""

    def case(crowd: Crowd, draw: random.Random, persons: Iterator[Person]) -> bool:
        person = next(persons, None)
        if person is None:
            return False
        born = written(date.fromisoformat(person["birth_date"]))
        crowd.leave(person)
        for _ in range(_TRIES):
            thirteen = number(
                person["sex"], born, person["birth_place"], draw, month=draw.choice(_PSEUDO_MONTHS) if pseudo else None
            )
            dated = {**person, "birth_date": born.isoformat(), "matricule": thirteen + matricule_key(thirteen)}
            if crowd.take(dated):
                person.update(dated, situations=[situation])
                return True
        crowd.take(person)
        return True

    return case


_Case = Callable[[Crowd, random.Random, Iterator[Person]], bool]

_CASES: tuple[tuple[_Case, float], ...] = (
    (_twins, 0.004),
    (_homonyms, 0.005),
    (_nia, 0.005),
    (_changed_oid, 0.01),
    (_changed_number, 0.005),
    (_incomplete("jour-inconnu", lambda day: day.replace(day=1), pseudo=False), 0.005),
    (_incomplete("mois-inconnu", lambda day: day.replace(month=1), pseudo=True), 0.005),
    (_incomplete("date-inconnue", lambda day: day.replace(month=12, day=31), pseudo=True), 0.005),
    (_covered, 0.005),
)
