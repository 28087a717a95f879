"""What the INSi mock knows: the people of the sandbox, the authorised software, its switches, and what it answered."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from mocks.sandbox.population import Population

Person = Mapping[str, Any]  # a row of the population (docs/population.md)
UnknownPerson = Literal["cr01", "insi_102", "desir_1020"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Switches, from the optional ``insi`` object of the manifest.

    strict          refuse names that are not normalised (insi_20, insi_22) instead of finding nobody
    any_token       a single first name other than the first one matches too
    unknown_person  what a person who does not exist gets; the real qualification service has given all three (insi §6.4)
    slow_s          how long the birth name LENT waits
    """

    strict: bool = False
    any_token: bool = False
    unknown_person: UnknownPerson = "cr01"
    slow_s: float = 4.0

    @classmethod
    def from_json(cls, wanted: Mapping[str, Any]) -> Rules:
        """Raises ValueError, in French, for a switch that does not exist or a value that it does not take."""
        known = [row.name for row in fields(cls)]
        for name in wanted:
            if name not in known:
                raise ValueError(f"sandbox.json, objet insi : réglage inconnu « {name} » ; attendus : {', '.join(known)}.")
        rules = cls(**wanted)
        if rules.unknown_person not in get_args(UnknownPerson):
            raise ValueError(f"sandbox.json, objet insi : unknown_person vaut {', '.join(get_args(UnknownPerson))}.")
        return rules


@dataclass(slots=True)
class Register:
    """The people that the service knows, as the sandbox has them now."""

    idams: frozenset[str]
    population: Population = field(repr=False)
    rules: Rules = Rules()

    @classmethod
    def of(cls, persons: Iterable[dict[str, Any]], *, idams: Iterable[str], rules: Rules | None = None) -> Register:
        """A register of these rows alone."""
        return cls(frozenset(idams), Population.holding(persons), rules or Rules())

    def born(self, birth_name: str, birth_date: str) -> list[Person]:
        """Persons whose ``insi`` is ``none`` are unknown to the service."""
        return [person for person in self.population.born(birth_name, birth_date) if person["insi"] != "none"]


@dataclass(slots=True)
class State:
    """The register and what was answered, by code: ``CR00``, ``insi_102`` … No trait is kept."""

    register: Register
    answered: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        population = self.register.population
        people = population.counts()["persons"] - population.count_in("insi-inconnu")
        return {"people": people, "rules": asdict(self.register.rules), "answered": dict(self.answered)}
