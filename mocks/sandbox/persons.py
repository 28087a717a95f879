"""The persons of a sandbox: the published test identities, and seeded fictitious ones for each structure.

No generated matricule can be a real person's: its birth place is one that the national table gives to nobody.
"""
from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from importlib import resources
from itertools import islice
from typing import Any

import orjson

from connectors.nomenclatures.identifiers import matricule_key
from connectors.nomenclatures.oids import INS_NIR
from mocks.sandbox.places import CORSICA, MAINLAND, OVERSEAS, nowhere
from mocks.sandbox.structures import Structure

Person = dict[str, Any]

_TODAY = date(2026, 1, 1)  # fixed: the same seed makes the same people in any year
_AGES = {"SA17": (62, 103), "SA16": (18, 75), "SA20": (1, 18)}  # by sector: elderly, disability, child protection
_ANY_AGE = (3, 90)

#: In each structure of twelve persons or more, at least one of each, and this share of them.
_ENOUGH = 12
_AMBIGUOUS, _UNKNOWN = 0.01, 0.02
_DMP_NONE, _DMP_CLOSED = 0.06, 0.04
_MES_NONE, _MES_CLOSED = 0.09, 0.06


def published_persons() -> list[Person]:
    """The test identities that INSi and the DMP publish (reference insi §11.1 and dmp-test-patients.csv).

    Assumed: the birth place of the DMP's patients, which nobody publishes, is the one inside their matricule.
    """
    published = orjson.loads((resources.files("mocks.sandbox") / "data" / "published.json").read_bytes())
    return [{**person, "structure": None, "source": "published"} for person in published]


class Crowd:
    """Makes persons who cannot be mistaken for one another: neither matricule nor traits are used twice."""

    def __init__(self, seed: int, known: Iterable[Person], names: dict[str, list[str]]) -> None:
        self._seed = seed
        self._names = names
        self._matricules: set[str] = set()
        self._traits: set[tuple[str, str, str, str]] = set()
        for person in known:
            self._matricules.add(person["matricule"])
            self._traits.add(_traits(person))

    def of(self, structure: Structure) -> list[Person]:
        """``structure.persons`` persons of the structure, then the strangers who share the traits of a few of them."""
        draw = random.Random(f"{self._seed}:{structure.finess_et}")
        persons = [self._person(draw, structure) for _ in range(structure.persons)]
        if len(persons) < _ENOUGH:
            return persons
        chosen = _shares(draw, persons)
        strangers = [self._double(draw, person) for person in chosen(_AMBIGUOUS)]
        for person in chosen(_UNKNOWN):
            person.update(insi="none", dmp="none", mes="none")
        for share, state in ((_DMP_NONE, "none"), (_DMP_CLOSED, "closed")):
            for person in chosen(share):
                person["dmp"] = state
        chosen = _shares(draw, [person for person in persons if person["insi"] != "none"])
        for share, state in ((_MES_NONE, "none"), (_MES_CLOSED, "closed")):
            for person in chosen(share):
                person["mes"] = state
        return persons + strangers

    def _person(self, draw: random.Random, structure: Structure) -> Person:
        person = self._draw(draw, structure)
        while _traits(person) in self._traits or person["matricule"] in self._matricules:
            person = self._draw(draw, structure)
        self._traits.add(_traits(person))
        self._matricules.add(person["matricule"])
        return person

    def _draw(self, draw: random.Random, structure: Structure) -> Person:
        sex = draw.choice("FM")
        given = self._names["female" if sex == "F" else "male"]
        youngest, oldest = _AGES.get(structure.sector, _ANY_AGE)
        born = _TODAY - timedelta(days=draw.randrange(youngest * 365, oldest * 365))
        place = _place(draw, structure.finess_et[:2])
        return {
            "matricule": _matricule(draw, sex, born, place), "oid": INS_NIR, "birth_name": draw.choice(self._names["family"]),
            "first_names": draw.sample(given, draw.choice((1, 1, 2, 3))), "sex": sex, "birth_date": born.isoformat(),
            "birth_place": place, "history": [], "dmp": "active", "mes": "open", "insi": "found",
            "structure": structure.finess_et, "source": "generated",
        }  # fmt: skip

    def _double(self, draw: random.Random, person: Person) -> Person:
        """A stranger born the same day under the same name, elsewhere: INSi cannot choose without the place."""
        person["insi"] = "ambiguous"
        born = date.fromisoformat(person["birth_date"])
        while True:
            place = _place(draw, "")
            matricule = _matricule(draw, person["sex"], born, place)
            if place != person["birth_place"] and matricule not in self._matricules:
                self._matricules.add(matricule)
                return {
                    **person, "matricule": matricule, "birth_place": place, "structure": None, "dmp": "none", "mes": "none",
                    "first_names": list(person["first_names"]), "history": [],
                }  # fmt: skip


def _traits(person: Person) -> tuple[str, str, str, str]:
    """What a search without the place compares: a second first name does not tell two persons apart (insi §9.3)."""
    return person["birth_name"], person["first_names"][0], person["sex"], person["birth_date"]


def _matricule(draw: random.Random, sex: str, born: date, place: str) -> str:
    number = f"{'1' if sex == 'M' else '2'}{born:%y%m}{place}{draw.randrange(1, 1000):03d}"
    return number + matricule_key(number)


def _place(draw: random.Random, home: str) -> str:
    """Half are born in the structure's department; some overseas, in Corsica or abroad."""
    kind = draw.random()
    if kind < 0.06:
        department = "99"
    elif kind < 0.09:
        department = draw.choice(CORSICA)
    elif kind < 0.11:
        department = draw.choice(OVERSEAS)
    elif kind < 0.6 and home in MAINLAND:
        department = home
    else:
        department = draw.choice(MAINLAND)
    return nowhere(department, draw.randrange(10))


def _shares(draw: random.Random, persons: list[Person]) -> Callable[[float], list[Person]]:
    """Deals distinct persons out: at least one for each share asked."""
    rest = iter(draw.sample(persons, len(persons)))
    return lambda share: list(islice(rest, max(1, int(len(persons) * share))))
