"""National identifiers and their check digits. Sources: reference insi §13 (matricule), psc-annuaire §14.3 (the others).

Nothing here refuses a number for its key alone: published sets contain wrong ones. Callers warn (FINESS, historical
matricules) or refuse (the matricule that a message carries) as their own rule says.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

_CORSICA = {"2A": "19", "2B": "18"}  # the letters are replaced before the modulo
_LETTERS = {"A": 1, "B": 2}  # Corsica and test numbers of FINESS (psc-annuaire §14.3)

_MATRICULE = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{8}")
_FINESS = re.compile(r"[0-9][0-9A-Z][0-9]{7}")


class InvalidMatricule(ValueError):
    """Not a matricule. ``reason`` is "form" or "key"; the value itself is never in the message."""

    def __init__(self, reason: str, received_length: int) -> None:
        super().__init__(f"invalid matricule: {reason}, {received_length} characters")
        self.reason = reason
        self.received_length = received_length


@dataclass(frozen=True, slots=True)
class Matricule:
    """A number and its key, without its OID. Hidden from repr and str: it must not reach a log."""

    number: str = field(repr=False)  # 13 characters
    key: str = field(repr=False)  # 2 digits

    @property
    def text(self) -> str:
        """The 15 characters, as mailboxes, CX and FHIR write them."""
        return self.number + self.key

    def __str__(self) -> str:
        return "<matricule>"


def matricule_key(number: str) -> str:
    """Key of the 13 characters: 97 - number mod 97, 01 to 97, always two digits (insi §13). ValueError if they are not."""
    department = number[5:7]
    digits = number[:5] + _CORSICA.get(department, department) + number[7:]
    if len(number) != 13 or not (digits.isascii() and digits.isdecimal()):
        raise ValueError("a matricule number has 13 digits, 2A or 2B allowed for the department")
    return f"{97 - int(digits) % 97:02d}"


def parse_matricule(text: str) -> Matricule:
    """The 15 characters, form and key checked; raises InvalidMatricule.

    The sex digit, the month and the place are not compared with anything: the traits may differ from them (insi §13).
    """
    if not _MATRICULE.fullmatch(text):
        raise InvalidMatricule("form", len(text))
    number, key = text[:13], text[13:]
    if matricule_key(number) != key:
        raise InvalidMatricule("key", len(text))
    return Matricule(number, key)


def is_matricule(text: str) -> bool:
    """True when ``parse_matricule`` accepts it."""
    try:
        parse_matricule(text)
    except InvalidMatricule:
        return False
    return True


def luhn_key(number: str) -> str:
    """The digit to append so that the whole passes Luhn; A counts 1 and B counts 2. ValueError on another character."""
    return str(-_luhn_sum(number + "0") % 10)


def luhn_holds(text: str) -> bool:
    """True when the last digit is the Luhn key of the rest; False too on a character that has no value."""
    try:
        return bool(text) and _luhn_sum(text) % 10 == 0
    except ValueError:
        return False


def is_finess_form(text: str) -> bool:
    """Nine characters, a letter allowed in second place; the key is not looked at (psc-annuaire §22)."""
    return _FINESS.fullmatch(text) is not None


def is_finess(text: str) -> bool:
    """Form and key. A number that fails is kept as typed and flagged, never corrected in silence."""
    return is_finess_form(text) and luhn_holds(text)


def is_rpps(text: str) -> bool:
    """Eleven digits with their key, without the ``8`` of the idNat_PS."""
    return _digits(text, 11) and luhn_holds(text)


def is_siren(text: str) -> bool:
    return _digits(text, 9) and luhn_holds(text)


def is_siret(text: str) -> bool:
    return _digits(text, 14) and luhn_holds(text)


def finess_of_struct_id(struct_id: str) -> str | None:
    """The FINESS in an idNat_struct (``1`` + FINESS), or None: another kind, or not one (psc-annuaire §14.2)."""
    finess = struct_id[1:]
    return finess if struct_id[:1] == "1" and is_finess_form(finess) else None


def _digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdecimal()


def _luhn_sum(text: str) -> int:
    total = 0
    for index, character in enumerate(reversed(text)):
        value = int(character) if character.isascii() and character.isdecimal() else _LETTERS.get(character)
        if value is None:
            raise ValueError("a Luhn number has digits only, or A and B")
        doubled = value * 2 if index % 2 else value
        total += doubled - 9 if doubled > 9 else doubled
    return total
