"""What a person of the sandbox is for: the situations that he or she brings about in each service, and their codes.

A situation has a name, by which people are filtered, and a French sentence. Codes are those that the ledgers of the services
claim; a person's own list (``situations``) holds only what the rest of the row does not tell.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.nomenclatures.oids import INS_NIA
from mocks.sandbox.places import ABROAD, CORSICA, OVERSEAS

SITUATIONS = {
    "insi-trouve": "INSi : CR 00 sur ses traits, avec ou sans lieu de naissance",
    "insi-ambigu": "INSi : CR 02 sans lieu de naissance, CR 00 avec (une autre personne a les mêmes traits)",
    "insi-inconnu": "INSi : CR 01 ; ni DMP ni Mon espace santé",
    "nom-utilise": "INSi : CR 01 si on la cherche sous son nom utilisé, CR 00 sous son nom de naissance",
    "nia": "INSi : identifiant d'attente, OID 1.2.250.1.213.1.4.9",
    "historique": "INSi : un ou plusieurs INSHISTO à côté de l'INSACTIF",
    "nia-devenu-nir": "INSi : l'historique porte l'OID du NIA, l'INS actif celui du NIR",
    "ayant-droit": "INSi : sur la carte Vitale d'un ouvrant droit, trouvée par le matricule de celui-ci, la date et le rang",
    "sexe-du-nir": "le premier chiffre du matricule ne dit pas le sexe : ne déduire aucun trait du matricule",
    "jour-inconnu": "date de naissance écrite au premier du mois, faute de jour",
    "mois-inconnu": "date de naissance écrite en janvier, faute de mois ; le mois du matricule n'en est pas un",
    "date-inconnue": "date de naissance écrite au 31 décembre, faute de jour et de mois",
    "corse": "lieu de naissance et matricule avec 2A ou 2B",
    "outre-mer": "née outre-mer : département à trois chiffres",
    "etranger": "née à l'étranger : lieu en 99",
    "nom-compose": "nom de naissance en plusieurs mots ou avec trait d'union, comparé au caractère près",
    "double-nom": "double nom de naissance, lié par deux tirets",
    "apostrophe": "nom de naissance avec apostrophe droite",
    "particule": "nom de naissance à particule",
    "prenom-compose": "prénom composé : un seul prénom, ne pas le couper au trait d'union",
    "prenoms-multiples": "plusieurs prénoms : la recherche avec le premier seul suffit",
    "homonyme": "même nom et même premier prénom qu'une autre personne de la structure, née un autre jour",
    "jumeaux": "même nom, même jour et même lieu qu'une autre personne ; seul le prénom les distingue",
    "dmp-actif": "DMP : TD0.2 trouve un DMP actif, TD2.1 est accepté",
    "dmp-aucun": "DMP : TD0.2 ne trouve pas de DMP (NF), TD2.1 répond XDSUnknownPatientId",
    "dmp-clos": "DMP : TD0.2 trouve un DMP fermé (terminated), TD2.1 répond DMPClosed",
    "dmp-oppose": "DMP : la personne s'est opposée à sa création ; comme sans DMP (NF, XDSUnknownPatientId)",
    "mes-ouvert": "Mon espace santé ouvert : le DMP y est rattaché, la messagerie citoyenne reçoit",
    "mes-clos": "messagerie citoyenne fermée : message accepté, non distribué",
    "mes-aucun": "sans Mon espace santé : message accepté, non distribué ; DMP non rattaché",
    "cnda-2.03": "homologation CNDA 2.03 : caractères particuliers, lieu corse",
    "cnda-2.04": "homologation CNDA 2.04 : réponse avec historique",
    "cnda-2.05": "homologation CNDA 2.05 : réponse avec un NIA",
    "cnda-2.06": "homologation CNDA 2.06 : CR 02, puis CR 00 avec le lieu",
    "cnda-2.07": "homologation CNDA 2.07 : prénoms essayés l'un après l'autre",
    "cnda-2.08": "homologation CNDA 2.08 : matricule corse, ou clé d'historique fausse, à reprendre tels quels",
    "cnda-3.05": "homologation CNDA 3.05 : la réponse injectée porte un autre prénom, le logiciel doit alerter",
}

_INSI = {"found": "insi-trouve", "ambiguous": "insi-ambigu", "none": "insi-inconnu"}
_DMP = {"active": "dmp-actif", "none": "dmp-aucun", "closed": "dmp-clos", "opposed": "dmp-oppose"}
_MES = {"open": "mes-ouvert", "closed": "mes-clos", "none": "mes-aucun"}
#: First digit of a definitive number; those of a provisional one say nothing here (insi §13).
_SEXES = {"1": "M", "2": "F"}
_PARTICLES = ("DE ", "DU ", "D'", "LE ", "LA ", "L'", "DES ")


def situations_of(person: Mapping[str, Any]) -> list[str]:
    """The names of a person's situations, in the order of the list above."""
    found = {*_of_states(person), *_of_ins(person), *_of_names(person), *person.get("situations", ())}
    return [name for name in SITUATIONS if name in found]


def sentences(person: Mapping[str, Any]) -> list[str]:
    """« À quoi elle sert », in French."""
    return [SITUATIONS[name] for name in situations_of(person)]


def _of_states(person: Mapping[str, Any]) -> Iterator[str]:
    for key, names in (("insi", _INSI), ("dmp", _DMP), ("mes", _MES)):
        if person.get(key) in names:
            yield names[person[key]]


def _of_ins(person: Mapping[str, Any]) -> Iterator[str]:
    oid, place, history = person.get("oid", ""), person.get("birth_place", ""), person.get("history", ())
    yield from _if("nia", oid == INS_NIA)
    yield from _if("historique", history)
    yield from _if("nia-devenu-nir", any(past["oid"] == INS_NIA != oid for past in history))
    yield from _if("sexe-du-nir", _SEXES.get(person.get("matricule", "")[:1], person.get("sex")) != person.get("sex"))
    yield from _if("ayant-droit", person.get("ouvrant_droit"))
    yield from _if("corse", place.startswith(CORSICA))
    yield from _if("outre-mer", place.startswith(OVERSEAS))
    yield from _if("etranger", place.startswith(ABROAD))


def _of_names(person: Mapping[str, Any]) -> Iterator[str]:
    name, first_names = person.get("birth_name", ""), person.get("first_names", ())
    yield from _if("nom-utilise", person.get("used_name"))
    yield from _if("nom-compose", " " in name or "-" in name)
    yield from _if("double-nom", "--" in name)
    yield from _if("apostrophe", "'" in name)
    yield from _if("particule", name.startswith(_PARTICLES))
    yield from _if("prenom-compose", any("-" in one for one in first_names))
    yield from _if("prenoms-multiples", len(first_names) > 1)


def _if(name: str, holds: object) -> tuple[str, ...]:
    return (name,) if holds else ()
