"""Normalised form of birth names and first names, as INSi wants them. Source: reference insi §15.

A character that has no place is an error, never dropped: dropping it would look for somebody else.
"""
from __future__ import annotations

import re
import unicodedata

_LETTERS = str.maketrans({"Æ": "AE", "Œ": "OE", "Ø": "O", "Ð": "D", "Þ": "TH", "’": "'", "‘": "'"})
_MAX_LENGTH = 100

_ALPHABET = re.compile(r"[A-Z'][A-Z' -]*")
_NOWHERE = re.compile(r"  | $|''|' | '|---")
_NOT_IN_FIRST_NAMES = re.compile(r"--|[-']$")


class InvalidName(ValueError):
    """A name that INSi cannot take as it is. ``reason`` is "empty", "length", "character" or "punctuation"."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid name: {reason}")
        self.reason = reason


def normalise_birth_name(text: str) -> str:
    """Upper case, no diacritics, typographic apostrophes and ligatures replaced; hyphens kept. Raises InvalidName."""
    return _checked(_folded(text))


def normalise_first_names(text: str) -> str:
    """The same for a first name or a list separated by spaces; no double hyphen, no hyphen or apostrophe at the end."""
    folded = _checked(_folded(text))
    if _NOT_IN_FIRST_NAMES.search(folded):
        raise InvalidName("punctuation")
    return folded


def _folded(text: str) -> str:
    upper = text.upper()
    if upper.isascii():  # nothing to replace or take apart: what every call of a gateway asks, several times
        return upper
    decomposed = unicodedata.normalize("NFD", upper).translate(_LETTERS)  # in this order: Ǽ is a ligature with a mark
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn")


def _checked(folded: str) -> str:
    if not folded:
        raise InvalidName("empty")
    if len(folded) > _MAX_LENGTH:
        raise InvalidName("length")
    if not _ALPHABET.fullmatch(folded):
        raise InvalidName("character")
    if _NOWHERE.search(folded):
        raise InvalidName("punctuation")
    return folded
