"""The FINESS open-data extraction of establishments, given by the user: what FINESS itself says of the numbers asked about.

Two forms (programme-indicateurs-2 §11): the native one, « ; », first line of metadata, rows prefixed ``structureet``, no
header; and the one re-exposed with a header of field names. Nothing is downloaded. Beyond the first names, the places of
the native fields come from its published layout [M]: a field that has not the expected form is not used.
"""
from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from gateway.grappes.importing.places import Unreadable
from gateway.os_errors import in_french

MOST_BYTES = 600 * 1024 * 1024
_NATIVE = "structureet"
_NATIVE_CATEGORY = 18
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ROUTED = re.compile(r"([0-9]{5})\s+\S.*")


@dataclass(frozen=True, slots=True)
class Known:
    """One establishment of FINESS. ``closed_on`` when the extraction has a closing date; ``category`` when it has a code."""

    finess_et: str
    finess_ej: str
    name: str
    category: str | None = None
    postcode: str | None = None
    closed_on: str | None = None


@dataclass(slots=True)
class FinessFile:
    """What an extraction says of the numbers asked for. ``legal``: which of them are numbers of legal entities there."""

    document: str
    day: str | None = None
    known: dict[str, Known] = field(default_factory=dict)
    legal: set[str] = field(default_factory=set)
    rows: int = 0


def read_finess(path: Path, wanted: Collection[str]) -> FinessFile:
    """Look up ``wanted`` in the extraction, line by line. Raises Unreadable when the file is neither of the two forms."""
    asked = frozenset(wanted)
    found = FinessFile(path.name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(f"{path.name} : fichier trop gros pour une extraction FINESS des établissements.")
        with path.open("rb") as stream:
            lines = (_decoded(line) for line in stream)
            for known in _records(path.name, lines, found):
                found.rows += 1
                if known.finess_et in asked:
                    found.known[known.finess_et] = known
                if known.finess_ej in asked:
                    found.legal.add(known.finess_ej)
    except OSError as error:
        raise Unreadable(f"{path.name} : lecture impossible ({in_french(error)}).") from error
    except csv.Error as error:
        raise Unreadable(f"{path.name} : extraction FINESS illisible. Reprenez le fichier d'origine.") from error
    if not found.rows:
        raise Unreadable(
            f"{path.name} : ce n'est pas une extraction FINESS des établissements (lignes « structureet » ou en-tête "
            "« nofinesset » attendus). Donnez le fichier tel que téléchargé."
        )
    return found


def _records(name: str, lines: Iterator[str], found: FinessFile) -> Iterator[Known]:
    first = next(lines, "")
    header = first.strip().lower()
    if "nofinesset" in header:
        separator = max(";,\t", key=header.count)
        fields = [cell.strip().strip('"') for cell in header.split(separator)]
        for cells in csv.reader(lines, delimiter=separator):
            if len(cells) == len(fields):
                yield _re_exposed(dict(zip(fields, (cell.strip() for cell in cells), strict=True)))
        return
    day = _DAY.search(first)
    found.day = day[0] if day else None
    for cells in csv.reader(chain([first], lines), delimiter=";", quoting=csv.QUOTE_NONE):
        if len(cells) > 3 and cells[0].strip().lower() == _NATIVE:
            yield _native([cell.strip() for cell in cells])


def _re_exposed(row: dict[str, str]) -> Known:
    closed = next((text for title, text in row.items() if "ferm" in title and text), None)
    postcode = row.get("codepostal") or _routed(row.get("ligneacheminement", "")) or _routed(row.get("libelle_routage", ""))
    name = row.get("rs") or row.get("rslongue", "")
    return Known(row["nofinesset"], row.get("nofinessej", ""), name, row.get("categetab") or None, postcode, closed)


def _native(cells: list[str]) -> Known:
    category = cells[_NATIVE_CATEGORY] if len(cells) > _NATIVE_CATEGORY else ""
    postcode = next(filter(None, map(_routed, cells[4:])), None)
    return Known(cells[1], cells[2], cells[3], category if category.isdecimal() else None, postcode)


def _routed(text: str) -> str | None:
    found = _ROUTED.fullmatch(text)
    return found[1] if found else None


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")
