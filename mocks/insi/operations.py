"""The five operations of INSi: action and body root of each (insi §1, §3, §7; those of the batch are assumed)."""
from __future__ import annotations

from dataclasses import dataclass

TRAITS = "{http://www.cnamts.fr/INSiRecSans}"
VITALE = "{http://www.cnamts.fr/INSiRecVit}"
UNIT = "{http://www.cnamts.fr/INSiLot2/REQUnitaire}"
LOT = "{http://www.cnamts.fr/INSiLot2/REQLot}"

_ACTION = "urn:ServiceIdentiteCertifiee:1.0.0:"


@dataclass(frozen=True, slots=True)
class Operation:
    """``id``: of the operation table (design §4). ``root``: of the body that its action goes with."""

    id: str
    action: str
    root: str


BY_TRAITS = Operation("INS.RECHERCHE_TRAITS", f"{_ACTION}rechercherInsAvecTraitsIdentite", f"{TRAITS}RECSANSVITALE")
BY_CARD = Operation("INS.RECHERCHE_VITALE", f"{_ACTION}rechercherInsAvecCarteVitale", f"{VITALE}RECVITALE")
VERIFY = Operation("INS.VERIFICATION", f"{_ACTION}verifierInsAvecTraitsIdentite", f"{UNIT}RequeteUnitaire")
DEPOSIT = Operation("INS.LOT_DEPOT", f"{_ACTION}deposerLotVerification", f"{LOT}RequeteLot")
RETRIEVE = Operation("INS.LOT_RETRAIT", f"{_ACTION}recupererLotVerification", f"{LOT}RequeteRetrait")

OPERATIONS = (BY_TRAITS, BY_CARD, VERIFY, DEPOSIT, RETRIEVE)
_BY_ACTION = {one.action: one for one in OPERATIONS}
_BY_ROOT: dict[str | None, Operation] = {one.root: one for one in OPERATIONS}
SEARCHES = (BY_TRAITS, BY_CARD)

#: What cannot be recognised is counted apart.
UNKNOWN = "INS.INCONNUE"


def recognised(action: str | None, root: str | None) -> Operation | None:
    """The dispatch of insi §3.3: the action decides when there is one, else the root of the body."""
    return _BY_ACTION.get(action) if action is not None else _BY_ROOT.get(root)
