"""Which column is what: a header is found wherever it stands, and by what the columns hold when there is none."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from connectors.nomenclatures.identifiers import is_finess
from gateway.grappes.importing.numbers import plain, postcode_in
from gateway.grappes.importing.places import Grid, GridLine, Unreadable, column_letters
from gateway.grappes.importing.vocabulary import Field, field_of

_FIRST_LINES = 40  # a title may stand above the header, not a whole document
_MOSTLY = 0.6  # of the cells of a column


@dataclass(frozen=True, slots=True)
class Header:
    """Where the data begin and what each column is.

    line    index, in the grid, of the first line after the header
    fields  column of each field
    titles  column titles as typed
    """

    line: int
    fields: dict[Field, int]
    titles: tuple[str, ...]


def header_of(grid: Grid) -> Header | None:
    """The header of a grid, or None when nothing in it looks like a table of establishments. Raises Unreadable if ambiguous."""
    best: tuple[int, Header] | None = None
    for at, line in enumerate(grid.lines[:_FIRST_LINES]):
        for titles, after in _readings(grid.lines, at, line):
            fields = _fields(grid, titles, grid.lines[after - 1].number)
            if fields and (best is None or len(fields) > best[0]):
                best = (len(fields), Header(after, fields, titles))
    return _with_number(grid, best[1]) if best else _by_content(grid)


def repeats(header: Header, line: GridLine) -> bool:
    """True for the header printed again at the top of a page."""
    if any(_is_data(text) for text in line.texts):
        return False
    columns = list(header.fields.values())
    same = [field_of(text) is not None and field_of(text) == field_of(header.titles[at]) for at, text in _at(line, columns)]
    return bool(same) and sum(same) * 2 > len(columns)


def _at(line: GridLine, columns: Sequence[int]) -> list[tuple[int, str]]:
    return [(at, line.texts[at]) for at in columns if at < len(line.texts)]


def _readings(lines: Sequence[GridLine], at: int, line: GridLine) -> list[tuple[tuple[str, ...], int]]:
    """The line as a header, and with the next one as a header of two lines whose merged cells cover several columns."""
    found = [(line.texts, at + 1)]
    below = lines[at + 1].texts if at + 1 < len(lines) else ()
    if below and not any(char.isdecimal() for text in below for char in text) and any(not text.strip() for text in line.texts):
        above, spread = "", []
        for text in line.texts:
            above = text if text.strip() else above
            spread.append(above)
        pairs = zip_longest(spread, line.texts, below, fillvalue="")
        found.append((tuple(f"{over} {text}" if text.strip() else alone for over, alone, text in pairs), at + 2))
    return found


def _fields(grid: Grid, titles: Sequence[str], line: int) -> dict[Field, int]:
    """The fields of these titles; empty when they are no header: one field that is no data, or nothing known."""
    found = _named(titles)
    untyped = [at for at, title in enumerate(titles) if field_of(title) == "finess"]
    known = len(found) + len(untyped)
    meant = sum(bool(title.strip()) and field_of(title) != "autre" for title in titles)
    if any(_is_data(title) for title in titles) or known < 2 or known * 2 < meant:
        return {}
    return _with_untyped(grid, found, untyped, line)


def _named(titles: Sequence[str]) -> dict[Field, int]:
    """The first column of each field; what is known and not read, and « FINESS » alone, are not among them."""
    found: dict[Field, int] = {}
    for at, title in enumerate(titles):
        field = field_of(title)
        if field is not None and field not in ("autre", "finess"):
            found.setdefault(field, at)
    return found


def _is_data(title: str) -> bool:
    return sum(char.isdecimal() for char in title) >= 5


def _with_untyped(grid: Grid, found: dict[Field, int], untyped: list[int], line: int) -> dict[Field, int]:
    """« FINESS » alone is the establishment's number, unless a column already says it is: then nobody knows whose it is."""
    if len(untyped) > 1:
        columns = " et ".join(column_letters(at) for at in untyped)
        raise Unreadable(
            f"{grid.document}, ligne {line} : deux colonnes « FINESS » ({columns}) sans dire lequel est l'établissement. "
            "Nommez l'une « FINESS ET » et l'autre « FINESS EJ »."
        )
    if untyped and "finess_et" not in found:
        found["finess_et"] = untyped[0]
    return found


def _with_number(grid: Grid, header: Header) -> Header:
    """A column that nobody called FINESS and that holds some: « Identifiant », « N° établissement »."""
    if "finess_et" in header.fields:
        return header
    known = {at for field, at in header.fields.items() if field.startswith("finess")}
    read = [at for at, title in enumerate(header.titles) if at not in known and field_of(title) != "autre"]
    lines = [line for line in grid.lines[header.line :] if not line.is_blank]
    held = [at for at in read if _share([line.texts[at] for line in lines if at < len(line.texts)], _holds) >= _MOSTLY]
    if len(held) != 1:
        return header
    others = ("" if at == held[0] else title for at, title in enumerate(header.titles))
    return Header(header.line, _named(tuple(others)) | {"finess_et": held[0]}, header.titles)


def _holds(text: str) -> bool:
    return is_finess(plain(text))


def _by_content(grid: Grid) -> Header | None:
    """No header at all: the column of the numbers, of the postcodes, and the wordiest one, when each is alone of its kind."""
    lines = [line for line in grid.lines if not line.is_blank]
    width = max((len(line.texts) for line in lines), default=0)
    columns = [[line.texts[at] if at < len(line.texts) else "" for line in lines] for at in range(width)]
    numbers = [at for at, texts in enumerate(columns) if _share(texts, _looks_like_finess) >= _MOSTLY]
    if len(numbers) > 1:
        raise Unreadable(
            f"{grid.document} : pas d'en-tête, et {len(numbers)} colonnes de numéros ; laquelle est celle de l'établissement ? "
            "Ajoutez une première ligne avec « FINESS ET », « FINESS EJ », « Établissement »."
        )
    if not numbers:
        return None
    fields: dict[Field, int] = {"finess_et": numbers[0]}
    postcodes = [at for at, texts in enumerate(columns) if at not in numbers and _share(texts, _is_postcode) >= _MOSTLY]
    if postcodes:
        fields["code_postal"] = postcodes[0]
    wordy = [at for at in range(width) if at not in fields.values() and _share(columns[at], _has_letters) >= _MOSTLY]
    if wordy:
        fields["etablissement"] = max(wordy, key=lambda at: sum(map(len, columns[at])))
    return Header(0, fields, ("",) * width)


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, texts)) / len(texts) if texts else 0.0


def _looks_like_finess(text: str) -> bool:
    number = plain(text)
    return 8 <= len(number) <= 10 and sum(char.isdecimal() for char in number) >= 7


def _is_postcode(text: str) -> bool:
    return len(text.strip()) == 5 and postcode_in(text) is not None


def _has_letters(text: str) -> bool:
    return sum(char.isalpha() for char in text) >= 3
