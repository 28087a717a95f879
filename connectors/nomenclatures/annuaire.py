"""Annuaire Santé: systems, profiles and code tables of its resources (psc-annuaire §14, §16, §18). Constants only."""
from __future__ import annotations

SYSTEM_IDNPS = "urn:oid:1.2.250.1.71.4.2.1"
SYSTEM_IDNST = "urn:oid:1.2.250.1.71.4.2.2"
SYSTEM_RPPS = "https://rpps.esante.gouv.fr"
SYSTEM_FINESS = "https://finess.esante.gouv.fr"
SYSTEM_IDENTIFIER_TYPE = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
SYSTEM_ORGANIZATION_TYPE = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-3307"

_FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
_ANNUAIRE = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/"

PROFILES = {
    "Practitioner": (_FR_CORE + "fr-core-practitioner", _ANNUAIRE + "as-dp-practitioner"),
    "PractitionerRole": (_FR_CORE + "fr-core-practitioner-role", _ANNUAIRE + "as-dp-practitionerrole"),
    "Organization": (_FR_CORE + "fr-core-organization", _ANNUAIRE + "as-dp-organization"),
}
EXT_DATA_TRACE = _ANNUAIRE + "as-ext-data-trace"
EXT_ORGANIZATION_TYPES = _ANNUAIRE + "as-ext-organization-types"
EXT_MAILBOX = _ANNUAIRE + "as-ext-mailbox-mss-metadata"
EXT_EMAIL_TYPE = _FR_CORE + "fr-core-contact-point-email-type"


def table_uri(name: str) -> str:
    """The FHIR system of an ANS code table: ``TRE_R02-SecteurActivite`` → its URI (hyphen instead of the underscore)."""
    return f"https://mos.esante.gouv.fr/NOS/{name}/FHIR/{name.replace('_', '-', 1)}"


TRE_R02 = table_uri("TRE_R02-SecteurActivite")
TRE_R09 = table_uri("TRE_R09-CategorieProfessionnelle")
TRE_R21 = table_uri("TRE_R21-Fonction")
TRE_R22 = table_uri("TRE_R22-GenreActivite")
TRE_R23 = table_uri("TRE_R23-ModeExercice")
TRE_R60 = table_uri("TRE_R60-AutoriteEnregistrement")
TRE_R66 = table_uri("TRE_R66-CategorieEtablissement")
TRE_R85 = table_uri("TRE_R85-RolePriseCharge")
TRE_R256 = table_uri("TRE_R256-TypeMessagerie")
TRE_R257 = table_uri("TRE_R257-TypeBAL")

OID_G15 = "1.2.250.1.71.1.2.7"
OID_R94 = "1.2.250.1.213.1.6.1.4"
OID_R95 = "1.2.250.1.213.1.6.1.109"
OID_R291 = "1.2.250.1.213.1.6.1.140"

#: FHIR system of the table that holds a profession, by the table's OID.
PROFESSION_SYSTEMS = {
    OID_G15: table_uri("TRE_G15-ProfessionSante"),
    OID_R94: table_uri("TRE_R94-ProfessionSocial"),
    OID_R95: table_uri("TRE_R95-UsagerTitre"),
    OID_R291: table_uri("TRE_R291-AutreProfession"),
}

#: Health professions that an Ordre registers (TRE_R60); the others are registered by the ARS.
ORDRES = {"10": "CNOM", "21": "CNOP", "40": "ONCD", "50": "CNOSF", "60": "ONI", "70": "CNOMK", "80": "CNOPP"}


def authority(profession: str, profession_oid: str) -> str:
    """Who registered a person: an Ordre, ``ARS``, or ``ENREG`` for what comes through RPPS+ (psc-annuaire §15)."""
    if profession_oid == OID_G15:
        return ORDRES.get(profession, "ARS")
    return "ARS" if profession_oid == OID_R95 else "ENREG"


#: Usual genre d'activité (TRE_R22) in an ESSMS by the profession's table: employed care, support to daily life, support to care.
_ACTIVITY_KINDS = {OID_G15: "GENR01", OID_R95: "GENR01", OID_R94: "GENR10", OID_R291: "GENR11"}


def activity_kind(profession_oid: str) -> str:
    """The usual genre d'activité of a profession (psc-annuaire §15); GENR11 when its table is unknown."""
    return _ACTIVITY_KINDS.get(profession_oid, "GENR11")


#: Short labels of the professions met in an ESSMS (psc-annuaire §16.1), by code: one code is in one table only.
_PROFESSIONS = {
    "10": "médecin", "21": "pharmacien", "35": "aide-soignant", "50": "sage-femme", "60": "infirmier",
    "70": "masseur-kinésithérapeute", "91": "orthophoniste", "94": "ergothérapeute", "95": "diététicien", "96": "psychomotricien",
    "41": "assistant de service social", "42": "auxiliaire de vie sociale",
    "43": "technicien de l'intervention sociale et familiale", "44": "conseiller en économie sociale et familiale",
    "45": "médiateur familial", "46": "assistant familial", "47": "aide médico-psychologique", "48": "moniteur éducateur",
    "49": "éducateur de jeunes enfants", "51": "éducateur spécialisé", "52": "éducateur technique spécialisé",
    "53": "accompagnant éducatif et social", "93": "psychologue", "99": "professionnel caractérisé par son rôle",
}  # fmt: skip


def profession_label(code: str) -> str:
    """A profession in words, in French; its code when the short list does not hold it."""
    return _PROFESSIONS.get(code, f"profession {code}")
