"""Names of establishments, simplified so that two spellings of one name are equal. Never a key by themselves.

The lists are closed: abbreviations met in conventions, articles, and what a scanner reads for a known acronym.
"""
from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher


def words(text: str) -> frozenset[str]:
    """A closed list, from its words."""
    return frozenset(text.split())


# Longest first: « résidence autonomie » before « résidence ».
_PHRASES = (
    ("CENTRE COMMUNAL D ACTION SOCIALE", "CCAS"),
    ("CENTRE INTERCOMMUNAL D ACTION SOCIALE", "CIAS"),
    ("ETABLISSEMENT D HEBERGEMENT POUR PERSONNES AGEES DEPENDANTES", "EHPAD"),
    ("ETABLISSEMENT D HEBERGEMENT POUR PERSONNES AGEES", "EHPA"),
    ("SERVICE D AIDE ET D ACCOMPAGNEMENT A DOMICILE", "SAAD"),
    ("SERVICE DE SOINS INFIRMIERS A DOMICILE", "SSIAD"),
    ("SERVICE AUTONOMIE A DOMICILE", "SAD"),
    ("CENTRE D ACCUEIL DE JOUR", "CAJ"),
    ("ACCUEIL DE JOUR", "CAJ"),
    ("LOGEMENTS FOYERS", "LF"), ("LOGEMENT FOYER", "LF"), ("LOGEMENTS FOYER", "LF"),
    ("RESIDENCES AUTONOMIE", "RA"), ("RESIDENCE AUTONOMIE", "RA"), ("RESID AUTONOMIE", "RA"), ("RES AUTONOMIE", "RA"),
    ("FOYER D HEBERGEMENT", "FH"),
    ("NOTRE DAME", "ND"),
)  # fmt: skip
_WORDS = {"ST": "SAINT", "STE": "SAINTE", "RES": "RESIDENCE", "RESID": "RESIDENCE", "EPHAD": "EHPAD", "AJ": "CAJ",
          "5SIAD": "SSIAD", "S5IAD": "SSIAD", "55IAD": "SSIAD", "5AAD": "SAAD", "5AD": "SAD", "5AVS": "SAVS", "5AMSAH": "SAMSAH",
          "E5AT": "ESAT", "MA5": "MAS"}  # fmt: skip
_ARTICLES = words("LE LA LES L D DE DU DES A AU AUX ET EN SUR")
#: « mise en conformité », glued to the name in some conventions (programme-indicateurs §3, trap 15).
_COMPLIANCE_MARK = re.compile(r"(?<=\S)\s+(?:[-–]\s*)?(?:MC|\(\s*MC\s*\))\s*$")
_SPELLED = re.compile(r"(?<![A-Z0-9])(?:[A-Z] ){2,}[A-Z](?![A-Z0-9])")  # « C.C.A.S. »
_ALIKE = 0.86


def without_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def fold(text: str) -> str:
    """Capitals without accents, everything else than letters and digits a single space."""
    bare = without_accents(text).upper().replace("Œ", "OE").replace("Æ", "AE")
    return " ".join("".join(char if char.isascii() and char.isalnum() else " " for char in bare).split())


def simplified(name: str) -> str:
    """Abbreviations for phrases, no article, each word once: « RA (Résidence Autonomie) Lilas » equals « RA Lilas »."""
    folded = f" {_SPELLED.sub(lambda found: found[0].replace(' ', ''), fold(without_mark(name)))} "
    for phrase, short in _PHRASES:
        folded = folded.replace(f" {phrase} ", f" {short} ")
    known = (_WORDS.get(word, word) for word in folded.split())
    return " ".join(dict.fromkeys(word for word in known if word not in _ARTICLES))


def without_mark(name: str) -> str:
    return _COMPLIANCE_MARK.sub("", name.strip())


def has_mark(name: str) -> bool:
    """True when the name ends with the mark « MC »."""
    return _COMPLIANCE_MARK.search(name.strip()) is not None


def alike(first: str, second: str) -> bool:
    """Two simplified names that differ by a letter or two. « Résidence 1 » and « Résidence 2 » are not alike."""
    if re.findall("[0-9]+", first) != re.findall("[0-9]+", second):
        return False
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _ALIKE
