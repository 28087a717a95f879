"""The people of a sandbox, one file for every service (design §7, decision 0042): ``sandbox/population.sqlite3``.

Rows are the JSON of docs/population.md. Looking one up costs the same whatever their number; what is added is seen at once by
every service here and by the gateway, which reads the same file.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw
import orjson

from connectors.nomenclatures.mssante import normalise
from mocks.sandbox.situations import situations_of

Person = dict[str, Any]
Professional = dict[str, Any]

FILE_NAME = "population.sqlite3"
ADDED = "added"
_VERSION = 1
_TABLES = ("persons", "professionals")
_BUSY_MS = 5_000
_COVERED = "json_extract(CAST(row AS TEXT), '$.ouvrant_droit')"
_OWNED = "json_extract(CAST(row AS TEXT), '$.owner') = ?"

#: ``row`` holds everything; the other columns are only what is looked up or filtered on.
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE persons (
  rank INTEGER PRIMARY KEY, matricule TEXT NOT NULL UNIQUE, birth_name TEXT NOT NULL, birth_date TEXT NOT NULL,
  structure TEXT, dmp TEXT NOT NULL, situations TEXT NOT NULL, source TEXT NOT NULL, row BLOB NOT NULL);
CREATE INDEX persons_by_traits ON persons (birth_name, birth_date);
CREATE INDEX persons_by_card ON persons (json_extract(CAST(row AS TEXT), '$.ouvrant_droit'))
  WHERE json_extract(CAST(row AS TEXT), '$.ouvrant_droit') IS NOT NULL;
CREATE TABLE former (matricule TEXT, person INTEGER, PRIMARY KEY (matricule, person)) WITHOUT ROWID;
CREATE TABLE professionals (
  rank INTEGER PRIMARY KEY, id_nat TEXT NOT NULL UNIQUE, family TEXT NOT NULL, structure TEXT, source TEXT NOT NULL,
  row BLOB NOT NULL);
CREATE TABLE boxes (address TEXT PRIMARY KEY, id_nat TEXT NOT NULL, structure TEXT) WITHOUT ROWID;
CREATE TABLE correspondents (address TEXT PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
"""
_PERSON = "INSERT INTO persons VALUES (?,?,?,?,?,?,?,?,?)"
_PROFESSIONAL = "INSERT INTO professionals VALUES (?,?,?,?,?,?)"


