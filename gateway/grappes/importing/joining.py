"""Which rows of several tables are one establishment (programme-indicateurs §4, end): number, then postcode and name.

Never by city, never by contact. Pages without any key follow the order of their rows, and only when they have as many.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.grappes.importing.names import alike, fold, simplified
from gateway.grappes.importing.numbers import plain, postcode_in
from gateway.grappes.importing.tables import Row, Table
from gateway.grappes.importing.vocabulary import Field

Key = Callable[[Row], Hashable | None]


@dataclass(slots=True, eq=False)
class Site:
    """One establishment: its rows in the order in which documents are believed, numbered as its longest table does."""

    ligne: int
    rows: list[Row] = field(default_factory=list)
    repeated: list[Row] = field(default_factory=list)

    def text(self, name: Field) -> str:
        """The first value that some document gives."""
        return next((row.text(name) for row in self.rows if row.text(name)), "")


@dataclass(frozen=True, slots=True)
class Joined:
    sites: tuple[Site, ...]
    remarks: tuple[str, ...]


def join(tables: Sequence[Table]) -> Joined:
    """Every establishment of the grappe, once. Tables come in the order in which they are believed.

    The longest table with numbers gives the rows and their numbering; the others complete it, and add what it lacks.
    """
    numbered = [table for table in tables if table.has("finess_et")]
    reference = max(numbered, key=lambda table: len(table.rows))
    by_row: dict[int, Site] = {}  # id of a row → its site
    remarks: list[str] = []
    sites = _sites_of(reference, by_row)
    for table in numbered:
        if table is not reference:
            remarks += _attach(sites, table, by_row)
    for table in tables:
        if not table.has("finess_et"):
            remarks += _complete(sites, numbered, table, by_row)
    rank = {id(row): (at, row.order) for at, table in enumerate(tables) for row in table.rows}
    for site in sites:
        site.rows.sort(key=lambda row: rank[id(row)])
    return Joined(tuple(sites), tuple(remarks))


def postcode_of(row: Row) -> str | None:
    """From its own column, from « dept » which often holds it, else from the address."""
    for name in ("code_postal", "departement", "adresse"):
        found = postcode_in(row.text(name))
        if found:
            return found
    return None


def site_postcode(site: Site) -> str | None:
    """The first one that some document gives."""
    return next(filter(None, map(postcode_of, site.rows)), None)


def number_of(row: Row) -> str | None:
    return plain(row.typed("finess_et")) or None


def name_of(row: Row) -> str | None:
    return simplified(row.text("etablissement")) or None


def _sites_of(table: Table, by_row: dict[int, Site]) -> list[Site]:
    numbers = _row_numbers(table)
    sites: dict[Hashable, Site] = {}
    for row in table.rows:
        site = sites.setdefault(_identity(row), Site(numbers[row.order]))
        (site.repeated if site.rows else site.rows).append(row)
        by_row[id(row)] = site
    return list(sites.values())


def _row_numbers(table: Table) -> list[int]:
    """The numbers that the table gives its rows when each has its own; else their order from 1."""
    said = ["".join(char for char in row.text("ligne") if char.isdecimal()) for row in table.rows]
    numbers = [int(text) for text in said if text and len(text) < 7]
    if len(numbers) == len(table.rows) and len(set(numbers)) == len(numbers):
        return numbers
    return list(range(1, len(table.rows) + 1))


def _identity(row: Row) -> Hashable:
    """What two copies of one row share; a row that has no number is never a copy."""
    if number_of(row) is None:
        return id(row)
    return number_of(row), postcode_of(row), name_of(row), fold(row.text("ville")), simplified(row.text("og"))


def _attach(sites: list[Site], table: Table, by_row: dict[int, Site]) -> list[str]:
    """Give each row of another table its site; what finds none is a site of its own, numbered after the others or as typed."""
    own: dict[int, Site] = {}
    fresh = _sites_of(table, own)
    by_row.update(own)
    left = _match(sites, fresh, _PASSES)
    taken = {site.ligne for site in sites}
    remarks = []
    for site in left:
        if site.ligne in taken:
            site.ligne = max(taken) + 1
        taken.add(site.ligne)
        sites.append(site)
        remarks.append(f"{site.rows[0].place} : établissement absent de l'autre tableau, ajouté à la ligne {site.ligne}.")
    return _absent(sites, table) + remarks


def _absent(sites: Iterable[Site], table: Table) -> list[str]:
    missing = [site for site in sites if not any(row.place.document == table.document for row in site.rows)]
    if not missing:
        return []
    lines = ", ".join(str(site.ligne) for site in missing)
    return [f"{table.document} : rien pour {'la ligne' if len(missing) == 1 else 'les lignes'} {lines}."]


def _complete(sites: list[Site], numbered: Sequence[Table], table: Table, by_row: dict[int, Site]) -> list[str]:
    """A table without numbers adds what it says to the sites it names, or, when it names none, to the rows of same order.

    A list of organisations and of their own numbers is neither: establishments find theirs by its name.
    """
    if table.has("finess_ej") and table.has("og") and any(other.has("og") for other in numbered):
        return []
    if table.has("etablissement"):
        left = _match(sites, [Site(0, [row]) for row in table.rows], _NAME_PASSES)
        return [f"{site.rows[0].place} : établissement non retrouvé dans les tableaux qui portent les numéros." for site in left]
    beside = [other for other in numbered if len(other.rows) == len(table.rows)]
    if not beside:
        counts = ", ".join(f"{len(other.rows)} dans {other.document}" for other in numbered)
        return [f"{table.document} : {len(table.rows)} lignes sans clé, {counts} ; non rapproché, complétez le fragment."]
    for mine, theirs in _side_by_side(table, beside[0]):
        by_row[id(theirs)].rows.append(mine)
    return [f"{table.document} : aucune clé commune, rapproché de {beside[0].document} par l'ordre des lignes."]


def _side_by_side(table: Table, other: Table) -> Iterable[tuple[Row, Row]]:
    """By the rows' own numbers when both tables have the same ones, else by order."""
    mine, theirs = _row_numbers(table), _row_numbers(other)
    if table.has("ligne") and other.has("ligne") and set(mine) == set(theirs):
        places = dict(zip(theirs, other.rows, strict=True))
        return [(row, places[number]) for row, number in zip(table.rows, mine, strict=True)]
    return zip(table.rows, other.rows, strict=True)


