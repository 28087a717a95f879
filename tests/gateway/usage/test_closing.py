"""A window is closed once, by an entry; what comes later makes another version, and the first can be printed again."""
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire.clock import SystemClock
from gateway.grappes.model import Denominator, Grappe
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.grappes.versions import keep
from gateway.journal.journal import Journal
from gateway.journal.proof.notary import Notary
from gateway.journal.record import Intent, Named, Record
from gateway.usage.closing import Closer
from gateway.usage.measure import Measure
from gateway.usage.rates import Asked, NoSuchVersion, NotReproduced, answer
from gateway.usage.recount import recount
from gateway.usage.source import journal_of
from tests.gateway.usage.test_dui_rates import extracted
from tests.gateway.usage.world import CARMES, EVECHE, fed, sent, settled, utc
from tests.stores import opened

JANUARY, FEBRUARY = date(2027, 1, 1), date(2027, 2, 1)


class World:
    """One folder: a journal, a registry, and what closes windows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.grappe = replace(example("marseille-hyeres"), date_demarrage=date(2026, 11, 1))
        self.keep(self.grappe)

    def keep(self, grappe: Grappe) -> None:
        keep(self.folder / "grappes", grappe)
        self.grappe = grappe

    def declare(self, persons: int) -> None:
        """Another number of persons for the ESSMS of the tests, in a new version of the registry."""
        given = (Denominator(date(2025, 6, 6), persons, "declaration_essms"),)
        essms = tuple(replace(one, denominators=given) if one.finess_et == CARMES else one for one in self.grappe.essms)
        self.keep(replace(self.grappe, essms=essms, registry_version=self.grappe.registry_version + 1))

    @property
    def closer(self) -> Closer:
        return Closer(self.folder, Registry([self.grappe]), "bac_a_sable")

    def write(self, *records: Record, log_id: int = 1) -> None:
        async def run(journal: Journal) -> None:
            for record in records:
                await journal.write(record)

        self._open(run, log_id)

    def begin(self, record: Record) -> None:
        """A call that the process dies in."""

        async def run(journal: Journal) -> None:
            await journal.intend(replace(record, outcome=None), Intent(Named("key", record.id), 30.0))

        self._open(run)

    def close(self, now: str) -> list[dict[str, Any]]:
        done: list[dict[str, Any]] = []

        async def run(journal: Journal) -> None:
            done.extend(await self.closer.close(journal, utc(now), by="essai"))

        self._open(run)
        return done

    def read(self, month: date = JANUARY, *, version: int | None = None, now: str = "2027-06-01T00:00") -> list[Measure]:
        with journal_of(self.folder) as journal:
            asked = Asked("bac_a_sable", utc(now), month=month, version=version, trend=True)
            return answer(journal, Registry([self.grappe]), asked, versions=self.closer.versions)

    def row(self, rows: list[Measure], indicator: str = "IND-DMP-01") -> Measure:
        return next(row for row in rows if (row.finess_et, row.indicator) == (CARMES, indicator))

    def _open(self, work: Any, log_id: int = 1) -> None:
        async def run() -> None:
            journal = Journal.open(
                self.folder, environment="bac_a_sable", clock=SystemClock(), log_id=log_id, ballast_bytes=1 << 16
            )
            try:
                await work(journal)
            finally:
                await journal.close()

        asyncio.run(run())


def to_bytes(rows: list[Measure]) -> bytes:
    return orjson.dumps([row.item() for row in rows])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(tmp_path / "gateway")


def test_a_window_is_open_then_closing_then_closed(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    states = {now: {row.state for row in world.read(now=now)} for now in ("2027-01-31T22:59", "2027-01-31T23:00")}
    assert states == {"2027-01-31T22:59": {"ouvert"}, "2027-01-31T23:00": {"en_cloture"}}
    assert world.close("2027-01-31T22:59") == []
    [closed] = world.close("2027-01-31T23:00")
    assert (closed["version"], closed["window"]["start"], closed["vector"], closed["causes"]) == (1, "2026-11-01", [[1, 1]], [])
    rows = world.read()
    assert {(row.state, row.version) for row in rows} == {("clos", 1)}
    assert world.row(rows).closing is not None


def test_closing_again_writes_nothing(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    assert [one["version"] for one in world.close("2027-02-01T10:00")] == [1]
    assert world.close("2027-02-01T10:00") == []
    assert world.close("2027-02-20T10:00") == []


def test_a_doubt_holds_the_window_open_for_five_days_at_most(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00", outcome="in_doubt"))
    assert world.close("2027-02-05T22:59") == []
    [closed] = world.close("2027-02-05T23:00")
    assert closed["version"] == 1
    assert world.row(world.read()).in_doubt == 1


def test_a_settled_doubt_lets_the_window_close(world: World) -> None:
    doubt = fed("p1", "2026-11-03T10:00", outcome="in_doubt")
    world.write(doubt, settled(doubt, "failed", "2027-01-31T23:30"))
    assert [one["version"] for one in world.close("2027-02-01T00:00")] == [1]


def test_a_late_settlement_makes_the_second_version_and_the_first_is_printed_again_to_the_byte(world: World) -> None:
    doubt = fed("p2", "2026-11-03T10:00", outcome="in_doubt")
    world.write(fed("p1", "2026-11-03T10:00"), doubt)
    world.close("2027-02-06T10:00")
    first = to_bytes(world.read())
    world.write(Record("DMP.TD2.1", kind="settlement", settles=doubt.id, outcome="succeeded"))  # at the first call's time
    rows = world.read()
    second = world.row(rows)
    assert (second.numerator, second.version, second.state) == (2, 2, "en_cloture")
    [cause] = second.causes
    assert (cause.kind, cause.finess_et, cause.indicator, cause.entries) == ("reglement", CARMES, "IND-DMP-01", ((1, 3),))
    assert world.row(rows, "IND-MSS-01").causes == ()
    assert to_bytes(world.read(version=1)) == first
    [closed] = world.close("2027-02-10T10:00")
    assert (closed["version"], [one["kind"] for one in closed["causes"]]) == (2, ["reglement"])
    again = world.row(world.read())
    assert (again.numerator, again.version, again.state, again.causes) == (2, 2, "clos", (cause,))
    assert to_bytes(world.read(version=1)) == first


def test_a_doubt_that_turns_out_to_have_failed_is_a_cause_too(world: World) -> None:
    doubt = fed("p2", "2026-11-03T10:00", outcome="in_doubt")
    world.write(fed("p1", "2026-11-03T10:00"), doubt)
    world.close("2027-02-06T10:00")
    world.write(settled(doubt, "failed", "2027-02-07T10:00"))
    row = world.row(world.read())
    assert (row.numerator, row.in_doubt, row.failures, row.version) == (1, 0, 1, 2)
    assert [(cause.kind, cause.entries) for cause in row.causes] == [("reglement", ((1, 3),))]
    before = world.row(world.read(version=1))
    assert (before.in_doubt, before.failures) == (1, 0)


def test_a_call_under_way_holds_the_window_open_for_five_days_at_most(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.begin(fed("p2", "2027-01-31T22:50"))
    assert world.close("2027-02-01T10:00") == []  # opening the journal again makes it a call in doubt
    assert [one["version"] for one in world.close("2027-02-06T10:00")] == [1]


async def test_an_intent_of_the_window_is_waited_for(world: World) -> None:
    journal = Journal.open(world.folder, environment="bac_a_sable", clock=SystemClock(), ballast_bytes=1 << 16)
    try:
        await journal.write(fed("p1", "2026-11-03T10:00"))
        under_way = replace(fed("p2", "2027-01-31T22:50"), outcome=None)
        await journal.intend(under_way, Intent(Named("key", "k"), 30.0))
        assert world.closer.due(utc("2027-02-01T10:00")) == []
        assert len(world.closer.due(utc("2027-02-06T10:00"))) == 1
        later = replace(fed("p3", "2027-02-01T00:10"), outcome=None)
        await journal.write(replace(under_way, outcome="refused"))
        await journal.intend(later, Intent(Named("key", "l"), 30.0))
        assert len(world.closer.due(utc("2027-02-01T10:00"))) == 1  # of the next window: it holds nothing
    finally:
        await journal.close()


def test_an_earlier_vector_does_not_know_of_later_settlements(world: World) -> None:
    doubt = fed("p1", "2026-11-03T10:00", outcome="in_doubt")
    world.write(doubt, settled(doubt, "failed", "2026-11-03T11:00"))
    with journal_of(world.folder) as journal:
        seen = [
            (row.in_doubt, row.failures)
            for vector in (((1, 1),), ((1, 2),))
            for row in answer(journal, Registry([world.grappe]), Asked("bac_a_sable", utc("2027-06-01T00:00"), vector=vector))
            if (row.finess_et, row.indicator, row.window.kind) == (CARMES, "IND-DMP-01", "premiere")
        ]
    assert seen == [(1, 0), (0, 1)]


@pytest.mark.sqlite("logs that the test chooses")
def test_an_earlier_vector_of_two_logs_has_the_rows_of_then(world: World) -> None:
    """An earlier sending of a message, recorded later by another log: it wins from then on, and not before."""
    world.write(sent("<1@dui>", "2026-12-03T10:00", EVECHE), log_id=2)
    world.write(sent("<1@dui>", "2026-11-03T10:00", CARMES), log_id=1)
    with journal_of(world.folder) as journal:
        counted = [
            {row.finess_et for row in rows if row.indicator == "IND-MSS-01" and row.level == "essms" and row.numerator}
            for vector in (((2, 1),), ((1, 1), (2, 1)))
            for rows in [answer(journal, Registry([world.grappe]), Asked("bac_a_sable", utc("2027-06-01T00:00"), vector=vector))]
        ]
    assert counted == [{EVECHE}, {CARMES}]


def test_a_new_denominator_makes_another_version_of_the_members_it_touches(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    first = to_bytes(world.read())
    world.declare(70)
    rows = world.read()
    row = world.row(rows)
    assert (row.denominator, row.version, row.registry_version) == (70, 2, 2)
    assert [cause.text for cause in row.causes] == ["registre version 1, puis 2 : dénominateur 61 puis 70"]
    assert {cause.kind for one in rows if one.level == "grappe" for cause in one.causes} == {"denominateur"}
    assert [one.causes for one in rows if one.finess_et not in (CARMES, None)] == [()] * (11 * 5)
    assert to_bytes(world.read(version=1)) == first


def test_a_registry_that_changes_no_number_makes_no_version(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    first = to_bytes(world.read())
    world.keep(replace(world.grappe, name="Autre nom", registry_version=2))
    assert to_bytes(world.read()) == first
    assert world.close("2027-02-02T10:00") == []


def test_another_start_leaves_what_was_closed_as_it_was(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    first = to_bytes(world.read())
    world.keep(replace(world.grappe, date_demarrage=date(2026, 12, 1), registry_version=2))
    assert to_bytes(world.read(version=1)) == first
    assert to_bytes(world.read(version=1, now="2031-01-01T00:00")) == first
    assert world.read() == []  # no window ends in January any more
    assert {row.window.start for row in world.read(FEBRUARY)} == {date(2026, 12, 1)}


def test_a_late_document_of_a_person_already_counted_makes_no_version(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    first = to_bytes(world.read())
    world.write(fed("p1", "2026-12-03T10:00"))
    assert to_bytes(world.read()) == first


def test_a_call_written_down_late_is_named_as_the_cause(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    world.write(fed("p2", "2026-12-03T10:00"), sent("<1@dui>", "2027-02-03T10:00"))
    assert [(one.kind, one.entries) for one in world.row(world.read()).causes] == [("appel", ((1, 2),))]


def test_each_window_is_closed_by_itself(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"), fed("p1", "2027-02-03T10:00"))
    assert [one["window"]["start"] for one in world.close("2027-03-01T10:00")] == ["2026-11-01", "2027-02-01"]
    row = world.row(world.read(FEBRUARY))
    assert (row.window.kind, row.numerator, row.state) == ("mensuelle", 1, "clos")
    assert [(past.window.kind, past.numerator) for past in row.trend] == [("premiere", 1), ("mensuelle", 1)]


def test_a_version_that_was_never_closed_is_refused(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    with pytest.raises(NoSuchVersion) as refused:
        world.read(version=2)
    assert refused.value.known == 1


def test_a_closed_version_whose_rows_were_changed_is_not_printed(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    connection = opened(world.folder)
    connection.execute("UPDATE usage_units SET event_time = '2026-11-04T10:00:00.000000Z'")
    connection.close()
    with pytest.raises(NotReproduced):
        world.read(version=1)


def test_the_time_of_what_is_printed_is_that_of_the_vector(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    assert {row.as_of for row in world.read()} == {datetime(2026, 11, 3, 10, tzinfo=UTC)}


def test_members_of_several_zones_close_together_at_the_last_midnight(world: World) -> None:
    martinique = replace(world.grappe.essms[0], finess_et="970200010", mailboxes=())  # UTC-4
    world.keep(replace(world.grappe, essms=(*world.grappe.essms[1:], martinique)))
    world.write(fed("p1", "2026-11-03T10:00", outcome="in_doubt"))
    rows = world.read(now="2027-02-01T01:00")
    assert {row.state for row in rows if row.finess_et == martinique.finess_et or row.level == "grappe"} == {"ouvert"}
    assert world.row(rows).state == "en_cloture"
    assert world.close("2027-02-06T03:59") == []  # five days after Paris, not after Fort-de-France
    assert [one["version"] for one in world.close("2027-02-06T04:00")] == [1]


def test_a_failure_written_down_late_makes_another_version(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    world.write(fed("p2", "2026-12-03T10:00", outcome="refused"))
    row = world.row(world.read())
    assert (row.numerator, row.failures, row.version) == (1, 1, 2)


def test_a_member_that_was_none_makes_another_version_that_says_so(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"), fed("p2", "2026-11-03T10:00", EVECHE))
    world.close("2027-02-01T10:00")
    left = tuple(replace(one, member_until=date(2026, 10, 1)) if one.finess_et == EVECHE else one for one in world.grappe.essms)
    world.keep(replace(world.grappe, essms=left, registry_version=2))
    [grappe] = [row for row in world.read() if (row.level, row.indicator) == ("grappe", "IND-DMP-01")]
    assert (grappe.numerator, grappe.members, grappe.version) == (1, 11, 2)
    assert [cause.text for cause in grappe.causes] == ["registre version 1, puis 2 : sort de la grappe"]


def test_another_legal_entity_is_the_cause_that_both_sums_name(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    world.close("2027-02-01T10:00")
    first, second = (one.finess_ej for one in world.grappe.entites_juridiques)
    moved = tuple(replace(one, finess_ej=second) if one.finess_et == CARMES else one for one in world.grappe.essms)
    world.keep(replace(world.grappe, essms=moved, registry_version=2))
    sums = {row.finess_ej: row for row in world.read() if (row.level, row.indicator) == ("og", "IND-DMP-01")}
    assert (sums[first].numerator, sums[second].numerator, sums[second].version) == (0, 1, 2)
    said = f"registre version 1, puis 2 : {CARMES} passe de l'entité juridique {first} à {second}"
    assert [[cause.text for cause in row.causes] for row in sums.values()] == [[said], [said]]


def test_a_window_is_not_closed_on_a_snapshot_that_knows_less(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"))
    notary = Notary.open(world.folder, SystemClock())
    notary.up_to_date("period")
    notary.close(sign=False)
    world.write(fed("p2", "2026-11-04T10:00"))
    assert [one["vector"] for one in world.close("2027-02-01T10:00")] == [[[1, 2]]]


def test_a_start_that_is_not_the_registry_s_is_no_version(world: World) -> None:
    """Asked for one start for all, an ESSMS that began later is measured in other windows: that corrects nothing."""
    later = tuple(
        replace(one, date_demarrage=date(2026, 12, 1)) if one.finess_et == EVECHE else one for one in world.grappe.essms
    )
    world.keep(replace(world.grappe, essms=later, registry_version=2))
    world.write(fed("p1", "2026-11-03T10:00"), fed("p2", "2027-02-03T10:00", EVECHE))
    world.close("2027-04-01T10:00")
    with journal_of(world.folder) as journal:
        asked = Asked("bac_a_sable", utc("2027-04-01T10:00"), start=date(2026, 11, 1), months=5)
        rows = answer(journal, Registry([world.grappe]), asked, versions=world.closer.versions)
    found = {(row.window.start, row.version, row.state, row.causes) for row in rows}
    assert found == {
        (date(2026, 11, 1), 1, "en_cloture", ()), (date(2027, 2, 1), 1, "en_cloture", ()), (date(2027, 3, 1), 1, "clos", ()),
    }  # fmt: skip


def test_a_number_closed_over_a_table_that_had_lost_a_row_is_named_by_the_recount(world: World) -> None:
    world.write(fed("p1", "2026-11-03T10:00"), fed("p2", "2026-11-03T10:00"))
    connection = opened(world.folder)
    [lost, _] = connection.execute("SELECT * FROM usage_units")
    connection.execute("DELETE FROM usage_units WHERE unit_ref = ?", (lost[3],))
    world.close("2027-02-01T10:00")
    connection.execute("INSERT INTO usage_units VALUES (?, ?, ?, ?, ?, ?, ?)", tuple(lost))
    connection.close()
    found = recount(world.folder)
    assert (found.gap_count, found.gaps) == (1, [])
    [messages, persons] = found.measures
    assert (messages.verdict, persons.verdict) == ("egale", "ecart")
    assert (persons.numerator, persons.units, persons.unlike) == (1, 2, (CARMES,))
    assert persons.text.endswith(f"ÉCART, close à 1, 2 d'après les entrées (ET {CARMES})")


@pytest.mark.sqlite("logs that the test chooses")
def test_a_closed_number_recounts_although_an_earlier_sending_was_recorded_since(world: World) -> None:
    world.write(sent("<1@dui>", "2026-12-03T10:00", EVECHE), log_id=2)
    world.close("2027-02-01T10:00")
    world.write(sent("<1@dui>", "2026-11-03T10:00", CARMES), log_id=1)
    found = recount(world.folder)
    assert (found.gap_count, [(one.numerator, one.units, one.verdict) for one in found.measures]) == (
        0, [(1, 1, "egale"), (0, 0, "egale")],
    )  # fmt: skip


@pytest.mark.sqlite("logs that the test chooses")
def test_a_correction_of_the_dui_s_counts_stands_at_whichever_gateway_it_arrives(world: World) -> None:
    first, then = extracted(CARMES, 50, 1, 1), replace(extracted(CARMES, 55, 1, 1), event_time=utc("2027-02-02T15:00"))
    world.write(first, log_id=2)
    world.write(then, log_id=1)
    assert world.row(world.read(), "IND-DUI-01").numerator == 55
