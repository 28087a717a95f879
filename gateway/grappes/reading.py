"""Registry files: JSON in, checked grappes out. What is wrong is said in French, with the file and the line's place."""
from __future__ import annotations

import re
from collections import Counter
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from connectors.nomenclatures.identifiers import is_finess_form
from gateway.grappes.importing.numbers import plain
from gateway.grappes.model import Denominator, Essms, Grappe
from gateway.os_errors import in_french

_GRAPPE = TypeAdapter(Grappe)
_WHY = {"missing": "champ obligatoire absent", "unexpected_keyword_argument": "champ inconnu", "json_invalid": "JSON illisible"}
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_FORM = "neuf caractères attendus, une lettre seulement en deuxième position."


class RegistryError(ValueError):
    """A registry file that cannot be used. The message is French: what, where, why, what to do."""


def read_grappe(path: Path | Traversable) -> Grappe:
    """One grappe from its file. Raises RegistryError; a missing file is one too."""
    try:
        return parse_grappe(path.read_bytes(), path.name)
    except OSError as error:
        raise RegistryError(f"Registre des grappes, {path.name} : lecture impossible ({in_french(error)}).") from error


def parse_grappe(content: bytes, name: str) -> Grappe:
    """One grappe from its JSON, checked; ``name`` says in a refusal where it comes from. Raises RegistryError."""
    try:
        grappe = _GRAPPE.validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "fichier entier"
        why = _WHY.get(first["type"], "valeur non acceptée")
        raise RegistryError(f"Registre des grappes, {name}, {place} : {why}. Corrigez le fichier.") from error
    return check_grappe(grappe, name)


def check_grappe(grappe: Grappe, name: str = "") -> Grappe:
    """The grappe, when it is one that a registry may hold. Raises RegistryError with the first thing that is wrong."""
    for problem in _problems(grappe):
        raise RegistryError(f"Registre des grappes, {name or grappe.id}, {problem}")
    return grappe


def write_grappe(grappe: Grappe) -> bytes:
    """The file's bytes: indented, stable from one writing to the next."""
    return orjson.dumps(_GRAPPE.dump_python(grappe, mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def examples() -> list[str]:
    """The names of the grappes shipped with Socle."""
    return sorted(entry.name.removesuffix(".json") for entry in _shipped().iterdir() if entry.name.endswith(".json"))


def example(name: str) -> Grappe:
    """A grappe shipped with Socle (``marseille-hyeres``). Raises RegistryError, listing the known ones."""
    if name not in examples():
        raise RegistryError(f"Grappe inconnue : « {name} ». Grappes livrées : {', '.join(examples())}.")
    return read_grappe(_shipped() / f"{name}.json")


def _shipped() -> Traversable:
    return files("gateway.grappes") / "data"


def _problems(grappe: Grappe) -> list[str]:
    legal = {one.finess_ej for one in grappe.entites_juridiques}
    found = [f"entité juridique {number} : {_FORM}" for number in legal if not is_finess_form(number)]
    if grappe.porteur_ej not in legal:
        found.append(f"porteur_ej {grappe.porteur_ej} : absent de entites_juridiques.")
    for number, times in Counter(one.finess_et for one in grappe.essms).items():
        if times > 1:
            found.append(f"FINESS {number} : présent {times} fois ; un ESSMS n'a qu'une clé, regroupez ses sites.")
    for essms in grappe.essms:
        found += [f"ESSMS {essms.finess_et} ({essms.name}) : {problem}" for problem in _essms_problems(essms, legal)]
    return found


def _essms_problems(essms: Essms, legal: set[str]) -> list[str]:
    found = []
    if not is_finess_form(essms.finess_et):
        found.append(_FORM)
    if essms.finess_et in legal:
        found.append("c'est un numéro d'entité juridique ; donnez le numéro géographique.")
    if essms.finess_ej not in legal:
        found.append(f"entité juridique {essms.finess_ej} absente de entites_juridiques.")
    corrected = essms.statut == "corrige_propose" or plain(essms.saisi) != essms.finess_et
    if corrected and essms.decision is None:
        found.append("numéro corrigé sans décision ; indiquez qui l'a retenu, quand et pourquoi.")
    if essms.member_until is not None and essms.member_until < essms.member_from:
        found.append("sortie avant l'entrée.")
    found += [f"BAL {box.address} : fin avant le début." for box in essms.mailboxes if box.until and box.until < box.since]
    for one in essms.certificates:
        if not _FINGERPRINT.fullmatch(one.fingerprint):
            found.append("empreinte de certificat : 64 chiffres hexadécimaux attendus (SHA-256 du certificat).")
        if one.until is not None and one.until < one.since:
            found.append("certificat : fin avant le début.")
    found += ["comptage externe : période vide." for one in essms.external_counts if one.until <= one.since]
    return found + _denominator_problems(essms)


def _denominator_problems(essms: Essms) -> list[str]:
    days: Counter[date] = Counter(one.since for one in essms.denominators)
    found = [f"deux dénominateurs le {day.isoformat()}." for day, times in days.items() if times > 1]
    for one in essms.denominators:
        found += _eligible_problems(one, "IND-MSS-01", one.population_eligible_mss)
        found += _eligible_problems(one, "IND-DMP-01", one.population_eligible_dmp)
        if any(part.motif == "autre" and not part.justificatif.strip() for part in one.exclusions):
            found.append("exclusion « autre » sans justificatif : dites de quoi il s'agit.")
    return found


def _eligible_problems(one: Denominator, indicator: str, declared: int | None) -> list[str]:
    left = one.persons - one.excluded(indicator)
    if left < 0:
        return ["plus de personnes exclues que de personnes accompagnées."]
    if declared is None or declared == left:
        return []
    if declared > one.persons:
        return ["population éligible supérieure aux personnes accompagnées."]
    if left < one.persons:
        return [f"population éligible ({indicator}) de {declared}, alors que les exclusions en laissent {left}."]
    return [] if one.motif_exclusion else ["population éligible réduite sans exclusion déclarée (motif_exclusion)."]
