"""CSV files that people fill in: read strictly, every mistake named by line and column, in French, and none guessed away.

One form only: UTF-8, « ; », a header. A spreadsheet that saves another one is told how to save this one.
"""
from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from connectors.nomenclatures.identifiers import is_finess_form
from gateway.grappes.importing.names import without_accents
from gateway.grappes.importing.numbers import is_scientific

MAX_BYTES = 1 << 20
MAX_ROWS = 5000
_MAX_PROBLEMS = 20
_MAX_NUMBER = 999_999
_SAVE = "Dans le tableur : Enregistrer sous, « CSV UTF-8 (délimité par des points-virgules) »."
_ISO = re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})")
_FRENCH = re.compile(r"(?P<d>\d{2})/(?P<m>\d{2})/(?P<y>\d{4})")
_QUOTED = re.compile(r'="([^"]*)"')  # as our own exports write a number that must stay text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``line`` is that of the file, from 1; ``column`` the name of the column, when one is at fault."""

    line: int
    column: str | None
    text: str

    def __str__(self) -> str:
        return f"ligne {self.line}{f', colonne {self.column}' if self.column else ''} : {self.text}"

    def item(self) -> dict[str, int | str | None]:
        return {"ligne": self.line, "colonne": self.column, "raison": self.text}


class TableRefused(ValueError):
    """A file of which nothing was taken, and why: the first twenty mistakes."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems[:_MAX_PROBLEMS])
        super().__init__(" ; ".join(str(one) for one in self.problems))


@dataclass(frozen=True, slots=True)
class Column:
    """``name`` as in the template; a column that is not ``required`` may be left out, its cells then read as empty."""

    name: str
    required: bool = True


@dataclass(slots=True)
class Row:
    """One line. Its readers note what is wrong and return None, so that one reading finds every mistake."""

    line: int
    cells: dict[str, str] = field(repr=False)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, column: str | None, text: str) -> None:
        self.problems.append(Problem(self.line, column, text))

    def read(self, column: str, reader: Callable[[str], T]) -> T | None:
        """The cell through a reader that raises ValueError with a French text."""
        try:
            return reader(self.cells.get(column, ""))
        except ValueError as error:
            self.wrong(column, str(error))
            return None


def read_table(content: bytes, columns: Sequence[Column], refused: Callable[[str], str | None] = lambda _name: None) -> list[Row]:
    """The rows under the header, the empty ones left out. Raises TableRefused.

    refused  why a column of this name may not be there at all, in French; None when it is merely unknown
    """
    lines = csv.reader(io.StringIO(_text(content), newline=""), delimiter=";", strict=True)
    rows: list[Row] = []
    names: list[str] | None = None
    problems: list[Problem] = []
    try:
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = _header(cells, columns, lines.line_num, refused)
            elif len(cells) != len(names):
                problems.append(Problem(lines.line_num, None, f"{len(cells)} cellules, l'en-tête en a {len(names)}."))
            else:
                rows.append(Row(lines.line_num, {name: _plain(cell) for name, cell in zip(names, cells, strict=True)}))
            if len(rows) > MAX_ROWS:
                raise TableRefused([Problem(lines.line_num, None, f"plus de {MAX_ROWS} lignes : découpez le fichier.")])
    except csv.Error:
        problems.append(Problem(lines.line_num, None, "guillemets ouverts et jamais fermés, ou mal doublés."))
    if names is not None and not rows and not problems:
        problems.append(Problem(lines.line_num, None, "aucune ligne sous l'en-tête."))
    if names is None and not problems:
        problems.append(Problem(1, None, "fichier vide."))
    if problems:
        raise TableRefused(problems)
    return rows


def raise_problems(rows: Sequence[Row]) -> None:
    """Raises TableRefused when a row has a mistake."""
    problems = [problem for row in rows for problem in row.problems]
    if problems:
        raise TableRefused(sorted(problems, key=lambda one: one.line))


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise TableRefused([Problem(1, None, f"fichier de plus de {MAX_BYTES >> 20} Mio : découpez-le.")])
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TableRefused([Problem(1, None, f"fichier en UTF-16, UTF-8 attendu. {_SAVE}")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, place = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        said = f"caractère {place} illisible : fichier enregistré dans un autre encodage, UTF-8 attendu. {_SAVE}"
        raise TableRefused([Problem(line, None, said)]) from None
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise TableRefused([Problem(line, None, "octet nul : ce n'est pas un fichier CSV.")])
    return text


def _header(cells: list[str], columns: Sequence[Column], line: int, refused: Callable[[str], str | None]) -> list[str]:
    if len(cells) == 1:
        other = next((f"« {sign} »" for sign in (",", "|") if sign in cells[0]), "tabulation" if "\t" in cells[0] else None)
        if other is not None:
            raise TableRefused([Problem(line, None, f"séparateur {other}, « ; » attendu. {_SAVE}")])
    names = [simplified(cell) for cell in cells]
    known = [column.name for column in columns]
    problems = []
    for place, name in enumerate(names, start=1):
        why = refused(name)
        if why is not None:
            problems.append(Problem(line, str(place), why))
        elif name not in known:
            problems.append(Problem(line, str(place), f"colonne inconnue ; colonnes attendues : {' ; '.join(known)}."))
        elif name in names[: place - 1]:
            problems.append(Problem(line, name, "colonne donnée deux fois."))
    problems += [Problem(line, one.name, "colonne absente.") for one in columns if one.required and one.name not in names]
    if problems:
        raise TableRefused(problems)
    return names


def simplified(text: str) -> str:
    """A column's name without accents, capitals, spaces: ``Dossiers actifs`` is dossiers_actifs."""
    return re.sub(r"[^a-z0-9]+", "_", without_accents(text).strip().lower()).strip("_")