class Population:
    """Look-ups, and the additions of a sandbox that runs. One writer: the process of the mocks.

    generation  changes whenever somebody is added or forgotten here
    """

    def __init__(self, database: apsw.Connection) -> None:
        # A plan is made once: for the partial index, SQLite would look at the values asked and plan again at each look-up.
        database.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        self._database = database
        self.generation = 0

    @classmethod
    def open(cls, path: Path) -> Population:
        """A file that ``write`` made. FileNotFoundError when there is none; apsw.Error when it is damaged."""
        if not path.exists():
            raise FileNotFoundError(path)
        database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        database.set_busy_timeout(_BUSY_MS)
        database.execute("PRAGMA synchronous = FULL")
        return cls(database)

    @classmethod
    def holding(
        cls, persons: Iterable[Person] = (), professionals: Iterable[Professional] = (), outside: Iterable[dict[str, Any]] = ()
    ) -> Population:
        """The same in memory."""
        database = apsw.Connection(":memory:")
        database.execute(_SCHEMA)
        held = cls(database)
        held._insert(persons, professionals)
        held._correspond(outside)
        return held

    def close(self) -> None:
        self._database.close()

    # --- who is asked for -----------------------------------------------------------------------------------------

    def person(self, matricule: str) -> Person | None:
        """Whose present matricule this is, whatever the OID (design §7)."""
        return self._one("SELECT row FROM persons WHERE matricule = ?", matricule)

    def bearer(self, matricule: str) -> Person | None:
        """The same, or else whose past matricule it is."""
        past = "SELECT row FROM persons WHERE rank = (SELECT max(person) FROM former WHERE matricule = ?)"
        return self.person(matricule) or self._one(past, matricule)

    def born(self, birth_name: str, birth_date: str) -> list[Person]:
        """Who was born under this name on this day, in the order of the population."""
        return self._rows("SELECT row FROM persons WHERE birth_name = ? AND birth_date = ? ORDER BY rank", birth_name, birth_date)

    def covered_by(self, matricule: str) -> list[Person]:
        """Who is on the carte Vitale of this *ouvrant droit*, he or she apart."""
        return self._rows(f"SELECT row FROM persons WHERE {_COVERED} = ? ORDER BY rank", matricule)  # noqa: S608

    def professional(self, id_nat: str) -> Professional | None:
        return self._one("SELECT row FROM professionals WHERE id_nat = ?", id_nat)

    def holds_box(self, address: str) -> bool:
        """Whether it is a professional's own mailbox."""
        return bool(self._value("SELECT count(*) FROM boxes WHERE address = ?", normalise(address)))

    def holder(self, address: str) -> Professional | None:
        """The professional whose own mailbox it is."""
        held = "SELECT row FROM professionals WHERE id_nat = (SELECT id_nat FROM boxes WHERE address = ?)"
        return self._one(held, normalise(address))

    def opens(self, id_nat: str) -> frozenset[str]:
        """The mailboxes that a professional may open: own ones and shared ones."""
        found = self.professional(id_nat)
        return frozenset() if found is None else frozenset(map(normalise, [*own_boxes(found), *found.get("may_open", ())]))

    # --- everybody ------------------------------------------------------------------------------------------------

    def persons(self) -> Iterator[Person]:
        """In the order of their making."""
        return self._each("SELECT row FROM persons ORDER BY rank")

    def professionals(self) -> list[Professional]:
        return list(self._each("SELECT row FROM professionals ORDER BY rank"))

    def correspondents(self) -> list[dict[str, Any]]:
        """Mailboxes outside the structures."""
        return list(self._each("SELECT row FROM correspondents ORDER BY address"))

    def added(self) -> dict[str, list[dict[str, Any]]]:
        """Who was added by hand: ``{"persons": […], "professionals": […]}``; what ``add`` takes back."""
        asked = "SELECT row FROM {} WHERE source = ? ORDER BY rank"
        return {table: self._rows(asked.format(table), ADDED) for table in _TABLES}

    def counts(self, where: str = "1", values: tuple[str, ...] = ()) -> dict[str, int]:
        """How many of each, and how many of them were added; ``where`` is SQL of ours."""
        everybody = f"SELECT count(*) FROM {{}} WHERE {where}"  # noqa: S608
        counted = {table: self._value(everybody.format(table), *values) for table in _TABLES}
        added = f"{everybody} AND source = ?"
        return counted | {f"{table}_{ADDED}": self._value(added.format(table), *values, ADDED) for table in _TABLES}

    def count_in(self, situation: str) -> int:
        """How many persons are in this situation (``situations.py``)."""
        return self._value("SELECT count(*) FROM persons WHERE instr(situations, ?)", f" {situation} ")

    # --- changes --------------------------------------------------------------------------------------------------

    def add(self, persons: Iterable[Person] = (), professionals: Iterable[Professional] = ()) -> None:
        """All of them or nobody, kept across restarts. apsw.ConstraintError when a number or an address is taken."""
        with self._database:
            self._insert(*([{**row, "source": ADDED} for row in rows] for rows in (persons, professionals)))
        self.generation += 1

    def settle(self, persons: Iterable[Person], professionals: Iterable[Professional]) -> None:
        """The people of structures that came after the others: part of the first population, all of them or nobody."""
        with self._database:
            self._insert(persons, professionals)
        self.generation += 1

    def remove_owned(self, tenant: str) -> None:
        """Forget whoever is a tenant's, added by hand or not."""
        self._forget(_OWNED, tenant)

    def forget_added(self, owner: str | None = None) -> int:
        """Back to the first population, or only without whom this tenant added; how many that is."""
        counts = self.counts()
        left = self._forget("source = ?", ADDED) if owner is None else self._forget(f"source = ? AND {_OWNED}", ADDED, owner)
        return sum(counts[table] - left[table] for table in _TABLES)

    def _forget(self, where: str, *values: str) -> dict[str, int]:
        """Remove these rows; how many of each are left. ``where`` is SQL of ours."""
        with self._database:
            self._database.execute(f"DELETE FROM former WHERE person IN (SELECT rank FROM persons WHERE {where})", values)  # noqa: S608
            self._database.execute(
                f"DELETE FROM boxes WHERE id_nat IN (SELECT id_nat FROM professionals WHERE {where})", values  # noqa: S608
            )
            for table in _TABLES:
                self._database.execute(f"DELETE FROM {table} WHERE {where}", values)  # noqa: S608
        self.generation += 1
        return self.counts()

    def _insert(self, persons: Iterable[Person], professionals: Iterable[Professional]) -> None:
        last, last_professional = (self._value(f"SELECT ifnull(max(rank), 0) FROM {table}") for table in _TABLES)  # noqa: S608
        people = list(enumerate(persons, start=last + 1))
        self._database.executemany(_PERSON, (_person_row(rank, person) for rank, person in people))
        former = {(past["matricule"], rank) for rank, person in people for past in person.get("history", ())}
        self._database.executemany("INSERT INTO former VALUES (?,?)", sorted(former))
        staff = list(enumerate(professionals, start=last_professional + 1))
        self._database.executemany(_PROFESSIONAL, (_professional_row(rank, one) for rank, one in staff))
        boxes = [(normalise(box), one["id_nat"], finess) for _, one in staff for box, finess in workplaces(one)]
        self._database.executemany("INSERT INTO boxes VALUES (?,?,?)", boxes)

    def _correspond(self, outside: Iterable[dict[str, Any]]) -> None:
        rows = ((row["address"], orjson.dumps(row)) for row in outside)
        self._database.executemany("INSERT INTO correspondents VALUES (?,?)", rows)

    # --- reading --------------------------------------------------------------------------------------------------

    def select(self, table: str, where: str, values: tuple[Any, ...], *, after: int, limit: int) -> list[tuple[int, Person]]:
        """``(rank, row)`` beyond rank ``after``; ``where`` is SQL of ours."""
        sql = f"SELECT rank, row FROM {table} WHERE rank > ? AND {where} ORDER BY rank LIMIT ?"  # noqa: S608
        return [(rank, orjson.loads(row)) for rank, row in self._database.execute(sql, (after, *values, limit))]

    def _each(self, sql: str) -> Iterator[dict[str, Any]]:
        return (orjson.loads(row) for (row,) in self._database.execute(sql))

    def _rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        return [orjson.loads(row) for (row,) in self._database.execute(sql, values)]

    def _one(self, sql: str, value: str) -> dict[str, Any] | None:
        return next(iter(self._rows(sql, value)), None)

    def _value(self, sql: str, *values: object) -> int:
        return int(self._database.execute(sql, values).get)


