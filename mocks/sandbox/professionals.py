"""The professionals of each structure, and the correspondents outside: who holds which mailbox.

RPPS numbers are taken in 9970099xxxx, a range that collides with nobody's (reference psc-annuaire §14.3).
"""
from __future__ import annotations

import random
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
_RPPS_RANGE, _RPPS_COUNT = "9970099", 1000
_OUTSIDE = 10  # the last numbers of the range are for correspondents

_HOSPITAL, _HOSPITAL_FINESS = "CH DE SAINT-ELME", "0B0990206"
_SURGERY, _PHARMACY = "CABINET MEDICAL DE LA FONTAINE", "PHARMACIE DU PONT NEUF"


def rpps(index: int) -> str:
    """The RPPS of this index in our range, with its key. ValueError beyond the range."""
    if not 0 <= index < _RPPS_COUNT:
        raise ValueError(f"{_RPPS_COUNT} RPPS numbers at most in a sandbox")
    number = f"{_RPPS_RANGE}{index:03d}"
    return number + luhn_key(number)


def staff_of(structure: Structure, *, seed: int, first_index: int, names: dict[str, list[str]]) -> list[Professional]:
    """Four professionals, each with a personal mailbox in the structure's domain."""
    draw = random.Random(f"{seed}:staff:{structure.finess_et}")
    families = draw.sample(names["family"], len(_STAFF))
    return [_professional(draw, structure, first_index + index, family, names) for index, family in enumerate(families)]


def _professional(
    draw: random.Random, structure: Structure, index: int, family: str, names: dict[str, list[str]]
) -> Professional:
    profession, table, label, role, role_label, opens = _STAFF[index % len(_STAFF)]
    woman = draw.random() < 0.6
    given = draw.choice(names["female" if woman else "male"])
    number = rpps(index)
    return {
        "rpps": number, "id_nat": f"8{number}", "family": family, "given": given, "civility": "MME" if woman else "M",
        "profession": profession, "profession_oid": table, "profession_label": label, "role": role, "role_label": role_label,
        "structure": structure.finess_et, "mailbox": f"{slug(given)}.{slug(family)}@{structure.domain}",
        "may_open": [structure.contact] if opens else [],
    }  # fmt: skip


def correspondents() -> list[dict[str, Any]]:
    """Mailboxes outside the structures: a hospital, a surgery, a pharmacy."""
    hospital, surgery, pharmacy = (f"{slug(name)}.{DOMAIN}" for name in (_HOSPITAL, _SURGERY, _PHARMACY))
    doctor = {"rpps": rpps(_RPPS_COUNT - _OUTSIDE), "family": "FONTBONNE", "given": "CLAIRE", "profession": "10"}
    return [
        _organisation(f"geriatrie@{hospital}", _HOSPITAL, "Court séjour gériatrique", _HOSPITAL_FINESS),
        _organisation(f"urgences@{hospital}", _HOSPITAL, "Urgences", _HOSPITAL_FINESS),
        _organisation(f"secretariat@{surgery}", _SURGERY, "Secrétariat", None),
        {"address": f"claire.fontbonne@{surgery}", "type": "PER", "name": _SURGERY, "service": None, "finess_et": None, **doctor},
        _organisation(f"comptoir@{pharmacy}", _PHARMACY, "Comptoir", None),
    ]


def _organisation(address: str, name: str, service: str, finess: str | None) -> dict[str, Any]:
    return {"address": address, "type": "ORG", "name": name, "service": service, "finess_et": finess, "rpps": None}
