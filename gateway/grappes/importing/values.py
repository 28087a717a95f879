"""What cells other than numbers say: closed lists, and counts of persons. What is not in a list is said, never guessed."""
from __future__ import annotations

import re

from gateway.grappes.importing.names import fold, simplified, words
from gateway.grappes.model import Projet

_YES = words("OUI OUL QUI QUL OUT 0UI 0UL O Y YES X VRAI")
_NO = words("NON N0N NOM N NO FAUX")
_LOT = re.compile(r"[L1I]?[O0]T\s*([12])")
_CODE = re.compile(r"[\[({|]?\s*([0-9]{3})\s*[\])}|]")
# FINESS category by what a name or a sector column says; the home and elderly ones have no ANAP dashboard (note 2 §2).
_CATEGORIES = {
    "EHPAD": "500", "RA": "202", "LF": "202", "MARPA": "202", "CAJ": "207", "SSIAD": "354", "SPASAD": "209",
    "SAAD": "460", "SAD": "460", "ESAT": "246", "MAS": "255", "FAM": "437", "EAM": "448", "EANM": "449", "SAVS": "446",
    "SAMSAH": "445", "SESSAD": "182", "IME": "183", "ITEP": "186", "DITEP": "186", "IEM": "192", "CMPP": "189", "CAMSP": "190",
}  # fmt: skip
_ELDERLY, _DISABLED, _HOME = "SA17", "SA16", "SA18"  # TRE_R02
_SECTOR_OF = {"500": _ELDERLY, "202": _ELDERLY, "207": _ELDERLY, "354": _ELDERLY, "209": _ELDERLY, "460": _HOME}
_PROJET_OF_LOT: dict[str, Projet] = {"1": "mise_en_conformite", "2": "acquisition"}
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+")
_WHOLE_QUANTITY = re.compile(r"([0-9]+)[.,]0+")
_ONE_OR_A_THOUSAND = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+")
MOST_PERSONS = 100_000


class NotACount(ValueError):
    """A number of persons that is not one; the message says why, in French."""


def persons_in(text: str) -> int | None:
    """A whole number of persons; None for an empty cell. Raises NotACount on a negative, a decimal, a word."""
    text = text.strip()
    if not text or not any(char.isalnum() for char in text):
        return None
    bare = re.sub(r"\s", "", text) if _THOUSANDS.fullmatch(text) else text
    if _ONE_OR_A_THOUSAND.fullmatch(bare):
        raise NotACount(f"nombre de personnes ambigu ({text}) : décimales ou milliers ? Écrivez-le sans point ni virgule")
    whole = _WHOLE_QUANTITY.fullmatch(bare)
    bare = whole[1] if whole else bare
    if re.fullmatch(r"[-\u2212\u2013]\s*[0-9].*", bare):
        raise NotACount(f"nombre de personnes négatif ({text})")
    if re.fullmatch(r"[0-9]+[.,][0-9]+", bare):
        raise NotACount(f"nombre de personnes décimal ({text}) : une personne compte une fois, entière")
    if not (bare.isascii() and bare.isdecimal()):
        raise NotACount("nombre de personnes illisible : un nombre entier est attendu, seul dans la cellule")
    if int(bare) > MOST_PERSONS:
        raise NotACount(f"nombre de personnes supérieur à {MOST_PERSONS} ({text})")
    return int(bare)


def yes_or_no(text: str) -> bool | None:
    """« oui », « oul », « Qul », « NON »: read by a closed list; None when it says neither."""
    folded = fold(text)
    return True if folded in _YES else False if folded in _NO else None


def lot_in(text: str) -> str | None:
    """« LOT 2 », « 10T 2 », « LoT2 »: the lot's number; None when it says none."""
    found = _LOT.fullmatch(fold(text))
    return found[1] if found else None


def projet_in(text: str) -> Projet | None:
    """What an ESSMS is paid for, from a column « type de projet » (whole words or the usual initials)."""
    folded = fold(text).replace("0", "O")
    if folded in ("ACQ", "ACQUIS") or "ACQUISITION" in folded:
        return "acquisition"
    return "mise_en_conformite" if folded in ("MC", "MEC", "MISE EN CONF") or "CONFORMITE" in folded else None


def projet_of_lot(lot: str) -> Projet | None:
    """LOT 2 is acquisition, LOT 1 is mise en conformité (programme-indicateurs §3, anomaly A36)."""
    return _PROJET_OF_LOT.get(lot)


def category_in(activity: str, *names: str) -> str | None:
    """The FINESS category: the three digits in brackets of an activity, else the acronym of a name; None when neither says."""
    coded = _CODE.search(activity)
    if coded:
        return coded[1]
    for text in (activity, *names):
        known = [_CATEGORIES[word] for word in simplified(text).split() if word in _CATEGORIES]
        if known:
            return known[0]
    return None


def sector_of(category: str) -> str:
    """TRE_R02: elderly, home help, else disability."""
    return _SECTOR_OF.get(category, _DISABLED)
