"""The examples of the OpenAPI document and of docs/portes-simples.md: fictitious people of the sandbox, played by a test.

The structure is the first of a sandbox made without a structures file.
"""
from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from gateway.identitovigilance.evidence import Evidence
from gateway.identitovigilance.fhir_patient import answered, patient
from gateway.identitovigilance.identity import Identity, Ins, Method
from gateway.identitovigilance.traits import Traits

_FINESS_ET = "0B0990008"
_MAILBOX = "contact@ehpad-les-tilleuls-bleus.bac-a-sable.mssante.fr"
_TRAITS = {"nom_naissance": "ADRUN", "prenoms": ["ZOE"], "sexe": "F", "date_naissance": "1975-12-31", "lieu_naissance": "63220"}

_INS = {"matricule": "275126322074974", "oid": "1.2.250.1.213.1.4.8", "obtenue_le": "2026-11-22"}
_PIECE = {"code": "CN", "controlee_le": "2026-11-22"}
_HELD = {"traits": _TRAITS, "methode": "INSI", "ins": _INS, "piece": _PIECE}
_LOT = "lot-0198a3f0"
_PROVENANCE = {"methode": "INSI", "horodatage": "2026-11-22T09:15:00+00:00"}

#: What stands in a path.
PLACES: dict[str, dict[str, str]] = {"/ins/verification/lots/{lot}/resultats": {"lot": _LOT}}

REQUESTS: dict[str, dict[str, Any]] = {
    "/ins/recherche": {"finess_et": _FINESS_ET, **_TRAITS},
    "/ins/decision": {
        "finess_et": _FINESS_ET,
        "identite": {"traits": _TRAITS, "methode": "SM", "piece": _PIECE},
        "evenement": {"type": "insi_accepte", "traits": _TRAITS, "ins": _INS},
    },
    "/ins/verification": {"finess_et": _FINESS_ET, "identite": _HELD},
    "/ins/verification/lots": {"finess_et": _FINESS_ET, "identites": [{"id": "dossier-4711", "identite": _HELD}]},
    "/ins/verification/lots/{lot}/resultats": {"finess_et": _FINESS_ET},
    "/dmp/documents": {
        "finess_et": _FINESS_ET,
        "patient": {"matricule": "275126322074974", "oid": "1.2.250.1.213.1.4.8", **_TRAITS, "ipp": "U-4711"},
        "document": {"type": "80788-3", "titre": "Projet personnalisé", "texte": ["Document fictif.", "Second paragraphe."]},
        "auteur": {
            "identifiant": "30B0990008/ed.12", "nom": "DUPONT", "prenom": "CLAIRE",
            "profession": {"code": "51", "oid": "1.2.250.1.213.1.6.1.4", "libelle": "Educateur spécialisé"},
            "role": {"code": "326", "oid": "1.2.250.1.213.1.6.1.107", "libelle": "Educateur spécialisé"},
        },
    },
    "/mss/messages": {
        "finess_et": _FINESS_ET, "bal": _MAILBOX, "destinataires": ["275126322074974@patient.mssante.fr"],
        "objet": "Point sur l'accompagnement", "texte": "Message fictif.",
    },
}  # fmt: skip

_QUALIFIED = Identity(
    Traits("ADRUN", ("ZOE",), "F", date(1975, 12, 31), "63220"), Method.INSI,
    Ins("275126322074974", "1.2.250.1.213.1.4.8", date(2026, 11, 22)), Evidence("CN", date(2026, 11, 22)),
)  # fmt: skip

_TOLD = {**_HELD, "piece": {**_PIECE, "tuteur": None, "ehpad": False}, "attributs": []}

ANSWERS: dict[str, dict[str, Any]] = {
    "/ins/recherche": {
        "statut": "found", "code_service": "CR00",
        "ins": {"matricule": "2751263220749", "cle": "74", "oid": "1.2.250.1.213.1.4.8"},
        "traits": _TRAITS, "historique": [], "differences": [],
        "patient": answered(replace(_QUALIFIED, evidence=None), []),
        "tentatives": [
            {"code": "CR00", "traits": {"nom_naissance": "ADRUN", "prenom": "ZOE", "sexe": "F", "date_naissance": "1975-12-31"}}
        ],
        "provenance": _PROVENANCE,
        "entree": "0198a3f0-0000-7000-8000-000000000001",
    },
    "/ins/decision": {
        "statut_avant": "VALI", "statut": "QUAL", "identite": _TOLD,
        "matricule_diffusable": True,
        "patient": patient(_QUALIFIED),
        "entree": "0198a3f0-0000-7000-8000-000000000005",
    },
    "/ins/verification": {
        "resultat": "OK", "code_service": "CR00 OK", "statut_avant": "QUAL", "statut": "QUAL",
        "suite": "L'INS et les traits envoyés sont bien ceux d'une même personne : rien ne change.",
        "identite": _TOLD, "provenance": _PROVENANCE, "entree": "0198a3f0-0000-7000-8000-000000000006",
    },
    "/ins/verification/lots": {
        "lot": _LOT, "code_service": "CR00", "provenance": _PROVENANCE, "entree": "0198a3f0-0000-7000-8000-000000000007",
    },
    "/ins/verification/lots/{lot}/resultats": {
        "lot": _LOT, "code_service": "CR00", "etat": "TERMINE",
        "resultats": [{"id": "dossier-4711", "resultat": "OK"}], "bilan": {"ok": 1, "ko": 0},
        "suite": "Toutes les INS du lot sont bien celles de ces personnes : rien ne change.",
        "provenance": _PROVENANCE, "entree": "0198a3f0-0000-7000-8000-000000000008",
    },
    "/dmp/documents": {
        "statut": "accepte", "code_service": "Success", "lot": "1.2.250.1.999.99.3.123456789",
        "document": "1.2.250.1.999.99.3.123456789.1",
        "ins": {"oid_recu": "1.2.250.1.213.1.4.8", "oid_transmis": "1.2.250.1.213.1.4.10"},
        "entree": "0198a3f0-0000-7000-8000-000000000002",
    },
    "/mss/messages": {
        "statut": "accepte",
        "message_id": "<socle.0123456789abcdef0123456789abcdef@ehpad-les-tilleuls-bleus.bac-a-sable.mssante.fr>",
        "code_service": "250 2.0.0", "destinataires": [{"rang": 1, "accepte": True, "code": "250 2.1.5"}],
        "entree": "0198a3f0-0000-7000-8000-000000000003",
    },
}  # fmt: skip
