"""A journal old enough for its entries to leave: three months of traffic of the Marseille-Hyères grappe, closed a year later."""
from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gateway.grappes.reading import example, write_grappe
from gateway.grappes.registry import Registry
from gateway.grappes.versions import keep
from gateway.journal.journal import Journal
from gateway.journal.proof import leaving
from gateway.journal.proof.notary import Notary
from gateway.journal.record import Exchange, Record
from gateway.journal.retention import Retention, retain
from gateway.usage.closing import Closer
from gateway.usage.measure import Measure
from gateway.usage.rates import Asked, answer
from gateway.usage.resting import resting
from gateway.usage.source import journal_of
from tests.gateway.journal.world import HandClock, open_journal
from tests.gateway.usage.world import CARMES, EVECHE, fed, sent, settled, utc

FIRST_PERIOD = date(2027, 1, 1)  # the month it ends in
SHORT = Retention({"*": 30}, {"*": 400}, {"*": 400}, {"*": 400})
LATER = utc("2028-06-01T09:00")
ENVIRONMENT = "bac_a_sable"


class Aged:
    """One folder. Every step opens the journal, and lets it go again. ``together``: entries of one act; all of them here."""

    together = 512

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, HandClock()
        whole = example("marseille-hyeres")
        few = tuple(one for one in whole.essms if one.finess_et in (CARMES, EVECHE))
        self.grappe = replace(whole, essms=few, date_demarrage=date(2026, 11, 1))
        keep(folder / "grappes", self.grappe)
        (folder / "grappes" / f"{self.grappe.id}.json").write_bytes(write_grappe(self.grappe))
        self.registry = Registry([self.grappe])

    def write(self, *records: Record) -> None:
        """In this order, some together, each group recorded at the event time of its last."""
        self._run(lambda journal: self._written(journal, records))

    async def _written(self, journal: Journal, records: tuple[Record, ...]) -> None:
        for n in range(0, len(records), 25):
            some = records[n : n + 25]
            self.clock.now = max(self.clock.now, *(one.event_time for one in some if one.event_time is not None))
            await journal.write(*some)

    def close(self, now: datetime = LATER) -> list[dict[str, Any]]:
        closer = Closer(self.folder, self.registry, ENVIRONMENT)
        return self._run(lambda journal: closer.close(journal, now, by="essai"), now)

    def sign(self) -> None:
        notary = Notary.open(self.folder, self.clock)
        notary.up_to_date("period")
        notary.close(sign=False)

    def retain(self, now: datetime = LATER, retention: Retention = SHORT) -> dict[str, Any]:
        at = lambda moment: resting(self.folder, self.registry, ENVIRONMENT, moment)  # noqa: E731 - short, and said once
        with patch.object(leaving, "_TOGETHER", self.together):
            return asdict(self._run(lambda journal: retain(journal, retention, now, by="essai", resting=at), now))

    def _run(self, work: Any, now: datetime | None = None) -> Any:
        self.clock.now = now or self.clock.now

        async def run() -> Any:
            journal = open_journal(self.folder, clock=self.clock)
            try:
                return await work(journal)
            finally:
                await journal.close()

        return asyncio.run(run())

    def measures(self, now: datetime = LATER, **asked: Any) -> list[Measure]:
        with journal_of(self.folder) as journal:
            wanted = Asked(ENVIRONMENT, now, **({"month": FIRST_PERIOD, "trend": True} | asked))
            return answer(journal, self.registry, wanted, versions=Closer(self.folder, self.registry, ENVIRONMENT).versions)


def traffic(seed: str = "") -> list[Record]:
    """300 calls from November 2026 on: counted, counted twice, refused, of nobody, of no indicator; one in doubt, and settled."""
    found: list[Record] = []
    start = utc("2026-11-02T08:00")
    for n in range(75):
        at = (start + timedelta(hours=26 * n)).replace(tzinfo=None).isoformat()
        found.append(fed(f"{seed}p{n % 40}", at, (CARMES, EVECHE)[n % 2]))
        found.append(sent(f"<{seed}{n % 70}@dui>", at))
        found.append(fed(f"{seed}r{n}", at, outcome="refused") if n % 3 else sent(f"<{seed}x{n}@dui>", at, finess_et=None))
        found.append(Record("INS.RECHERCHE_TRAITS", outcome="ok", event_time=utc(at), exchanges=[Exchange("00", 100)]))
    doubt = fed(f"{seed}doubt", "2027-01-25T10:00", outcome="in_doubt")
    return [*found, doubt, settled(doubt, "succeeded", "2027-01-25T10:05")]


def aged(folder: Path) -> Aged:
    """Written, closed month by month, signed; nothing has left yet."""
    world = Aged(folder)
    world.write(*traffic())
    world.write(*(sent(f"<after{n}@dui>", "2028-05-20T10:00") for n in range(110)))  # the end of the log, which never leaves
    world.close()
    world.sign()
    return world
