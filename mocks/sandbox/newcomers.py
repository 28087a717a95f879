"""Who may be added to a sandbox: every column of every row is checked, and every mistake told (docs/population.md).

Nobody real: a matricule is accepted when its birth place belongs to nobody (``places.nowhere``) or when it is a published test
identity's; an RPPS when it lies in a range of test numbers (psc-annuaire §14.1, §14.3).
"""
from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from connectors.nomenclatures.identifiers import is_matricule, matricule_key
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from connectors.nomenclatures.oids import INS_NIA, INS_NIR
from mocks.sandbox.persons import number, published_persons, traits_of
from mocks.sandbox.places import birth_department, is_nowhere, nowhere
from mocks.sandbox.population import Population

_PLACE = re.compile(r"([0-9]{2}|2[AB])[0-9]{3}")
_REAL = (
    "ce matricule pourrait être celui d'une personne réelle : sa commune de naissance (caractères 6 à 10) existe peut-être. "
    "Laissez « matricule » vide, le bac à sable en donne un, ou prenez une commune 990 à 999, que personne n'a"
)
#: Column → what it may hold; the first is taken when the column is empty.
_STATES = {
    "dmp": ("active", "none", "closed", "opposed"), "mes": ("open", "none", "closed"), "insi": ("found", "ambiguous", "none"),
}  # fmt: skip
#: What a list of people also tells, and what a row of it says for itself: given back, it is not read.
_TOLD = ("source", "situations", "sert_a", "id_nat", "origin", "profession_label", "rank")
PERSON_COLUMNS = (
    "matricule", "oid", "birth_name", "first_names", "sex", "birth_date", "birth_place", "used_name", "history", "dmp", "mes",
    "insi", "ouvrant_droit", "birth_rank", "structure", "owner",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """``line``: rank of the row among those given, from 1."""

    line: int
    column: str
    why: str


@dataclass(slots=True)
class Row:
    """One row asked for; its readers note what is wrong."""

    line: int
    given: Mapping[str, Any] = field(repr=False)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, column: str, why: str) -> None:
        self.problems.append(Problem(self.line, column, why))

    def text(self, column: str, *, needed: bool = False) -> str | None:
        """A text, None when the cell is empty or is no text; both are noted when they may not be."""
        value = self.given.get(column)
        if value is not None and not (isinstance(value, str) and len(value) <= 254 and value.isprintable()):
            self.wrong(column, "du texte est attendu, 254 caractères au plus")
            return None
        if needed and not value:
            self.wrong(column, "obligatoire")
        return value or None

    def one_of(self, column: str, allowed: Sequence[str], default: str | None) -> str | None:
        value = self.text(column) or default
        if value is None:
            self.wrong(column, f"obligatoire : {', '.join(allowed)}")
        elif value not in allowed:
            self.wrong(column, f"valeurs possibles : {', '.join(allowed)}")
            return None
        return value

    def texts(self, column: str) -> list[str]:
        """A list of texts; a text is split at its spaces."""
        value = self.given.get(column) or []
        if isinstance(value, str):
            return value.split()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.wrong(column, "une liste de textes est attendue")
            return []
        return value

    def only(self, columns: Sequence[str]) -> None:
        for name in self.given:
            if name not in (*columns, *_TOLD):
                self.wrong(str(name)[:60], f"colonne inconnue ; possibles : {', '.join(columns)}")


