"""What Pro Santé Connect says of a professional: UserInfo and the identity claims of tokens (psc-annuaire §5.3, §6)."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.nomenclatures import annuaire as nos
from connectors.nomenclatures import psc

#: Keycloak's user-federation id; a constant of one environment. The sandbox has its own.
_FEDERATION = "00000000-0000-4000-8000-0000000000aa"

#: The members of an activity, in the order of the RASS extraction; absent values are empty strings.
_ACTIVITY = (
    "codeModeExercice", "codeSecteurDactivite", "codeSectionPharmacien", "codeRole", "codeGenreActivite", "numeroSiretSite",
    "numeroSirenSite", "numeroFinessSite", "numeroFinessetablissementJuridique", "identifiantTechniqueDeLaStructure",
    "raisonSocialeSite", "enseigneCommercialeSite", "complementDestinataire", "complementPointGeographique", "numeroVoie",
    "indiceRepetitionVoie", "codeTypeDeVoie", "libelleVoie", "mentionDistribution", "bureauCedex", "codePostal",
    "codeCommune", "codePays", "telephone", "telephone2", "telecopie", "adresseEMail", "codeDepartement",
    "ancienIdentifiantDeLaStructure", "autoriteDenregistrement",
)  # fmt: skip


def subject_claims(professional: dict[str, Any], channel: str) -> dict[str, Any]:
    """The claims that name a person, as access and id tokens carry them."""
    id_nat = professional["id_nat"]
    return {
        "sub": f"f:{_FEDERATION}:{id_nat}",
        "authMode": channel,
        "SubjectNameID": id_nat,
        "preferred_username": id_nat,
        "otherIds": [{"identifiant": id_nat, "origine": professional.get("origin", "RPPS"), "qualite": 1}],
    }


def userinfo(professional: dict[str, Any], structures: Mapping[str, dict[str, Any]], channel: str) -> dict[str, Any]:
    """The UserInfo answer of §6.1 for one person of the population; ``structures`` by FINESS ET.

    With several activities, no organisation stands out: the members that name one are empty.
    """
    places = [place for place in (professional, *professional.get("also_in", ())) if place["structure"] in structures]
    structure = structures[places[0]["structure"]] if len(places) == 1 else None
    sector = structure["sector"] if structure else ""
    profession = professional["profession"]
    activities = [_activity(professional, place["role"], structures[place["structure"]]) for place in places]
    return {
        "Secteur_Activite": f"{sector}^{psc.OID_SECTEUR}" if sector else "",
        "email_verified": False,
        "SubjectOrganization": structure["name"] if structure else "",
        "SubjectOrganizationID": f"F{structure['finess_et']}" if structure else "",
        "Mode_Acces_Raison": "",
        "given_name": professional["given"],
        "family_name": professional["family"],
        "Acces_Regulation_Medicale": "FAUX",
        "UITVersion": "1.0",
        "Palier_Authentification": psc.PALIER,
        "PSI_Locale": psc.PSI_LOCALE,
        "SubjectRole": [f"{profession}^{psc.OID_SUBJECT_ROLE}"] if profession else [],
        "SubjectRefPro": {
            "codeCivilite": professional["civility"], "exercices": [_exercice(professional, activities)] if profession else [],
        },
        **subject_claims(professional, channel),
    }  # fmt: skip


def _exercice(professional: dict[str, Any], activities: list[dict[str, str]]) -> dict[str, Any]:
    doctor = professional["profession"] == "10"
    return {
        "codeProfession": professional["profession"],
        "codeCategorieProfessionnelle": "C",
        "codeCiviliteDexercice": "DR" if doctor else "",
        "nomDexercice": professional["family"],
        "prenomDexercice": professional["given"],
        "codeTypeSavoirFaire": "S" if doctor else "",
        "codeSavoirFaire": "SM26" if doctor else "",
        "activities": activities,
    }


def _activity(professional: dict[str, Any], role: str, structure: dict[str, Any]) -> dict[str, str]:
    registered_by = nos.authority(professional["profession"], professional["profession_oid"])
    known = {
        "codeModeExercice": "S",
        "codeSecteurDactivite": structure["sector"],
        "codeRole": role,
        "codeGenreActivite": nos.activity_kind(professional["profession_oid"]),
        "numeroFinessSite": structure["finess_et"],
        "numeroFinessetablissementJuridique": structure["finess_ej"],
        "identifiantTechniqueDeLaStructure": f"F{structure['finess_et']}",
        "raisonSocialeSite": structure["name"],
        "codePays": "99000",
        "codeDepartement": structure["finess_et"][:2],
        "ancienIdentifiantDeLaStructure": structure["struct_id"],
        "autoriteDenregistrement": "/".join([registered_by] * 3),
    }
    return {name: known.get(name, "") for name in _ACTIVITY}
