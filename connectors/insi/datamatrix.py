"""The INS datamatrix in text form: what its symbol encodes, never the symbol itself (reference: insi §18).

A header of 26 characters, then blocks in any order: a name of two characters and its text. A block that may be shorter than its
greatest length is ended by U+001D, unless it is that long or comes last. Nothing in it is signed: what was read is checked like
anything typed (§16.6).
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Reason = Literal["header", "block", "duplicate", "missing", "length", "birth_date"]

_HEADER = "IS01" + "0" * 22
_END = "\x1d"
_OPTIONAL = "S7"


@dataclass(frozen=True, slots=True)
class _Block:
    """``least`` and ``most`` characters; fixed when they are the same."""

    least: int
    most: int

    @property
    def fixed(self) -> bool:
        return self.least == self.most


#: In the order in which they are written.
_BLOCKS = {
    "S1": _Block(15, 15), "S2": _Block(19, 20), "S3": _Block(1, 100), "S4": _Block(1, 100), "S5": _Block(1, 1),
    "S6": _Block(10, 10), "S7": _Block(5, 5),
}  # fmt: skip


class InvalidDatamatrix(ValueError):
    """Not an INS datamatrix. ``block`` is the one at fault, None for the whole; no value is in the message."""

    def __init__(self, reason: Reason, block: str | None = None) -> None:
        super().__init__(f"invalid INS datamatrix: {reason}{'' if block is None else f' of {block}'}")
        self.reason, self.block = reason, block


@dataclass(frozen=True, slots=True)
class Datamatrix:
    """A qualified identity as printed on a document. Neither the key nor the OID is checked here: the published example has
    dummies for both (``identifiers.is_matricule`` and ``oids.INS_OIDS`` tell)."""

    matricule: str = field(repr=False)  # 15 characters
    oid: str
    first_names: str = field(repr=False)  # civil ones, separated by spaces
    birth_name: str = field(repr=False)
    sex: str = field(repr=False)
    birth_date: date = field(repr=False)
    birth_place: str | None = field(default=None, repr=False)  # COG code


def write(identity: Datamatrix) -> str:
    """The text to encode, blocks in their order. Only for an identity whose status is QUAL (EXI DIF 02): the caller knows.

    Raises InvalidDatamatrix for a value that no block can hold.
    """
    values = {
        "S1": identity.matricule, "S2": identity.oid, "S3": identity.first_names, "S4": identity.birth_name,
        "S5": identity.sex, "S6": "-".join(reversed(identity.birth_date.isoformat().split("-"))), "S7": identity.birth_place,
    }  # fmt: skip
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if not _BLOCKS[name].least <= len(value) <= _BLOCKS[name].most or _END in value:
            raise InvalidDatamatrix("length", name)
    last = next(reversed(given))
    return _HEADER + "".join(
        name + value + (_END if len(value) < _BLOCKS[name].most and name != last else "") for name, value in given.items()
    )


def read(text: str) -> Datamatrix:
    """What a reader of bar codes gave. Raises InvalidDatamatrix: another header or version, a block unknown, twice or missing."""
    if not text.startswith(_HEADER):
        raise InvalidDatamatrix("header")
    found: dict[str, str] = {}
    for name, value in _blocks(text[len(_HEADER) :]):
        if name in found:
            raise InvalidDatamatrix("duplicate", name)
        found[name] = value
    missing = next((name for name in _BLOCKS if name not in found and name != _OPTIONAL), None)
    if missing is not None:
        raise InvalidDatamatrix("missing", missing)
    return Datamatrix(
        found["S1"], found["S2"], found["S3"], found["S4"], found["S5"], _day(found["S6"]), found.get(_OPTIONAL)
    )


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        name, at = text[at : at + 2], at + 2
        block = _BLOCKS.get(name)
        if block is None:
            raise InvalidDatamatrix("block")
        value = text[at : at + block.most]
        ended = -1 if block.fixed else value.find(_END)
        value, at = (value, at + block.most) if ended < 0 else (value[:ended], at + ended + 1)
        if len(value) < block.least or _END in value:
            raise InvalidDatamatrix("length", name)
        yield name, value


def _day(text: str) -> date:
    day, month, year = text[:2], text[3:5], text[6:]
    try:
        if text[2] + text[5] != "--" or not (day + month + year).isascii() or not (day + month + year).isdecimal():
            raise ValueError
        return date(int(year), int(month), int(day))
    except ValueError:
        raise InvalidDatamatrix("birth_date", "S6") from None
