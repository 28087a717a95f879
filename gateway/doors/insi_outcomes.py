"""What INSi's answer makes of an entry: outcome, code kept verbatim, flag, person (reference: insi §6 codes, §7 verification)."""
from __future__ import annotations

import re

from connectors.insi import answers, codes
from connectors.insi.errors import Unreadable
from connectors.wire.http import Answer
from gateway.journal.record import Named, Outcome, Record

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,40}( (OK|KO))?")
_OK = 200
_VENDORS_HTTP_MISTAKES = range(400, 500)
#: What each operation is answered with, when it is not a fault.
_ANSWERED: dict[str, type[answers.Answer]] = {
    "INS.RECHERCHE_TRAITS": answers.Result, "INS.RECHERCHE_VITALE": answers.Result, "INS.VERIFICATION": answers.Verification,
    "INS.LOT_DEPOT": answers.Lot, "INS.LOT_RETRAIT": answers.Lot,
}  # fmt: skip
#: By siram family: outcome, flag. Any other fault is the service's own.
_FAMILIES: dict[str, tuple[Outcome, str]] = {
    codes.SIRAM_INVALID: ("invalid", "V-TRAITS"),
    codes.SIRAM_UNAUTHORISED: ("unauthorised", "V-AUTORISATION"),
    codes.SIRAM_UNAVAILABLE: ("failed", "N-INDISPONIBLE"),
}


def conclude(record: Record, answer: Answer, asked: str | None) -> None:
    """Read the answer into ``record``. ``asked``: the matricule that a verification is about, whom its answer then names."""
    try:
        reply = answers.read(answer.readable())
    except Unreadable:
        _conclude_http(record, answer.status)
        return
    if not isinstance(reply, (_ANSWERED.get(str(record.operation), object), answers.Fault)):
        _conclude_http(record, _OK)  # one of another operation tells nothing of this one
        return
    record.service_code = reply.service_code if _CODE.fullmatch(reply.service_code) else None
    if isinstance(reply, answers.Fault):
        _conclude_fault(record, reply)
    elif isinstance(reply, answers.Result):
        _conclude_result(record, reply)
    elif isinstance(reply, answers.Verification):
        _conclude_verification(record, reply, asked)
    else:
        record.outcome = "ok" if reply.code == codes.INSI_OK else "refused"


def _conclude_result(record: Record, result: answers.Result) -> None:
    if result.code == codes.INSI_OK and result.identity is not None:
        record.outcome = "ok"
        record.person = Named("person", result.identity.active.completed)
    else:
        record.outcome = "refused"  # CR 01 and 02: the service gives no INS, nobody is at fault


def _conclude_verification(record: Record, verification: answers.Verification, asked: str | None) -> None:
    """KO is a refusal: the INS may no longer be used as qualified, which nobody finds without the person."""
    record.outcome = "ok" if verification.holds else "refused"
    if verification.holds is not None and asked is not None:
        record.person = Named("person", asked)


def _conclude_fault(record: Record, fault: answers.Fault) -> None:
    outcome, flag = _FAMILIES.get(fault.family or "", ("failed", "N-INDISPONIBLE"))
    if fault.role == "Sender" and (fault.family is None or (fault.family == codes.SIRAM_INVALID and fault.error_code is None)):
        outcome, flag = "invalid", "V-SOAP"  # the message itself, not a trait of it
    _end(record, outcome, flag)


def _conclude_http(record: Record, status: int) -> None:
    """An answer that is not SOAP: what HTTP said is the only code there is."""
    record.service_code = None if status == _OK else f"HTTP {status}"
    if status in (401, 403):
        _end(record, "unauthorised", "V-AUTORISATION")
    elif status in _VENDORS_HTTP_MISTAKES:
        _end(record, "invalid", "V-SOAP")
    elif status >= 500:
        _end(record, "failed", "N-INDISPONIBLE")
    else:
        _end(record, "failed", "N-ILLISIBLE")


def _end(record: Record, outcome: Outcome, flag: str) -> None:
    record.outcome = outcome
    if not (outcome == "invalid" and record.flags):  # ``read`` already said what is wrong with the message
        record.flag(flag)
