"""What an HTTP door and the road say to each other: the request, the protocol's decisions, and what the DUI is told."""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from connectors.wire import soap
from connectors.wire.headers import Headers, first_header
from connectors.wire.http import Answer
from gateway.access.callers import Access, Caller
from gateway.journal.record import Intent, Record
from gateway.operations import Service

_HELD = 64 * 1024  # bytes of XML whose tree, ten times as large, is kept


@dataclass(slots=True)
class Request:
    """One HTTP request as the DUI sent it. ``target`` is the raw path with its query.

    written  for a request that one of our own doors wrote: the parts of it that the DUI gave as they are. None: the DUI's own
    """

    listener: str
    method: str
    target: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    client_der: bytes | None = field(default=None, repr=False)
    written: frozenset[str] | None = None
    envelope_read: soap.Envelope | None = field(default=None, init=False, repr=False)

    def envelope(self) -> soap.Envelope | None:
        """The SOAP 1.2 envelope that the body is; None when it is none."""
        envelope = self.envelope_read or soap.envelope_of(self.body)
        if envelope is not None:
            self.hold(envelope)
        return envelope

    def hold(self, envelope: soap.Envelope) -> None:
        """What the body was read as, for who reads it next; not a tree too large to be held by each call that waits for its
        service."""
        xml = self.body if envelope.parts is None else envelope.parts.root.body
        if len(xml) <= _HELD:
            self.envelope_read = envelope

    def header(self, name: str) -> str | None:
        """The first header of this name, decoded as latin-1, or None."""
        return first_header(self.headers, name)


class Barred(Exception):
    """What a message holds belongs to another environment (design §7): the call goes no further. ``why``: French."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


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
        """Fill ``record`` from the message: operation, person, key … What it cannot read is ``<service>.INCONNUE`` with
        a V flag, and is relayed all the same. Returns the intent of a side effect. Raises Barred, and nothing else."""
        ...

    def conclude(self, record: Record, request: Request, answer: Answer) -> None:
        """Read the service's answer into ``record``: outcome, service_code, flags, counts_for."""
        ...

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        """The refusal in the protocol's own words (SOAP fault, OAuth error, OperationOutcome)."""
        ...


@dataclass(frozen=True, slots=True)
class Passed:
    """How a call ended: what the DUI is told, and what the answer proves of earlier calls.

    closed  the entry is written, or owed to nobody: a mail door has done it, or a stranger's call goes into a gap entry
    """

    answer: Answer
    settlements: list[Record] = field(default_factory=list)
    closed: bool = False


#: What a call does between its first byte and its entry; it fills the record that it is given. May raise JournalFull.
Steps = Callable[[Record], Awaitable[Passed]]
