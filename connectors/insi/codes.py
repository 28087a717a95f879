"""Names, versions and return codes of INSi (contract DESIR_ICIR_EXP 1.5.0; reference: insi §3, §5, §6).

Lot 2 (verification, and batches of them) is assumed but for the element names of the unit request (insi §7; decision 0050).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LPS = "urn:siram:lps:ctxlps"
BAM = "urn:siram:bam:ctxbam"
TRAITS = "http://www.cnamts.fr/INSiRecSans"
VITALE = "http://www.cnamts.fr/INSiRecVit"
RESULT = "http://www.cnamts.fr/INSiResultat"
VERIFY = "http://www.cnamts.fr/INSiLot2/REQUnitaire"
VERIFIED = "http://www.cnamts.fr/INSiLot2/REPUnitaire"
LOT = "http://www.cnamts.fr/INSiLot2/REQLot"
LOT_ANSWER = "http://www.cnamts.fr/INSiLot2/REPLot"
SIRAM = "urn:siram"

_SERVICE = "urn:ServiceIdentiteCertifiee:1.0.0"
ACTION_TRAITS = f"{_SERVICE}:rechercherInsAvecTraitsIdentite"
ACTION_VITALE = f"{_SERVICE}:rechercherInsAvecCarteVitale"
ACTION_VERIFY = f"{_SERVICE}:verifierInsAvecTraitsIdentite"
ACTION_DEPOSIT = f"{_SERVICE}:deposerLotVerification"
ACTION_RETRIEVE = f"{_SERVICE}:recupererLotVerification"

ROOT_TRAITS = f"{{{TRAITS}}}RECSANSVITALE"
ROOT_VITALE = f"{{{VITALE}}}RECVITALE"
ROOT_VERIFY = f"{{{VERIFY}}}RequeteUnitaire"
ROOT_DEPOSIT = f"{{{LOT}}}RequeteLot"
ROOT_RETRIEVE = f"{{{LOT}}}RequeteRetrait"
ROOT_RESULT = f"{{{RESULT}}}RESULTAT"
ROOT_VERIFIED = f"{{{VERIFIED}}}REPUnitaire"
ROOT_LOT = f"{{{LOT_ANSWER}}}REPLot"

LOT_MAX = 1000  # individuals in one lot

CONTEXT_LPS_VERSION = "01_00"
CONTEXT_BAM_VERSION = "01_02"

INSI_OK = "00"  # exactly one person
INSI_NOBODY = "01"
INSI_SEVERAL = "02"  # no list is ever returned

#: Of a verification: which of the two is all that the service says (insi §7).
HOLDS, HOLDS_NOT = "OK", "KO"
LOT_RUNNING, LOT_DONE = "EN_COURS", "TERMINE"

SIRAM_INVALID = "siram_10"  # a field of the request is missing or ill-formed: never retry as is
SIRAM_UNAVAILABLE = "siram_40"  # technical: retry later, never with the next first name
SIRAM_UNAUTHORISED = "siram_100"  # software or certificate without the right: configuration alarm

Trait = Literal["birth_name", "first_name", "sex", "birth_date", "birth_place"]


@dataclass(frozen=True, slots=True)
class FaultCode:
    """One known value of ``Erreur/@code``. ``confirmed`` is False where the number is inferred and no answer was seen."""

    code: str
    subcode: str
    trait: Trait | None = None  # the field that the fault is about
    confirmed: bool = True


_FAULTS = (
    FaultCode("insi_19", SIRAM_INVALID, "birth_name"),
    FaultCode("insi_20", SIRAM_INVALID, "birth_name", confirmed=False),
    FaultCode("insi_21", SIRAM_INVALID, "first_name", confirmed=False),
    FaultCode("insi_22", SIRAM_INVALID, "first_name", confirmed=False),
    FaultCode("insi_23", SIRAM_INVALID, "sex", confirmed=False),
    FaultCode("insi_24", SIRAM_INVALID, "sex"),
    FaultCode("insi_25", SIRAM_INVALID, "birth_date", confirmed=False),
    FaultCode("insi_26", SIRAM_INVALID, "birth_date", confirmed=False),
    FaultCode("insi_27", SIRAM_INVALID, "birth_place", confirmed=False),
    FaultCode("insi_102", SIRAM_UNAVAILABLE),
    FaultCode("insi_111", SIRAM_UNAVAILABLE),
    FaultCode("desir_550", SIRAM_UNAUTHORISED),
    FaultCode("desir_560", SIRAM_UNAUTHORISED, confirmed=False),
    FaultCode("desir_1020", SIRAM_UNAVAILABLE),
)

FAULTS: dict[str, FaultCode] = {row.code: row for row in _FAULTS}


def family(code: str | None, subcode: str | None) -> str | None:
    """The siram family of a fault: as answered, else by the known table; None when neither tells."""
    if subcode in (SIRAM_INVALID, SIRAM_UNAVAILABLE, SIRAM_UNAUTHORISED):
        return subcode
    known = FAULTS.get(code or "")
    return None if known is None else known.subcode