def _plain(cell: str) -> str:
    quoted = _QUOTED.fullmatch(cell.strip())
    return (quoted[1] if quoted else cell).strip().removeprefix("'")


# --- readers of one cell: a value, or ValueError in French --------------------------------------------------------------------


def finess(text: str) -> str:
    """A geographic number as it is; what a spreadsheet did to it is said, never mended."""
    if not text:
        raise ValueError("FINESS absent.")
    if is_scientific(text):
        raise ValueError("FINESS changé en nombre par le tableur : mettez la colonne au format Texte et ressaisissez-le.")
    bare = "".join(text.split()).upper()
    if bare.isdecimal() and len(bare) == 8:
        raise ValueError("8 chiffres sur 9 : le tableur a sans doute retiré un zéro en tête. Colonne à mettre au format Texte.")
    if not is_finess_form(bare):
        raise ValueError(f"{len(bare)} caractères ou forme fausse : neuf attendus, une lettre en deuxième position seulement.")
    return bare


def whole(text: str) -> int:
    """A number of persons or of files: digits only."""
    if not text:
        raise ValueError("nombre absent.")
    if text.startswith(("-", "\u2212")):
        raise ValueError("nombre négatif.")
    if re.fullmatch(r"\d+[.,]\d*", text):
        raise ValueError("nombre décimal : un nombre entier est attendu.")
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("ce n'est pas un nombre entier, écrit en chiffres sans espace.")
    if int(text) > _MAX_NUMBER:
        raise ValueError(f"nombre supérieur à {_MAX_NUMBER}.")
    return int(text)


def day(text: str) -> date:
    """AAAA-MM-JJ, or JJ/MM/AAAA as French spreadsheets write it."""
    found = _ISO.fullmatch(text) or _FRENCH.fullmatch(text)
    try:
        if found is not None:
            return date(int(found["y"]), int(found["m"]), int(found["d"]))
    except ValueError:
        pass
    raise ValueError("date attendue : AAAA-MM-JJ ou JJ/MM/AAAA." if text else "date absente.")


def one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"valeur hors de la liste : {', '.join(allowed)}.")
        return text

    return read
