"""A value said by its class: length and kind of characters, never the value (design §4)."""
from __future__ import annotations


def class_of(text: str | None) -> str:
    """« absent », « vide », « 6 caractères, minuscules »…"""
    if text is None:
        return "absent"
    if not text:
        return "vide"
    plural = "s" if len(text) > 1 else ""
    return f"{len(text)} caractère{plural}, {_kind(text)}"


def _kind(text: str) -> str:
    if text.isdecimal():
        return "chiffres"
    letters = "".join(filter(str.isalpha, text))
    accents = "" if letters.isascii() else ", accents"
    if not letters:
        return "sans lettre"
    if all(map(str.isupper, letters)):
        return "majuscules" + accents
    if all(map(str.islower, letters)):
        return "minuscules" + accents
    return "majuscules et minuscules" + accents
