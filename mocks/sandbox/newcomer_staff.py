"""Professionals added to a sandbox: numbers of test ranges, mailboxes of the sandbox's own domains (docs/population.md)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.nomenclatures.annuaire import PROFESSION_SYSTEMS, profession_label
from connectors.nomenclatures.identifiers import is_rpps
from connectors.nomenclatures.mssante import domain_of, is_address, normalise
from mocks.sandbox.newcomers import Problem, Row, optional
from mocks.sandbox.population import Population
from mocks.sandbox.professionals import OUTSIDE, RPPS_COUNT, rpps
from mocks.sandbox.structures import slug

#: Ranges of test numbers (psc-annuaire §14.1).
_TEST_RPPS = ("9970", "9990000")
PROFESSIONAL_COLUMNS = (
    "rpps", "family", "given", "civility", "profession", "profession_oid", "role", "role_label", "structure", "mailbox",
    "may_open", "also_in", "owner",
)  # fmt: skip


def read_professionals(
    rows: Sequence[Mapping[str, Any]], people: Population, structures: Sequence[Mapping[str, Any]], tenants: Sequence[str]
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The professionals that these rows describe, complete, and what is wrong with them.

    structures  those of the manifest: where somebody may work, whose shared mailboxes may be opened
    """
    reading = _Reading(people, structures, tenants)
    read = [Row(line, given) for line, given in enumerate(rows, start=1)]
    made = [reading.professional(row) for row in read]
    return made, [problem for row in read for problem in row.problems]


class _Reading:
    def __init__(self, people: Population, structures: Sequence[Mapping[str, Any]], tenants: Sequence[str]) -> None:
        self._people, self._tenants = people, tenants
        self._shared = {one["finess_et"]: _organisational(one) for one in structures}
        self._taken = {normalise(box["address"]) for one in structures for box in one["mailboxes"]}
        self._numbers: set[str] = set()

    def professional(self, row: Row) -> dict[str, Any]:
        row.only(PROFESSIONAL_COLUMNS)
        number = self._rpps(row)
        family, given = row.text("family", needed=True) or "", row.text("given", needed=True) or ""
        profession = row.text("profession", needed=True) or ""
        table = row.one_of("profession_oid", list(PROFESSION_SYSTEMS), None)
        structure = optional(row, "structure", list(self._shared))
        places = [one for one in [structure, *self._others(row, structure)] if one is not None and one in self._shared]
        boxes = [self._mailbox(row, place, given, family, own=place == structure) for place in places]
        role, role_label = row.text("role") or "", row.text("role_label") or ""
        also_in = [
            {"structure": place, "role": role, "role_label": role_label, "mailbox": box}
            for place, box in zip(places, boxes, strict=True) if place != structure
        ]  # fmt: skip
        return {
            "rpps": number, "id_nat": f"8{number}", "origin": "RPPS", "family": family, "given": given,
            "civility": row.one_of("civility", ("M", "MME"), "MME"), "profession": profession, "profession_oid": table,
            "profession_label": profession_label(profession), "role": role, "role_label": role_label, "structure": structure,
            "mailbox": boxes[0] if structure in self._shared and boxes else None, "may_open": self._may_open(row, places),
            "also_in": also_in, "source": "added", "owner": optional(row, "owner", self._tenants),
        }  # fmt: skip

    def _rpps(self, row: Row) -> str:
        given = row.text("rpps")
        if given is None:
            given = next((one for one in map(rpps, range(RPPS_COUNT - OUTSIDE)) if not self._has(one)), None)
            if given is None:
                row.wrong("rpps", "tous les numéros du bac à sable sont pris : donnez un RPPS de test, en 9970 ou 9990000")
                return ""
        elif not is_rpps(given):
            row.wrong("rpps", "onze chiffres, clé comprise et juste (le 8 de l'idNat_PS n'en fait pas partie)")
        elif not given.startswith(_TEST_RPPS):
            row.wrong("rpps", "ce RPPS pourrait être celui d'une personne réelle : prenez-le en 9970 ou 9990000, ou laissez vide")
        elif self._has(given):
            row.wrong("rpps", "déjà celui d'un autre professionnel du bac à sable")
        self._numbers.add(given)
        return given

    def _has(self, number: str) -> bool:
        return number in self._numbers or self._people.professional(f"8{number}") is not None

    def _others(self, row: Row, structure: str | None) -> list[str]:
        told = row.given.get("also_in")
        if isinstance(told, list) and told and all(isinstance(one, dict) for one in told):
            row.given = {**row.given, "also_in": [str(one.get("structure")) for one in told]}
        others = row.texts("also_in")
        for place in others:
            if place not in self._shared or place == structure:
                row.wrong("also_in", "FINESS ET d'une autre structure du bac à sable attendu")
        return [place for place in dict.fromkeys(others) if place != structure]

    def _mailbox(self, row: Row, place: str, given: str, family: str, *, own: bool) -> str:
        """The one asked for, in the structure's domain, or first.last there, with a number when that is taken."""
        domain = domain_of(self._shared[place][0])
        asked = row.text("mailbox") if own else None
        if asked is not None:
            if not is_address(asked) or domain_of(asked) != domain:
                row.wrong("mailbox", f"adresse attendue dans le domaine de la structure : {domain}")
            elif self._used(asked):
                row.wrong("mailbox", "cette adresse est déjà prise")
            address = normalise(asked)
        else:
            local = f"{slug(given)}.{slug(family)}"
            names = (f"{local}{rank or ''}@{domain}" for rank in (0, *range(2, RPPS_COUNT)))
            address = next(name for name in names if not self._used(name))
        self._taken.add(address)
        return address

    def _used(self, address: str) -> bool:
        return normalise(address) in self._taken or self._people.holds_box(address)

    def _may_open(self, row: Row, places: Sequence[str]) -> list[str]:
        """Shared mailboxes of the structures where the person works."""
        allowed = {normalise(address) for place in places for address in self._shared[place]}
        wanted = row.texts("may_open")
        if any(normalise(address) not in allowed for address in wanted):
            known = ", ".join(sorted(allowed)) or "aucune, sans structure"
            row.wrong("may_open", f"boîtes organisationnelles de ses structures seulement : {known}")
        return wanted


def _organisational(structure: Mapping[str, Any]) -> list[str]:
    return [box["address"] for box in structure["mailboxes"] if box["type"] == "ORG"]
