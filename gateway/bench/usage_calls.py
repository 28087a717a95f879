"""Twelve months of a grappe's calls, in order of time: what its DUI ask of the services, what fails, what is settled later."""
from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from gateway.bench.calls import bodies
from gateway.bench.usage_grappe import FIRST_DAY
from gateway.grappes.model import Essms, Grappe
from gateway.journal.record import Count, Dui, Exchange, Named, Outcome, Recipients, Record
from gateway.operations import OPERATIONS

DAYS = 365
#: Share of each operation, in thousandths; the two that are counted make a quarter of the traffic.
MIX = {
    "INS.RECHERCHE_TRAITS": 210, "DMP.TD0.2": 120, "DMP.TD3.1": 60, "DMP.TD2.1": 130, "MSS.SOUMISSION": 120,
    "MSS.SESSION_IMAP": 60, "PSC.AUTHORIZE": 60, "PSC.TOKEN": 60, "PSC.USERINFO": 60, "ANN.RECHERCHE": 120,
}  # fmt: skip
_ANSWERS = {"ok": 970, "refused": 18, "failed": 7, "invalid": 3, "cut": 2}
_EFFECTS = {"ok": 965, "refused": 18, "failed": 7, "invalid": 3, "cut": 2, "in_doubt": 5}
_ENDINGS: tuple[Outcome, ...] = ("succeeded", "succeeded", "succeeded", "failed", "undecidable")
_APART = ("hors_grappe", "divergent", "non_habilite", "bal_inconnue")
_ONE_APART_IN, _ONE_NEVER_SETTLED_IN = 200, 10
_HOURS = (1, 1, 1, 1, 1, 2, 6, 20, 60, 100, 100, 90, 50, 70, 100, 100, 90, 60, 25, 10, 5, 3, 2, 1)  # a weekday, in UTC
_WEEKEND = 0.15
_SETTLED_AFTER = timedelta(hours=2)
_DOCUMENTS = ("34133-9", "11488-4", "18842-5", "47420-5", "57133-1")
_TENANTS = (("editeur-a", Dui("NIL-BANC-A", "Dossier A", "4.2")), ("editeur-b", Dui("NIL-BANC-B", "Dossier B", "11")))


@dataclass(slots=True)
class _Source:
    grappe: Grappe
    rng: random.Random
    made: int = 0

    def call(self, operation: str, at: datetime) -> Record:
        """One call of one ESSMS, about one of its persons."""
        self.made += 1
        n = self.rng.randrange(len(self.grappe.essms))
        essms = self.grappe.essms[n]
        record = Record(operation, event_time=at, finess_et=essms.finess_et, finess_ej=essms.finess_ej, attribution="appel")
        record.tenant, record.dui = _TENANTS[n % len(_TENANTS)]
        record.outcome = self._outcome(operation)
        record.professional = Named("professional", f"8997{n:03d}{self.made % 5:05d}")
        record.gateway_us, record.journal_us = 900, 2_400
        record.exchanges.append(Exchange("200" if record.outcome == "ok" else "500", 40_000 + self.made % 700))
        self._fill(record, essms, n)
        return record

    def _outcome(self, operation: str) -> Outcome:
        shares = _EFFECTS if OPERATIONS[operation].side_effect else _ANSWERS
        draw = self.rng.random() * 1000
        for outcome, share in shares.items():
            if draw < share:
                return outcome  # type: ignore[return-value]
            draw -= share
        return "ok"

    def _fill(self, record: Record, essms: Essms, n: int) -> None:
        service = str(record.operation)[:3]
        if service in ("INS", "DMP"):
            persons = essms.persons or 1
            record.person = Named("person", f"{n:03d}{self.rng.randrange(persons):012d}")
            record.ins_status, record.service_code = "VALI", "00" if service == "INS" else "Success"
            record.bodies = bodies(self.made)
        if record.operation == "DMP.TD2.1":
            record.document_type = _DOCUMENTS[self.made % len(_DOCUMENTS)]
            record.documents = [Named("document", f"1.2.250.1.999.1.{self.made}")]
            self._count(record, "IND-DMP-01", record.person, "metadonnee")
        elif record.operation == "MSS.SOUMISSION":
            record.message = Named("message", f"{essms.mailboxes[0].address}\n<{self.made}@banc.test>")
            record.channel, record.recipients = "mss_pro", Recipients(pro=1)
            record.service_code = "250 2.0.0"
            self._count(record, "IND-MSS-01", record.message, "bal")

    def _count(self, record: Record, indicator: str, unit: Named | None, source: str) -> None:
        if unit is not None:
            record.counts_for.append(Count(indicator, unit))
        record.attribution = source
        if self.rng.randrange(_ONE_APART_IN) == 0:
            record.finess_et = record.finess_ej = None
            record.attribution = f"non_attribue:{_APART[self.made % len(_APART)]}"


def calls(grappe: Grappe, entries: int, seed: int = 1) -> Iterator[Record]:
    """``entries`` records, settlements among them. The same numbers give the same calls, but for their ids."""
    return islice(_endless(grappe, entries, seed), entries)


def _endless(grappe: Grappe, entries: int, seed: int) -> Iterator[Record]:
    source, doubts = _Source(grappe, random.Random(seed)), deque[Record]()
    operations, shares = list(MIX), list(MIX.values())
    for hour, count in _by_hour(entries):
        for n, operation in enumerate(source.rng.choices(operations, shares, k=count)):
            at = hour + timedelta(seconds=3600 * n / count)
            while doubts and doubts[0].event_time is not None and doubts[0].event_time + _SETTLED_AFTER <= at:
                yield _settled(doubts.popleft(), at, source.rng)
            record = source.call(operation, at)
            if record.outcome == "in_doubt" and source.rng.randrange(_ONE_NEVER_SETTLED_IN):
                doubts.append(record)
            yield record


def _by_hour(entries: int) -> list[tuple[datetime, int]]:
    """How many calls begin in each hour of the year, as offices work; they add up to ``entries`` at least."""
    first = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    hours = [first + timedelta(hours=n) for n in range(DAYS * 24)]
    weights = [_HOURS[hour.hour] * (_WEEKEND if hour.weekday() > 4 else 1.0) for hour in hours]
    total, done, found = sum(weights), 0.0, []
    for hour, weight in zip(hours, weights, strict=True):
        before, done = done, done + weight / total
        count = round(done * entries) - round(before * entries)
        if count:
            found.append((hour, count))
    return found


def _settled(doubt: Record, at: datetime, rng: random.Random) -> Record:
    outcome = rng.choice(_ENDINGS)
    return Record(
        doubt.operation, kind="settlement", settles=doubt.id, outcome=outcome, event_time=at,
        detail={"how": "demande", "by": "passerelle"},
    )  # fmt: skip
