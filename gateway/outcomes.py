"""What becomes of a call on the road, by what came back or did not: its outcome, and what the DUI is told (design §5)."""
from __future__ import annotations

import logging

from connectors.wire.http import Answer, NoAnswer, UpstreamError
from gateway.door import NativeDoor, Refusal, Request
from gateway.journal.record import Exchange, Record
from gateway.operations import OPERATIONS

log = logging.getLogger(__name__)

INJECTED = "x-socle-injected-fault"

TOO_LATE = Refusal(
    "G-DELAI",
    "Le service n'a pas répondu dans le délai : l'état de l'opération est inconnu. Ne la renvoyez pas sans avoir vérifié ; "
    "la passerelle poursuit la vérification et l'inscrit au journal.",
    status=504,
)
NO_NEWS = Refusal("G-DELAI", "Le service n'a pas répondu dans le délai. Renouvelez l'appel plus tard.", status=504)
NO_ROUTE = Refusal(
    "E-RESEAU", "Le service n'a pas pu être joint ; rien ne lui a été transmis. Renouvelez l'appel plus tard.", status=502
)
UNREADABLE = Refusal("N-ILLISIBLE", "La réponse du service n'est pas lisible ; elle n'a pas pu être transmise.", status=502)
FULL = Refusal("G-PLEIN", "Le journal n'a plus de place : l'appel n'a pas été transmis. Renouvelez-le plus tard.", status=503)
INTERNAL = Refusal("G-INTERNE", "Erreur interne de la passerelle ; l'appel est au journal.", status=500)


def conclude(door: NativeDoor, request: Request, record: Record, answer: Answer) -> None:
    """What the service's answer makes of ``record``; one that the door cannot read proves nothing of a side effect."""
    try:
        door.conclude(record, request, answer)
    except Exception:  # the answer is the service's, and stays true: it is relayed; what it meant is settled later
        log.exception("unreadable_answer", extra={"call_id": record.id})
        record.outcome = "in_doubt" if OPERATIONS[str(record.operation)].side_effect else "failed"
        record.flag("G-INTERNE")
    record.injected(answer.header(INJECTED))
    record.exchanges.append(Exchange(record.service_code or str(answer.status), answer.upstream_us))


def told(door: NativeDoor, request: Request, record: Record, error: NoAnswer) -> Answer:
    """The last byte left and no answer was read: the entry says so, and the DUI is told so."""
    side_effect = OPERATIONS[str(record.operation)].side_effect
    record.exchanges.append(Exchange(None, error.upstream_us))
    record.outcome = "in_doubt" if side_effect else "failed"
    record.time_basis = "estimated"
    return refused(door, _lost(error, side_effect=side_effect), request, record)


def refused(door: NativeDoor, refusal: Refusal, request: Request, record: Record) -> Answer:
    record.flag(refusal.flag)
    return door.refuse(refusal, request)


def _lost(error: UpstreamError, *, side_effect: bool) -> Refusal:
    """What the DUI is told when no answer came: a read may be made again, a side effect must not."""
    if error.reason == "garbage":
        return UNREADABLE
    late = TOO_LATE if side_effect else NO_NEWS
    return late if error.reason == "timeout" else Refusal("E-RESEAU", late.text, late.status)
