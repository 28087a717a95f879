"""The two INSi doors (design §8): they relay a DUI's own SOAP message and read what it was and what became of it.

By mutual TLS, the structure's certificate says who calls; with server TLS only, an assertion does (insi §2.2 to §2.4). INSi is
a read: no intent, nothing to settle.
"""
from __future__ import annotations

from connectors.wire import soap
from connectors.wire.http import Answer
from gateway.access.callers import UNKNOWN_TENANT, Access, Caller
from gateway.access.profile import Profile
from gateway.access.signers import Authorities, caller_of, read_assertion
from gateway.door import Barred
from gateway.doors.insi_calls import VERIFICATION, dui_of, matricule_of, operation_of, verified
from gateway.doors.insi_outcomes import conclude
from gateway.journal.record import Intent, Named, Record
from gateway.operations import Service, unknown_of
from gateway.road import Refusal, Request

_NO_IDENTITY = Refusal(
    "V-IDENTITE",
    "Appel refusé par la passerelle avant INSi : ce certificat client n'est pas déposé, elle n'a donc pas d'identité à présenter "
    "au téléservice. Appelez avec le certificat AUTH_CLI d'une structure déposée, ou déposez celui-ci.",
    status=500,  # INSi gives every fault with 500, and its clients read faults there (insi §3.3)
    fault_code="Sender",
)


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
        """Flags: V-SOAP (no SOAP 1.2 envelope to read), V-OPERATION (another method, action or body).

        Raises Barred for the OID of a fictitious person, or a test signer, in production.
        """
        record.operation = unknown_of(self.service).id
        if caller.finess_et is not None:
            record.finess_et, record.attribution = caller.finess_et, "appel"
        record.finess_ej = next(iter(caller.entitled_ej)) if len(caller.entitled_ej) == 1 else None
        if request.method != "POST":
            record.flag("V-OPERATION")
            return None
        message = request.envelope()
        if message is None:
            record.flag("V-SOAP")
            return None
        record.dui = dui_of(message, caller.dui)
        operation = operation_of(message, request.header("content-type"))
        if operation is None:
            record.flag("V-OPERATION")
        else:
            record.operation = operation
        self._check(message, record, caller)
        return None

    def _check(self, message: soap.Envelope, record: Record, caller: Caller) -> None:
        """Whose assertion it is, when a known vendor sends one; what belongs to another environment. Raises Barred."""
        profile, assertion = Profile(record.environment), read_assertion(message)
        why = None if assertion is None else profile.why_not_certificate(assertion.certificate_der)
        if assertion is not None and assertion.name_id and caller.tenant != UNKNOWN_TENANT:
            record.professional = Named("professional", assertion.name_id)
        if why is None and profile.production:
            why = next(filter(None, (profile.why_not_oid(one.oid) for one in verified(message))), None)
        if why is not None:
            raise Barred(why)

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        """The service's answer in the journal's words; the codes are kept verbatim (CR00, CR00 KO, insi_19, desir_550 …)."""
        message = request.envelope() if record.operation == VERIFICATION else None
        asked = () if message is None else verified(message)
        conclude(record, answer, matricule_of(asked[0]) if len(asked) == 1 else None)

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        """A SOAP 1.2 fault without siram detail: the gateway does not speak with INSi's codes."""
        headers = [(b"content-type", soap.content_type().encode("ascii")), (b"x-socle-fault", refusal.flag.encode("ascii"))]
        return Answer(refusal.status, headers, soap.fault_bytes(refusal.fault_code, refusal.text))


class InsiOneWayDoor(InsiDoor):
    """INSi by an assertion: a professional's card signed it, or a Pro Santé Connect token comes with it (decision 0051).

    The gateway presents nothing of its own: bytes, assertion and token travel as they are, and the service judges them. Who
    cannot be told is ``inconnu``, and is relayed but in production.
    """

    lends_identity = False

    def __init__(self, base: str, authorities: Authorities) -> None:
        super().__init__(base)
        self._authorities = authorities

    def identify(self, request: Request, access: Access) -> Caller:
        message = request.envelope()
        assertion = None if message is None else read_assertion(message)
        return caller_of(assertion, request.header("authorization"), access, self._authorities)
