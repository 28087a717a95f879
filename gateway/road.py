"""The one road of a call through a native HTTP door (design §1, §5.2, §5.3).

A door module supplies the decisions of its protocol (``NativeDoor``); this module moves the call: identify, read,
intent, forward, conclude, entry, answer. Whatever happens, a call whose answer can be read has exactly one entry.
"""
from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Never, Protocol, TypeVar

from connectors.wire.clock import Clock
from connectors.wire.http import Answer, Client, Headers, NoAnswer, NotSent, UpstreamError, end_to_end, first_header
from gateway.access.callers import Access, Caller, Identity
from gateway.closing import close_call, settle
from gateway.conformance.live import Observer
from gateway.conformance.model import Message as Seen
from gateway.journal.bodies import Keeper, Message
from gateway.journal.journal import Journal
from gateway.journal.record import Body, Exchange, Intent, JournalFull, JournalStopped, Outcome, Record
from gateway.operations import OPERATIONS, Operation, Service, unknown_of

log = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(slots=True)
class Request:
    """One HTTP request as the DUI sent it. ``target`` is the raw path with its query."""

    listener: str
    method: str
    target: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    client_der: bytes | None = field(default=None, repr=False)

    def header(self, name: str) -> str | None:
        """The first header of this name, decoded as latin-1, or None."""
        return first_header(self.headers, name)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gateway answers by itself. ``flag`` is listed in docs/errors.md; ``text`` is French, for the vendor."""

    flag: str  # V-IDENTITE, V-TAILLE, G-PLEIN, G-DELAI, E-RESEAU …
    text: str
    status: int = 503
    fault_code: str = "Receiver"  # SOAP doors: Receiver or Sender


class NativeDoor(Protocol):
    """What one service decides. No socket, no clock, no database in an implementation."""

    service: Service
    lends_identity: bool  # the gateway presents the caller's deposited certificate upstream (mutual TLS)

    def identify(self, request: Request, access: Access) -> Caller | Refusal:
        """Whose call. A Refusal only where design §8 says the gateway must not lend credentials."""
        ...

    def upstream(self, request: Request) -> str:
        """The absolute URL to which the request goes, path and query as received."""
        ...

    def read(self, request: Request, record: Record, caller: Caller) -> Intent | None:
        """Fill ``record`` from the message: operation, person, key … Never raises: what it cannot read is
        ``<service>.INCONNUE`` with a V flag, and is relayed all the same. Returns the intent of a side effect."""
        ...

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        """Read the service's answer into ``record``: outcome, service_code, flags, counts_for."""
        ...

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        """The refusal in the protocol's own words (SOAP fault, OAuth error, OperationOutcome)."""
        ...


_TOO_LATE = Refusal(
    "G-DELAI",
    "Le service n'a pas répondu dans le délai : l'état de l'opération est inconnu. Ne la renvoyez pas sans avoir vérifié ; "
    "la passerelle poursuit la vérification et l'inscrit au journal.",
    status=504,
)
_NO_NEWS = Refusal("G-DELAI", "Le service n'a pas répondu dans le délai. Renouvelez l'appel plus tard.", status=504)
_NO_ROUTE = Refusal(
    "E-RESEAU", "Le service n'a pas pu être joint ; rien ne lui a été transmis. Renouvelez l'appel plus tard.", status=502
)
_UNREADABLE = Refusal("N-ILLISIBLE", "La réponse du service n'est pas lisible ; elle n'a pas pu être transmise.", status=502)
_FULL = Refusal("G-PLEIN", "Le journal n'a plus de place : l'appel n'a pas été transmis. Renouvelez-le plus tard.", status=503)
#: Listeners where a DUI speaks a national protocol itself: what our own doors write is not the DUI's to answer for.
_NATIVE = frozenset({"insi", "insi-oneway", "dmp", "psc", "psc-wallet", "annuaire"})
_INTERNAL = Refusal("G-INTERNE", "Erreur interne de la passerelle ; l'appel est au journal.", status=500)


@dataclass(frozen=True, slots=True)
class Passed:
    """How a call ended: what the DUI is told, and what the answer proves of earlier calls.

    closed  the entry is written, or owed to nobody: a mail door has done it
    """

    answer: Answer
    settlements: list[Record] = field(default_factory=list)
    closed: bool = False


@dataclass(slots=True)
class _Progress:
    """How far a call has come.

    forwarded  its bytes may have reached the service: what then goes wrong leaves a side effect in doubt, never failed
    late       hears the answer of an exchange that goes on after the DUI was told that nobody knows
    """

    forwarded: bool = False
    late: Callable[[], Coroutine[Any, Any, None]] | None = None


