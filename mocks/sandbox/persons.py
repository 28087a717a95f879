"""The persons of a sandbox: the published test identities, and seeded fictitious ones for each structure.

No generated matricule can be a real person's: its birth place is one that the national table gives to nobody.
"""
from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from importlib import resources
from itertools import islice
from typing import Any

import orjson

from connectors.nomenclatures.identifiers import matricule_key
from connectors.nomenclatures.oids import INS_NIR
from mocks.sandbox.places import ABROAD, CORSICA, MAINLAND, OVERSEAS, nowhere
from mocks.sandbox.structures import Structure

Person = dict[str, Any]

_TODAY = date(2026, 1, 1)  # fixed: the same seed makes the same people in any year
_AGES = {"SA17": (62, 103), "SA16": (18, 75), "SA20": (1, 18)}  # by sector: elderly, disability, child protection
_ANY_AGE = (3, 90)
_ADULT = 20 * 365

#: Calls answered 00, 01 and 02 in the field (insi §8), women found less often because the file holds their used name: with this
#: share of women and of used names, a load that searches by the name in use meets the same mix.
_WOMEN, _USED_NAMES = 0.58, 0.4
_COMPOUND = 0.06

#: In each structure of twelve persons or more, at least one of each, and this share of them.
ENOUGH = 12
_AMBIGUOUS, _UNKNOWN = 0.004, 0.018
_DMP_NONE, _DMP_CLOSED = 0.06, 0.04
_MES_NONE, _MES_CLOSED = 0.09, 0.06
#: The same from this many persons on.
PLENTY = 20
_DMP_OPPOSED = 0.01


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
        self.names = names
        self._matricules: set[str] = set()
        self._traits: set[tuple[str, str, str, str]] = set()
        for person in known:
            self._matricules.add(person["matricule"])
            self._traits.add(traits_of(person))

    def of(self, structure: Structure, special: Callable[[Crowd, random.Random, Iterator[Person]], None]) -> list[Person]:
        """``structure.persons`` persons of the structure, then the strangers who share the traits of a few of them.

        special  makes rare cases of persons that no other share took
        """
        draw = random.Random(f"{self._seed}:{structure.finess_et}")
        persons = [self._person(draw, structure) for _ in range(structure.persons)]
        if len(persons) < ENOUGH:
            return persons
        chosen = _shares(draw, persons)
        strangers = [self._double(draw, person) for person in chosen(_AMBIGUOUS)]
        for person in chosen(_UNKNOWN):
            person.update(insi="none", dmp="none", mes="none")
        for share, state in ((_DMP_NONE, "none"), (_DMP_CLOSED, "closed")):
            for person in chosen(share):
                person["dmp"] = state
        if len(persons) >= PLENTY:
            for person in chosen(_DMP_OPPOSED):
                person["dmp"] = "opposed"
            special(self, draw, iter(chosen(1)))
        chosen = _shares(draw, [person for person in persons if person["insi"] != "none"])
        for share, state in ((_MES_NONE, "none"), (_MES_CLOSED, "closed")):
            for person in chosen(share):
                person["mes"] = state
        return persons + strangers

    def take(self, person: Person) -> bool:
        """Keep these traits and this matricule for one person; False when another has them."""
        if traits_of(person) in self._traits or person["matricule"] in self._matricules:
            return False
        self._traits.add(traits_of(person))
        self._matricules.add(person["matricule"])
        return True

    def leave(self, person: Person) -> None:
        """Undo ``take``: this person becomes another."""
        self._traits.discard(traits_of(person))
        self._matricules.discard(person["matricule"])

    def take_matricule(self, draw: random.Random, number: Callable[[], str]) -> str:
        """A matricule that nobody has, from thirteen characters drawn as often as needed."""
        while True:
            drawn = number()
            matricule = drawn + matricule_key(drawn)
            if matricule not in self._matricules:
                self._matricules.add(matricule)
                return matricule

    def _person(self, draw: random.Random, structure: Structure) -> Person:
        person = self._draw(draw, structure)
        while not self.take(person):
            person = self._draw(draw, structure)
        return person

    def _draw(self, draw: random.Random, structure: Structure) -> Person:
        sex = "F" if draw.random() < _WOMEN else "M"
        given = self.names["female" if sex == "F" else "male"]
        youngest, oldest = _AGES.get(structure.sector, _ANY_AGE)
        age = draw.randrange(youngest * 365, oldest * 365)
        born = _TODAY - timedelta(days=age)
        place = _place(draw, structure.finess_et[:2])
        married = sex == "F" and age > _ADULT and draw.random() < _USED_NAMES
        matricule = number(sex, born, place, draw)
        return {
            "matricule": matricule + matricule_key(matricule), "oid": INS_NIR, "birth_name": _family(draw, self.names["family"]),
            "first_names": draw.sample(given, draw.choice((1, 1, 2, 3))), "sex": sex, "birth_date": born.isoformat(),
            "birth_place": place, "used_name": draw.choice(self.names["family"]) if married else None, "history": [],
            "dmp": "active", "mes": "open", "insi": "found", "structure": structure.finess_et, "source": "generated",
        }  # fmt: skip

    def _double(self, draw: random.Random, person: Person) -> Person:
        """A stranger born the same day under the same name, elsewhere: INSi cannot choose without the place."""
        person["insi"] = "ambiguous"
        born = date.fromisoformat(person["birth_date"])
        place = _place(draw, "")
        while place == person["birth_place"]:
            place = _place(draw, "")
        return {
            **person, "matricule": self.take_matricule(draw, lambda: number(person["sex"], born, place, draw)),
            "birth_place": place, "used_name": None, "structure": None, "dmp": "none", "mes": "none",
            "first_names": list(person["first_names"]), "history": [],
        }  # fmt: skip


def traits_of(person: Person) -> tuple[str, str, str, str]:
    """What a search without the place compares: a second first name does not tell two persons apart (insi §9.3)."""
    return person["birth_name"], (person["first_names"] or [""])[0], person["sex"], person["birth_date"]


def number(sex: str, born: date, place: str, draw: random.Random, *, month: int | None = None, provisional: bool = False) -> str:
    """Thirteen characters, without the key (insi §13). ``month`` other than 01 to 12: civil status incomplete."""
    first = {"M": "7", "F": "8"}[sex] if provisional else {"M": "1", "F": "2"}[sex]
    return f"{first}{born:%y}{born.month if month is None else month:02d}{place}{draw.randrange(1, 1000):03d}"


def _family(draw: random.Random, families: list[str]) -> str:
    """One in seventeen is two names, joined as the civil status joins them: space, hyphen or two hyphens (insi §15)."""
    name = draw.choice(families)
    if draw.random() >= _COMPOUND:
        return name
    return name + draw.choice((" ", "-", "--")) + draw.choice(families).replace("'", "")


def _place(draw: random.Random, home: str) -> str:
    """Half are born in the structure's department; some overseas, in Corsica or abroad."""
    kind = draw.random()
    if kind < 0.06:
        department = ABROAD[0]
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
