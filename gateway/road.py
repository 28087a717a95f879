"""The one road of a call through a native HTTP door (design §1, §5.2, §5.3).

A door module supplies the four decisions of its protocol (``NativeDoor``); this module moves the call: identify, read,
intent, forward, conclude, entry, answer. Whatever happens, a call whose answer can be read has exactly one entry.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from connectors.wire.http import Answer
from gateway.access.callers import Access, Caller
from gateway.journal.record import Intent, Record

Headers = list[tuple[bytes, bytes]]


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
        wanted = name.lower().encode("ascii")
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gateway answers by itself. ``flag`` is listed in docs/errors.md; ``text`` is French, for the vendor."""

    flag: str  # V-IDENTITE, V-TAILLE, G-PLEIN, G-DELAI, E-RESEAU …
    text: str
    status: int = 503
    fault_code: str = "Receiver"  # SOAP doors: Receiver or Sender


class NativeDoor(Protocol):
    """What one service decides. No socket, no clock, no database in an implementation."""

    service: str  # INS, DMP, PSC, ANN

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
