"""``population.json``: one population for every service (design §7). The same seed and structures give the same bytes."""
from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import orjson

from mocks.sandbox.persons import Crowd, published_persons
from mocks.sandbox.professionals import correspondents, staff_of
from mocks.sandbox.structures import Structure

#: Domain of the citizens' mailboxes, as at the national operator: the address is built from the matricule.
CITIZENS = "patient.mssante.fr"


def make_population(structures: Sequence[Structure], *, seed: int) -> dict[str, Any]:
    """Persons, professionals and outside mailboxes, in the form of docs/architecture.md."""
    published = published_persons()
    names = read_names()
    crowd = Crowd(seed, published, names)
    persons = [*published]
    professionals: list[dict[str, Any]] = []
    for structure in structures:
        persons += crowd.of(structure)
        professionals += staff_of(structure, seed=seed, first_index=len(professionals), names=names)
    return {
        "version": 1, "simulated": True, "seed": seed,
        "persons": persons, "professionals": professionals, "mailboxes": correspondents(),
    }  # fmt: skip


def read_names() -> dict[str, list[str]]:
    """Family and given names that the generators draw from."""
    names: dict[str, list[str]] = orjson.loads((resources.files("mocks.sandbox") / "data" / "names.json").read_bytes())
    return names


def white_list(structures: Sequence[Structure]) -> list[str]:
    """Domains of the trust space: the structures', the correspondents', the citizens'. Sorted."""
    outside = {mailbox["address"].partition("@")[2] for mailbox in correspondents()}
    return sorted({CITIZENS} | outside | {structure.domain for structure in structures})
