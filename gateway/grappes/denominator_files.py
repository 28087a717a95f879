"""Denominators by CSV: one line a value, of any ESSMS of the registry; every line is right, or nothing is taken."""
from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import cast, get_args

from gateway.grappes.changes import DenominateurChange
from gateway.grappes.denominators import MOTIFS, SOURCES, why_not
from gateway.grappes.model import Denominator, Exclusion, Grappe, Motif, StatutDenominateur
from gateway.grappes.registry import Registry
from gateway.grappes.tables import Column, Row, day, finess, one_of, raise_problems, read_table, simplified, whole

COLUMNS = (
    Column("finess_et"), Column("nom", required=False), Column("depuis"), Column("personnes"), Column("source"), Column("statut"),
    Column("annee", required=False), Column("exclus_mss", required=False), Column("exclus_dmp", required=False),
    Column("justificatif", required=False),
)  # fmt: skip
_STATUTS: tuple[StatutDenominateur, ...] = get_args(StatutDenominateur)
_EXCLUSION = re.compile(r"\s*(?P<motif>\w+)\s*:\s*(?P<nombre>[^,]*?)\s*")

ByGrappe = dict[str, list[DenominateurChange]]


def template(grappe: Grappe) -> list[list[str]]:
    """The rows of a file to fill in: a header, then the members with the value in force, or one to complete."""
    rows = [[column.name for column in COLUMNS]]
    for essms in grappe.essms:
        last = max(essms.denominators, key=lambda one: one.since, default=None)
        given = ["", "", "", "provisoire", ""]
        if last is not None:
            given = [last.since.isoformat(), str(last.persons), last.source, last.statut, str(last.annee or "")]
        texts = {one: ", ".join(f"{out.motif}:{out.nombre}" for out in _of(last, one)) for one in ("mss", "dmp")}
        reasons = [out.justificatif for out in (last.exclusions if last else ()) if out.justificatif]
        rows.append([essms.finess_et, essms.name, *given, texts["mss"], texts["dmp"], " ; ".join(dict.fromkeys(reasons))])
    return rows


def read_denominators(content: bytes, registry: Registry, today: date) -> ByGrappe:
    """The changes that a file asks for, by grappe. Raises TableRefused: nothing is taken."""
    rows = read_table(content, COLUMNS)
    found = [(row, _change(row)) for row in rows]
    raise_problems(rows)
    changes: ByGrappe = {}
    seen: dict[tuple[str, date], int] = {}
    names: dict[str, tuple[str, int]] = {}
    for row, change in found:
        assert change is not None
        key = (change.finess_et, change.since)
        if key in seen:
            row.wrong("depuis", f"même ESSMS et même date qu'à la ligne {seen[key]}.")
        seen.setdefault(key, row.line)
        _check_name(row, change.finess_et, names)
        grappe = _check(row, change, registry, today)
        if grappe is not None:
            changes.setdefault(grappe.id, []).append(change)
    raise_problems(rows)
    return changes


def _change(row: Row) -> DenominateurChange | None:
    number, since = row.read("finess_et", finess), row.read("depuis", day)
    persons = row.read("personnes", whole)
    source, statut = row.read("source", one_of(*SOURCES)), row.read("statut", one_of(*_STATUTS))
    year = row.read("annee", _year)
    reason = row.cells.get("justificatif", "")
    exclusions = [*_exclusions(row, "mss", reason), *_exclusions(row, "dmp", reason)]
    if row.problems or number is None or since is None:
        return None
    return DenominateurChange.model_validate({
        "finess_et": number, "since": since, "persons": persons, "source": source, "statut": statut, "annee": year,
        "exclusions": exclusions,
    })  # fmt: skip


def _exclusions(row: Row, service: str, reason: str) -> list[Exclusion]:
    column = f"exclus_{service}"
    found = []
    for part in filter(str.strip, row.cells.get(column, "").split(",")):
        read = _EXCLUSION.fullmatch(part)
        motif = read["motif"] if read else ""
        if read is None or motif not in MOTIFS:
            row.wrong(column, f"attendu « motif:nombre », séparés par des virgules ; motifs : {', '.join(MOTIFS)}.")
            return []
        try:
            number = whole(read["nombre"])
        except ValueError as error:
            row.wrong(column, str(error))
            return []
        if motif == "autre" and not reason:
            row.wrong("justificatif", "l'exclusion « autre » demande un justificatif.")
        if number:
            found.append(Exclusion("mss" if service == "mss" else "dmp", cast(Motif, motif), number, reason))
    return found


def _check_name(row: Row, number: str, names: dict[str, tuple[str, int]]) -> None:
    """Two ESSMS given with one number: both would be counted as one."""
    name = simplified(row.cells.get("nom", ""))
    known, line = names.setdefault(number, (name, row.line))
    if name and known and name != known:
        row.wrong("finess_et", f"même numéro qu'à la ligne {line}, pour un autre ESSMS ; chacun a le sien.")


def _check(row: Row, change: DenominateurChange, registry: Registry, today: date) -> Grappe | None:
    unknown = registry.why_not_essms(change.finess_et)
    if unknown is not None:
        row.wrong("finess_et", unknown)
        return None
    grappe = registry.grappe_of(change.finess_et)
    assert grappe is not None
    [essms] = [one for one in change.apply(grappe).essms if one.finess_et == change.finess_et]
    [new] = [one for one in essms.denominators if one.since == change.since]
    problem = why_not(essms, new, today)
    if problem is not None:
        row.wrong("source" if "ANAP" in problem else "statut", problem)
    for service in ("mss", "dmp"):
        if new.excluded(f"IND-{service.upper()}-01") > new.persons:
            row.wrong(f"exclus_{service}", "plus de personnes exclues que de personnes accompagnées.")
    return grappe


def _year(text: str) -> int | None:
    if not text:
        return None
    year = whole(text)
    if not 2000 <= year <= 2100:
        raise ValueError("année sur quatre chiffres attendue.")
    return year


def _of(one: Denominator | None, service: str) -> Sequence[Exclusion]:
    return [out for out in (one.exclusions if one is not None else ()) if out.service == service]
