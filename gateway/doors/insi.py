"""The INSi door (design §8): relays a DUI's own SOAP message and reads what it was and what became of it.

Wire facts: reference insi §3.3 (dispatch), §6 (codes). INSi is a read: no intent, nothing to settle.
"""
from __future__ import annotations

import re
from dataclasses import replace

from connectors.insi import codes, messages
from connectors.insi.errors import Unreadable
from connectors.wire import soap
from connectors.wire.http import Answer
from connectors.wire.xmlsafe import MalformedXml
from gateway.access.callers import Access, Caller
from gateway.journal.record import Dui, Intent, Named, Outcome, Record
from gateway.operations import Service, unknown_of
from gateway.road import Refusal, Request

SEARCH = "INS.RECHERCHE_TRAITS"

_NO_IDENTITY = Refusal(
    "V-IDENTITE",
    "Appel refusé par la passerelle avant INSi : ce certificat client n'est pas déposé, elle n'a donc pas d'identité à présenter "
    "au téléservice. Appelez avec le certificat AUTH_CLI d'une structure déposée, ou déposez celui-ci.",
    status=500,  # INSi gives every fault with 500, and its clients read faults there (insi §3.3)
    fault_code="Sender",
)

_ACTION = re.compile(r';\s*action\s*=\s*"?([^";]+)', re.IGNORECASE)
_NUMBERED = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6}){0,3}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_OK = 200
_VENDORS_HTTP_MISTAKES = range(400, 500)


class InsiDoor:
    """INSi by mutual TLS. ``base`` is the service's URL up to its port: ``https://localhost:9101``."""

    service: Service = "INS"
    lends_identity = True

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def identify(self, request: Request, access: Access) -> Caller | Refusal:
        """By the client's certificate; unknown or without a deposited identity, nothing is lent (V-IDENTITE)."""
        caller = access.by_certificate(request.client_der, self.service)
        return _NO_IDENTITY if caller.identity is None else caller

    def upstream(self, request: Request) -> str:
        return self._base + request.target

    def read(self, request: Request, record: Record, caller: Caller) -> Intent | None:
        """Flags: V-SOAP (no SOAP 1.2 envelope to read), V-OPERATION (another method, action or body)."""
        record.operation = unknown_of(self.service).id
        record.finess_et, record.attribution = caller.finess_et, "appel"
        record.finess_ej = next(iter(caller.entitled_ej)) if len(caller.entitled_ej) == 1 else None
        if request.method != "POST":
            record.flag("V-OPERATION")
            return None
        try:
            message = soap.read_envelope(request.body)
        except (MalformedXml, soap.NotAnEnvelope):
            record.flag("V-SOAP")
            return None
        record.dui = _dui(message, caller.dui)
        if _searches_traits(message, request):
            record.operation = SEARCH
        else:
            record.flag("V-OPERATION")
        return None

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        """The service's answer in the journal's words; the codes are kept verbatim (CR00, insi_19, desir_550 …)."""
        try:
            reply = messages.read_answer(answer.readable())
        except Unreadable:
            _conclude_http(record, answer.status)
            return
        record.service_code = reply.service_code if _CODE.fullmatch(reply.service_code) else None
        if isinstance(reply, messages.Result):
            _conclude_result(record, reply)
        else:
            _conclude_fault(record, reply)

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        """A SOAP 1.2 fault without siram detail: the gateway does not speak with INSi's codes."""
        headers = [(b"content-type", soap.content_type().encode("ascii")), (b"x-socle-fault", refusal.flag.encode("ascii"))]
        return Answer(refusal.status, headers, soap.fault_bytes(refusal.fault_code, refusal.text))


def _searches_traits(message: soap.Envelope, request: Request) -> bool:
    """The action decides when there is one, in the header or in the Content-Type, else the root of the body (insi §3.3)."""
    action = message.text(soap.WSA, "Action") or _action_parameter(request)
    if action is not None:
        return action == codes.ACTION_TRAITS
    return message.body is not None and message.body.tag == codes.ROOT_TRAITS


def _action_parameter(request: Request) -> str | None:
    found = _ACTION.search(request.header("content-type") or "")
    return found[1] if found else None


def _dui(message: soap.Envelope, deposited: Dui) -> Dui:
    """The deposited product at the version that the message states.

    Only a dotted number is taken: any other text is the client's own and has no place in clear in an entry (design §5.6).
    """
    block = message.block(codes.LPS, "ContexteLPS")
    version = "" if block is None else block.findtext(f"{{{codes.LPS}}}LPS/{{{codes.LPS}}}Version", "").strip()
    return replace(deposited, version=version) if _NUMBERED.fullmatch(version) else deposited


def _conclude_result(record: Record, result: messages.Result) -> None:
    if result.code == codes.INSI_OK and result.identity is not None:
        record.outcome = "ok"
        record.person = Named("person", result.identity.active.completed)
    else:
        record.outcome = "refused"  # CR 01 and 02: the service gives no INS, nobody is at fault


#: By siram family: outcome, flag. Any other fault is the service's own.
_FAMILIES: dict[str, tuple[Outcome, str]] = {
    codes.SIRAM_INVALID: ("invalid", "V-TRAITS"),
    codes.SIRAM_UNAUTHORISED: ("unauthorised", "V-AUTORISATION"),
    codes.SIRAM_UNAVAILABLE: ("failed", "N-INDISPONIBLE"),
}


def _conclude_fault(record: Record, fault: messages.Fault) -> None:
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
