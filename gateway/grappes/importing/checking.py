"""The whole check of one grappe: its documents read, joined and judged. Nothing is written, nothing is corrected."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.grappes.importing import values
from gateway.grappes.importing.files import Documents, belief, grids_of
from gateway.grappes.importing.finess_file import Known
from gateway.grappes.importing.joining import Site, join, number_of, site_postcode
from gateway.grappes.importing.legal import Entity, entities_of, entity_of
from gateway.grappes.importing.names import has_mark, simplified
from gateway.grappes.importing.numbers import department_in, department_of, department_of_postcode, holds
from gateway.grappes.importing.places import Cell, Place, Unreadable
from gateway.grappes.importing.rules import Expected, Verdict, judge, shared
from gateway.grappes.importing.tables import Table, table_of
from gateway.grappes.importing.values import NotACount
from gateway.grappes.model import Projet


@dataclass(frozen=True, slots=True)
class Establishment:
    """One establishment of a grappe, as typed and as judged.

    name, og, ville, postcode  as the first document that gives one writes it
    typed                      the number's cell in each document that has one
    persons                    None when nobody gave a number: its rates cannot be computed
    category                   FINESS category code; None when nothing says it
    alerts, known              what the FINESS extraction says, when one was given
    """

    ligne: int
    name: str
    og: str
    ville: str
    postcode: str | None
    typed: tuple[Cell, ...]
    verdict: Verdict
    entity: Entity | None
    persons: int | None
    projet: Projet | None
    sons: bool | None
    category: str | None
    remarks: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    known: Known | None = None

    @property
    def label(self) -> str:
        """The name, after its organisation's when it only says what the establishment is (« SAD », « RA »)."""
        owner = self.entity.name if self.entity is not None and self.entity.name else self.og
        return f"{owner} - {self.name}" if owner and len(simplified(self.name).split()) < 2 else self.name

    @property
    def saisi(self) -> str:
        return next((one.text for one in self.typed if one.text.strip()), "")


@dataclass(frozen=True, slots=True)
class Checked:
    """A grappe's tables, understood. ``errors``: what must be corrected in the files before anything is imported."""

    grappe: str
    documents: tuple[str, ...]
    establishments: tuple[Establishment, ...]
    entities: tuple[Entity, ...]
    remarks: tuple[str, ...]
    errors: tuple[str, ...]
    alerts: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True when nobody has to decide, correct or look anything up."""
        judged = [one.verdict for one in self.establishments] + [one.verdict for one in self.entities]
        warned = self.errors or self.alerts or any(one.alerts for one in self.establishments)
        return not warned and all(one.statut == "confirme" for one in judged)


def check(documents: Documents) -> Checked:
    """Read, join and judge. Raises Unreadable when a file is no table, or when no table has establishment numbers."""
    tables, remarks = _tables(documents)
    errors = [error for table in tables for error in table.errors]
    joined = join(tables)
    entities = entities_of(tables)
    found = _establishments(joined.sites, entities, errors)
    remarks += [remark for table in tables for remark in table.remarks]
    return Checked(
        documents.grappe, tuple(path.name for path in documents.paths), tuple(found), tuple(entities),
        (*documents.remarks, *remarks, *joined.remarks), tuple(errors),
    )  # fmt: skip


def _tables(documents: Documents) -> tuple[list[Table], list[str]]:
    tables, remarks = [], []
    for path in documents.paths:
        read = [(grid.document, table_of(grid)) for grid in grids_of(path)]
        tables += [table for _, table in read if table is not None]
        remarks += [f"{name} : aucun tableau d'établissements reconnu, non lu." for name, table in read if table is None]
    tables.sort(key=lambda table: belief(table.document))
    if not any(table.has("finess_et") and table.rows for table in tables):
        names = ", ".join(path.name for path in documents.paths)
        raise Unreadable(
            f"{names} : aucun tableau avec une colonne de numéros FINESS d'établissement. "
            "Nommez la colonne « FINESS ET » (ou « FINESS géographique ») sur la première ligne."
        )
    return tables, remarks


def _establishments(sites: Sequence[Site], entities: Sequence[Entity], errors: list[str]) -> list[Establishment]:
    legal = {number for one in entities for number in _numbers_of(one)}
    typed = [[row.cells["finess_et"] for row in site.rows if "finess_et" in row.cells] for site in sites]
    owners = [entity_of(site.rows, entities) for site in sites]
    expected = [_expected(site, owner) for site, owner in zip(sites, owners, strict=True)]
    numbers = {number for site in sites for number in map(number_of, site.rows) if number}
    verdicts = [
        judge([one.text for one in texts], where, numbers, legal) for texts, where in zip(typed, expected, strict=True)
    ]
    ordered = sorted(zip(sites, typed, owners, shared(verdicts), strict=True), key=lambda four: four[0].ligne)
    return [_establishment(site, texts, owner, verdict, errors) for site, texts, owner, verdict in ordered]


def _numbers_of(entity: Entity) -> list[str]:
    held = [text for text in entity.saisi if holds(text, None)]
    return [entity.verdict.retenu, *held]


def _expected(site: Site, owner: Entity | None) -> Expected:
    postcode = site_postcode(site)
    if postcode is not None and department_of_postcode(postcode) is not None:
        return Expected(department_of_postcode(postcode), certain=True)
    said = next(filter(None, (department_in(row.text("departement")) for row in site.rows)), None)
    if said is not None:
        return Expected(said, certain=True)
    return Expected(department_of(owner.verdict.retenu)) if owner is not None else Expected()


def _establishment(site: Site, typed: list[Cell], owner: Entity | None, verdict: Verdict, errors: list[str]) -> Establishment:
    persons, remarks = _persons(site, errors), []
    if site.repeated:
        remarks.append("répété : " + ", ".join(str(row.place) for row in site.repeated))
    if persons is None and any("personnes" in row.cells for row in site.rows):
        remarks.append("nombre de personnes absent : taux non calculable")
    name, lot = site.text("etablissement"), values.lot_in(site.text("lot"))
    projet = values.projet_in(site.text("projet")) or values.projet_of_lot(lot or "")
    if projet is None and any(has_mark(row.text("etablissement")) for row in site.rows):
        projet = "mise_en_conformite"
    return Establishment(
        ligne=site.ligne, name=name, og=site.text("og"), ville=site.text("ville"),
        postcode=site_postcode(site), typed=tuple(typed), verdict=verdict, entity=owner,
        persons=persons, projet=projet, sons=values.yes_or_no(site.text("sons")),
        category=values.category_in(site.text("activite"), site.text("secteur"), name), remarks=tuple(remarks),
    )  # fmt: skip


def _persons(site: Site, errors: list[str]) -> int | None:
    """The number that the documents give; two different ones, or one that is no count, must be corrected at the source."""
    found: dict[int, Place] = {}
    for row in (*site.rows, *site.repeated):
        cell = row.cells.get("personnes")
        if cell is None:
            continue
        try:
            count = values.persons_in(cell.text)
        except NotACount as error:
            errors.append(f"{cell.place} : {error}. Corrigez le fichier.")
            continue
        if count is not None:
            found.setdefault(count, cell.place)
    if len(found) > 1:
        said = " et ".join(f"{count} ({place})" for count, place in found.items())
        errors.append(f"{site.rows[0].place} : deux nombres de personnes pour un établissement, {said}. Gardez le bon.")
        return None
    return next(iter(found), None)