#: What a call does between its first byte and its entry; it fills the record that it is given. May raise JournalFull.
Steps = Callable[[Record], Awaitable[Passed]]


@dataclass(slots=True)
class Road:
    """Carries calls for every native HTTP door of one gateway.

    tls_for      the upstream TLS context of a service, with a caller's identity when the door lends it
    deadline_s   caps every service deadline; None leaves the operation table's
    keeper       what the journal keeps of the messages
    observer     what conformance reads in them while they are in memory
    patience_s   by service, how long a DUI waits for a side effect before it is told 504; the operation table's otherwise
    """

    journal: Journal
    access: Access
    clock: Clock
    environment: str
    tls_for: Callable[[str, Identity | None], ssl.SSLContext]
    deadline_s: float | None = None
    patience_s: Mapping[str, float] = field(default_factory=dict)
    keeper: Keeper = field(default_factory=Keeper)
    observer: Observer | None = None
    _refused_full: Counter[tuple[str, str]] = field(default_factory=Counter)
    _clients: dict[tuple[str, str], Client] = field(default_factory=dict)
    _in_flight: set[asyncio.Task[Any]] = field(default_factory=set)
    _progress: dict[str, _Progress] = field(default_factory=dict)

    async def carry(self, door: NativeDoor, request: Request) -> Answer:
        """The whole road of one call; the exchange is the gateway's own: a DUI that leaves does not stop it."""
        return await self.accompany(self._record(door), request, lambda record: self._travel(door, request, record), door.refuse)

    async def accompany(
        self, record: Record, request: Request, steps: Steps, refuse: Callable[[Refusal, Request], Answer]
    ) -> Answer:
        """One call of any HTTP door, native or own: ``steps``, then its entry, then its answer, whoever leaves meanwhile.

        refuse  the gateway's own refusals, in the words of the door
        """
        return await asyncio.shield(self._keep(self._accompany(record, request, steps, refuse)))

    def _keep(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return task

    @property
    def in_flight(self) -> int:
        """Calls on the road, with those of which only the DUI's side is over."""
        return len(self._in_flight)

    def take_refused(self) -> dict[tuple[str, str], int]:
        """Calls refused for want of room since the last time, by listener and flag; resets the count."""
        taken = dict(self._refused_full)
        self._refused_full.clear()
        return taken

    async def drain(self, timeout_s: float) -> None:
        """Wait until no call is on the road, late answers included, at most ``timeout_s``; then close what leads upstream."""
        until = time.monotonic() + timeout_s
        while self._in_flight and (left_s := until - time.monotonic()) > 0:  # a call may leave a late answer behind
            await asyncio.wait(list(self._in_flight), timeout=left_s)
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    async def _accompany(
        self, record: Record, request: Request, steps: Steps, refuse: Callable[[Refusal, Request], Answer]
    ) -> Answer:
        started = time.perf_counter_ns()
        settled: list[Record] = []
        progress = self._progress[record.id] = _Progress()
        record.bodies.append(_body("request", request.body))
        try:
            self.journal.reserve(record)
            passed = await steps(record)
            if passed.closed:
                self.journal.let_go(record)
                return passed.answer
            answer, settled = passed.answer, passed.settlements
        except JournalFull:  # nothing was forwarded: after the intent, the journal owes room to this call
            self.journal.let_go(record)
            self._refused_full[request.listener, _FULL.flag] += 1
            return refuse(_FULL, request)
        except JournalStopped:
            await self._unanswered()
        except Exception:
            log.exception("unhandled_error", extra={"call_id": record.id})
            acted = progress.forwarded and OPERATIONS[str(record.operation)].side_effect
            record.outcome = "in_doubt" if acted else "failed"
            record.flag(_INTERNAL.flag)
            answer = refuse(_INTERNAL, request)
        finally:
            del self._progress[record.id]
        record.event_time = record.event_time or self.clock.business()
        record.bodies = self.keeper.keep(
            record,
            Message("request", f"{request.method} {request.target}", request.headers, request.body),
            Message("response", str(answer.status), answer.headers, answer.body),
        )
        if self.observer is not None and request.listener in _NATIVE:
            await self.observer.observe(record, _seen(record, request, answer))
        upstream = sum(exchange.upstream_us for exchange in record.exchanges)
        record.gateway_us = max(0, (time.perf_counter_ns() - started) // 1000 - upstream - record.journal_us)
        await self._close(record, *settled)
        if progress.late is not None:
            self._keep(progress.late())
        return answer

    async def _unanswered(self) -> Never:
        """The journal cannot write any more: no answer may be read. The process ends (exit 4) and recovery speaks."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets this event")

    async def decline(self, door: NativeDoor, request: Request, refusal: Refusal, outcome: Outcome) -> Answer:
        """A call that goes no further than the door (too large, cut by the DUI): its entry, then the refusal."""
        record = self._record(door)
        try:
            self.journal.reserve(record)
        except JournalFull:
            self._refused_full[request.listener, _FULL.flag] += 1
            return door.refuse(_FULL, request)
        caller = door.identify(request, self.access)
        if isinstance(caller, Caller):
            record.tenant, record.dui = caller.tenant, caller.dui
        record.outcome = outcome
        record.event_time = self.clock.business()
        answer = _refused(door, refusal, request, record)
        await self._close(record)
        return answer

    def _record(self, door: NativeDoor) -> Record:
        return Record(unknown_of(door.service).id, environment=self.environment, clock_version=self.clock.version)

    async def _travel(self, door: NativeDoor, request: Request, record: Record) -> Passed:
        """Who calls; then the passage, or the gateway's own refusal."""
        caller = door.identify(request, self.access)
        if isinstance(caller, Refusal):
            record.outcome = "unauthorised"
            return Passed(_refused(door, caller, request, record))
        record.tenant, record.dui = caller.tenant, caller.dui
        return await self.passage(door, request, record, caller)

    async def passage(self, door: NativeDoor, request: Request, record: Record, caller: Caller) -> Passed:
        """From a known caller to the service's answer: what is asked, the intent on disk, the exchange. Raises JournalFull."""
        intent = door.read(request, record, caller)
        if intent is not None:
            before = time.perf_counter_ns()
            await self.journal.intend(record, replace(intent, deadline_s=self._waits(door, record)[1]))
            record.journal_us = (time.perf_counter_ns() - before) // 1000
        patience_s, deadline_s = self._waits(door, record)
        if patience_s >= deadline_s:
            answer = await self.forward(door, request, record, caller)
        else:
            answer = await self._forward_patiently(door, request, record, caller, intent)
        return Passed(answer, await self._proved(record, intent))

    async def forward(self, door: NativeDoor, request: Request, record: Record, caller: Caller) -> Answer:
        """One exchange with the service, noted and concluded in ``record``: its answer, or the gateway's refusal."""
        return await self._answered(door, request, record, self._sending(door, request, record, caller))

    async def _forward_patiently(
        self, door: NativeDoor, request: Request, record: Record, caller: Caller, intent: Intent | None
    ) -> Answer:
        """The same for a DUI that is told before the service's deadline; the exchange then goes on without it (§5.3)."""
        started, sending = time.perf_counter_ns(), asyncio.create_task(self._sending(door, request, record, caller))
        await asyncio.wait([sending], timeout=self._waits(door, record)[0])
        if sending.done():
            return await self._answered(door, request, record, sending)
        self._progress[record.id].late = lambda: self._hear(door, request, record, intent, sending)
        return _told(door, request, record, NoAnswer("timeout", upstream_us=(time.perf_counter_ns() - started) // 1000))

    def _waits(self, door: NativeDoor, record: Record) -> tuple[float, float]:
        return OPERATIONS[str(record.operation)].waits(self.deadline_s, self.patience_s.get(door.service))

    def _sending(self, door: NativeDoor, request: Request, record: Record, caller: Caller) -> Coroutine[Any, Any, Answer]:
        self._progress[record.id].forwarded = True
        return self._client(door, caller).send(
            request.method, door.upstream(request), headers=end_to_end(request.headers), body=request.body,
            timeout_s=self._waits(door, record)[1],
        )  # fmt: skip

    async def _answered(self, door: NativeDoor, request: Request, record: Record, sending: Awaitable[Answer]) -> Answer:
        try:
            answer = await sending
        except NotSent:
            record.outcome = "failed"
            return _refused(door, _NO_ROUTE, request, record)
        except NoAnswer as error:
            return _told(door, request, record, error)
        record.event_time = self.clock.business()
        _conclude(door, request, record, answer)
        return answer

    async def _hear(
        self, door: NativeDoor, request: Request, record: Record, intent: Intent | None, sending: asyncio.Task[Answer]
    ) -> None:
        """An answer that comes after its DUI was told that nobody knows: a settlement, dated when it was read (§5.3).

        What is not an answer leaves the doubt to the settlement worker, or to a person.
        """
        heard = replace(record, outcome=None, service_code=None, flags=[], exchanges=[], bodies=[], event_time=None)
        try:
            answer = await sending
        except NotSent:  # connecting took longer than the DUI waited
            heard.outcome = "failed"
            heard.flag(_NO_ROUTE.flag)
        except Exception as error:
            log.info("no_late_answer", extra={"call_id": record.id, "error": type(error).__name__})
            return
        else:
            heard.event_time = self.clock.business()
            _conclude(door, request, heard, answer)
            if record.bodies:  # the operation keeps digests
                heard.bodies.append(_body("response", answer.body))
        if heard.outcome == "in_doubt":
            return
        late = Record(
            record.operation, kind="settlement", settles=record.id, outcome="succeeded" if heard.outcome == "ok" else "failed",
            tenant=record.tenant, service_code=heard.service_code, flags=heard.flags, fault=heard.fault,
            event_time=heard.event_time, clock_version=self.clock.version, exchanges=heard.exchanges, bodies=heard.bodies,
            detail={"how": "late", "by": "passerelle"},
        )  # fmt: skip
        try:
            earlier = [one for one in await self._proved(heard, intent) if one.settles != record.id]
            for settlement in (late, *earlier):
                await settle(self.journal, settlement)
        except JournalStopped:
            log.warning("late_answer_lost", extra={"call_id": record.id})

    async def _proved(self, record: Record, intent: Intent | None) -> list[Record]:
        """Settlements of the calls in doubt that this answer proves: same key, same person, same documents (§5.3)."""
        if intent is None or intent.key is None or not _proves_earlier(record):
            return []
        try:
            doubts = await self.journal.doubts(intent.key)
            proved = [doubt for doubt in doubts if await self.journal.same_as(doubt, record.person, intent.commitment)]
        except JournalStopped:
            raise
        except Exception as error:  # no room, or a fault of ours: the worker asks later; this call must be closed now
            log.warning("proof_not_used", extra={"call_id": record.id, "error": type(error).__name__})
            return []
        detail = {"how": "duplicate", "by": "passerelle", "proof": record.id}
        return [
            Record(record.operation, kind="settlement", tenant=record.tenant, outcome="succeeded", settles=doubt.entry_id,
                   clock_version=self.clock.version, detail=detail)
            for doubt in proved
        ]  # fmt: skip

    def _client(self, door: NativeDoor, caller: Caller) -> Client:
        identity = caller.identity if door.lends_identity else None
        key = (door.service, "" if identity is None else str(identity.cert))
        if key not in self._clients:
            self._clients[key] = Client(self.tls_for(door.service, identity))
        return self._clients[key]

    async def _close(self, record: Record, *settlements: Record) -> None:
        try:
            await close_call(self.journal, record, settlements)
        except JournalStopped:
            await self._unanswered()


def _conclude(door: NativeDoor, request: Request, record: Record, answer: Answer) -> None:
    """What the service's answer makes of ``record``; one that the door cannot read proves nothing of a side effect."""
    record.fault = answer.header("x-socle-injected-fault")
    try:
        door.conclude(record, request, answer)
    except Exception:  # the answer is the service's, and stays true: it is relayed; what it meant is settled later
        log.exception("unreadable_answer", extra={"call_id": record.id})
        record.outcome = "in_doubt" if OPERATIONS[str(record.operation)].side_effect else "failed"
        record.flag("G-INTERNE")
    record.exchanges.append(Exchange(record.service_code or str(answer.status), answer.upstream_us))


def _told(door: NativeDoor, request: Request, record: Record, error: NoAnswer) -> Answer:
    """The last byte left and no answer was read: the entry says so, and the DUI is told so."""
    side_effect = OPERATIONS[str(record.operation)].side_effect
    record.exchanges.append(Exchange(None, error.upstream_us))
    record.outcome = "in_doubt" if side_effect else "failed"
    record.time_basis = "estimated"
    return _refused(door, _lost(error, side_effect=side_effect), request, record)


def _refused(door: NativeDoor, refusal: Refusal, request: Request, record: Record) -> Answer:
    record.flag(refusal.flag)
    return door.refuse(refusal, request)


def _proves_earlier(record: Record) -> bool:
    operation: Operation = OPERATIONS[str(record.operation)]
    return operation.proof_code is not None and record.service_code == operation.proof_code


def _lost(error: UpstreamError, *, side_effect: bool) -> Refusal:
    """What the DUI is told when no answer came: a read may be made again, a side effect must not."""
    if error.reason == "garbage":
        return _UNREADABLE
    late = _TOO_LATE if side_effect else _NO_NEWS
    return late if error.reason == "timeout" else Refusal("E-RESEAU", late.text, late.status)


def _seen(record: Record, request: Request, answer: Answer) -> Seen:
    return Seen(
        str(record.operation), target=request.target, method=request.method, request_headers=request.headers,
        request=request.body, status=answer.status, response_headers=answer.headers, response=answer.readable(),
        client_certificate=request.client_der is not None,
    )  # fmt: skip


def _body(role: str, data: bytes) -> Body:
    return Body(role, len(data), hashlib.sha256(data).digest())
