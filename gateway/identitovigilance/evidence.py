"""What proves an identity: documents and electronic means, and for whom each is enough (reference: insi §16.5; EXI SI 10, 23)."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

Code = Literal["CN", "PA", "CS", "eCN", "IN", "AV", "LECV", "ANCV", "AN", "LEP", "CC"]

#: Enough for anybody: an identity document, or an electronic means of the level « substantiel ».
_FOR_ANYBODY = frozenset({"CN", "PA", "CS", "eCN", "IN", "AV"})
#: Enough at the admission to an EHPAD: a civil status document with the carte Vitale that has a photo.
_AT_AN_EHPAD = frozenset({"LECV", "ANCV"})
#: Enough for a minor, beside a document of the parent or guardian that is enough for anybody.
_WITH_A_GUARDIAN = frozenset({"AN", "LEP"})
_FOR_A_FOREIGN_MINOR = "CC"
_MAJORITY = 18


@dataclass(frozen=True, slots=True)
class Evidence:
    """One document checked by somebody. There is no default: without evidence no identity is VALI or QUAL.

    guardian  what the parent or guardian of a minor showed
    """

    code: Code
    checked_on: date
    guardian: Code | None = None
    ehpad: bool = False

    def __post_init__(self) -> None:
        for code in (self.code, self.guardian):
            if code is not None and code not in get_args(Code):
                raise ValueError("unknown kind of evidence")


def is_enough(evidence: Evidence, born: date) -> bool:
    """Whether it gives high confidence in the identity of whoever was born that day."""
    if evidence.code in _FOR_ANYBODY:
        return True
    if evidence.code in _AT_AN_EHPAD:
        return evidence.ehpad
    minor = _age(born, evidence.checked_on) < _MAJORITY
    if evidence.code in _WITH_A_GUARDIAN:
        return minor and evidence.guardian in _FOR_ANYBODY
    return minor and evidence.code == _FOR_A_FOREIGN_MINOR


def _age(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))
