"""The structures of a sandbox: those of a file given to ``init``, or two fictitious ones."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connectors.nomenclatures.identifiers import is_finess_form

#: Below it, every domain is ours: no real structure can be written to.
DOMAIN = "bac-a-sable.mssante.fr"
DEFAULT_TENANT = "dui-exemple"

_MAX_STRUCTURES = 200
_PERSONS = 25
_MAX_PERSONS = 500_000
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class InvalidStructures(ValueError):
    """The file of structures cannot be used; the message is French and says what to change."""


@dataclass(frozen=True, slots=True)
class Structure:
    """One establishment of the sandbox. ``persons``: how many accompanied persons are made for it."""

    finess_et: str
    finess_ej: str
    name: str
    sector: str
    category: str
    persons: int
    tenant: str
    domain: str

    @property
    def struct_id(self) -> str:
        """idNat_struct, as in the OU of its certificates."""
        return f"1{self.finess_et}"

    @property
    def contact(self) -> str:
        """Its organisational mailbox."""
        return f"contact@{self.domain}"

    @property
    def application(self) -> str:
        """Its applicative mailbox, which the software opens by the structure's certificate."""
        return f"application@{self.domain}"


_FICTITIOUS: tuple[dict[str, Any], ...] = (
    {"finess_et": "0B0990008", "finess_ej": "0B0990107", "name": "EHPAD LES TILLEULS BLEUS", "sector": "SA17", "category": "500"},
    {"finess_et": "0B0990016", "finess_ej": "0B0990107", "name": "SAVS LA PASSERELLE", "sector": "SA16", "category": "446"},
)


def read_structures(rows: Any = None, *, persons: int | None = None, total: int | None = None) -> list[Structure]:
    """Check a list of ``{"finess_et", "finess_ej", "name", "sector", "category", "persons", "tenant"}``.

    The last four are optional. ``persons`` is the count of those that say none (25 by default), ``total`` that of all of
    them together. Raises InvalidStructures.
    """
    rows = _FICTITIOUS if rows is None else rows
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not 1 <= len(rows) <= _MAX_STRUCTURES:
        raise InvalidStructures(f"Structures : une liste JSON de 1 à {_MAX_STRUCTURES} structures est attendue.")
    structures: list[Structure] = []
    domains: set[str] = set()
    for index, row in enumerate(rows, start=1):
        structure = _read(index, row, _share(rows, index, total) if total is not None else persons, domains)
        if structure.finess_et in (other.finess_et for other in structures):
            raise InvalidStructures(f"Structure {index} : le FINESS {structure.finess_et} est déjà pris ; gardez-en une.")
        structures.append(structure)
        domains.add(structure.domain)
    return structures


def _read(index: int, row: Any, default_persons: int | None, domains: set[str]) -> Structure:
    if not isinstance(row, dict):
        raise InvalidStructures(f"Structure {index} : un objet JSON est attendu.")
    finess_et, finess_ej = (_finess(index, row, key) for key in ("finess_et", "finess_ej"))
    name = row.get("name")
    if not isinstance(name, str) or not name.strip():
        raise InvalidStructures(f"Structure {index} : donnez son nom dans « name ».")
    persons = row.get("persons")
    persons = (_PERSONS if default_persons is None else default_persons) if persons is None else persons
    if not isinstance(persons, int) or not 0 <= persons <= _MAX_PERSONS:
        raise InvalidStructures(f"Structure {index} : « persons » est un nombre entier de 0 à {_MAX_PERSONS}.")
    tenant = row.get("tenant") or DEFAULT_TENANT
    if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
        raise InvalidStructures(f"Structure {index} : « tenant » est un nom court, en minuscules, chiffres et tirets.")
    domain = f"{slug(name)}.{DOMAIN}"
    if domain in domains:
        domain = f"{slug(name)}-{finess_et.lower()}.{DOMAIN}"
    return Structure(
        finess_et, finess_ej, name.strip(), str(row.get("sector") or "SA17"), str(row.get("category") or "202"), persons,
        tenant, domain,
    )


def _share(rows: Sequence[Any], index: int, total: int) -> int:
    """What row ``index`` gets of a total: the same for all but one more for the first ones."""
    silent = [rank for rank, row in enumerate(rows, start=1) if not isinstance(row, dict) or row.get("persons") is None]
    whole, rest = divmod(total, max(1, len(silent)))
    return whole + (index in silent[:rest])


def _finess(index: int, row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not is_finess_form(value):
        raise InvalidStructures(
            f"Structure {index} : « {key} » est un FINESS de neuf caractères ; corrigez-le ou retirez la structure."
        )
    return value


def slug(text: str) -> str:
    """A piece of address: lower case ASCII letters, digits and single hyphens, 40 characters at most."""
    folded = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:40].strip("-") or "structure"
