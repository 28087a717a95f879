"""What the INSi mock knows: the people of the sandbox, the authorised software, its switches, its lots, and what it answered."""
from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mocks.insi.lots import Lots
from mocks.insi.rules import Rules
from mocks.sandbox.population import Population

Person = Mapping[str, Any]  # a row of the population (docs/population.md)


@dataclass(slots=True)
class Register:
    """What the service decides by: the people as the sandbox has them now, and the lots that it was given.

    dice  what the switches draw from: the same seed and calls give the same answers
    """

    idams: frozenset[str]
    population: Population = field(repr=False)
    rules: Rules = field(default_factory=Rules)
    lots: Lots = field(default_factory=Lots)
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    @classmethod
    def of(cls, persons: Iterable[dict[str, Any]], *, idams: Iterable[str], rules: Rules | None = None) -> Register:
        """A register of these rows alone."""
        return cls(frozenset(idams), Population.holding(persons), rules or Rules())

    def born(self, birth_name: str, birth_date: str) -> list[Person]:
        return _known(self.population.born(birth_name, birth_date))

    def active(self, matricule: str) -> Person | None:
        """Whose present INS it is."""
        return next(iter(_known([self.population.person(matricule)])), None)

    def bearers(self, matricule: str) -> list[Person]:
        """Whose present or past INS it is."""
        return _known([self.population.bearer(matricule)])

    def covered_by(self, matricule: str) -> list[Person]:
        """The *ouvrant droit* of this matricule, and whoever is on the same card."""
        return _known([self.population.person(matricule), *self.population.covered_by(matricule)])


def _known(persons: Iterable[Person | None]) -> list[Person]:
    """Persons whose ``insi`` is ``none`` are unknown to the service."""
    return [person for person in persons if person is not None and person["insi"] != "none"]


@dataclass(slots=True)
class State:
    """The register and what was answered, by code: ``CR00``, ``insi_102`` … No trait is kept."""

    register: Register
    answered: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        population, lots = self.register.population, self.register.lots
        people = population.counts()["persons"] - population.count_in("insi-inconnu")
        return {"people": people, "rules": asdict(self.register.rules), "answered": dict(self.answered), **lots.counts()}
