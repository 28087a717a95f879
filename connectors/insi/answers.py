"""What INSi answers: an identity, the outcome of a verification, a lot of them, or either shape of fault.

Reference: insi §5 (result), §6.2 (faults), §7 (verification, assumed). Everything is read by namespace and local name; answers
are given as received: a key that does not check or odd dates are not repaired (§5, notes).
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from lxml import etree

from connectors.insi import codes
from connectors.insi.errors import Unreadable
from connectors.insi.identities import Identity, child_of, read_identity, texts_of
from connectors.wire import soap
from connectors.wire.xmlsafe import MalformedXml


@dataclass(frozen=True, slots=True)
class Result:
    """RESULTAT. ``identity`` only with code 00."""

    code: str
    label: str
    identity: Identity | None = None

    @property
    def service_code(self) -> str:
        return f"CR{self.code}"


@dataclass(frozen=True, slots=True)
class Verification:
    """REPUnitaire. ``holds`` only with code 00: the INS and every trait are the person's own, or not; never which is wrong."""

    code: str
    label: str
    holds: bool | None = None

    @property
    def service_code(self) -> str:
        """``CR00 OK``, ``CR00 KO``, or the CR alone."""
        return f"CR{self.code}" + {True: f" {codes.HOLDS}", False: f" {codes.HOLDS_NOT}", None: ""}[self.holds]


LotState = Literal["EN_COURS", "TERMINE"]


@dataclass(frozen=True, slots=True)
class Lot:
    """REPLot. ``lot_id`` with code 00; ``state`` only when results were asked; ``results`` once it is TERMINE.

    results  whether each individual holds, by the Id that the caller chose, in the order of the deposit
    """

    code: str
    label: str
    lot_id: str | None = None
    state: LotState | None = None
    results: tuple[tuple[str, bool], ...] = ()

    @property
    def service_code(self) -> str:
        return f"CR{self.code}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault of INSi or of the front gateway. ``error_code`` is None on a fault without ``siram:Erreur``."""

    role: str  # Sender or Receiver
    subcode: str | None
    reason: str
    error_code: str | None = None
    severity: str | None = None
    text: str = ""
    message_id: str | None = None  # echoed by the front gateway only

    @property
    def family(self) -> str | None:
        return codes.family(self.error_code, self.subcode)

    @property
    def service_code(self) -> str:
        """The most precise code answered, verbatim."""
        return self.error_code or self.subcode or self.role


Answer = Result | Verification | Lot | Fault


@lru_cache(maxsize=1)  # who relays an answer and who judges it read it one after the other
def read(data: bytes) -> Answer:
    """Read any answer. Raises Unreadable when it is none of INSi's, nor a SOAP 1.2 fault."""
    try:
        message = soap.read_envelope(data)
    except (MalformedXml, soap.NotAnEnvelope) as error:
        raise Unreadable(f"answer: {error}") from None
    fault = soap.read_fault(message)
    if fault is not None:
        return _fault(fault)
    reader = None if message.body is None else _READERS.get(str(message.body.tag))
    if message.body is None or reader is None:
        raise Unreadable("answer: the Body carries neither RESULTAT, REPUnitaire, REPLot nor Fault")
    return reader(message.body)


def read_answer(data: bytes) -> Result | Fault:
    """The answer to a search. Raises Unreadable for any other."""
    answer = read(data)
    if not isinstance(answer, Result | Fault):
        raise Unreadable("answer: not the one of a search")
    return answer


def _result(root: soap.Element) -> Result:
    code, label = _cr(root)
    individuals = root.findall(f"{{{codes.RESULT}}}INDIVIDU")
    if code != codes.INSI_OK:
        return Result(code, label)
    if len(individuals) != 1:  # choosing one would give somebody the INS of somebody else
        raise Unreadable(f"answer: CR 00 with {len(individuals)} INDIVIDU", service_code=f"CR{code}")
    return Result(code, label, _identity(individuals[0]))


def _identity(individu: soap.Element) -> Identity:
    if len(individu.findall(f"{{{codes.RESULT}}}INSACTIF")) != 1:
        raise Unreadable("answer: INDIVIDU without one INSACTIF", service_code=f"CR{codes.INSI_OK}")
    identity = read_identity(individu, "INSACTIF", "TIQ", "INSHISTO")
    if identity is None:
        raise Unreadable("answer: an INS without NumIdentifiant or OID", service_code=f"CR{codes.INSI_OK}")
    return identity


def _verification(root: soap.Element) -> Verification:
    code, label = _cr(root)
    return Verification(code, label, _holds(texts_of(root).get("Resultat"), code) if code == codes.INSI_OK else None)


def _lot(root: soap.Element) -> Lot:
    code, label = _cr(root)
    if code != codes.INSI_OK:
        return Lot(code, label)
    said = texts_of(root)
    lot_id, state = said.get("IdLot"), said.get("Etat")
    if lot_id is None or state not in (None, codes.LOT_RUNNING, codes.LOT_DONE):
        raise Unreadable("answer: a lot without its IdLot, or in no known Etat", service_code=f"CR{code}")
    rows = root.findall(f"{{{codes.LOT_ANSWER}}}Resultat") if state == codes.LOT_DONE else []
    results = tuple((row.get("Id", ""), _holds((row.text or "").strip(), code)) for row in rows)
    if len(dict(results)) != len(results) or "" in dict(results):
        raise Unreadable("answer: a lot with a Resultat that names nobody, or one twice", service_code=f"CR{code}")
    return Lot(code, label, lot_id, cast(LotState | None, state), results)


_READERS: dict[str, Callable[[soap.Element], Answer]] = {
    codes.ROOT_RESULT: _result, codes.ROOT_VERIFIED: _verification, codes.ROOT_LOT: _lot,
}  # fmt: skip


def _cr(root: soap.Element) -> tuple[str, str]:
    cr = texts_of(child_of(root, "CR"))
    code = cr.get("CodeCR")
    if code is None:
        raise Unreadable(f"answer: {etree.QName(root).localname} without CodeCR")
    return code, cr.get("LibelleCR") or ""


def _holds(text: str | None, code: str) -> bool:
    if text not in (codes.HOLDS, codes.HOLDS_NOT):
        raise Unreadable("answer: a Resultat that is neither OK nor KO", service_code=f"CR{code}")
    return text == codes.HOLDS


def _fault(fault: soap.Fault) -> Fault:
    error = next((part for part in fault.detail if part.tag == f"{{{codes.SIRAM}}}Erreur"), None)
    if error is None:
        return Fault(fault.code, fault.subcode, fault.reason)
    return Fault(
        fault.code, fault.subcode, fault.reason,
        error_code=error.get("code"), severity=error.get("severite"), text=(error.text or "").strip(),
        message_id=error.get("messageID"),
    )  # fmt: skip