def write(
    path: Path, persons: Iterable[Person], professionals: Iterable[Professional], outside: Iterable[dict[str, Any]], *, seed: int
) -> None:
    """Make the file, whole or not at all; the same rows give the same bytes."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    database = apsw.Connection(str(partial))
    try:
        partial.chmod(0o600)
        database.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON")
        with database:
            database.execute(_SCHEMA)
            database.executemany("INSERT INTO meta VALUES (?,?)", sorted({"version": _VERSION, "seed": seed}.items()))
            made = Population(database)
            made._insert(persons, professionals)
            made._correspond(outside)
        database.execute("PRAGMA journal_mode = WAL")
    finally:
        database.close()
    partial.replace(path)


def own_boxes(professional: Mapping[str, Any]) -> list[str]:
    """A professional's personal mailboxes: one for each place where he or she works, when there is one."""
    return [box for box, _ in workplaces(professional)]


def workplaces(professional: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """``(mailbox, FINESS ET)`` of each activity that has a mailbox."""
    places = [professional, *professional.get("also_in", ())]
    return [(place["mailbox"], place.get("structure")) for place in places if place.get("mailbox")]


def _person_row(rank: int, person: Person) -> tuple[Any, ...]:
    return (
        rank, person["matricule"], person.get("birth_name", ""), person.get("birth_date", ""), person.get("structure"),
        person.get("dmp", ""), " ".join(["", *situations_of(person), ""]), person.get("source", ""), orjson.dumps(person),
    )  # fmt: skip


def _professional_row(rank: int, one: Professional) -> tuple[Any, ...]:
    return rank, one["id_nat"], one.get("family", ""), one.get("structure"), one.get("source", ""), orjson.dumps(one)
