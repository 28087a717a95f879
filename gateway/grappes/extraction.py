"""What a DUI says of itself: counts of files by ESSMS and window, read from its own extraction (programme-indicateurs §5, §6.1).

Counts and business dates only: a column about a person refuses the file.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import orjson

from gateway.grappes.model import Essms
from gateway.grappes.registry import Registry
from gateway.grappes.tables import Column, Row, day, finess, one_of, raise_problems, read_table, whole
from gateway.journal.connection import Connection

OPERATION = "DUI.EXTRACTION"
#: The operation is a literal: only so does SQLite take the index of extractions (migration 0007).
ACCEPTED = "SELECT body FROM entries WHERE operation = 'DUI.EXTRACTION' AND outcome = 'ok' ORDER BY pos"
COLUMNS = tuple(
    Column(name)
    for name in (
        "finess_et", "periode_debut", "periode_fin", "personnes_presentes", "dossiers_actifs", "dossiers_actifs_avec_projet",
        "dossiers_actifs_avec_evenement", "extrait_le", "source",
    )
)  # fmt: skip
#: Words of a column that speaks of a person.
_PERSONAL = frozenset({
    "nom", "noms", "prenom", "prenoms", "nir", "nia", "ins", "matricule", "naissance", "ne", "nee", "ddn", "dob", "age", "sexe",
    "genre", "civilite", "adresse", "mail", "email", "courriel", "tel", "telephone", "portable", "usager", "usagers", "resident",
    "residents", "patient", "patients", "beneficiaire", "identite", "identifiant", "ipp", "secu", "securite", "traits", "commune",
    "codepostal", "representant", "tuteur", "medecin", "professionnel", "rpps",
})  # fmt: skip
_COUNTS = ("persons_present", "active_files", "active_files_with_project", "active_files_with_event")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Extraction:
    """The counts of one ESSMS in one window of whole months, [since, until).

    persons_present           persons accompanied in the window
    active_files              files that exist, of a person accompanied, updated at least once in the window
    active_files_with_project of these, with a personalised project in preparation or active
    active_files_with_event   of these, with an event in the agenda
    extracted_on              day on which the DUI was asked, after the window's end
    source                    extraction: by the DUI itself; declaration: by a person
    """

    finess_et: str
    since: date
    until: date
    persons_present: int
    active_files: int
    active_files_with_project: int
    active_files_with_event: int
    extracted_on: date
    source: Literal["extraction", "declaration"]

    @property
    def window(self) -> tuple[str, date, date]:
        return self.finess_et, self.since, self.until

    @property
    def months(self) -> int:
        return (self.until.year - self.since.year) * 12 + self.until.month - self.since.month

    def item(self) -> dict[str, str | int]:
        """As the entry's detail has it; ``to`` is the day after the window."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return {
            "finess_et": self.finess_et, "from": self.since.isoformat(), "to": self.until.isoformat(), **counts,
            "extracted_on": self.extracted_on.isoformat(), "source": self.source,
        }  # fmt: skip

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Extraction:
        since, until, asked = (date.fromisoformat(item[name]) for name in ("from", "to", "extracted_on"))
        persons, active, project, event = (int(item[name]) for name in _COUNTS)
        return cls(item["finess_et"], since, until, persons, active, project, event, asked, item["source"])


@dataclass(frozen=True, slots=True)
class Received:
    """An accepted extraction and the entry that holds it."""

    extraction: Extraction
    entry_id: str
    event_time: str
    log: int
    seq: int
    tenant: str

    @property
    def rank(self) -> tuple[date, str, int, int]:
        """The later one supersedes: by the day on which the DUI was asked, then by arrival, at whichever gateway that was."""
        return self.extraction.extracted_on, self.event_time, self.log, self.seq


class NotEntitled(ValueError):
    """The caller does not act for the ESSMS of these lines of its file."""

    def __init__(self, lines: list[int]) -> None:
        super().__init__(f"lines {lines}")
        self.lines = lines


# --- the file -----------------------------------------------------------------------------------------------------------------


def read_extraction(
    content: bytes, registry: Registry, today: date, entitled: Mapping[str, frozenset[str]] | None = None
) -> list[Extraction]:
    """The extractions of a CSV file, all of them of members of the registry.

    entitled  by FINESS ET that the caller acts for, the legal entities for which it may be counted; None: all of them
    Raises NotEntitled, TableRefused: nothing is taken.
    """
    rows = read_table(content, COLUMNS, _personal)
    found = [(row, _of(row)) for row in rows]
    raise_problems(rows)
    if entitled is not None:
        _check_entitled(found, registry, entitled)
    seen: dict[tuple[str, date, date], int] = {}
    for row, one in found:
        assert one is not None
        if one.window in seen:
            row.wrong("finess_et", f"même ESSMS et même période qu'à la ligne {seen[one.window]}.")
        seen.setdefault(one.window, row.line)
        _check(row, one, registry, today)
    raise_problems(rows)
    return [one for _, one in found if one is not None]


def digest_of(extractions: Sequence[Extraction]) -> str:
    """SHA-256 of what a file says, whatever its order, its spaces, the form of its dates."""
    items = sorted((one.item() for one in extractions), key=lambda item: orjson.dumps(item, option=orjson.OPT_SORT_KEYS))
    return hashlib.sha256(orjson.dumps(items, option=orjson.OPT_SORT_KEYS)).hexdigest()


