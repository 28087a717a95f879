"""Decisions of a person: a CSV that `check` prepares and `import` reads, or ``LIGNE=NUMERO:raison`` on the command line."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.exports.cells import csv_bytes, number_as_text, plain_text
from gateway.grappes.importing.checking import Checked, Establishment
from gateway.grappes.tables import Column, Row, TableRefused, finess, raise_problems, read_table, whole
from gateway.os_errors import in_french

_GIVEN = ("grappe", "etablissement", "saisi", "statut", "regle", "justification", "choix")
_COLUMNS = [
    Column("ligne"), *(Column(name, required=False) for name in _GIVEN), Column("numero"), Column("raison"),
    Column("finess_ej", required=False), Column("entite", required=False),
]  # fmt: skip
_HEADER = ["grappe", "ligne", *_GIVEN[1:], "numero", "raison", "finess_ej", "entite"]
_ACCEPTED = re.compile(r"(?P<ligne>[0-9]{1,6})=(?P<numero>[0-9A-Za-z ]+):(?P<why>.*\S.*)", re.DOTALL)


class DecisionRefused(ValueError):
    """A decision that cannot be taken; the message is French and says where."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person decides for one row of a grappe.

    numero     the number kept; None leaves it as the check has it
    finess_ej  the legal entity, when no table gives it, and ``entite`` its name
    place      where it was written, for what is said about it
    """

    ligne: int
    numero: str | None
    why: str
    finess_ej: str | None = None
    entite: str | None = None
    place: str = ""


def template(grappes: Sequence[Checked]) -> bytes:
    """The rows that wait for a person, with what was found; « numero » and « raison » are to be filled in."""
    rows = [_row(one.grappe, row) for one in grappes for row in one.establishments if _waits(row)]
    return csv_bytes([_HEADER, *rows])


def read_decisions(path: Path, grappe: str) -> list[Ruling]:
    """The filled rows of this grappe. Raises DecisionRefused with each mistake, by line and column."""
    try:
        rows = read_table(path.read_bytes(), _COLUMNS)
        rulings = [ruling for row in rows if row.cells.get("grappe") in (None, "", grappe) for ruling in _ruling(path.name, row)]
        raise_problems(rows)
    except OSError as error:
        raise DecisionRefused(f"{path.name} : lecture impossible ({in_french(error)}).") from error
    except TableRefused as error:
        raise DecisionRefused(f"{path.name}, {error}") from error
    return rulings


def accepted(texts: Iterable[str]) -> list[Ruling]:
    """``13=660000000:confirmé par FINESS le 3 mars``. Raises DecisionRefused."""
    found = []
    for text in texts:
        said = _ACCEPTED.fullmatch(text)
        if said is None:
            raise DecisionRefused(f"--accept « {text} » : écrivez LIGNE=NUMERO:raison, la raison dit qui ou quoi l'a confirmé.")
        try:
            found.append(Ruling(int(said["ligne"]), finess(said["numero"]), said["why"].strip(), place=f"--accept {text}"))
        except ValueError as error:
            raise DecisionRefused(f"--accept « {text} » : {error}") from error
    return found


def _waits(one: Establishment) -> bool:
    return one.verdict.statut != "confirme" or one.entity is None


def _row(grappe: str, one: Establishment) -> list[str]:
    choices = " ".join(one.verdict.choix)
    typed = " ".join(one.saisi.split())
    return [
        plain_text(grappe), str(one.ligne), plain_text(one.label), number_as_text(typed), one.verdict.statut, one.verdict.regle,
        plain_text(one.verdict.justification), number_as_text(choices), "", "",
        number_as_text(one.entity.verdict.retenu) if one.entity is not None else "", plain_text(one.og),
    ]  # fmt: skip


def _ruling(document: str, row: Row) -> Iterable[Ruling]:
    """Nothing for a row that nobody filled in; the reason is asked as soon as a number is given."""
    number, why, legal = row.cells["numero"], row.cells["raison"], row.cells.get("finess_ej", "")
    if not number and not legal:
        return
    ligne = row.read("ligne", whole)
    kept = row.read("numero", finess) if number else None
    entity = row.read("finess_ej", finess) if legal else None
    if number and not why:
        row.wrong("raison", "raison absente : dites qui ou quoi a confirmé ce numéro.")
    if ligne is not None:
        yield Ruling(ligne, kept, why, entity, row.cells.get("entite") or None, f"{document}, ligne {row.line}")
