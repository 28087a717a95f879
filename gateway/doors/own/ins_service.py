"""INSi, asked for an own door: the gateway's own messages, on the road of the call, refused in our words.

Wire facts: reference insi §6.5 (what each fault becomes). Each request is an exchange of the one entry of the call.
"""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, uuid5

from connectors.insi import codes
from connectors.insi.answers import Fault
from connectors.insi.authentication import Organisation
from connectors.insi.client import Exchange, InsiClient, R
from connectors.insi.contexts import Software
from connectors.insi.errors import Unreadable
from connectors.nomenclatures.oids import INS_SANDBOX_OIDS
from connectors.wire.clock import Clock
from connectors.wire.http import Answer, Headers
from gateway.doors.insi import InsiDoor
from gateway.doors.own.call import OwnCall
from gateway.doors.own.fields import field
from gateway.doors.own.held import TRAITS
from gateway.doors.own.problem import Refused, Reply, refuse_road
from gateway.journal.record import Record
from gateway.road import Passed, Refusal, Request, Road

T = TypeVar("T")

_OF_FAULT = {"first_name": TRAITS["first_names"], **TRAITS}  # a fault is about the first name that was sent

_PATH = "/lps"
_DOWN = "INSi est en panne : cela ne veut pas dire que la personne n'existe pas. Renouvelez l'appel plus tard."


class _Stopped(Exception):
    """The road had no answer of INSi to give; ``answer`` is what the DUI is told."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("stopped")
        self.answer = answer


class _Relay(InsiDoor):
    """The INSi door for requests that the gateway writes itself: it refuses in our words."""

    def __init__(self, base: str, record: Record) -> None:
        super().__init__(base)
        self._record = record

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        return refuse_road(refusal, self._record)


@dataclass(slots=True)
class _Passage:
    """Each request of a call on its road: an exchange of its one entry."""

    road: Road
    door: _Relay
    call: OwnCall[Any]
    begun: bool = False

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer:
        """As InsiClient's transport; the road has its own deadline. Raises _Stopped, JournalFull at the first request."""
        request, caller = Request(self.call.request.listener, method, url, headers or [], body), self.call.structure.caller
        request.written = frozenset()
        if self.begun:
            answer = await self.road.forward(self.door, request, self.call.record, caller)
        else:
            self.begun = True
            answer = (await self.road.passage(self.door, request, self.call.record, caller)).answer
        if answer.header("x-socle-fault") is not None:
            raise _Stopped(answer)
        return answer


@dataclass(frozen=True, slots=True)
class InsService:
    """``base`` is INSi's URL up to its port; ``idam`` the authorisation number of the software."""

    road: Road
    base: str
    idam: str
    clock: Clock

    async def ask(self, call: OwnCall[Any], asked: Callable[[InsiClient], Awaitable[T]], said: Callable[[T], Reply]) -> Passed:
        """One call: what it asks by the structure's certificate (one exchange for each request), and what the DUI is told.

        Raises Refused for an answer that is none, and whatever ``said`` raises.
        """
        record, caller, dui = call.record, call.structure.caller, call.record.dui
        if caller.identity is None or caller.struct_id is None:
            raise Refused("identite", "Cette structure n'a pas déposé de certificat AUTH_CLI : rien ne peut être demandé à INSi.")
        client = InsiClient(
            _Passage(self.road, _Relay(self.base, record), call), _PATH, authentication=Organisation(caller.struct_id),
            clock=self.clock,
            software=Software(self.idam, dui.product or "Socle", dui.version or "1.0", str(uuid5(NAMESPACE_OID, record.tenant))),
        )  # fmt: skip
        try:
            found = await asked(client)
        except _Stopped as stopped:
            return Passed(stopped.answer)
        except Unreadable as error:
            raise _unreadable(record, error) from None
        record.dui = dui  # the message was ours: what it says of the software is what the key says
        return Passed(said(found).answer(record.id))

    def provenance(self) -> dict[str, str]:
        return {"methode": "INSI", "horodatage": self.clock.business().isoformat()}

    def check_oid(self, oid: str, place: str) -> None:
        """A fictitious person is nobody's in production (design §7). ``place``: where the request has this OID."""
        if self.road.environment == "production" and oid in INS_SANDBOX_OIDS:
            wrong = field(place, "identité d'essai")
            raise Refused("champs", "L'OID d'une identité d'essai est refusé en production.", champs=[wrong])


def reply_of(exchange: Exchange[R], record: Record, **more: Any) -> R:
    """What INSi answered. Raises Refused for a fault; ``more`` goes with it."""
    if isinstance(exchange.reply, Fault):
        raise refused_by(exchange.reply, record, **more)
    return exchange.reply


def refused_by(fault: Fault, record: Record, **more: Any) -> Refused:
    """The table of insi §6.5; the code and the text are the service's own."""
    more |= {"code": fault.service_code, "texte_service": fault.text or fault.reason}
    if fault.family == codes.SIRAM_INVALID and fault.error_code is not None:
        known = codes.FAULTS.get(fault.error_code)
        trait = _OF_FAULT[known.trait] if known and known.trait else None
        more["champs"] = [field(trait, "refusé par INSi")] if trait else None
        return Refused("trait", "INSi refuse un trait d'identité. Corrigez-le : ne renvoyez pas le même appel.", **more)
    if fault.family == codes.SIRAM_UNAUTHORISED:
        detail = "INSi n'autorise pas ce logiciel ou ce certificat : l'IDAM ou le certificat de la structure est à vérifier."
        return Refused("service-interdit", detail, **more)
    if record.outcome == "invalid":
        return Refused("service-invalide", "INSi n'a pas compris le message de la passerelle : signalez-le.", **more)
    return Refused("indisponible", _DOWN, **more)


def _unreadable(record: Record, error: Unreadable) -> Refused:
    if record.outcome == "unauthorised":
        return Refused("service-interdit", "Le frontal d'INSi a refusé l'appel de la passerelle.", code=error.service_code)
    return Refused("indisponible" if (error.http_status or 0) >= 500 else "illisible", _DOWN, code=error.service_code)
