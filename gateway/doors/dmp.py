"""The DMP door (design §8): relays a DUI's own SOAP or MTOM message and reads what it was and what became of it.

Wire facts: reference dmp §2.4 (routing on the body), §7 (TD0.2), §9 (TD2.1), §15 (three channels of errors).
"""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import orjson

from connectors.dmp import codes, messages, requests
from connectors.dmp.errors import DmpFault, DmpUnreadable
from connectors.nomenclatures.xds import OID_INS
from connectors.wire import soap
from connectors.wire.http import Answer
from gateway.access.callers import Access, Caller
from gateway.access.profile import Profile
from gateway.door import Barred
from gateway.grappes.registry import Registry
from gateway.journal.record import Count, Intent, Named, Outcome, Record
from gateway.operations import OPERATIONS, Service, unknown_of
from gateway.road import Refusal, Request

FEED, EXISTENCE, SEARCH = "DMP.TD2.1", "DMP.TD0.2", "DMP.TD3.1"
INDICATOR = "IND-DMP-01"

_OPERATIONS = {"feed": FEED, "existence": EXISTENCE, "search": SEARCH}
_NO_IDENTITY = Refusal(
    "V-IDENTITE",
    "Appel refusé par la passerelle avant le DMP : ce certificat client n'est pas déposé, elle n'a donc pas d'identité à "
    "présenter au service. Appelez avec le certificat AUTH_CLI d'une structure déposée, ou déposez celui-ci.",
    status=500,  # the DMP gives its faults with 500, and its clients read faults there (dmp §15)
    fault_code="Sender",
)
_NUMBERED = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6}){0,3}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_OK = 200
_VENDORS_HTTP_MISTAKES = range(400, 500)
#: Words of WS-Security for an assertion that is absent, altered, unreadable or in a refused algorithm.
_SECURITY = frozenset({"InvalidSecurity", "InvalidSecurityToken", "FailedCheck", "FailedAuthentication", "UnsupportedAlgorithm"})
_NOBODY_AT_FAULT = frozenset({"DMPClosed", "XDSUnknownPatientId"})


class DmpDoor:
    """The DMP by mutual TLS 1.2.

    base      the service's URL up to its port: ``https://localhost:9111``
    registry  says which ESSMS a feed belongs to
    now       business time, aware
    """

    service: Service = "DMP"
    lends_identity = True

    def __init__(self, base: str, registry: Registry, now: Callable[[], datetime]) -> None:
        self.base = base.rstrip("/")
        self.registry = registry
        self.now = now

    def identify(self, request: Request, access: Access) -> Caller | Refusal:
        """By the client's certificate; unknown or without a deposited identity, nothing is lent (V-IDENTITE)."""
        caller = access.by_certificate(request.client_der, self.service)
        return _NO_IDENTITY if caller.identity is None else caller

    def upstream(self, request: Request) -> str:
        return self.base + request.target

    def read(self, request: Request, record: Record, caller: Caller) -> Intent | None:
        """Flags: V-SOAP (no SOAP 1.2 message to read), V-OPERATION (another body), V-CLE-ABSENTE (a feed without its ids).

        Raises Barred for the OID of a fictitious person in production.
        """
        record.operation = unknown_of(self.service).id
        record.finess_et, record.attribution = caller.finess_et, "appel"
        try:
            envelope = requests.read_envelope(request.header("content-type"), request.body)
            request.hold(envelope)
            seen = requests.read_request(envelope)
        except requests.NotReadable:
            record.flag("V-SOAP")
            return None
        if seen.lps_version and _NUMBERED.fullmatch(seen.lps_version):
            record.dui = replace(record.dui, version=seen.lps_version)
        if seen.name_id:
            record.professional = Named("professional", seen.name_id)
        if seen.patient is not None:
            record.person = Named("person", seen.patient[0])
            record.ins_status = "qualifiee" if seen.patient[1] in OID_INS else None
        if seen.kind == "other":
            record.flag("V-OPERATION")
        else:
            record.operation = _OPERATIONS[seen.kind]
        why = None if seen.patient is None else Profile(record.environment).why_not_oid(seen.patient[1])
        if why is not None:
            raise Barred(why)
        if seen.kind == "other":
            return None
        return None if seen.feed is None else self._intend(record, seen, seen.feed, caller)

    def _intend(self, record: Record, seen: requests.Seen, feed: requests.Feed, caller: Caller) -> Intent:
        at = self.now()
        attribution = self.registry.attribute(feed.institutions, caller, at)
        record.finess_et, record.finess_ej, record.attribution = attribution.finess_et, attribution.finess_ej, attribution.source
        record.document_type = feed.type_code
        record.documents = [Named("document", one) for one in feed.unique_ids]
        if record.person is not None:
            record.counts_for = [Count(INDICATOR, record.person)]
        key = None
        if feed.set_id and feed.unique_ids:
            key = Named("submission", "\n".join([feed.set_id, *sorted(feed.unique_ids)]))
        else:
            record.flag("V-CLE-ABSENTE")
        return Intent(key, OPERATIONS[FEED].deadline_s, feed.commitment, _blob(seen, feed, caller))

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        """The service's answer in the journal's words; its codes are kept verbatim."""
        try:
            reply = messages.read_answer(answer.header("content-type"), answer.readable())
        except DmpFault as fault:
            _conclude_fault(record, fault)
        except DmpUnreadable:
            _conclude_unreadable(record, answer.status)
        else:
            _conclude_reply(record, reply)

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        """A SOAP 1.2 fault without a DMP code: the gateway does not speak with the DMP's words."""
        headers = [(b"content-type", soap.content_type().encode("ascii")), (b"x-socle-fault", refusal.flag.encode("ascii"))]
        return Answer(refusal.status, headers, soap.fault_bytes(refusal.fault_code, refusal.text))


