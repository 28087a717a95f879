"""Whatever happened, rates are what a slow reading of the entries gives, now and at every earlier vector, and recount agrees."""
from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from connectors.wire.clock import SystemClock
from gateway.grappes.model import Grappe
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.grappes.versions import keep
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Intent, Named, Outcome, Record
from gateway.usage.closing import Closer
from gateway.usage.indicators import SOCLE
from gateway.usage.parts import Vector
from gateway.usage.rates import Asked, answer
from gateway.usage.recount import recount
from gateway.usage.source import journal_of
from gateway.usage.vector import current
from tests.gateway.usage import reference
from tests.gateway.usage.world import CARMES, EVECHE, fed, sent, settled

WHOLE = example("marseille-hyeres")
#: Two ESSMS are enough to confuse, and each look at the rates reads as many entries as there are ESSMS and windows.
PAIR: Grappe = replace(
    WHOLE, essms=tuple(one for one in WHOLE.essms if one.finess_et in (CARMES, EVECHE)), date_demarrage=date(2026, 11, 1)
)
NOW = datetime(2027, 4, 10, tzinfo=UTC)
#: Around the borders of the windows in Paris, and inside; in no order: a clock may jump.
TIMES = st.sampled_from([
    "2026-10-31T22:59:59", "2026-10-31T23:00", "2026-12-24T12:00", "2027-01-31T22:59:59", "2027-01-31T23:00", "2027-02-10T12:00",
    "2027-02-28T23:00", "2027-03-28T00:30", "2027-03-31T21:59:59", "2027-03-31T22:00",
])  # fmt: skip
NUMBERS = st.sampled_from([CARMES, CARMES, EVECHE, None])
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(["ok", "ok", "ok", "refused", "failed", "cut", "in_doubt", "in_doubt"])
WORDS: st.SearchStrategy[Outcome] = st.sampled_from(["succeeded", "succeeded", "failed", "undecidable"])
UNITS = st.integers(0, 3)
_EXAMPLES, _STEPS, _MOMENTS = 12, 25, 3


