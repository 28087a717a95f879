"""One row of the journal, before and after it is written (design §5, « Rows and their life »).

A door fills a ``Record``; the journal turns it into an immutable entry inside the committing transaction: it gives the
seq, replaces every ``Named`` value by its ref, and writes the canonical JSON. Nothing a client chose is in clear there.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from uuid_utils import uuid7

Kind = Literal["call", "settlement", "admin", "gap"]
Environment = Literal["bac_a_sable", "recette", "charge", "production"]
#: Outcomes of a call, then those of a settlement.
Outcome = Literal["ok", "refused", "invalid", "unauthorised", "failed", "cut", "in_doubt", "succeeded", "undecidable"]
TimeBasis = Literal["acknowledged", "received", "estimated"]
RefKind = Literal["person", "professional", "mailbox", "message", "document", "submission", "key", "address", "label"]


def new_id() -> str:
    """A call id: UUIDv7 text, so that ids sort by time."""
    return str(uuid7())


def utc_now() -> datetime:
    return datetime.now(UTC)


class Named(NamedTuple):
    """A value kept out of the hashed part; the journal writes its ref instead (design §5.6).

    ``person`` is never sealed: its value is the 15-character matricule without OID. The other kinds are sealed, and
    opened only with the right to see entries. ``message`` is ``<sender mailbox>\\n<Message-ID>``.
    A tuple, as it is looked up several times a call: the hash made for a dataclass takes four times as long.
    """

    kind: RefKind
    value: str

    def __repr__(self) -> str:
        return f"Named(kind={self.kind!r})"  # the value must not reach a log


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that the gateway sent upstream for a call. No exchange: the gateway answered by itself."""

    code: str | None  # service code or HTTP status, as read; None when nothing readable came back
    upstream_us: int


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes of one side of a call. The journal salts ``sha256``, the digest of the bytes on the wire, before it commits to it.

    ``kept`` is the redacted copy that the journal stores beside the entry, sealed and erasable (``bodies.py``); None: none.
    """

    role: str  # "request", "response", "document"
    size_bytes: int
    sha256: bytes = field(repr=False)
    kept: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Count:
    """A unit this record is worth if its outcome succeeded (or succeeds later, by settlement)."""

    indicator: str
    unit: Named


@dataclass(frozen=True, slots=True)
class Dui:
    nil: str | None = None
    product: str | None = None
    version: str | None = None


@dataclass(slots=True)
class Claim:
    """The Idempotency-Key under which a call of our own doors has its side effect (design §5.3).

    lookup, fingerprint  of the key and of the body, keyed by ``Journal.keyed``: neither is stored
    answer               what the same key gets from now on, set before the entry is written; None gives the key back,
                         unless the call is in doubt
    tell                 makes that answer from the finished record, when another writes the entry
    """

    lookup: bytes
    fingerprint: bytes
    answer: bytes | None = field(default=None, repr=False)
    tell: Callable[[Record], bytes | None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key was used for. ``outcome`` is None while the call is under way, and once its answer is kept.

    settlement  of a call in doubt: ``{"id", "outcome": "succeeded"|"undecidable", "how"}``
    """

    call_id: str
    same_body: bool
    answer: bytes | None = field(repr=False)
    outcome: str | None
    settlement: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What conformance read in the message: kept beside the entry, never in its hashed part, and erasable (design §4).

    ``persons``: matricules of those whom the facts are about; erasing one erases the facts.
    """

    values: dict[str, Any] = field(repr=False)
    persons: tuple[str, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class Recipients:
    """Recipients of a message by class; counts of addresses, never an address."""

    pro: int = 0
    citoyen: int = 0
    interne: int = 0
    refused: int = 0


@dataclass(slots=True)
class Record:
    """What a door knows of one call, or what the gateway has to say (settlement, admin, gap). Times are UTC and aware.

    ``detail`` is null for a call, but for the counts of a ``DUI.EXTRACTION``. For the other kinds it holds what happened:
    ``{"how", "by"}`` for a settlement, ``{"action", "by", …}`` for an admin entry, ``{"count", "from", "to", "why"}`` for a
    gap. A ``Named`` value of it (a person who decided, a reason in free text) is written as its ref.
    """

    operation: str | None
    kind: Kind = "call"
    id: str = field(default_factory=new_id)
    received_at: datetime = field(default_factory=utc_now)  # real time, for latencies
    event_time: datetime | None = None  # business time at which the acknowledgement was read
    time_basis: TimeBasis = "acknowledged"
    clock_version: int = 0
    tenant: str = "inconnu"
    environment: str = "bac_a_sable"
    outcome: Outcome | None = None
    service_code: str | None = None
    flags: list[str] = field(default_factory=list)
    finess_et: str | None = None
    finess_ej: str | None = None
    attribution: str | None = None  # metadonnee, bal, appel; "non_attribue:<reason>" when it may not be counted
    dui: Dui = field(default_factory=Dui)
    professional: Named | None = None
    person: Named | None = None
    ins_status: str | None = None
    document_type: str | None = None
    channel: str | None = None  # mss_pro, mss_citoyenne
    message: Named | None = None
    recipients: Recipients | None = None
    documents: list[Named] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    gateway_us: int = 0
    journal_us: int = 0
    bodies: list[Body] = field(default_factory=list)
    counts_for: list[Count] = field(default_factory=list)
    facts: Facts | None = None
    verdict: dict[str, Any] | None = None
    fault: str | None = None  # id of the injected fault that touched the call
    replays: str | None = None  # id of the entry this call repeats
    settles: str | None = None  # id of the entry this settlement is about
    detail: dict[str, Any] | None = None
    claim: Claim | None = None  # no part of the entry: taken with the intent, closed with the entry

    def injected(self, fault: str | None) -> None:
        """A fault of the sandbox touched the call: the first one is named, and flagged. None: nothing did."""
        if fault is not None:
            self.fault = self.fault or fault
            self.flag("F-INJECTION")

    def flag(self, code: str) -> None:
        """Add a flag once, in the order met. Codes: V vendor, G gateway, N national, E network, F injected."""
        if code not in self.flags:
            self.flags.append(code)


@dataclass(frozen=True, slots=True)
class Intent:
    """What must be durable before the last byte that can cause a side effect leaves (design §1)."""

    key: Named | None  # business key: uniqueIds of a submission set, or sender mailbox and Message-ID
    deadline_s: float
    commitment: bytes | None = field(default=None, repr=False)  # digest of the documents, for duplicates
    blob: bytes | None = field(default=None, repr=False)  # exactly what settlement must ask; sealed by the journal


class Entry(NamedTuple):
    """A committed row: ``body`` is its canonical JSON, the Merkle leaf."""

    log: int
    seq: int
    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Doubt:
    """One entry in doubt that nothing has settled yet.

    ``person_ref`` and ``commitment`` are what ``Journal.same_as`` compares with a later call; ``deadline`` is real time.
    """

    entry_id: str
    log: int
    seq: int
    tenant: str
    operation: str | None
    person_ref: str | None
    commitment: bytes | None = field(repr=False)  # keyed by the journal, never the caller's own digest
    deadline: datetime
    blob: bytes | None = field(default=None, repr=False)  # opened for the settlement worker only


class JournalError(Exception):
    """The journal refuses or fails.

    JournalError
      |- JournalFull      no room for new calls; those already owed are still closed (design §5.4)
      |- JournalLocked    another process holds the lock; ``pid`` names it (exit 4)
      |- KeyTaken         another call has this Idempotency-Key; ``call_id`` names it
      |- JournalUnsafe    started in a way that could lose entries (exit 4)
      |- NotInDoubt       the entry that a settlement names is unknown, or already settled
      `- JournalStopped   the disk failed under a commit, or the journal is closed: nothing more is promised until reopened
    """


class JournalFull(JournalError):
    pass


class JournalLocked(JournalError):
    def __init__(self, pid: int | None) -> None:
        super().__init__(f"journal already open by process {pid}")
        self.pid = pid


class JournalUnsafe(JournalError):
    pass


class NotInDoubt(JournalError):
    pass


class KeyTaken(JournalError):
    def __init__(self, call_id: str) -> None:
        super().__init__(f"the key belongs to call {call_id}")
        self.call_id = call_id


class JournalStopped(JournalError):
    pass
