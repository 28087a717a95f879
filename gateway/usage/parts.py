"""What stands beside the integers of a measure: how it was counted, why it changed, what is left, what others counted."""
from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from gateway.usage.periods import Window

#: Number of entries of each log that a measure rests on, by log id.
Vector = tuple[tuple[int, int], ...]
CauseKind = Literal["reglement", "appel", "registre", "denominateur", "extraction", "regles", "autre"]


@dataclass(frozen=True, slots=True)
class Options:
    """Choices that no convention settles (programme-indicateurs §6.1, §15.3). The defaults are the definition's own.

    per                   what one message is worth: itself, or each of its accepted recipients
    patients              whether messages to citizens' mailboxes count
    deduire_suppressions  whether a document deleted later is taken away; the journal sees no deletion, so it is never so
    premiere_mesure_fin   last day of the first period, when it is not the third whole month after the go-live
    """

    per: Literal["message", "destinataire"] = "message"
    patients: bool = True
    deduire_suppressions: bool = False
    premiere_mesure_fin: date | None = None

    @property
    def label(self) -> str:
        """One French line for every output. Replies are messages: nothing in an entry tells them apart."""
        end = self.premiere_mesure_fin
        return " ; ".join((
            f"une unité par {self.per}", "réponses comptées", f"messages aux usagers {'comptés' if self.patients else 'exclus'}",
            f"suppressions {'déduites' if self.deduire_suppressions else 'non déduites'}",
            "première période : trois premiers mois entiers" if end is None else f"première période : finit le {end:%d/%m/%Y}",
        ))  # fmt: skip

    def item(self) -> dict[str, Any]:
        end = self.premiere_mesure_fin
        return {
            "per": self.per, "replies": True, "patients": self.patients, "deduire_suppressions": self.deduire_suppressions,
            "premiere_mesure_fin": None if end is None else end.isoformat(),
        }  # fmt: skip


STANDARD = Options()


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why a version is not the one before. ``text`` is French; ``entries`` are (log, seq) of the journal.

    finess_et, indicator  what it touches; None: every ESSMS, every indicator
    """

    kind: CauseKind
    text: str
    entries: tuple[tuple[int, int], ...] = ()
    finess_et: str | None = None
    indicator: str | None = None

    def touches(self, numbers: Collection[str], indicator: str) -> bool:
        """Whether it may have changed a measure over these ESSMS."""
        return self.indicator in (None, indicator) and (self.finess_et is None or self.finess_et in numbers)

    def item(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "text": self.text, "entries": [list(place) for place in self.entries], "finess_et": self.finess_et,
            "indicator": self.indicator,
        }  # fmt: skip

    @classmethod
    def of(cls, item: dict[str, Any]) -> Cause:
        places = tuple((int(log), int(seq)) for log, seq in item["entries"])
        return cls(item["kind"], item["text"], places, item["finess_et"], item["indicator"])


@dataclass(frozen=True, slots=True)
class Projection:
    """Where an open window is going at its own pace: numerator so far / days begun, straight on (``METHOD``).

    at_end  numerator on the last day, rounded down
    on      day on which the target is reached at that pace; None when that is after the window, or nothing was counted
    """

    days: int
    of_days: int
    at_end: int
    on: date | None

    def item(self) -> dict[str, Any]:
        on = None if self.on is None else self.on.isoformat()
        return {"days": self.days, "of_days": self.of_days, "at_end": self.at_end, "on": on, "method": METHOD}


METHOD = "au rythme moyen des jours commencés de la fenêtre, prolongé en ligne droite"


@dataclass(frozen=True, slots=True)
class External:
    """What somebody else counted for the same indicator, ESSMS and window (programme-indicateurs-2 §1)."""

    count: int
    origin: str
    received: date | None = None


def tenths_of(numerator: int, denominator: int | None) -> int | None:
    """A rate in tenths of a percent, rounded half up; None without a denominator."""
    return None if not denominator else (2000 * numerator + denominator) // (2 * denominator)


def percent(tenths: int | None) -> str:
    """Tenths of a percent as French writes them; « — » for none."""
    return "—" if tenths is None else f"{tenths // 10},{tenths % 10} %"


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier window of the same row."""

    window: Window
    numerator: int
    denominator: int | None

    @property
    def rate(self) -> str:
        """In percent with one decimal, half up, as French writes it; « — » without a denominator."""
        return percent(tenths_of(self.numerator, self.denominator))

    def item(self) -> dict[str, Any]:
        return {
            "period_start": self.window.start.isoformat(), "period_end": self.window.last_day.isoformat(),
            "numerator": self.numerator, "denominator": self.denominator,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Three counters of the counted events, and what they are made of; ``absent`` is where an entry does not say.

    events             accepted events: feeds or messages, one for each counted row
    documents          documents that they carried, as far as entries name them
    persons            distinct persons; None when no entry names one
    recipients         accepted recipients: pro, citoyen, interne
    by_*               events by code
    estimated          events whose time is not that of a read acknowledgement
    """

    events: int = 0
    messages: int = 0
    documents: int = 0
    persons: int | None = None
    recipients: dict[str, int] = field(default_factory=dict)
    by_document_type: dict[str, int] = field(default_factory=dict)
    by_ins_status: dict[str, int] = field(default_factory=dict)
    by_channel: dict[str, int] = field(default_factory=dict)
    estimated: int = 0

    def item(self) -> dict[str, Any]:
        return {
            "events": self.events, "messages": self.messages, "documents": self.documents, "persons": self.persons,
            "recipients": self.recipients, "by_document_type": self.by_document_type, "by_ins_status": self.by_ins_status,
            "by_channel": self.by_channel, "estimated": self.estimated,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frozen:
    """Of a measure whose entries left (decision 0040): its integers come from rows that stay; what else they said is gone.

    at       when the last of them left, RFC 3339 UTC
    events   counted events that cannot be opened any more
    beside   calls beside the rate that cannot either
    """

    at: str
    events: int
    beside: int

    @property
    def day(self) -> str:
        return f"{self.at[8:10]}/{self.at[5:7]}/{self.at[:4]}"

    @property
    def text(self) -> str:
        gone = f"{self.events} événements comptés et {self.beside} appels à côté ne s'ouvrent plus"
        return f"figée le {self.day} par la conservation : {gone}, leurs empreintes restent au journal"

    def item(self) -> dict[str, Any]:
        return {"at": self.at, "events": self.events, "beside": self.beside, "text": self.text}


def together(found: Iterable[Frozen | None]) -> Frozen | None:
    """Of a sum; None when nothing left."""
    some = [one for one in found if one is not None]
    if not some:
        return None
    return Frozen(max(one.at for one in some), sum(one.events for one in some), sum(one.beside for one in some))


@dataclass(frozen=True, slots=True)
class Closing:
    """The admin entry that closed a version: where it is, and when."""

    log: int
    seq: int
    at: datetime
