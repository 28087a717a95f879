"""What the INSi mock knows: the people of the sandbox, the authorised software, its switches, and what it answered."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

Person = Mapping[str, Any]  # a row of population.json (docs/architecture.md)
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
    """The people, looked up by birth name; read-only once built."""

    idams: frozenset[str]
    rules: Rules = Rules()
    _by_name: dict[str, list[Person]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, persons: Iterable[Person], *, idams: Iterable[str], rules: Rules | None = None) -> Register:
        """``persons`` whose ``insi`` is ``none`` are unknown to the service."""
        by_name: dict[str, list[Person]] = defaultdict(list)
        for person in persons:
            if person["insi"] != "none":
                by_name[person["birth_name"]].append(person)
        return cls(frozenset(idams), rules or Rules(), dict(by_name))

    def named(self, birth_name: str) -> list[Person]:
        return self._by_name.get(birth_name, [])

    def __len__(self) -> int:
        return sum(len(people) for people in self._by_name.values())


@dataclass(slots=True)
class State:
    """The register and what was answered, by code: ``CR00``, ``insi_102`` … No trait is kept."""

    register: Register
    answered: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        return {"people": len(self.register), "rules": asdict(self.register.rules), "answered": dict(self.answered)}
