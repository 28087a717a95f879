"""Who is fictitious: the people of a sandbox, as the gateway asks for them (decision 0042).

The file is the sandbox's own, read while it runs: who is added there is known here at the next question, and a hundred thousand
persons cost nothing at start.
"""
from __future__ import annotations

from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any

import apsw
import orjson

FILE_NAME = "population.sqlite3"
_BUSY_MS = 5_000


class UnreadablePopulation(ValueError):
    """The file is missing or damaged."""


class People:
    """Read-only. May be asked from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises UnreadablePopulation."""
        self._asking = Lock()
        try:
            self._database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._database.set_busy_timeout(_BUSY_MS)
            self._rows("SELECT (SELECT count(*) FROM meta), (SELECT count(*) FROM professionals)")
        except apsw.Error as error:
            raise UnreadablePopulation(str(path)) from error

    @classmethod
    def of(cls, sandbox: Path) -> People:
        """Those of a sandbox's folder. Raises UnreadablePopulation."""
        return cls(sandbox / FILE_NAME)

    def knows_person(self, matricule: str) -> bool:
        """Whether somebody has this matricule or had it."""
        asked = "SELECT EXISTS(SELECT 1 FROM persons WHERE matricule = ?1) OR EXISTS(SELECT 1 FROM former WHERE matricule = ?1)"
        return bool(self._rows(asked, matricule)[0][0])

    def knows_professional(self, id_nat: str) -> bool:
        return bool(self._rows("SELECT EXISTS(SELECT 1 FROM professionals WHERE id_nat = ?)", id_nat)[0][0])

    def professional(self, id_nat: str) -> dict[str, Any] | None:
        found = self._rows("SELECT row FROM professionals WHERE id_nat = ?", id_nat)
        return orjson.loads(found[0][0]) if found else None

    def structure_of_box(self, address: str) -> str | None:
        """FINESS ET of the structure where a professional's mailbox is used; None for any other address."""
        found = self._rows("SELECT structure FROM boxes WHERE address = ?", address.lower())
        return found[0][0] if found else None

    def boxes(self) -> list[tuple[str, str]]:
        """``(FINESS ET, mailbox)`` of the professionals, in the order of the population."""
        asked = "SELECT b.structure, b.address FROM boxes b JOIN professionals p USING (id_nat) WHERE b.structure IS NOT NULL"
        return [(finess, address) for finess, address in self._rows(f"{asked} ORDER BY p.rank, b.address")]

    def persons_of_structures(self) -> Counter[str]:
        """How many accompanied persons each structure has, by FINESS ET."""
        asked = "SELECT structure, count(*) FROM persons WHERE structure IS NOT NULL GROUP BY structure"
        return Counter(dict(self._rows(asked)))

    def counts(self) -> dict[str, int]:
        """How many persons and professionals there are."""
        persons, professionals = self._rows("SELECT (SELECT count(*) FROM persons), (SELECT count(*) FROM professionals)")[0]
        return {"persons": persons, "professionals": professionals}

    def first_persons(self, limit: int) -> list[dict[str, Any]]:
        return [orjson.loads(row) for (row,) in self._rows("SELECT row FROM persons ORDER BY rank LIMIT ?", limit)]

    def some_persons(self, count: int) -> list[dict[str, Any]]:
        """Persons of structures, taken all along the population."""
        asked = "SELECT row FROM persons WHERE structure IS NOT NULL AND rank % ?1 = 0 ORDER BY rank LIMIT ?2"
        step = max(1, self.counts()["persons"] // count)
        return [orjson.loads(row) for (row,) in self._rows(asked, step, count)]

    def staff(self, finess_et: str, limit: int) -> list[dict[str, Any]]:
        asked = "SELECT row FROM professionals WHERE structure = ? ORDER BY rank LIMIT ?"
        return [orjson.loads(row) for (row,) in self._rows(asked, finess_et, limit)]

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._asking:
            return list(self._database.execute(sql, values))


def people_if_any(sandbox: Path) -> People | None:
    """Those of a sandbox's folder; None when none was made there. Raises UnreadablePopulation for a damaged one."""
    return People.of(sandbox) if (sandbox / FILE_NAME).exists() else None