def read_persons(
    rows: Sequence[Mapping[str, Any]], people: Population, structures: Sequence[str], tenants: Sequence[str]
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The persons that these rows describe, complete, and what is wrong with them: nobody may be added when something is."""
    read = [Row(line, given) for line, given in enumerate(rows, start=1)]
    numbers = _Numbers(people)
    persons = [_person(row, numbers, structures, tenants) for row in read]
    _check_traits(read, persons, people)
    return persons, [problem for row in read for problem in row.problems]


def _person(row: Row, numbers: _Numbers, structures: Sequence[str], tenants: Sequence[str]) -> dict[str, Any]:
    row.only(PERSON_COLUMNS)
    born, place = _day(row), _birth_place(row)
    sex = row.one_of("sex", ("M", "F"), None)
    states = {column: row.one_of(column, allowed, allowed[0]) for column, allowed in _STATES.items()}
    if states["insi"] == "none":
        if any(row.given.get(column) not in (None, "", "none") for column in ("dmp", "mes")):
            row.wrong("insi", "qui est inconnu d'INSi n'a ni DMP ni Mon espace santé : laissez « dmp » et « mes » vides")
        states.update(dmp="none", mes="none")
    oid = row.one_of("oid", (INS_NIR, INS_NIA), INS_NIR)
    matricule = numbers.read(row, sex or "F", born or date(2000, 1, 1), place or "99980", provisional=oid == INS_NIA)
    return {
        "matricule": matricule, "oid": oid, "birth_name": _name(row, "birth_name", normalise_birth_name, needed=True),
        "first_names": _first_names(row), "sex": sex, "birth_date": "" if born is None else born.isoformat(),
        "birth_place": place, "used_name": _name(row, "used_name", normalise_birth_name, needed=False),
        "history": _history(row, numbers), **states, **_card(row, numbers), "structure": optional(row, "structure", structures),
        "source": "added", "owner": optional(row, "owner", tenants),
    }  # fmt: skip


class _Numbers:
    """Matricules: those given are checked, those not given are drawn; none is used twice."""

    def __init__(self, people: Population) -> None:
        self._people = people
        self._published = {one["matricule"] for person in published_persons() for one in (person, *person["history"])}
        self._taken: set[str] = set()

    def read(self, row: Row, sex: str, born: date, place: str, *, provisional: bool) -> str:
        given = row.text("matricule")
        if given is None:
            return self._drawn(row, sex, born, place, provisional=provisional)
        why = self.refusal(given)
        if why is None and (given in self._taken or self._people.person(given) is not None):
            why = "déjà celui d'une autre personne du bac à sable"
        if why is not None:
            row.wrong("matricule", why)
        self._taken.add(given)
        return given

    def refusal(self, matricule: str) -> str | None:
        """Why nobody here may have it, in French."""
        if matricule in self._published:
            return None
        if not is_matricule(matricule):
            return "quinze caractères sont attendus, 2A ou 2B admis en positions 6 et 7, clé comprise et juste"
        return None if is_nowhere(matricule[5:10]) else _REAL

    def _drawn(self, row: Row, sex: str, born: date, place: str, *, provisional: bool) -> str:
        """From what the row says: the same rows on the same sandbox get the same numbers."""
        draw = random.Random(repr(sorted((name, repr(value)) for name, value in row.given.items())))
        while True:
            thirteen = number(sex, born, nowhere(birth_department(place), draw.randrange(10)), draw, provisional=provisional)
            matricule = thirteen + matricule_key(thirteen)
            if matricule not in self._taken and self._people.person(matricule) is None:
                self._taken.add(matricule)
                return matricule


def optional(row: Row, column: str, known: Sequence[str]) -> str | None:
    """One of the values known to the sandbox, or nothing."""
    value = row.text(column)
    if value is not None and value not in known:
        row.wrong(column, f"inconnu de ce bac à sable ; possibles : {', '.join(known[:8])}")
    return value


def _name(row: Row, column: str, normalised: Callable[[str], str], *, needed: bool) -> str | None:
    given = row.text(column, needed=needed)
    if given is None:
        return None
    try:
        wanted = normalised(given)
    except InvalidName:
        row.wrong(column, "lettres, espace, apostrophe et trait d'union seulement")
        return given
    if wanted != given:
        row.wrong(column, f"INSi écrit ce nom « {wanted} » : sans accents, en capitales")
    return given


def _first_names(row: Row) -> list[str]:
    names = row.texts("first_names")
    if not names and not any(one.column == "first_names" for one in row.problems):
        row.wrong("first_names", "obligatoire : un prénom de naissance au moins")
    for name in names:
        try:
            if normalise_first_names(name) != name:
                row.wrong("first_names", f"INSi écrit « {normalise_first_names(name)} » : sans accents, en capitales")
        except InvalidName:
            row.wrong("first_names", "lettres, apostrophe et trait d'union seulement ; un espace sépare deux prénoms")
    return names


def _day(row: Row) -> date | None:
    given = row.text("birth_date", needed=True)
    try:
        born = date.fromisoformat(given) if given and len(given) == 10 else None
    except ValueError:
        born = None
    if given and (born is None or born.year < 1900):
        row.wrong("birth_date", "AAAA-MM-JJ attendu, depuis 1900 ; jour inconnu : 01, jour et mois inconnus : 12-31")
    return born


def _birth_place(row: Row) -> str | None:
    given = row.text("birth_place", needed=True)
    if given is not None and not _PLACE.fullmatch(given):
        row.wrong("birth_place", "code commune de cinq caractères (2A, 2B en Corse ; 99 puis le pays à l'étranger)")
        return None
    return given


def _history(row: Row, numbers: _Numbers) -> list[dict[str, Any]]:
    """Past matricules, each as ``matricule``, as ``matricule/oid`` (a NIR's by default), or as a row of the list tells it."""
    told = row.given.get("history")
    if isinstance(told, list) and told and all(isinstance(one, dict) for one in told):
        row.given = {**row.given, "history": [f"{one.get('matricule')}/{one.get('oid') or ''}" for one in told]}
    history = []
    for text in row.texts("history"):
        matricule, _, oid = text.partition("/")
        why = numbers.refusal(matricule)
        if why is not None:
            row.wrong("history", why)
        if oid not in ("", INS_NIR, INS_NIA):
            row.wrong("history", f"OID attendu : {INS_NIR} ou {INS_NIA}")
        history.append({"matricule": matricule, "oid": oid or INS_NIR, "start": None, "end": None})
    return history


def _card(row: Row, numbers: _Numbers) -> dict[str, str | None]:
    """On whose carte Vitale a person is, and with which rank; nothing for who has one of his or her own."""
    holder, rank = row.text("ouvrant_droit"), row.text("birth_rank")
    why = None if holder is None else numbers.refusal(holder)
    if why is not None:
        row.wrong("ouvrant_droit", why)
    if rank is not None and not (len(rank) == 1 and rank in "123456789"):
        row.wrong("birth_rank", "rang de naissance attendu, de 1 à 9")
    return {"ouvrant_droit": holder, "birth_rank": rank}


def _check_traits(rows: Sequence[Row], persons: Sequence[dict[str, Any]], people: Population) -> None:
    """``insi`` must say what INSi will answer: two persons with the same traits are ambiguous, both, and born elsewhere."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, one in enumerate(persons):
        groups.setdefault(traits_of(one), []).append(index)
    for traits, indexes in groups.items():
        known = any(traits_of(other) == traits for other in people.born(str(traits[0]), str(traits[3])))
        places = {persons[index]["birth_place"] for index in indexes}
        for index in indexes:
            alone, ambiguous = len(indexes) == 1, persons[index]["insi"] == "ambiguous"
            if known and not any(one.column == "matricule" for one in rows[index].problems):
                rows[index].wrong("birth_name", "une personne du bac à sable a déjà ces traits (nom, premier prénom, sexe, date)")
            elif ambiguous and (alone or len(places) < len(indexes)):
                rows[index].wrong("insi", "« ambiguous » demande, dans le même envoi, une personne de mêmes traits née ailleurs")
            elif not alone and not ambiguous:
                rows[index].wrong("insi", "une autre ligne a les mêmes traits : mettez « ambiguous » aux deux, avec deux lieux")
