r"""What a column's title says: one field for « Code Fitness Geo », « N° FINESS\ngéographique » and ``finess_et``.

Words are compared with a closed vocabulary, by resemblance: scanners and hurried hands.
"""
from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from gateway.grappes.importing.names import fold, words

Field = Literal[
    "ligne", "finess_et", "finess_ej", "finess_ej_porteur", "finess", "siret", "etablissement", "code_postal", "departement",
    "ville", "adresse", "og", "role", "personnes", "projet", "sons", "secteur", "activite", "lot", "autre",
]  # fmt: skip

_VOCABULARY = words(
    "FINESS FITNESS GEOGRAPHIQUE ETABLISSEMENT STRUCTURE RAISON SOCIALE DENOMINATION POSTAL COMMUNE VILLE DEPARTEMENT ADRESSE "
    "PERSONNES ACCOMPAGNEES JURIDIQUE ENTITE GESTIONNAIRE ORGANISME PORTEUR RATTACHEMENT PROJET SECTEUR ACTIVITE CATEGORIE "
    "SIGNATURE CONTACT CONVENTION TELEPHONE FONCTION COURRIEL APPROUVE NOMBRE LIGNE NUMERO BRUTE SIRET SIREN LOGICIEL DATE "
    "GRAPPE CAPACITE REPRESENTANT DIRECTEUR USAGERS RESIDENTS STATUT LIBELLE SERVICE SITE CODE ROLE TYPE SONS PLACES LOCALITE "
    "MAIL"
)
_LONGEST_TITLE = 14  # words
_NOT_DATA = words(
    "LU APPROUVE SIGNATURE CONTACT TELEPHONE TEL FONCTION COURRIEL MAIL EMAIL BRUTE DATE REPRESENTANT DIRECTEUR GRAPPE CAPACITE "
    "PLACES LOGICIEL STATUT CONVENTION PRENOM SIGNATAIRE RESPONSABLE REFERENT REFERENTE INTERLOCUTEUR"
)
_EJ = words("EJ JURIDIQUE OG GESTIONNAIRE ORGANISME RATTACHEMENT")
_ET = words("ET GEO GEOGRAPHIQUE ETABLISSEMENT SITE STRUCTURE SERVICE ESSMS ESMS")
_COUNTED = words("PERSONNES ACCOMPAGNEES USAGERS RESIDENTS BENEFICIAIRES EFFECTIF FILE")
_NAMES = words("ETABLISSEMENT STRUCTURE ESSMS ESMS RAISON SOCIALE DENOMINATION NOM LIBELLE SERVICE SITE")
_SIGNING = words("ETABLISSEMENT STRUCTURE ESSMS ESMS SERVICE")  # that sign; « nom du signataire » is a person's
_WHO, _HOW_MANY = words("PUBLIC POPULATION TYPE"), words("NOMBRE NB NBRE EFFECTIF FILE")
_SHORTENED = {
    "ETAB": "ETABLISSEMENT", "ETABL": "ETABLISSEMENT", "ETABT": "ETABLISSEMENT", "ETS": "ETABLISSEMENT", "PERS": "PERSONNES",
    "GEOG": "GEO", "GEOGR": "GEO", "EFFECTIFS": "EFFECTIF", "INTITULE": "DENOMINATION", "DESIGNATION": "DENOMINATION",
}  # fmt: skip
_GLUED = re.compile(r"FINESS(?=E[JT]\b)")  # « nofinessej »: the end of the word is the whole difference
_ROW_NUMBER = frozenset({"LIGNE", "N", "NO", "NUM", "NUMERO", "RANG", "ORDRE", "N LIGNE", "NO LIGNE", "N ORDRE", "NUMERO LIGNE"})


@lru_cache(maxsize=4096)
def field_of(title: str) -> Field | None:
    """None when the title says nothing known; « autre » for a column that is known and never read: contact, signature."""
    found = [_corrected(word) for word in _GLUED.sub("FINESS ", fold(title)).split()]
    said, text = set(found), " ".join(found)
    if not said or len(found) > _LONGEST_TITLE:
        return None
    if text in _ROW_NUMBER or (said <= {"N", "NO", "NUMERO", "LIGNE", "D", "ORDRE"}):
        return "ligne"
    if said & _NOT_DATA and "FINESS" not in said and not ("SIGNATAIRE" in said and said & _SIGNING):
        return "autre"
    if "FINESS" in said or (said & {"ET", "EJ", "GEO"} and said <= {"N", "NO", "NUMERO", "CODE", "ET", "EJ", "GEO"}):
        return _number_field(said)
    return _other_field(said, text)


def _number_field(said: set[str]) -> Field:
    if said & _EJ:
        return "finess_ej_porteur" if "PORTEUR" in said else "finess_ej"
    if said & _ET:
        return "finess_et"
    return "finess_ej_porteur" if "PORTEUR" in said else "finess"


def _other_field(said: set[str], text: str) -> Field | None:
    if said & {"SIRET", "SIREN"}:
        return "siret"
    if text in ("CP", "C P") or said == {"CP", "VILLE"} or ("POSTAL" in said and "ADRESSE" not in said):
        return "code_postal"
    if said & {"DEPARTEMENT", "DEPT", "DPT", "DEP"}:
        return "departement"
    if said & {"VILLE", "COMMUNE", "LOCALITE"}:
        return "ville"
    if "ADRESSE" in said:
        return "adresse"
    if said & {"PROJET", "ACQUISITION", "CONFORMITE"}:
        return "projet"
    if said & _WHO and said & _COUNTED and not said & _HOW_MANY:
        return "secteur"
    if said & _COUNTED:
        return "personnes"
    if "SONS" in said:
        return "sons"
    if "LOT" in said:
        return "lot"
    if said & {"SECTEUR", "PUBLIC"}:
        return "secteur"
    if said & {"ACTIVITE", "CATEGORIE"} or (said & {"TYPE"} and said <= {"TYPE", "D", "DE", "L"} | _NAMES):
        return "activite"
    if said & {"OG", "ORGANISME", "GESTIONNAIRE", "JURIDIQUE", "ASSOCIATION"} or (said & {"EJ"} and said & _NAMES):
        return "og"
    if said & {"ROLE", "QUALITE"}:
        return "role"
    return "etablissement" if said & _NAMES and not said & {"NOMBRE", "NB"} else None


def _corrected(word: str) -> str:
    """A word of the vocabulary when this one resembles it enough: scanners and hurried hands."""
    if "FINESS" in word:
        return "FINESS"
    if word in _SHORTENED:
        return _SHORTENED[word]
    if len(word) < 4 or word in _VOCABULARY or word in _NOT_DATA:
        return "FINESS" if word == "FITNESS" else word
    close = get_close_matches(word, sorted(_VOCABULARY), 1, 0.8)
    return ("FINESS" if close[0] == "FITNESS" else close[0]) if close else word
