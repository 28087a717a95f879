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
from datetime import datetime
from typing import Any, Never, TypeVar

from connectors.wire.clock import Clock
from connectors.wire.http import Answer, Client, NoAnswer, NotSent, end_to_end
from gateway.access.callers import UNKNOWN_TENANT, Access, Caller, Identity
from gateway.access.profile import Profile
from gateway.closing import close_call, settle
from gateway.conformance.live import Observer
from gateway.conformance.model import Message as Seen
from gateway.door import Barred
from gateway.door import NativeDoor as NativeDoor
from gateway.door import Passed as Passed
from gateway.door import Refusal as Refusal
from gateway.door import Request as Request
from gateway.door import Steps as Steps
from gateway.journal.bodies import Keeper, Message
from gateway.journal.journal import Journal
from gateway.journal.record import Body, Intent, JournalFull, JournalStopped, Outcome, Record
from gateway.operations import OPERATIONS, unknown_of
from gateway.outcomes import FULL, INJECTED, INTERNAL, NO_ROUTE, conclude, refused, told
from gateway.proofs import late, proved
from gateway.strangers import Strangers
from gateway.touches import Touches

log = logging.getLogger(__name__)

_T = TypeVar("_T")


#: Where a DUI speaks a national protocol itself, by listener; our own doors, whose messages the gateway writes, share some.
_NATIVE = {"insi": "INS", "insi-oneway": "INS", "dmp": "DMP", "psc": "PSC", "psc-wallet": "PSC", "annuaire": "ANN"}
#: Of an own door that sends nothing: what the DUI declares there is its own word, as it is.
_DECLARED = frozenset({"INS.DECISION"})


@dataclass(slots=True)
class _Progress:
    """How far a call has come.

    forwarded  when its bytes may first have reached the service, in business time: what then goes wrong leaves a side effect
               in doubt, never failed, and without an acknowledgement that is the time of the call
    late       hears the answer of an exchange that goes on after the DUI was told that nobody knows
    wrote      the last request that an own door wrote for the DUI, with what the service answered: what conformance reads
    """

    forwarded: datetime | None = None
    wrote: tuple[Request, Answer | None] | None = None
    late: Callable[[], Coroutine[Any, Any, None]] | None = None


