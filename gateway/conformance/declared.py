"""What a DUI declares of a window, in one JSON file (docs/conformite.md): documents, sendings, events of accounts, its calls to
INSi and the INS that it exchanged.

    {"documents": [{"unique_id", "bloque"?}], "envois": [{"finess_et", "canal", "issue", "nombre", "type_document"?,
     "statut_ins"?}], "comptes": [{"date", "auteur", "nature", "resultat"}], "appels_insi": [{"date", "utilisateur"}],
     "echanges_ins": [{"date", "sens", "matricule", "partenaire"}]}
"""
from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from connectors.nomenclatures.identifiers import is_matricule

_CHANNELS = ("dmp", "mss_pro", "mss_citoyenne")
_ISSUES = ("succes", "echec")
_LISTS = {"documents", "envois", "comptes", "appels_insi", "echanges_ins"}
_WAYS = ("recue", "emise")


class BadDeclaration(ValueError):
    """The file cannot be read; the text says where, in French, and what was expected."""


def read_declaration(path: Path) -> dict[str, Any]:
    """Raises BadDeclaration, OSError."""
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadDeclaration(f"ce n'est pas du JSON (ligne {error.lineno})") from None
    if not isinstance(found, dict) or not found or found.keys() - _LISTS:
        raise BadDeclaration("un objet est attendu, avec documents, envois, comptes, appels_insi ou echanges_ins")
    for name, rows in found.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadDeclaration(f"{name} : une liste d'objets est attendue")
    for number, row in enumerate(found.get("documents", []), start=1):
        if not isinstance(row.get("unique_id"), str) or not isinstance(row.get("bloque", False), bool):
            raise BadDeclaration(f"documents, ligne {number} : unique_id (texte) et bloque (vrai ou faux) sont attendus")
    for number, row in enumerate(found.get("envois", []), start=1):
        _check_sending(row, number)
    for number, row in enumerate(found.get("appels_insi", []), start=1):
        _check_trace(row, f"appels_insi, ligne {number}", "utilisateur")
    for number, row in enumerate(found.get("echanges_ins", []), start=1):
        _check_exchange(row, f"echanges_ins, ligne {number}")
    return found


def _check_trace(row: dict[str, Any], where: str, who: str) -> None:
    """A trace without its ``who`` is one all the same: that is what a check looks for."""
    try:
        aware = datetime.fromisoformat(row["date"]).tzinfo is not None
    except (KeyError, TypeError, ValueError):
        aware = False
    if not aware:
        raise BadDeclaration(f"{where} : date est un instant avec son décalage, comme 2026-11-02T09:00:00+01:00")
    if not isinstance(row.get(who), str):
        raise BadDeclaration(f"{where} : {who} est un texte, vide quand la trace ne le dit pas")


def _check_exchange(row: dict[str, Any], where: str) -> None:
    _check_trace(row, where, "partenaire")
    if row.get("sens") not in _WAYS:
        raise BadDeclaration(f"{where} : sens est {' ou '.join(_WAYS)}")
    if not isinstance(row.get("matricule"), str) or not is_matricule(row["matricule"]):
        raise BadDeclaration(f"{where} : matricule a quinze caractères, clé comprise")


def _check_sending(row: dict[str, Any], number: int) -> None:
    where = f"envois, ligne {number}"
    if row.get("canal") not in _CHANNELS:
        raise BadDeclaration(f"{where} : canal est {', '.join(_CHANNELS[:-1])} ou {_CHANNELS[-1]}")
    if row.get("issue") not in _ISSUES:
        raise BadDeclaration(f"{where} : issue est succes ou echec")
    if not isinstance(row.get("nombre"), int) or isinstance(row["nombre"], bool) or row["nombre"] < 0:
        raise BadDeclaration(f"{where} : nombre est un entier")
    for name in ("finess_et", "type_document", "statut_ins"):
        if name == "finess_et" and not isinstance(row.get(name), str):
            raise BadDeclaration(f"{where} : finess_et est un texte, ses zéros comptent")
        if not isinstance(row.get(name), str | None):
            raise BadDeclaration(f"{where} : {name} est un texte")