def remarks(extractions: Sequence[Extraction]) -> list[str]:
    """What is possible and deserves a look, in French."""
    return [
        f"{one.finess_et}, {one.since:%m/%Y} : plus de dossiers actifs que de personnes présentes."
        for one in extractions
        if one.active_files > one.persons_present
    ]


def _check_entitled(
    found: Sequence[tuple[Row, Extraction | None]], registry: Registry, entitled: Mapping[str, frozenset[str]]
) -> None:
    lines = []
    for row, one in found:
        assert one is not None
        essms = registry.essms(one.finess_et)
        if one.finess_et not in entitled or (essms is not None and essms.finess_ej not in entitled[one.finess_et]):
            lines.append(row.line)
    if lines:
        raise NotEntitled(lines)


def _personal(name: str) -> str | None:
    if _PERSONAL.isdisjoint(_WORD.findall(name)):
        return None
    return (
        "cette colonne parle de personnes : l'extraction ne porte que des nombres et des dates de période. Retirez-la, et "
        "vérifiez que votre DUI n'exporte aucune donnée nominative."
    )


def _of(row: Row) -> Extraction | None:
    number = row.read("finess_et", finess)
    first, last = row.read("periode_debut", day), row.read("periode_fin", day)
    counts = [row.read(column.name, whole) for column in COLUMNS[3:7]]
    asked = row.read("extrait_le", day)
    source = row.read("source", one_of("extraction", "declaration"))
    if row.problems or number is None or first is None or last is None or asked is None or source is None:
        return None
    persons, active, project, event = (int(count or 0) for count in counts)
    kind: Literal["extraction", "declaration"] = "extraction" if source == "extraction" else "declaration"
    one = Extraction(number, first, last + timedelta(days=1), persons, active, project, event, asked, kind)
    if first.day != 1 or one.until.day != 1 or one.until <= first:
        row.wrong("periode_debut", "la période va du premier jour d'un mois au dernier jour d'un mois.")
    return one


def _check(row: Row, one: Extraction, registry: Registry, today: date) -> None:
    essms, unknown = registry.essms(one.finess_et), registry.why_not_essms(one.finess_et)
    if unknown is not None:
        row.wrong("finess_et", unknown)
    elif essms is not None and not _was_member(essms, one):
        row.wrong("periode_debut", "l'ESSMS n'est membre de sa grappe à aucun jour de cette période.")
    for name, count in (("projet", one.active_files_with_project), ("evenement", one.active_files_with_event)):
        if count > one.active_files:
            row.wrong(f"dossiers_actifs_avec_{name}", "plus grand que dossiers_actifs, dont c'est une partie.")
    if one.extracted_on < one.until:
        row.wrong("extrait_le", "période non close : l'extraction se fait après le dernier jour de la période.")
    if one.extracted_on > today:
        row.wrong("extrait_le", "date à venir.")


def _was_member(essms: Essms, one: Extraction) -> bool:
    return essms.member_from < one.until and (essms.member_until is None or essms.member_until > one.since)


# --- the journal --------------------------------------------------------------------------------------------------------------


def detail_of(extractions: Sequence[Extraction]) -> dict[str, Any]:
    """The detail of the entry of an accepted file."""
    return {"digest": digest_of(extractions), "rows": [one.item() for one in extractions]}


def extractions(connection: Connection, environment: str, vector: Mapping[int, int] | None = None) -> Iterator[Received]:
    """Every accepted extraction of an environment, in journal order, superseded ones included.

    vector  by log, how many entries it had at the moment asked about; None: now
    """
    for entry in _accepted(connection, environment):
        if vector is not None and entry["seq"] >= vector.get(entry["log"], 0):
            continue
        for item in entry["detail"].get("rows", ()):
            yield Received(Extraction.of(item), entry["id"], entry["event_time"], entry["log"], entry["seq"], entry["tenant"])


def latest(received: Iterable[Received]) -> dict[tuple[str, date, date], Received]:
    """By (finess_et, since, until), the one that stands."""
    standing: dict[tuple[str, date, date], Received] = {}
    for one in received:
        known = standing.get(one.extraction.window)
        if known is None or one.rank > known.rank:
            standing[one.extraction.window] = one
    return standing


def same_as(connection: Connection, environment: str, tenant: str, digest: str) -> str | None:
    """The entry that already holds what this file says, for this tenant; None when it is new."""
    entries = _accepted(connection, environment)
    return next((one["id"] for one in entries if one["tenant"] == tenant and one["detail"].get("digest") == digest), None)


def outdated(connection: Connection, environment: str, sent: Sequence[Extraction]) -> list[str]:
    """Which of these are not what counts, though the journal holds them, in French: sent again, a file changes nothing."""
    standing = latest(extractions(connection, environment))
    return [
        f"{one.finess_et}, {one.since:%m/%Y} : c'est l'extraction du {now.extraction.extracted_on:%d/%m/%Y}, entrée "
        f"{now.log}/{now.seq}, qui compte ; pour revenir à celle-ci, refaites-la avec un extrait_le plus récent."
        for one in sent
        if (now := standing.get(one.window)) is not None and now.extraction != one
    ]


def _accepted(connection: Connection, environment: str) -> Iterator[dict[str, Any]]:
    entries = (orjson.loads(body) for (body,) in connection.execute(ACCEPTED))
    return (entry for entry in entries if entry["environment"] == environment and entry["detail"])
