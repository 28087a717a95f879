"""One call of an own door, once its bearer, its body and its Idempotency-Key have been read."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import Field

from gateway.access.keys import KeyHolder, Structure
from gateway.doors.own.fields import Part
from gateway.journal.record import Record
from gateway.road import Passed, Request

FINESS = r"^[0-9][0-9A-Z][0-9]{7}$"


class Message(Part):
    """What every request of an own door has."""

    finess_et: str = Field(pattern=FINESS, description="FINESS ET de l'établissement pour lequel vous agissez.")


M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class OwnCall(Generic[M]):
    """``name`` is drawn from (tenant, Idempotency-Key): the same key names the same document or message, for ever."""

    request: Request
    record: Record
    structure: Structure
    message: M = field(repr=False)
    name: bytes = field(default=b"", repr=False)


class FileDoor:
    """An own door whose request is a file, read by itself; it has no side effect, and needs no Idempotency-Key.

    media    of the file; ``about`` says in French what is in it, ``example`` is one, ``answer`` what it is told
    """

    operation: str
    media: str
    about: str
    example: str
    answer: ClassVar[dict[str, Any]]

    async def take(self, request: Request, record: Record, holder: KeyHolder) -> Passed:
        """Fill the record, and raise ``problem.Refused`` for whatever ends the call. May raise JournalFull."""
        raise NotImplementedError


class OwnDoor(Protocol[M]):
    """What one own door decides. ``act`` fills the record, and raises ``problem.Refused`` for whatever ends the call."""

    operation: str
    model: type[M]

    async def act(self, call: OwnCall[M]) -> Passed:
        """May raise JournalFull and KeyTaken."""
        ...

    def named(self, message: M, name: bytes) -> dict[str, str]:
        """The identifiers of the document or message that this key names; empty for a door without side effect."""
        ...
