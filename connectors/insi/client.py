"""Calls INSi by traits: one call per attempt, and the whole search strategy imposed on software (reference: insi §8)."""
from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

from connectors.insi import codes, errors, messages
from connectors.wire import soap
from connectors.wire.clock import Clock
from connectors.wire.http import Answer, Headers


class Transport(Protocol):
    """What is needed of connectors.wire.http.Client."""

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Person:
    """Whom one looks for: the local civil identity, normalised. First names in civil order; ``JEAN-PAUL`` is one."""

    birth_name: str = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str = field(repr=False)
    birth_date: str = field(repr=False)
    birth_place: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and its answer, raw and read. ``reply`` is a Result (CR 00, 01, 02) or a Fault, never an exception."""

    traits: messages.Traits = field(repr=False)
    reply: messages.Result | messages.Fault
    http_status: int
    message_id: str
    request: bytes = field(repr=False)
    response: bytes = field(repr=False)

    @property
    def service_code(self) -> str:
        """Verbatim: ``CR00``, ``CR01``, ``CR02``, ``insi_19``, ``desir_550`` …"""
        return self.reply.service_code

    @property
    def cr(self) -> str | None:
        return self.reply.code if isinstance(self.reply, messages.Result) else None

    @property
    def identity(self) -> messages.Identity | None:
        return self.reply.identity if isinstance(self.reply, messages.Result) else None

    def raise_for_fault(self) -> Attempt:
        """Itself, or the error of its fault: InvalidTraits, NotAuthorised, Unavailable."""
        if isinstance(self.reply, messages.Fault):
            kind = errors.error_class(self.reply.family)
            raise kind(self.reply.text or self.reply.reason, service_code=self.service_code, http_status=self.http_status)
        return self


class InsiClient:
    """INSi at one URL, for one software and one organisation certificate (held by the transport)."""

    def __init__(
        self, transport: Transport, url: str, *, software: messages.Software, emetteur: str, clock: Clock, timeout_s: float = 15.0
    ) -> None:
        self._transport = transport
        self._url = url
        self._software = software
        self._emetteur = emetteur
        self._clock = clock
        self._timeout_s = timeout_s

    async def search_traits(self, traits: messages.Traits) -> Attempt:
        """One call. Nothing is retried.

        Raises connectors.wire.http.UpstreamError when no answer came, errors.Unreadable when it is not SOAP.
        """
        stamp = messages.new_stamp(self._clock.business())
        request = messages.search_request(traits, self._software, self._emetteur, stamp)
        answer = await self._transport.send("POST", self._url, headers=_HEADERS, body=request, timeout_s=self._timeout_s)
        try:
            reply = messages.read_answer(answer.body)
        except errors.Unreadable as error:
            raise errors.Unreadable(str(error), service_code=error.service_code, http_status=answer.status) from None
        return Attempt(traits, reply, answer.status, stamp.message_id, request, answer.body)

    async def search_person(self, person: Person) -> list[Attempt]:
        """The whole strategy; the last attempt carries the outcome. It stops at the first CR 00 and at the first fault."""
        attempts: list[Attempt] = []
        plan = search_plan(person)
        traits: messages.Traits | None = next(plan)
        while traits is not None:
            attempt = await self.search_traits(traits)
            attempts.append(attempt)
            traits = _next(plan, attempt.cr)
        return attempts


def search_plan(person: Person) -> Generator[messages.Traits, str, None]:
    """The attempts in order; send each one's CR code back (insi §8).

    Each first name alone, then all of them joined; several people found: all first names, then the birth place too.
    """
    cr, first_name = codes.INSI_NOBODY, ""
    joined = " ".join(person.first_names)
    for first_name in dict.fromkeys([*person.first_names, joined]):
        cr = yield _traits(person, first_name)
        if cr != codes.INSI_NOBODY:
            break
    if cr == codes.INSI_SEVERAL and first_name != joined:
        cr = yield _traits(person, joined)
        if cr == codes.INSI_OK:
            return
        # The local list may hold a first name that the national one has not: the place then narrows the shorter one.
        first_name = joined if cr == codes.INSI_SEVERAL else first_name
        cr = codes.INSI_SEVERAL
    if cr == codes.INSI_SEVERAL and person.birth_place is not None:
        yield _traits(person, first_name, person.birth_place)


_HEADERS: Headers = [(b"content-type", soap.content_type(codes.ACTION_TRAITS).encode("ascii"))]


def _traits(person: Person, first_name: str, birth_place: str | None = None) -> messages.Traits:
    return messages.Traits(person.birth_name, first_name, person.sex, person.birth_date, birth_place)


def _next(plan: Generator[messages.Traits, str, None], cr: str | None) -> messages.Traits | None:
    if cr is None or cr == codes.INSI_OK:
        plan.close()
        return None
    try:
        return plan.send(cr)
    except StopIteration:
        return None
