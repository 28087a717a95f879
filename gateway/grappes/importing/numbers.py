"""FINESS numbers as people mistype them: where they say they are, and which one-character changes would make them hold.

Sources: programme-indicateurs §4 (prefixes, insertions, deletions), psc-annuaire §14.3 (letters in the key). These
functions list; none of them chooses.
"""
from __future__ import annotations

import re
from collections.abc import Iterable

from connectors.nomenclatures.identifiers import is_finess, is_siren, is_siret
from gateway.grappes.finess import normalise

SHORT, WHOLE, LONG = 8, 9, 10
_DIGITS = "0123456789"
_CORSICA = ("2A", "2B")
_MAINLAND = frozenset(f"{number:02d}" for number in range(1, 96)) - {"20"}
_TERRITORIES = "12345"  # Guadeloupe, Martinique, Guyane, La Réunion, Saint-Pierre-et-Miquelon
_MAYOTTE = "976"
# What a scanner reads for a digit: a closed list, used to offer a reading and never to keep one.
_READ_FOR = str.maketrans("OQDILZSGB", "000112568")
_POSTCODE = re.compile(r"(?<![0-9])([0-9]{2}) ?([0-9]{3})(?![0-9])")
_BOX = re.compile(r"\b(BP|CS|TSA)\s*[0-9 ]+", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"\s*(n\.?[acd]\.?|n[eé]ant|aucune?|inconnue?|en cours.*|[aà] venir|[x?]+|non (connu|communiqu[eé])e?|#.*)\s*", re.IGNORECASE
)
# What is written before the number, in its cell: « N° », « FINESS : », « FINESS ET ».
_LABEL = re.compile(r"\s*(?:(?:n[°ºo]|num[ée]ro|code|finess|g[ée]o(?:graphique)?|et|ej)[\s.:°_-]*)+(?=[0-9])", re.IGNORECASE)
_SPREADSHEET_ZEROS = re.compile(r"\s*([0-9]+)[.,]0+\s*")
_SCIENTIFIC = re.compile(r"\s*[0-9]+([.,][0-9]+)?E\+?[0-9]+\s*", re.IGNORECASE)


def is_blank_number(typed: str) -> bool:
    """True for an empty cell and for what stands for one: dots, dashes, « néant », « en cours », XXXX."""
    return not any(char.isalnum() for char in typed) or _PLACEHOLDER.fullmatch(typed) is not None


def plain(typed: str) -> str:
    """The number in a cell: letters and digits alone, in capitals; empty when there is none. Never padded, never corrected.

    « 990000001.0 » is a number that a spreadsheet took for a quantity: its decimals are not digits of it.
    """
    if is_blank_number(typed):
        return ""
    bare = _LABEL.sub("", typed, count=1)
    quantity = _SPREADSHEET_ZEROS.fullmatch(bare)
    return quantity[1] if quantity else normalise(bare)


def is_scientific(typed: str) -> bool:
    """« 6,60784E+08 »: the spreadsheet threw digits away, no rule finds them again."""
    return _SCIENTIFIC.fullmatch(typed) is not None


def department_of(number: str) -> str | None:
    """The department a FINESS begins with: ``31``, ``2A``, ``974`` (fourth character), ``976`` for 98; None if there is none."""
    prefix = number[:2]
    if prefix in _MAINLAND or prefix in _CORSICA:
        return prefix
    if prefix == "98":
        return _MAYOTTE
    if prefix == "97" and number[3:4] in tuple(_TERRITORIES):
        return "97" + number[3]
    return None


def department_of_postcode(postcode: str) -> str | None:
    """Corsica: 200 and 201 are 2A, 202 to 206 are 2B. Overseas: three digits; 977 and 978 were parts of 971."""
    if postcode.startswith("20"):
        return "2A" if postcode[2:3] in ("0", "1") else "2B"
    if postcode.startswith("97"):
        return {"977": "971", "978": "971"}.get(postcode[:3], postcode[:3])
    return postcode[:2] if postcode[:2] in _MAINLAND else None


def postcode_in(text: str) -> str | None:
    """The postcode in a cell or an address; four digits alone are a postcode whose first zero a spreadsheet took."""
    text = _BOX.sub(" ", text)
    if re.fullmatch(r"\s*[1-9][0-9]{3}\s*", text):
        return "0" + text.strip()
    found = _POSTCODE.search(text)
    return found[1] + found[2] if found else None


def department_in(text: str) -> str | None:
    """The department in a cell that holds no postcode: ``66``, ``6``, ``2a``, ``974``, « Gard (30) »."""
    found = re.search(r"(?<![0-9A-Za-z])(97[1-6]|2[AB]|[0-9]{1,2})(?![0-9A-Za-z])", text.upper())
    if found is None:
        return None
    code = found[1].zfill(2)
    return code if code in _MAINLAND or code in _CORSICA or len(code) == 3 else None


def holds(number: str, department: str | None) -> bool:
    """Form, key, and a prefix that is the expected department; some department, or a test number, when none is expected."""
    if not is_finess(number):
        return False
    return is_placed(number) if department is None else department_of(number) == department


def is_placed(number: str) -> bool:
    """False for digits that no department begins with. A letter in second place outside Corsica is a test number's."""
    return department_of(number) is not None or number[1:2].isalpha()


def insertions(number: str, department: str | None) -> list[str]:
    """Numbers that hold and lose one character to become this one, in order."""
    letters = "AB" if department in _CORSICA else ""
    made = (
        number[:at] + char + number[at:] for at in range(len(number) + 1) for char in _DIGITS + (letters if at == 1 else "")
    )
    return _held(made, department)


def deletions(number: str, department: str | None) -> list[str]:
    """Numbers that hold and are this one without one character."""
    return _held((number[:at] + number[at + 1 :] for at in range(len(number))), department)


def substitutions(number: str, department: str | None) -> list[str]:
    """Numbers that hold and differ from this one by one digit."""
    made = (number[:at] + char + number[at + 1 :] for at in range(len(number)) for char in _DIGITS if char != number[at])
    return _held(made, department)


def readings(number: str, department: str | None) -> list[str]:
    """Numbers that hold once letters that a scanner takes for digits are read as digits; Corsica's letter stays one."""
    kept = number[:1].translate(_READ_FOR) + number[1:2] + number[2:].translate(_READ_FOR)
    return [one for one in _held((number.translate(_READ_FOR), kept), department) if one != number]


def is_one_short(short: str, whole: str) -> bool:
    """True when the first is the second minus one character."""
    return any(whole[:at] + whole[at + 1 :] == short for at in range(len(whole)))


def is_one_apart(first: str, second: str) -> bool:
    """Same length and one character changed."""
    return len(first) == len(second) and sum(a != b for a, b in zip(first, second, strict=True)) == 1


def kind_of(number: str) -> str:
    """What the form says, in French, for a number that is not a FINESS: « 14 chiffres : un SIRET » …"""
    if is_siret(number):
        return "14 chiffres : c'est un SIRET"
    if len(number) == 14 and number.isdecimal():
        return "14 chiffres : sans doute un SIRET, de clé fausse"
    if is_siren(number):
        return "9 chiffres dont les deux premiers ne sont pas un département : sans doute un SIREN"
    said = f"{len(number)} {'chiffres' if number.isdecimal() else 'caractères'} au lieu de 9"
    return "9 caractères dont une lettre mal placée" if len(number) == WHOLE else said


def _held(made: Iterable[str], department: str | None) -> list[str]:
    return list(dict.fromkeys(one for one in made if holds(one, department)))
