"""Makes the first population of a sandbox. The same seed and structures give the same people, hence the same file."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from connectors.nomenclatures.mssante import USAGER_DOMAIN
from mocks.sandbox.persons import Crowd, Person, published_persons
from mocks.sandbox.population import write
from mocks.sandbox.professionals import Professional, Staff, correspondents, without_rpps
from mocks.sandbox.rare_cases import make_rare
from mocks.sandbox.structures import Structure


@dataclass(frozen=True, slots=True)
class People:
    """Everybody, in the form of docs/population.md."""

    persons: list[Person]
    professionals: list[Professional]
    outside: list[dict[str, Any]]


def make_people(structures: Sequence[Structure], *, seed: int) -> People:
    """The published test identities first, then the people of each structure. A structure more changes nobody before it."""
    names = read_names()
    published = published_persons()
    crowd, staff = Crowd(seed, published, names), Staff(seed, names)
    persons = [*published]
    for structure in structures:
        persons += crowd.of(structure, make_rare)
    professionals = [one for structure in structures for one in staff.of(structure)]
    return People(persons, [*professionals, *without_rpps()], correspondents())


def seed_population(path: Path, structures: Sequence[Structure], *, seed: int) -> None:
    """Make the people and write them to ``path``."""
    people = make_people(structures, seed=seed)
    write(path, people.persons, people.professionals, people.outside, seed=seed)


def read_names() -> dict[str, list[str]]:
    """Family and given names that the generators draw from."""
    names: dict[str, list[str]] = orjson.loads((resources.files("mocks.sandbox") / "data" / "names.json").read_bytes())
    return names


def white_list(structures: Sequence[Structure]) -> list[str]:
    """Domains of the trust space: the structures', the correspondents', the citizens'. Sorted."""
    return sorted({USAGER_DOMAIN, *_outside(), *(structure.domain for structure in structures)})


def _outside() -> Iterator[str]:
    return (mailbox["address"].partition("@")[2] for mailbox in correspondents())