@dataclass(slots=True)
class Road:
    """Carries calls for every native HTTP door of one gateway.

    tls_for      the upstream TLS context of a service, with a caller's identity when the door lends it
    deadline_s   caps every service deadline; None leaves the operation table's
    keeper       what the journal keeps of the messages
    observer     what conformance reads in them while they are in memory
    touches      injected faults that left calls without an answer
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
    touches: Touches = field(default_factory=Touches)
    _refused_full: Counter[tuple[str, str]] = field(default_factory=Counter)
    _clients: dict[tuple[str, str], Client] = field(default_factory=dict)
    strangers: Strangers = field(init=False)
    _in_flight: set[asyncio.Task[Any]] = field(default_factory=set)
    _progress: dict[str, _Progress] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.strangers = Strangers(self.clock)

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
        """Calls without an entry of their own since the last time (no room, strangers), by listener and flag; resets it."""
        taken = self._refused_full + Counter(self.strangers.take_refused())
        self._refused_full.clear()
        return taken

    async def drain(self, timeout_s: float) -> None:
        """Wait until no call is on the road, late answers included, at most ``timeout_s``; then close what leads upstream."""
        until = time.monotonic() + timeout_s
        while self._in_flight and (left_s := until - time.monotonic()) > 0:  # a call may leave a late answer behind
            await asyncio.wait(list(self._in_flight), timeout=left_s)
        await self.close()

    async def close(self) -> None:
        """Close what leads upstream; whoever outlasted ``drain`` may have opened more since."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.close()

    async def _accompany(
        self, record: Record, request: Request, steps: Steps, refuse: Callable[[Refusal, Request], Answer]
    ) -> Answer:
        started = time.perf_counter_ns()
        settled: list[Record] = []
        progress = self._progress[record.id] = _Progress()
        asked = Body("request", len(request.body), hashlib.sha256(request.body).digest())
        record.bodies.append(asked)
        try:
            self.journal.reserve(record)
            passed = await steps(record)
            if passed.closed:
                self.journal.let_go(record)
                return passed.answer
            answer, settled = passed.answer, passed.settlements
        except JournalFull:  # nothing was forwarded: after the intent, the journal owes room to this call
            self.journal.let_go(record)
            self._refused_full[request.listener, FULL.flag] += 1
            return refuse(FULL, request)
        except JournalStopped:
            await self._unanswered()
        except Exception:
            log.exception("unhandled_error", extra={"call_id": record.id})
            acted = progress.forwarded is not None and OPERATIONS[str(record.operation)].side_effect
            record.outcome = "in_doubt" if acted else "failed"
            if progress.forwarded is not None:
                record.event_time, record.time_basis = progress.forwarded, "estimated"
            record.flag(INTERNAL.flag)
            answer = refuse(INTERNAL, request)
        finally:
            del self._progress[record.id]
        record.event_time = record.event_time or self.clock.business()
        await self._remember(record, request, answer, asked.sha256, progress.wrote)
        upstream = sum(exchange.upstream_us for exchange in record.exchanges)
        record.gateway_us = max(0, (time.perf_counter_ns() - started) // 1000 - upstream - record.journal_us)
        await self._close(record, *settled)
        if progress.late is not None:
            self._keep(progress.late())
        return answer

    async def _remember(
        self, record: Record, request: Request, answer: Answer, sha256: bytes, wrote: tuple[Request, Answer | None] | None
    ) -> None:
        """What is kept of the messages, ``sha256`` being the request's. Whatever they hold, the call is owed its entry."""
        try:
            record.bodies = self.keeper.keep(
                record,
                Message("request", f"{request.method} {request.target}", request.headers, request.body, sha256),
                Message("response", str(answer.status), answer.headers, answer.body),
            )
            if self.observer is None or record.replays is not None:  # what repeats a call was judged with it
                return
            if wrote is not None:
                await self.observer.observe(record, _seen(record, *wrote))
            elif record.operation in _DECLARED or OPERATIONS[str(record.operation)].service == _NATIVE.get(request.listener):
                await self.observer.observe(record, _seen(record, request, answer))
        except Exception:
            log.exception("messages_not_kept", extra={"call_id": record.id})
            record.flag(INTERNAL.flag)

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
            self._refused_full[request.listener, FULL.flag] += 1
            return door.refuse(FULL, request)
        caller = door.identify(request, self.access)
        if isinstance(caller, Caller):
            record.tenant, record.dui = caller.tenant, caller.dui
            if caller.finess_et is not None:
                record.finess_et, record.attribution = caller.finess_et, "appel"
        if self.strangers.grouped(record, request.listener, refusal.flag):
            self.journal.let_go(record)
            return door.refuse(refusal, request)
        record.outcome = outcome
        record.event_time = self.clock.business()
        answer = refused(door, refusal, request, record)
        await self._close(record)
        return answer

    def _record(self, door: NativeDoor) -> Record:
        return Record(unknown_of(door.service).id, environment=self.environment, clock_version=self.clock.version)

    async def _travel(self, door: NativeDoor, request: Request, record: Record) -> Passed:
        """Who calls; then the passage, or the gateway's own refusal."""
        caller = door.identify(request, self.access)
        if isinstance(caller, Caller):
            record.tenant, record.dui = caller.tenant, caller.dui
        barred = self._profile.why_not_call(door.service, request, record.tenant or UNKNOWN_TENANT)
        if barred is not None:
            return self._turned_away(door, barred, request, record)
        if isinstance(caller, Refusal):
            return self._turned_away(door, caller, request, record)
        return await self.passage(door, request, record, caller)

    @property
    def _profile(self) -> Profile:
        return Profile(self.environment)

    def _turned_away(self, door: NativeDoor, refusal: Refusal, request: Request, record: Record) -> Passed:
        record.outcome = "unauthorised"
        grouped = self.strangers.grouped(record, request.listener, refusal.flag)
        return Passed(refused(door, refusal, request, record), closed=grouped)

    async def passage(self, door: NativeDoor, request: Request, record: Record, caller: Caller) -> Passed:
        """From a known caller to the service's answer: what is asked, the intent on disk, the exchange. Raises JournalFull."""
        try:
            intent = door.read(request, record, caller)
        except Barred as barred:
            return self._turned_away(door, self._profile.refusal(door.service, barred.why), request, record)
        stranger = self._profile.why_not_call(door.service, request, caller.tenant, record.operation)
        if stranger is not None:
            return self._turned_away(door, stranger, request, record)
        if intent is not None:
            before = time.perf_counter_ns()
            await self.journal.intend(record, replace(intent, deadline_s=self._waits(door, record)[1]))
            record.journal_us = (time.perf_counter_ns() - before) // 1000
        patience_s, deadline_s = self._waits(door, record)
        if patience_s >= deadline_s:
            answer = await self.forward(door, request, record, caller)
        else:
            answer = await self._forward_patiently(door, request, record, caller, intent)
        return Passed(answer, await proved(self.journal, record, intent))

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
        lost = NoAnswer("timeout", upstream_us=(time.perf_counter_ns() - started) // 1000)
        return self._lost(door, request, record, lost)

    def _waits(self, door: NativeDoor, record: Record) -> tuple[float, float]:
        return OPERATIONS[str(record.operation)].waits(self.deadline_s, self.patience_s.get(door.service))

    def _sending(self, door: NativeDoor, request: Request, record: Record, caller: Caller) -> Coroutine[Any, Any, Answer]:
        progress = self._progress[record.id]
        progress.forwarded = self.clock.business()
        if request.written is not None:
            progress.wrote = (request, None)
        return self.client(door.service, caller.identity if door.lends_identity else None).send(
            request.method, door.upstream(request), headers=end_to_end(request.headers), body=request.body,
            timeout_s=self._waits(door, record)[1],
        )  # fmt: skip

    async def _answered(self, door: NativeDoor, request: Request, record: Record, sending: Awaitable[Answer]) -> Answer:
        try:
            answer = await sending
        except NotSent as error:
            record.outcome = "failed"
            answer = refused(door, NO_ROUTE, request, record)
            if error.reason == "tls":
                record.injected(await self.touches.claim_refused(str(record.operation)))
            return answer
        except NoAnswer as error:
            return self._lost(door, request, record, error)
        record.event_time = self.clock.business()
        self.touches.answered(str(record.operation), answer.header(INJECTED))
        if request.written is not None:
            self._progress[record.id].wrote = (request, answer)
        conclude(door, request, record, answer)
        return answer

    def _lost(self, door: NativeDoor, request: Request, record: Record, error: NoAnswer) -> Answer:
        answer = told(door, request, record, error)
        record.event_time = self._progress[record.id].forwarded
        record.injected(self.touches.claim(str(record.operation), timed_out=error.reason == "timeout"))
        return answer

    async def _hear(
        self, door: NativeDoor, request: Request, record: Record, intent: Intent | None, sending: asyncio.Task[Answer]
    ) -> None:
        """An answer that comes after its DUI was told that nobody knows: a settlement, dated when it was read (§5.3).

        What is not an answer leaves the doubt to the settlement worker, or to a person.
        """
        heard = replace(record, outcome=None, service_code=None, flags=[], exchanges=[], bodies=[], fault=None, event_time=None)
        heard.clock_version = self.clock.version
        try:
            answer = await sending
        except NotSent:  # connecting took longer than the DUI waited
            heard.outcome = "failed"
            heard.flag(NO_ROUTE.flag)
        except Exception as error:
            log.info("no_late_answer", extra={"call_id": record.id, "error": type(error).__name__})
            return
        else:
            heard.event_time = self.clock.business()
            if record.fault is None:  # else the call claimed it when it was told
                self.touches.answered(str(record.operation), answer.header(INJECTED))
            conclude(door, request, heard, answer)
            if record.bodies:  # the operation keeps digests
                heard.bodies.append(Body("response", len(answer.body), hashlib.sha256(answer.body).digest()))
        settlement = late(record, heard)
        if settlement is None:
            return
        try:
            earlier = [one for one in await proved(self.journal, heard, intent) if one.settles != record.id]
            for one in (settlement, *earlier):
                await settle(self.journal, one)
        except JournalStopped:
            log.warning("late_answer_lost", extra={"call_id": record.id})

    def client(self, service: str, identity: Identity | None) -> Client:
        """What leads to a service as this identity, or as nobody; kept until ``close``."""
        key = (service, "" if identity is None else str(identity.cert))
        if key not in self._clients:
            self._clients[key] = Client(self.tls_for(service, identity))
        return self._clients[key]

    async def _close(self, record: Record, *settlements: Record) -> None:
        try:
            await close_call(self.journal, record, settlements)
        except JournalStopped:
            await self._unanswered()


def _seen(record: Record, request: Request, answer: Answer | None) -> Seen:
    """``answer``: None when the service gave none."""
    answer = answer or Answer(0, [], b"")
    return Seen(
        str(record.operation), target=request.target, method=request.method, request_headers=request.headers,
        request=request.body, status=answer.status, response=answer.readable(),
        client_certificate=request.client_der is not None, author="dui" if request.written is None else "passerelle",
        given=request.written or frozenset(), envelope_read=request.envelope_read,
    )  # fmt: skip
