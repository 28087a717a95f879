"""What stands under the table of a COPIL: not calculable, unresolved numbers, forecast, decisions (note §8)."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.exports.copil import Box
from gateway.exports.definitions import unmeasured
from gateway.exports.edition import Edition
from gateway.usage.indicators import INDICATORS
from gateway.usage.measure import Measure
from gateway.usage.parts import percent

_OVER_PERSONS = ("IND-MSS-01", "IND-DMP-01", "IND-DUI-01")
_UNRESOLVED = {"a_verifier": "à vérifier, gardé tel que saisi", "corrige_propose": "corrigé par décision"}


def boxes(edition: Edition) -> list[Box]:
    """In the order of the page, about the windows that end last."""
    rows = [row for row in edition.measures if row.window in edition.last_windows]
    members = [row for row in rows if row.finess_et is not None]
    return [
        Box("Non calculables, et pourquoi", "Non calculables", list(_not_calculable(members))),
        Box("Argent en jeu par organisme gestionnaire", "Argent en jeu", edition.stakes, "non renseigné"),
        Box("Numéros FINESS à régler", "FINESS à régler", list(_unresolved(edition))),
        Box("Vers le solde", "Vers le solde", list(_forecast(edition, rows))),
        Box("Alertes", "Alertes", edition.alerts, "aucune"),
        Box("Décisions à prendre", "Décisions", list(_decisions(edition, rows, members)), "aucune"),
    ]


def _not_calculable(members: Sequence[Measure]) -> Iterator[str]:
    """First what all the ESSMS lack, once; then a line per ESSMS with what it lacks alone."""
    why: dict[str, dict[str, None]] = {f"{row.name} ({row.finess_et})": {} for row in members}
    for row in members:
        if row.status in ("non_calculable", "hors_champ"):
            why[f"{row.name} ({row.finess_et})"][_why(row)] = None
    shared = [reason for reason in next(iter(why.values()), {}) if len(why) > 1 and all(reason in own for own in why.values())]
    if shared:
        yield f"Tous les ESSMS ({len(why)}) : {' ; '.join(shared)}"
    for place, reasons in why.items():
        own = [reason for reason in reasons if reason not in shared]
        if own:
            yield f"{place} : {' ; '.join(own)}"


def _why(row: Measure) -> str:
    if row.status == "hors_champ":
        return "hors champ (AHI non éligible à SONS)"
    if unmeasured(row):
        return "pas d'extraction du DUI"
    return "pas de nombre de personnes" if row.indicator in _OVER_PERSONS else "aucun dossier actif"


def _unresolved(edition: Edition) -> Iterator[str]:
    for one in edition.grappe.essms:
        if one.statut != "confirme":
            kept = "" if one.saisi == one.finess_et else f" (saisi {one.saisi})"
            yield f"{one.finess_et} {one.name}{kept} : {_UNRESOLVED[one.statut]}"
    for legal in edition.grappe.entites_juridiques:
        if legal.statut != "confirme":
            yield f"EJ {legal.finess_ej} {legal.name} : {_UNRESOLVED[legal.statut]}"


def _forecast(edition: Edition, rows: Sequence[Measure]) -> Iterator[str]:
    """What still separates the grappe from each target, and the invoices that the balance waits for."""
    said: dict[str, list[str]] = {}
    for row in rows:
        if row.level == "grappe":
            said.setdefault(_distance(row), []).append(INDICATORS[row.indicator].label)
    yield from (f"{' ; '.join(labels)} : {distance}" for distance, labels in said.items())
    missing = [one for one in edition.grappe.essms if one.facture_recue is None]
    total = len(edition.grappe.essms)
    yield f"Factures de fin de déploiement reçues : {total - len(missing)} sur {total}"


def _distance(row: Measure) -> str:
    if row.reached is None or row.remaining is None:
        return "non calculable"
    if row.reached:
        return f"cible atteinte ({percent(row.tenths)})"
    said = f"{percent(row.tenths)}, il manque {row.remaining}"
    if row.projection is None:
        return said
    if row.projection.on is not None:
        return f"{said} ; cible atteinte le {row.projection.on:%d/%m/%Y} au rythme actuel"
    return f"{said} ; {row.projection.at_end} en fin de fenêtre au rythme actuel"


def _decisions(edition: Edition, rows: Sequence[Measure], members: Sequence[Measure]) -> Iterator[str]:
    without = {row.finess_et for row in members if row.status == "non_calculable" and row.source == "journal"}
    if without:
        yield f"Obtenir le nombre de personnes accompagnées de {len(without)} ESSMS"
    without_extraction = {row.finess_et for row in members if unmeasured(row)}
    if without_extraction:
        yield f"Obtenir l'extraction du DUI de {len(without_extraction)} ESSMS"
    unsure = [one for one in edition.grappe.essms if one.statut == "a_verifier"]
    if unsure:
        yield f"Faire confirmer {len(unsure)} numéro(s) FINESS"
    silent = {row.finess_et for row in members if row.source == "journal" and row.denominator}
    silent -= {row.finess_et for row in members if row.numerator and row.source == "journal"}
    if silent:
        yield f"Relancer {len(silent)} ESSMS sans aucun envoi dans la fenêtre"
    apart = sum(row.unattributed or 0 for row in rows if row.level == "grappe")
    if apart:
        yield f"Faire corriger par les éditeurs {apart} envoi(s) non attribué(s)"
    doubts = sum(row.in_doubt for row in members)
    if doubts:
        yield f"Décider de {doubts} appel(s) en doute (socle journal settle)"
    gaps = [row for row in members if row.gap]
    if gaps:
        yield f"Expliquer {len(gaps)} écart(s) avec un compte tenu ailleurs"
