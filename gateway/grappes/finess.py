"""FINESS numbers: what they look like, whose they are, where they are (programme-indicateurs §4).

Form and check digit live in ``connectors.nomenclatures.identifiers``; the check digit warns and never rejects.
"""
from __future__ import annotations

from zoneinfo import ZoneInfo

from connectors.nomenclatures.identifiers import finess_of_struct_id

_PARIS = ZoneInfo("Europe/Paris")
# Overseas numbers start with 97, their fourth character names the territory; those of Mayotte start with 98.
_OVERSEAS = {
    "1": ZoneInfo("America/Guadeloupe"),
    "2": ZoneInfo("America/Martinique"),
    "3": ZoneInfo("America/Cayenne"),
    "4": ZoneInfo("Indian/Reunion"),
    "5": ZoneInfo("America/Miquelon"),
}
_MAYOTTE = ZoneInfo("Indian/Mayotte")


def normalise(typed: str) -> str:
    """A number as people type it, without spaces and separators, letters in capitals. Never padded, never corrected."""
    return "".join(char for char in typed if char.isascii() and char.isalnum()).upper()


def from_institution(identifier: str) -> str:
    """The FINESS inside an institution identifier (XON-10, idNat_struct): the type prefix ``1`` is removed.

    Anything else (a SIRET, a local number) comes back as it is, so that it can be compared and refused.
    """
    bare = identifier.strip().upper()
    return finess_of_struct_id(bare) or bare


def zone_of(finess_et: str) -> ZoneInfo:
    """The time zone whose midnights bound the measures of this ESSMS."""
    if finess_et.startswith("98"):
        return _MAYOTTE
    if finess_et.startswith("97"):
        return _OVERSEAS.get(finess_et[3:4], _PARIS)
    return _PARIS
