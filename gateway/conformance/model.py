"""What conformance speaks of: a message while it is in memory, its facts, and what a rule finds in them (design §4).

Facts are codes, booleans, numbers, FINESS and keyed digests: JSON, never a text of the message. A rule sees nothing else.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from connectors.wire import soap
from connectors.wire.headers import first_header

FactValues = dict[str, Any]
State = Literal["conforme", "non_conforme", "non_observe", "non_applicable"]
Author = Literal["dui", "passerelle"]
#: How much of one value is shown live, and how many values at one place.
_SHOWN_LENGTH, _SHOWN_VALUES = 200, 8

#: Form of the facts; a rule set names it, so that a verdict says which extractor it rests on.
FACTS_VERSION = 3


@dataclass(slots=True)  # one for each call: a frozen one takes three times as long to make
class Message:
    """One exchange as it passed, bytes included; gone once its facts are made.

    request, response        bodies; for a submission ``request`` is the content of DATA, dots removed
    request_headers          pairs as received
    envelope                 recipients that the operator accepted, for a submission
    declared_nil             product reference of the deposited DUI
    cut                      the body was larger than what is kept in memory: it may not be read
    author                   who wrote the message: a native door relays the DUI's own, an own door writes it for the DUI
    given                    parts of a message of the gateway that are the DUI's as they are (``pdf``)
    envelope_read            the SOAP envelope that the request is, when its door has read it
    applicative              sent from a session that a structure's certificate opened, without a professional
    """

    operation: str
    target: str = field(default="", repr=False)
    method: str = ""
    request_headers: Sequence[tuple[bytes, bytes]] = field(default=(), repr=False)
    request: bytes = field(default=b"", repr=False)
    status: int = 0
    response: bytes = field(default=b"", repr=False)
    sender: str = field(default="", repr=False)
    envelope: Sequence[str] = field(default=(), repr=False)
    declared_nil: str | None = None
    client_certificate: bool = False
    cut: bool = False
    author: Author = "dui"
    given: frozenset[str] = frozenset()
    applicative: bool = False
    envelope_read: soap.Envelope | None = field(default=None, repr=False)

    def soap_envelope(self) -> soap.Envelope:
        """The SOAP envelope of the request. Raises as ``soap.read_envelope`` does."""
        return self.envelope_read or soap.read_envelope(self.request)

    def header(self, name: str) -> str | None:
        """The first header of this name in the request, decoded as latin-1, or None."""
        return first_header(self.request_headers, name)


@dataclass(frozen=True, slots=True)
class Eyes:
    """What an extractor needs beside the message.

    digest              (kind, value) → 32 hexadecimal digits, keyed by the journal: equal values, equal digests
    known_person        whether this matricule is of the sandbox's population; None outside a sandbox
    known_professional  the same for a national identifier (``8`` + RPPS)
    """

    digest: Callable[[str, str | bytes], str]
    known_person: Callable[[str], bool] | None = None
    known_professional: Callable[[str], bool] | None = None


@dataclass(slots=True)
class Made:
    """Facts being made, and whom they are about: erasing one of these persons erases the facts.

    shown  values by place, for the tenant who sent them and while they are in memory only: no part of the facts
    """

    values: FactValues = field(default_factory=dict)
    persons: list[str] = field(default_factory=list, repr=False)  # matricules
    shown: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def about(self, matricule: str) -> None:
        if matricule not in self.persons:
            self.persons.append(matricule)

    def show(self, place: str, value: str | None) -> None:
        """Note what stands at a place; nothing for an absent value."""
        values = self.shown.setdefault(place, [])
        if value is not None and len(values) < _SHOWN_VALUES:
            values.append(value[:_SHOWN_LENGTH])


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one thing. ``found`` is a class of value (« 6 caractères, minuscules »), never the value.

    entries     ids of the journal entries that prove it
    """

    state: State
    place: str = ""
    expected: str = ""
    found: str = ""
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """An entry of the journal and its facts; None when there are none, or when they were erased."""

    entry: Mapping[str, Any]
    facts: FactValues | None

    @property
    def id(self) -> str:
        return str(self.entry["id"])

    @property
    def ok(self) -> bool:
        return bool(self.entry["outcome"] == "ok")


class Run(Protocol):
    """A window of one journal, read as often as rules want, always in (log, seq) order.

    declared  what the DUI declares of the same window; None when nothing was given
    project   FINESS ET of the grappes
    key       digest of a declared value, comparable with the facts; None without the journal's keys
    """

    @property
    def declared(self) -> Mapping[str, Any] | None: ...

    @property
    def project(self) -> frozenset[str]: ...

    @property
    def environment(self) -> str: ...

    @property
    def key(self) -> Callable[[str, str], str] | None: ...

    def calls(self, *operations: str) -> Iterator[Call]:
        """Calls of these operations; all of them when none is named."""
        ...

    def entries(self) -> Iterator[Call]:
        """Entries of every kind, without their facts."""
        ...

    def recount_gaps(self) -> int | None:
        """Differences between the counted units and the entries; None when it cannot be said."""
        ...

    def proof_faults(self) -> list[str] | None:
        """What the signed checkpoints say against the journal, in French; None when there is none to compare it with."""
        ...

    def settled(self, entry_id: str) -> str | None:
        """Outcome of the settlement of an entry in doubt."""
        ...


CallRule = Callable[[FactValues, Mapping[str, Any]], Iterable[Finding]]
RunRule = Callable[[Run], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A citation. ``label`` is in our words: no official text is kept; its hash tells two meanings of one id apart."""

    source: str
    version: str
    id: str
    label: str
    status: str = "en_vigueur"
    replaced_by: str | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One check. ``on_call`` judges one call while it passes, ``on_run`` a whole window; a rule has one of them or both.

    own_doors  what it judges is the DUI's even in a message that one of our own doors wrote for it (decision 0027)
    """

    id: str
    title: str
    text: str
    scenario: str
    place: str
    expected: str
    family: str
    profile: str
    criticality: str
    operations: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    provoked: bool  # the situation must be provoked by the mock
    own_doors: bool
    on_call: CallRule | None = None
    on_run: RunRule | None = None


@dataclass(frozen=True, slots=True)
class Vendor:
    """The header that each proof asks for (programme-indicateurs-2 §10)."""

    raison_sociale: str = ""
    nom_commercial: str = ""
    version_logiciel: str = ""
