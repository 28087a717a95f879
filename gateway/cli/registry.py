"""`socle grappe bal | certificat | membre | essms | projet | og | comptage`: one thing that the registry says, changed."""
from __future__ import annotations

import calendar
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail
from gateway.cli.registry_acts import (
    By,
    Et,
    GrappeId,
    IfVersion,
    Remove,
    Since,
    Until,
    Why,
    change,
    day,
    finess,
    maybe_day,
    number,
)
from gateway.usage.periods import parse_month

_DAY = "AAAA-MM-JJ"
_HERE = Path(".socle")
Demarrage = Annotated[
    str | None, typer.Option("--demarrage", metavar=_DAY, help="Premier jour d'usage des services socles ; « aucune » : retiré.")
]


def bal(
    grappe: GrappeId, et: Et,
    address: Annotated[str, typer.Argument(metavar="ADRESSE", help="BAL MSSanté depuis laquelle l'ESSMS envoie.")],
    by: By, since: Since = None, until: Until = None, remove: Remove = False, why: Why = None, if_version: IfVersion = None,
    data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Déclare, termine ou retire une BAL d'un ESSMS. Sans --since, --until termine celle qui est en cours."""
    said = {
        "kind": "bal", "finess_et": finess(et), "address": address, "since": day("--since", since),
        "until": maybe_day("--until", until), "remove": remove,
    }  # fmt: skip
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


def certificat(
    grappe: GrappeId, et: Et,
    certificate: Annotated[str, typer.Argument(metavar="CERTIFICAT", help="Fichier PEM, ou empreinte SHA-256 du certificat.")],
    by: By, use: Annotated[str, typer.Option("--use", help="auth : AUTH_CLI ; sign : SIGN.")] = "auth",
    since: Since = None, until: Until = None, remove: Remove = False, why: Why = None, if_version: IfVersion = None,
    data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Déclare un certificat d'un ESSMS ; d'un fichier PEM viennent aussi ses dates, si vous n'en donnez pas."""
    fingerprint, begins, ends = _certificate(certificate)
    said = {
        "kind": "certificat", "finess_et": finess(et), "fingerprint": fingerprint, "use": use,
        "since": day("--since", since) or begins, "until": maybe_day("--until", until) or ends, "remove": remove,
    }  # fmt: skip
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


def membre(
    grappe: GrappeId, et: Et, by: By, since: Since = None, until: Until = None,
    name: Annotated[str | None, typer.Option("--name", help="Nom ; obligatoire pour un nouveau membre.")] = None,
    legal: Annotated[str | None, typer.Option("--ej", help="FINESS de son entité juridique ; obligatoire de même.")] = None,
    category: Annotated[str | None, typer.Option("--category", help="Catégorie FINESS (« 500 ») ; de même.")] = None,
    sector: Annotated[str | None, typer.Option("--sector", help="Secteur d'activité (« SA17 ») ; de même.")] = None,
    projet: Annotated[str | None, typer.Option("--projet", help="acquisition ou mise_en_conformite.")] = None,
    why: Why = None, if_version: IfVersion = None, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fait entrer un ESSMS (--since et sa description), le fait sortir (--until), ou corrige ce qu'on en sait."""
    said = {
        "kind": "membre", "finess_et": finess(et), "since": day("--since", since), "until": maybe_day("--until", until),
        "name": name, "finess_ej": None if legal is None else finess(legal, "--ej"), "category": category, "sector": sector,
        "projet": projet,
    }  # fmt: skip
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


def essms(
    grappe: GrappeId, et: Et, by: By,
    projet: Annotated[str | None, typer.Option("--projet", help="acquisition ou mise_en_conformite.")] = None,
    dui: Annotated[str | None, typer.Option("--dui", help="Produit DUI et sa version.")] = None,
    demarrage: Demarrage = None,
    facture: Annotated[
        str | None,
        typer.Option("--facture", metavar=_DAY, help="Facture de fin de déploiement reçue le ; « aucune » : retirée."),
    ] = None,
    ahi: Annotated[bool | None, typer.Option("--ahi/--no-ahi", help="Structure AHI.")] = None,
    sons: Annotated[
        bool | None, typer.Option("--sons/--no-sons", help="Éligible à SONS ; une AHI qui ne l'est pas est hors champ.")
    ] = None,
    why: Why = None, if_version: IfVersion = None, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Ce qu'un ESSMS est dans le projet : son DUI, ses dates, sa facture, son éligibilité."""
    said = {
        "kind": "essms", "finess_et": finess(et), "projet": projet, "dui_product": dui, "ahi": ahi, "sons_eligible": sons,
        "date_demarrage": maybe_day("--demarrage", demarrage), "facture_recue": maybe_day("--facture", facture),
    }  # fmt: skip
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


def projet(
    grappe: GrappeId, by: By,
    niveau: Annotated[str | None, typer.Option("--niveau", help="Niveau auquel la cible est due : essms, og ou grappe.")] = None,
    demarrage: Demarrage = None,
    porteur: Annotated[str | None, typer.Option("--porteur", help="FINESS EJ du porteur (déclaré par socle grappe og).")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Nom de la grappe.")] = None,
    why: Why = None, if_version: IfVersion = None, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Ce que la grappe a convenu avec son ARS."""
    said = {
        "kind": "projet", "contractual_level": niveau, "date_demarrage": maybe_day("--demarrage", demarrage),
        "porteur_ej": None if porteur is None else finess(porteur, "--porteur"), "name": name,
    }  # fmt: skip
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


def og(
    grappe: GrappeId, ej: Annotated[str, typer.Argument(metavar="EJ", help="FINESS de l'entité juridique.")],
    name: Annotated[str, typer.Argument(metavar="NOM", help="Nom de l'organisme gestionnaire.")],
    by: By, why: Why = None, if_version: IfVersion = None, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Ajoute un organisme gestionnaire, ou en change le nom."""
    said = {"kind": "og", "finess_ej": finess(ej, "EJ"), "name": name}
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


def comptage(
    grappe: GrappeId, et: Et,
    indicator: Annotated[str, typer.Argument(metavar="INDICATEUR", help="IND-MSS-01 ou IND-DMP-01.")],
    month: Annotated[str, typer.Argument(metavar="MOIS", help="AAAA-MM.")],
    count: Annotated[str, typer.Argument(metavar="NOMBRE", help="Numérateur compté ailleurs.")],
    origin: Annotated[str, typer.Option("--origin", help="Qui a compté : si_dmp, operateur_mssante…")],
    received: Annotated[str, typer.Option("--received", metavar=_DAY, help="Jour où ce nombre a été reçu.")],
    by: By,
    to_month: Annotated[str | None, typer.Option("--to", metavar="AAAA-MM", help="Dernier mois, s'il y en a plusieurs.")] = None,
    why: Why = None, if_version: IfVersion = None, data: DataFolder = _HERE, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Garde à côté du nôtre un nombre compté ailleurs, sans jamais le remplacer ; l'écart est imprimé avec le taux."""
    first, last = _month("MOIS", month), _month("--to", to_month or month)
    until = last + timedelta(days=calendar.monthrange(last.year, last.month)[1])
    said = {
        "kind": "comptage", "finess_et": finess(et), "indicator": indicator, "since": first, "until": until,
        "count": number("NOMBRE", count), "origin": origin, "received": day("--received", received),
    }  # fmt: skip
    change(data, grappe, [said], by=by, why=why, version=if_version, as_json=as_json)


def _certificate(text: str) -> tuple[str, date | None, date | None]:
    """Fingerprint, and the dates of a file; ends the command when it is neither."""
    bare = text.replace(":", "").strip().lower()
    if len(bare) == 64 and all(char in "0123456789abcdef" for char in bare):
        return bare, None, None
    try:
        certificate = x509.load_pem_x509_certificate(Path(text).read_bytes())
    except (OSError, ValueError):
        fail(f"CERTIFICAT « {text} » : ni un fichier PEM lisible, ni une empreinte SHA-256 (64 chiffres).", BAD_INPUT)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    return fingerprint, certificate.not_valid_before_utc.date(), certificate.not_valid_after_utc.date()


def _month(option: str, text: str) -> date:
    try:
        return parse_month(text)
    except ValueError:
        fail(f"{option} « {text} » : mois attendu, AAAA-MM. Rien n'a été changé.", BAD_INPUT)


def attach(app: typer.Typer) -> None:
    """Add the commands to `socle grappe`."""
    for command in (bal, certificat, membre, essms, projet, og, comptage):
        app.command(command.__name__)(command)