def _blob(seen: requests.Seen, feed: requests.Feed, caller: Caller) -> bytes | None:
    """What settlement must ask (``connectors.dmp.client.DmpAsker``); None when it could not ask anything."""
    if seen.patient is None or not feed.unique_ids or caller.struct_id is None:
        return None
    matricule, oid = seen.patient
    return orjson.dumps({"matricule": matricule, "oid": oid, "unique_ids": feed.unique_ids, "struct_id": caller.struct_id})


def _conclude_reply(record: Record, reply: messages.Answer) -> None:
    expected = {FEED: messages.RegistryAnswer, EXISTENCE: messages.Existence, SEARCH: messages.Found}
    kind = expected.get(str(record.operation))
    if kind is not None and not isinstance(reply, kind):
        _conclude_unreadable(record, _OK)
    elif isinstance(reply, messages.Existence):
        _conclude_existence(record, reply)
    else:
        _conclude_registry(record, reply.answer if isinstance(reply, messages.Found) else reply)


def _conclude_existence(record: Record, reply: messages.Existence) -> None:
    if reply.state == "error":
        _refused(record, reply.code)
        return
    record.outcome = "ok" if reply.state == "open" else "refused"  # no DMP, or closed: an answer, nobody is at fault
    record.service_code = reply.code


def _conclude_registry(record: Record, reply: messages.RegistryAnswer) -> None:
    if reply.success:
        record.outcome, record.service_code = "ok", "Success"
    else:
        _refused(record, reply.first_code or "Failure")


def _refused(record: Record, code: str) -> None:
    """An application error: a set is registered whole or not at all, so nothing is in doubt (dmp §9.3)."""
    record.service_code = _known(code)
    meaning = codes.meaning(code)
    if meaning is not None and meaning.side == "service":
        _end(record, "failed", "N-INDISPONIBLE")
    elif meaning is not None and meaning.authorisation:
        _end(record, "unauthorised", "V-DROITS")
    elif code == codes.DUPLICATE:
        _end(record, "refused", "V-DOUBLON")
    elif code in _NOBODY_AT_FAULT:
        record.outcome = "refused"
    else:
        _end(record, "refused", "V-METADONNEES" if record.operation == FEED else "V-REQUETE")


def _conclude_fault(record: Record, fault: DmpFault) -> None:
    record.service_code = _known(fault.subcode or fault.code)
    meaning = codes.meaning(fault.subcode or "")
    if fault.subcode == "DMPInvalidCertificate" or fault.subcode in _SECURITY:
        _end(record, "unauthorised", "V-VIHF")
    elif meaning is not None and meaning.authorisation:
        _end(record, "unauthorised", "V-DROITS")
    elif fault.code == "Receiver":
        _end(record, "failed", "N-INDISPONIBLE")
    else:
        _end(record, "invalid", "V-SOAP")


def _conclude_unreadable(record: Record, status: int) -> None:
    """Not the DMP's words: the code is HTTP's. After a feed nobody knows what happened, unless it says that nothing was taken."""
    record.service_code = None if status == _OK else f"HTTP {status}"
    if status in (401, 403):
        _end(record, "unauthorised", "V-DROITS")
    elif status in _VENDORS_HTTP_MISTAKES:
        _end(record, "invalid", "V-SOAP")
    elif OPERATIONS[str(record.operation)].side_effect:
        _end(record, "in_doubt", "N-ILLISIBLE")
    else:
        _end(record, "failed", "N-INDISPONIBLE" if status >= 500 else "N-ILLISIBLE")


def _known(code: str) -> str | None:
    return code if _CODE.fullmatch(code) else None


def _end(record: Record, outcome: Outcome, flag: str) -> None:
    record.outcome = outcome
    if not (outcome == "invalid" and record.flags):  # ``read`` already said what is wrong with the message
        record.flag(flag)
