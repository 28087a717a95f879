"""What the DMP holds: documents with their metadata, on disk, and the people it knows (reference dmp §22.3)."""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from connectors.nomenclatures.xds import SIGNATURE_TYPE
from mocks.sandbox.kept import read_lines
from mocks.sandbox.population import Population

DmpStatus = Literal["none", "active", "terminated"]
#: Who opposed the making of a record has none.
_STATUS: dict[str, DmpStatus] = {"none": "none", "opposed": "none", "active": "active", "closed": "terminated"}


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the population, as the DMP sees it."""

    matricule: str
    family: str
    given: str
    sex: str
    birth_date: str  # yyyymmdd
    dmp: DmpStatus
    linked_to_mes: bool


class People:
    """Persons by matricule: membership of the population, whatever the OID (design §7)."""

    def __init__(self, population: Population) -> None:
        self._population = population

    def get(self, matricule: str) -> Person | None:
        row = self._population.person(matricule)
        return None if row is None else _person(row)


@dataclass(frozen=True, slots=True)
class Stored:
    """One document. ``hash`` is the SHA-1 in lower-case hex that the registry computes (§9.2)."""

    unique_id: str
    entry_uuid: str
    logical_id: str
    set_id: str
    matricule: str
    oid: str
    struct_id: str
    type_code: str
    class_code: str
    title: str
    hash: str
    size: int
    stored_at: str


class Documents:
    """The registry and the repository: an index of JSON lines, one file per document named after its uniqueId's hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "documents"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._index = folder / "documents.jsonl"
        self._by_id: dict[str, Stored] = {}
        self._sets: set[str] = set()
        for rows in read_lines(self._index):
            for row in rows:
                self._keep(Stored(**row))

    def knows(self, unique_id: str) -> bool:
        """Whether a document or a submission set of this uniqueId is registered."""
        return unique_id in self._by_id or unique_id in self._sets

    def find(self, unique_ids: Iterable[str], matricule: str) -> list[Stored]:
        """The documents of this person among those asked for, in the order asked; signatures are not shown (§12)."""
        found = (self._by_id.get(one) for one in unique_ids)
        return [one for one in found if one is not None and one.matricule == matricule and one.type_code != SIGNATURE_TYPE]

    def add(self, documents: list[tuple[Stored, bytes]]) -> None:
        """Register a set, whole: contents first, then one index line."""
        for stored, content in documents:
            self._path(stored.unique_id).write_bytes(content)
        with self._index.open("ab", buffering=0) as index:
            index.write(orjson.dumps([asdict(stored) for stored, _ in documents]) + b"\n")
        for stored, _ in documents:
            self._keep(stored)

    def content(self, unique_id: str) -> bytes:
        """Raises KeyError when the DMP does not hold it."""
        if unique_id not in self._by_id:
            raise KeyError(unique_id)
        return self._path(unique_id).read_bytes()

    def drop(self, gone: Callable[[Stored], bool]) -> None:
        """Forget these documents, and the sets that had no other."""
        kept = [one for one in self._by_id.values() if not gone(one)]
        dropped = [one for one in self._by_id.values() if gone(one)]
        if not dropped:
            return
        partial = self._index.with_suffix(".partial")
        partial.write_bytes(b"".join(orjson.dumps([asdict(one)]) + b"\n" for one in kept))
        partial.replace(self._index)
        for stored in dropped:
            self._path(stored.unique_id).unlink(missing_ok=True)
        self._by_id, self._sets = {}, set()
        for stored in kept:
            self._keep(stored)

    def clear(self) -> None:
        for stored in self._by_id.values():
            self._path(stored.unique_id).unlink(missing_ok=True)
        self._index.unlink(missing_ok=True)
        self._by_id.clear()
        self._sets.clear()

    def all(self) -> tuple[Stored, ...]:
        """Every document, signatures too, in the order of their registration."""
        return tuple(self._by_id.values())

    def counts(self, shown: Callable[[Stored], bool] = lambda _: True) -> dict[str, int]:
        found = [one for one in self._by_id.values() if shown(one)]
        sets, persons = {one.set_id for one in found}, {one.matricule for one in found}
        return {"documents": len(found), "submission_sets": len(sets), "persons": len(persons)}

    def _keep(self, stored: Stored) -> None:
        self._by_id[stored.unique_id] = stored
        self._sets.add(stored.set_id)

    def _path(self, unique_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(unique_id.encode()).hexdigest()}.xml"


def _person(row: Mapping[str, Any]) -> Person:
    return Person(
        matricule=row["matricule"],
        family=row["birth_name"],
        given=row["first_names"][0],
        sex=row["sex"],
        birth_date=row["birth_date"].replace("-", ""),
        dmp=_STATUS[row["dmp"]],
        linked_to_mes=row["mes"] == "open",
    )