class History(RuleBasedStateMachine):
    """Calls, resends, crashes, settlements, closings, on one or two logs of one real journal."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="histoire-")) / "gateway"
        self.loop = asyncio.Runner()
        self.doubts: list[Record] = []
        self.moments: list[Vector] = []
        keep(self.folder / "grappes", PAIR)
        self.journal = self._open(1)

    def _open(self, log_id: int) -> Journal:
        return Journal.open(self.folder, environment="recette", clock=SystemClock(), log_id=log_id, ballast_bytes=1 << 16)

    @rule(person=UNITS, at=TIMES, number=NUMBERS, outcome=OUTCOMES)
    def feed(self, person: int, at: str, number: str | None, outcome: Outcome) -> None:
        self._call(fed(f"p{person}", at, number, outcome))

    @rule(message=UNITS, at=TIMES, number=NUMBERS, outcome=OUTCOMES)
    def send(self, message: int, at: str, number: str | None, outcome: Outcome) -> None:
        self._call(sent(f"<{message}@dui>", at, number, outcome))

    @rule(person=UNITS, at=TIMES)
    def delete(self, person: int, at: str) -> None:
        """A document is taken away: nothing that counts."""
        self._write(replace(fed(f"p{person}", at), operation="DMP.INCONNUE", counts_for=[]))

    @rule(at=TIMES)
    def acknowledge(self, at: str) -> None:
        """A receipt leaves a mailbox: accepted, and worth nothing."""
        self._write(replace(sent("<accuse@dui>", at), counts_for=[]))

    @rule(person=UNITS, at=TIMES)
    def refuse_to_attribute(self, person: int, at: str) -> None:
        self._write(replace(fed(f"p{person}", at, None), attribution="non_attribue:divergent"))

    @rule(person=UNITS, message=UNITS, at=TIMES, log_id=st.sampled_from([1, 2]), mail=st.booleans())
    def die_in_the_middle(self, person: int, message: int, at: str, log_id: int, mail: bool) -> None:
        """The process ends between the intent and the entry; the next opening may hold another log."""
        record = replace(sent(f"<{message}@dui>", at) if mail else fed(f"p{person}", at), outcome=None)
        self.loop.run(self.journal.intend(record, Intent(Named("key", record.id), 30.0)))
        self.doubts.append(record)
        self._again(log_id)

    @rule(log_id=st.sampled_from([1, 2]))
    def restart(self, log_id: int) -> None:
        self._again(log_id)

    @precondition(lambda self: self.doubts)
    @rule(which=st.integers(0, 9), word=WORDS, at=st.none() | TIMES)
    def settle(self, which: int, word: Outcome, at: str | None) -> None:
        doubt = self.doubts.pop(which % len(self.doubts))
        word_of = settled(doubt, word, at or "2027-01-01T00:00")
        self._write(word_of if at is not None else replace(word_of, event_time=None))

    @rule()
    def look(self) -> None:
        """At the rates of now, which are to be the same when they are asked again of this vector at the end."""
        self._compare(None)
        with journal_of(self.folder) as journal:
            self.moments.append(current(journal))

    @rule()
    def close_windows(self) -> None:
        closer = Closer(self.folder, Registry([PAIR]), "recette")
        self.loop.run(closer.close(self.journal, NOW, by="essai"))
        assert self.loop.run(closer.close(self.journal, NOW, by="essai")) == []

    def teardown(self) -> None:
        try:
            for moment in [*self.moments[:_MOMENTS], None]:
                self._compare(moment)
            self._check_versions()
            found = recount(self.folder)
            assert (found.gap_count, found.gaps) == (0, [])
        finally:
            self.loop.run(self.journal.close())
            self.loop.close()
            shutil.rmtree(self.folder.parent)

    def _call(self, record: Record) -> None:
        self._write(record)
        if record.outcome == "in_doubt":
            self.doubts.append(record)

    def _write(self, record: Record) -> None:
        self.loop.run(self.journal.write(record))

    def _again(self, log_id: int) -> None:
        self.loop.run(self.journal.close())
        self.journal = self._open(log_id)

    def _entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.folder) as reader:
            return [orjson.loads(entry.body) for entry in reader.walk()]

    def _compare(self, moment: Vector | None) -> None:
        with journal_of(self.folder) as journal:
            asked = Asked("recette", NOW, indicators=SOCLE, vector=moment, digests=False)
            rows = answer(journal, Registry([PAIR]), asked)
        entries = self._entries() if moment is None else reference.at_vector(self._entries(), moment)
        for row in rows:
            place = row.window.start, row.window.end
            if row.level == "grappe":  # of the whole environment, so nobody's number: it stays what it was at the closing
                then = reference.at_vector(entries, row.vector)
                assert row.unattributed == reference.unattributed(then, "recette", row.indicator, *place)
            elif row.level == "essms":
                cell = (entries, "recette", row.indicator, str(row.finess_et), *place)
                said = (reference.numerator(*cell), reference.in_doubt(*cell), reference.failures(*cell))
                assert (row.numerator, row.in_doubt, row.failures) == said, (row.indicator, row.finess_et, place)
                assert not row.causes or {cause.kind for cause in row.causes} <= {"appel", "reglement"}

    def _check_versions(self) -> None:
        """Every closed version can be printed again, and says what its entry said."""
        for entry in self._entries():
            if entry["operation"] == "USAGE.CLOTURE":
                detail = entry["detail"]
                last = date.fromisoformat(detail["window"]["end"])
                month = date(last.year - (last.month == 1), (last.month - 2) % 12 + 1, 1)
                with journal_of(self.folder) as journal:
                    asked = Asked("recette", NOW, month=month, version=detail["version"])
                    rows = answer(journal, Registry([PAIR]), asked)
                assert [row.numerator for row in rows] == [row["numerator"] for row in detail["rows"]]
                assert [row.detail_sha256 for row in rows] == [row["detail_sha256"] for row in detail["rows"]]


TestAnyHistory = History.TestCase
TestAnyHistory.settings = settings(
    max_examples=_EXAMPLES, stateful_step_count=_STEPS, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
