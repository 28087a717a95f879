"""The professionals of each structure, and the correspondents outside: who holds which mailbox.

RPPS numbers are taken in 9970099xxxx, a range that collides with nobody's (reference psc-annuaire §14.3). The form of a row is
in docs/population.md.
"""
from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from connectors.nomenclatures import oids
from connectors.nomenclatures.identifiers import luhn_key
from mocks.sandbox.structures import DOMAIN, Structure, slug

Professional = dict[str, Any]

#: profession, its table, its label, role (TRE_R85), its label, may open the structure's mailbox
_STAFF = (
    ("60", oids.HEALTH_PROFESSIONS, "Infirmier", "", "", True),
    ("53", oids.SOCIAL_PROFESSIONS, "Accompagnant éducatif et social", "328", "Accompagnant éducatif et social", True),
    ("99", oids.OTHER_PROFESSIONS, "Acteur caractérisé par son rôle", "359", "Directeur d'établissement", True),
    ("35", oids.HEALTH_PROFESSIONS, "Aide-soignant", "", "", False),
)
_RPPS_RANGE, RPPS_COUNT = "9970099", 1000
OUTSIDE = 10  # the last numbers of the range are for correspondents

_HOSPITAL, _HOSPITAL_FINESS = "CH DE SAINT-ELME", "0B0990206"
_SURGERY, _PHARMACY = "CABINET MEDICAL DE LA FONTAINE", "PHARMACIE DU PONT NEUF"


def rpps(index: int) -> str:
    """The RPPS of this index in our range, with its key. ValueError beyond the range."""
    if not 0 <= index < RPPS_COUNT:
        raise ValueError(f"{RPPS_COUNT} RPPS numbers at most in a sandbox")
    number = f"{_RPPS_RANGE}{index:03d}"
    return number + luhn_key(number)


class Staff:
    """Makes the professionals of one structure after another: numbers and addresses are never used twice."""

    def __init__(self, seed: int, names: dict[str, list[str]], taken: Callable[[str], bool] = lambda _rpps: False) -> None:
        """``taken``: whether somebody has this RPPS already."""
        self._seed, self._names, self._taken = seed, names, taken
        self._made = 0
        self._addresses: set[str] = set()
        self._siblings: dict[str, Structure] = {}

    def of(self, structure: Structure) -> list[Professional]:
        """Four professionals, each with a personal mailbox in the structure's domain.

        The first one also works in the structure of the same legal entity that came before, when there is one.
        """
        draw = random.Random(f"{self._seed}:staff:{structure.finess_et}")
        families = draw.sample(self._names["family"], len(_STAFF))
        staff = [self._professional(draw, structure, index, family) for index, family in enumerate(families)]
        sibling = self._siblings.get(structure.finess_ej)
        self._siblings[structure.finess_ej] = structure
        if sibling is not None:
            staff[0]["also_in"] = [self._activity(staff[0], sibling)]
        return staff

    def _professional(self, draw: random.Random, structure: Structure, index: int, family: str) -> Professional:
        profession, table, label, role, role_label, opens = _STAFF[index]
        woman = draw.random() < 0.6
        given = draw.choice(self._names["female" if woman else "male"])
        number = self._next()
        return {
            "rpps": number, "id_nat": f"8{number}", "origin": "RPPS", "family": family, "given": given,
            "civility": "MME" if woman else "M", "profession": profession, "profession_oid": table, "profession_label": label,
            "role": role, "role_label": role_label, "structure": structure.finess_et,
            "mailbox": self._address(given, family, structure), "may_open": [structure.contact] if opens else [], "also_in": [],
            "source": "generated",
        }  # fmt: skip

    def _next(self) -> str:
        number = rpps(self._made)
        while self._taken(number):
            self._made += 1
            number = rpps(self._made)
        self._made += 1
        return number

    def _activity(self, professional: Professional, structure: Structure) -> dict[str, Any]:
        return {
            "structure": structure.finess_et, "role": professional["role"], "role_label": professional["role_label"],
            "mailbox": self._address(professional["given"], professional["family"], structure),
        }  # fmt: skip

    def _address(self, given: str, family: str, structure: Structure) -> str:
        local, rank = f"{slug(given)}.{slug(family)}", 1
        address = f"{local}@{structure.domain}"
        while address in self._addresses:
            rank += 1
            address = f"{local}{rank}@{structure.domain}"
        self._addresses.add(address)
        return address


def without_rpps() -> list[Professional]:
    """Who connects without being in the RPPS: a test identity of EDIT, and an employee by a register (psc-annuaire §14.1)."""
    nobody: Professional = {
        "rpps": None, "profession": "", "profession_oid": "", "profession_label": "", "role": "", "role_label": "",
        "structure": None, "mailbox": None, "may_open": [], "also_in": [], "source": "generated",
    }  # fmt: skip
    return [
        {**nobody, "id_nat": "ANS20260101090000", "origin": "EDIT", "family": "TESTEDIT", "given": "CHARLIE", "civility": "MME"},
        {**nobody, "id_nat": "30B0990008/CPET0001", "origin": "FINESS", "family": "TESTCPE", "given": "LOU", "civility": "M"},
    ]


def correspondents() -> list[dict[str, Any]]:
    """Mailboxes outside the structures: a hospital, a surgery, a pharmacy."""
    hospital, surgery, pharmacy = (f"{slug(name)}.{DOMAIN}" for name in (_HOSPITAL, _SURGERY, _PHARMACY))
    doctor = {"rpps": rpps(RPPS_COUNT - OUTSIDE), "family": "FONTBONNE", "given": "CLAIRE", "profession": "10"}
    return [
        _organisation(f"geriatrie@{hospital}", _HOSPITAL, "Court séjour gériatrique", _HOSPITAL_FINESS),
        _organisation(f"urgences@{hospital}", _HOSPITAL, "Urgences", _HOSPITAL_FINESS),
        _organisation(f"secretariat@{surgery}", _SURGERY, "Secrétariat", None),
        {"address": f"claire.fontbonne@{surgery}", "type": "PER", "name": _SURGERY, "service": None, "finess_et": None, **doctor},
        _organisation(f"comptoir@{pharmacy}", _PHARMACY, "Comptoir", None),
    ]


def _organisation(address: str, name: str, service: str, finess: str | None) -> dict[str, Any]:
    return {"address": address, "type": "ORG", "name": name, "service": service, "finess_et": finess, "rpps": None}