def _match(sites: Sequence[Site], fresh: Sequence[Site], passes: Sequence[Callable[[Site], Hashable | None]]) -> list[Site]:
    """Join ``fresh`` to ``sites``, one to one, surest key first; what no key joined comes back."""
    free, left = list(sites), list(fresh)
    for key in passes:
        groups: dict[Hashable, tuple[list[Site], list[Site]]] = defaultdict(lambda: ([], []))
        for side, members in enumerate((free, left)):
            for site in members:
                value = key(site)
                if value is not None:
                    groups[value][side].append(site)
        for ours, theirs in groups.values():
            if _go_together(key, ours, theirs):
                for mine, other in zip(ours, theirs, strict=True):
                    _merge(mine, other)
                    free.remove(mine)
                    left.remove(other)
    return _match_alike(free, left)


def _go_together(key: Callable[[Site], Hashable | None], ours: list[Site], theirs: list[Site]) -> bool:
    """One of each; several that share a number follow their order. A name alone joins nothing across two postcodes."""
    if key is _name:
        return len(ours) == len(theirs) == 1 and None in (site_postcode(ours[0]), site_postcode(theirs[0]))
    return len(ours) == len(theirs) and (len(ours) == 1 or key is not _POSTCODE_AND_NAME)


def _match_alike(free: list[Site], left: list[Site]) -> list[Site]:
    """Last, names that differ by a letter under one postcode, when each is the only one for the other."""
    by_postcode: dict[str | None, tuple[list[Site], list[Site]]] = defaultdict(lambda: ([], []))
    for side, members in enumerate((free, left)):
        for site in members:
            by_postcode[site_postcode(site)][side].append(site)
    joined: list[Site] = []
    for postcode, (ours, theirs) in by_postcode.items():
        pairs = [(mine, other) for mine in ours for other in theirs if postcode and _are_alike(mine, other)]
        for mine, other in pairs:
            if sum(mine is one or other is two for one, two in pairs) == 1:
                _merge(mine, other)
                joined.append(other)
    return [site for site in left if site not in joined]


def _are_alike(mine: Site, other: Site) -> bool:
    first, second = _name(mine), _name(other)
    return first is not None and second is not None and alike(first, second)


def _merge(site: Site, other: Site) -> None:
    site.rows += other.rows
    site.repeated += other.repeated


def _number(site: Site) -> str | None:
    return next(filter(None, map(number_of, site.rows)), None)


def _name(site: Site) -> str | None:
    return next(filter(None, map(name_of, site.rows)), None)


def _all(*parts: Callable[[Site], str | None]) -> Callable[[Site], Hashable | None]:
    def key(site: Site) -> Hashable | None:
        values = tuple(part(site) for part in parts)
        return None if None in values else values

    return key


_POSTCODE_AND_NAME = _all(site_postcode, _name)
# A name under its postcode is tried before the number alone: two numbers swapped between rows would otherwise pass unseen.
_PASSES = (
    _all(_number, site_postcode, _name), _POSTCODE_AND_NAME, _all(_number, _name), _all(_number, site_postcode), _number, _name,
)  # fmt: skip
_NAME_PASSES = (_POSTCODE_AND_NAME, _name)
