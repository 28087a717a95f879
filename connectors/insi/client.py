"""Calls INSi, in any of its operations and by any of its three authentications (reference: insi §2, §3, §7, §8).

Nothing is retried here, though nothing here has a side effect: whoever waits knows better whether to ask again, and every
request is one that the service traces (decision 0050).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from connectors.insi import answers, codes, contexts, errors, messages
from connectors.insi.answers import Fault, Lot, Result, Verification
from connectors.insi.authentication import Authentication
from connectors.insi.identities import Identity
from connectors.insi.messages import Person as Person
from connectors.insi.strategy import Difference, differences, following
from connectors.insi.strategy import search_plan as search_plan
from connectors.wire import soap
from connectors.wire.clock import Clock
from connectors.wire.http import Answer, Headers

R = TypeVar("R", bound=Result | Verification | Lot)


class Transport(Protocol):
    """What is needed of connectors.wire.http.Client."""

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Exchange(Generic[R]):
    """One request and its answer, raw and read. ``reply`` is what the operation answers, or a Fault, never an exception."""

    reply: R | Fault
    http_status: int
    message_id: str
    request: bytes = field(repr=False)
    response: bytes = field(repr=False)

    @property
    def service_code(self) -> str:
        """Verbatim: ``CR00``, ``CR01``, ``CR02``, ``insi_19``, ``desir_550`` …, and ``CR00 OK`` or ``CR00 KO``."""
        return self.reply.service_code

    @property
    def cr(self) -> str | None:
        return None if isinstance(self.reply, Fault) else self.reply.code

    def answered(self) -> R:
        """The reply, or the error of its fault: InvalidTraits, NotAuthorised, Unavailable."""
        if isinstance(self.reply, Fault):
            kind = errors.error_class(self.reply.family)
            raise kind(self.reply.text or self.reply.reason, service_code=self.service_code, http_status=self.http_status)
        return self.reply


@dataclass(frozen=True, slots=True)
class Attempt:
    """One exchange of a search by traits, with those that it sent."""

    traits: messages.Traits = field(repr=False)
    exchange: Exchange[Result]

    @property
    def service_code(self) -> str:
        return self.exchange.service_code

    @property
    def cr(self) -> str | None:
        return self.exchange.cr

    @property
    def identity(self) -> Identity | None:
        reply = self.exchange.reply
        return reply.identity if isinstance(reply, Result) else None


@dataclass(frozen=True, slots=True)
class Search:
    """A whole search: each of its attempts, in order; the last one carries the outcome."""

    person: Person
    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Between the person that was looked for and the one found; none when nobody was."""
        return () if self.last.identity is None else differences(self.person, self.last.identity)


class InsiClient:
    """INSi at one URL, for one software and one caller. A client certificate, where one is needed, is the transport's."""

    def __init__(
        self, transport: Transport, url: str, *, software: contexts.Software, authentication: Authentication, clock: Clock,
        timeout_s: float = 15.0,
    ) -> None:  # fmt: skip
        self._transport = transport
        self._url = url
        self._software = software
        self._authentication = authentication
        self._clock = clock
        self._timeout_s = timeout_s

    async def search_traits(self, traits: messages.Traits) -> Attempt:
        """One call (WS_INS2). As every method here:

        Raises connectors.wire.http.UpstreamError when no answer came, errors.Unreadable when it is not this operation's.
        """
        return Attempt(traits, await self._call(codes.ACTION_TRAITS, messages.search_body(traits), Result))

    async def search_person(self, person: Person) -> Search:
        """The whole strategy. It stops at the first CR 00 and at the first fault: a fault never means « nobody »."""
        attempts: list[Attempt] = []
        plan = search_plan(person)
        traits: messages.Traits | None = next(plan)
        while traits is not None:
            attempts.append(await self.search_traits(traits))
            traits = following(plan, attempts[-1].cr)
        return Search(person, tuple(attempts))

    async def search_card(self, card: messages.VitaleCard) -> Exchange[Result]:
        """By what a carte Vitale holds (WS_INS1). Without a reader, that is simulated."""
        return await self._call(codes.ACTION_VITALE, messages.vitale_body(card), Result, messages.vitale_coverage(card))

    async def verify(self, individual: messages.Individual) -> Exchange[Verification]:
        """Whether an INS and these traits are one person's (WS_INS3, assumed)."""
        return await self._call(codes.ACTION_VERIFY, messages.verification_body(individual), Verification)

    async def deposit(self, lot: Sequence[tuple[str, messages.Individual]]) -> Exchange[Lot]:
        """1 to 1000 of them at once, each under an Id of the caller (WS_INS4, assumed). Keep the ``lot_id`` of the reply."""
        return await self._call(codes.ACTION_DEPOSIT, messages.deposit_body(lot), Lot)

    async def retrieve(self, lot_id: str) -> Exchange[Lot]:
        """What became of a lot (WS_INS5, assumed): its state, and its results once it is TERMINE."""
        exchange = await self._call(codes.ACTION_RETRIEVE, messages.retrieval_body(lot_id), Lot)
        if isinstance(exchange.reply, Lot) and exchange.cr == codes.INSI_OK and exchange.reply.state is None:
            raise errors.Unreadable(
                "answer: a lot without Etat", service_code=exchange.service_code, http_status=exchange.http_status
            )
        return exchange

    async def _call(
        self, action: str, body: soap.Element, kind: type[R], coverage: soap.Element | None = None
    ) -> Exchange[R]:
        stamp, caller = contexts.new_stamp(self._clock.business()), self._authentication
        header = contexts.Header(self._software, caller.emetteur, stamp, caller.security(self._clock.real()))
        request = header.envelope(action, body, coverage)
        headers = [(b"content-type", soap.content_type(action).encode("ascii")), *caller.headers()]
        answer = await self._transport.send("POST", self._url, headers=headers, body=request, timeout_s=self._timeout_s)
        try:
            reply = answers.read(answer.readable())
            if not isinstance(reply, kind | Fault):
                raise errors.Unreadable("answer: another operation's")
        except errors.Unreadable as error:
            raise errors.Unreadable(str(error), service_code=error.service_code, http_status=answer.status) from None
        return Exchange(reply, answer.status, stamp.message_id, request, answer.body)
