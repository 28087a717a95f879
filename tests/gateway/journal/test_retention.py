"""What has served goes after its delay, tenant by tenant; entries and measures stay; the disk gets its room back."""
from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.journal import retention as module
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Body, Claim, Facts, Intent, JournalFull, Named, Outcome, Record
from gateway.journal.retention import Retention, retain
from gateway.usage.recount import recount
from tests.gateway.journal.world import BORN, HandClock, feed, open_journal, rows

KEEP = Retention({"*": 30, "patient": 300}, {"*": 400, "patient": 1000})


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.journal: Journal = open_journal(folder, clock=self.clock)
        self.folder = folder

    async def write(self, person: str, *, days: int, tenant: str = "editeur-a", size: int = 10, message: bool = False) -> Record:
        """A feed with a kept body and a business key, recorded ``days`` after the beginning."""
        self.clock.now = BORN + timedelta(days=days)
        record = feed(person=Named("person", person))
        record.tenant, record.event_time = tenant, self.clock.now
        record.bodies = [Body("request", size, b"\0" * 32, os.urandom(size))]
        await self.journal.intend(record, Intent(Named("submission", f"set-{person}"), 30.0))
        record.outcome = "ok"
        await self.journal.write(record)
        return record

    async def retain(self, *, days: int, retention: Retention = KEEP) -> module.Removed:
        now = self.clock.now = BORN + timedelta(days=days)
        return await retain(self.journal, retention, now, by="test")

    def persons(self) -> int:
        [(count,)] = rows(self.folder, "SELECT count(*) FROM refs WHERE kind = 'person'")
        return int(count)

    def places(self, table: str) -> list[int]:
        return [pos for (pos,) in rows(self.folder, f"SELECT pos & 1023 FROM {table} ORDER BY pos")]


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    world = World(tmp_path)
    yield world
    await world.journal.close()


async def test_bodies_go_after_the_delay_of_their_tenant(world: World) -> None:
    for days, tenant in ((0, "editeur-a"), (0, "patient"), (20, "editeur-a")):
        await world.write(f"p{days}{tenant}", days=days, tenant=tenant)
    removed = await world.retain(days=31)
    assert removed.bodies == 1
    assert world.places("bodies") == world.places("blobs") == [1, 2]
    assert (await world.retain(days=29)).bodies == 0
    assert world.places("bodies") == [1, 2]


async def test_facts_last_as_long_as_names(world: World) -> None:
    for days, tenant in ((0, "editeur-a"), (0, "patient"), (20, "editeur-a")):
        world.clock.now = BORN + timedelta(days=days)
        record = feed("ok")
        record.tenant, record.facts = tenant, Facts({"n": days}, ("279035121518989",))
        await world.journal.write(record)
    assert (await world.retain(days=399)).facts == 0  # the delay of bodies is over
    assert (await world.retain(days=401)).facts == 1
    assert world.places("facts") == world.places("facts_about") == [1, 2]


async def test_entries_and_measures_stay(world: World) -> None:
    for number in range(3):
        await world.write(f"p{number}", days=number)
    with JournalReader(world.folder) as reader:
        before, units = [entry.body for entry in reader.walk()], list(reader.units())
    removed = await world.retain(days=2000)
    assert (removed.bodies, world.persons()) == (3, 0)
    with JournalReader(world.folder) as reader:
        after = list(reader.walk())
        assert [entry.body for entry in after[:3]] == before
        assert list(reader.units()) == units
        [note] = reader.entries().entries[:1]
    gone = {"bodies": 3, "facts": 0, "refs": removed.refs, "keys": 0, "entries": 0, "waiting": 0}
    assert note["detail"] == {"action": "retention", "by": "test", **gone}
    assert recount(world.folder).gap_count == 0


async def test_a_ref_goes_when_nothing_recent_names_it(world: World) -> None:
    await world.write("forgotten", days=0)
    await world.write("old of a patient tenant", days=0, tenant="patient")
    await world.write("seen again", days=0)
    await world.write("seen again", days=300)
    removed = await world.retain(days=500)
    assert removed.refs == 3  # the person, and both business keys: a key lives from its success on
    present = {name: await world.journal.ref(Named("person", name)) for name in ("forgotten", "seen again")}
    assert (present["forgotten"], present["seen again"] is None, world.persons()) == (None, False, 2)
    assert len(rows(world.folder, "SELECT 1 FROM keys")) == 1


async def test_what_is_under_way_or_in_doubt_keeps_its_names(world: World) -> None:
    lost = feed(person=Named("person", "in doubt"))
    running = feed(person=Named("person", "under way"))
    for record in (lost, running):
        await world.journal.intend(record, Intent(Named("submission", record.id), 30.0))
    lost.outcome = "in_doubt"
    await world.journal.write(lost)
    assert (await world.retain(days=2000)).refs == 0
    assert world.persons() == 2
    assert len(await world.journal.doubts(Named("submission", lost.id))) == 1
    running.outcome = "ok"
    await world.journal.write(running)


async def test_who_decided_a_settlement_keeps_a_name_too(world: World) -> None:
    world.clock.now = BORN + timedelta(days=1000)
    note = Record(None, kind="admin", detail={"action": "x", "by": Named("label", "Mme Exemple")})  # type: ignore[dict-item]
    await world.journal.write(note)
    await world.retain(days=1001)
    assert rows(world.folder, "SELECT kind FROM refs") == [("label",)]
    assert (await world.retain(days=1401)).refs == 1


async def test_idempotency_keys_go_after_their_delay_but_never_those_in_doubt(world: World) -> None:
    async def use(number: int, outcome: Outcome, *, days: int) -> Record:
        world.clock.now = BORN + timedelta(days=days)
        record = feed(outcome)
        record.claim = Claim(bytes([number]) * 32, b"body", b"answer" if outcome == "ok" else None)
        await world.journal.intend(record, Intent(None, 30.0))
        await world.journal.write(record)
        return record

    await use(1, "ok", days=0)
    await use(2, "ok", days=300)
    doubt = await use(3, "in_doubt", days=0)
    keep = Retention(keys={"*": 400})
    assert (await world.retain(days=401, retention=keep)).keys == 1
    left = rows(world.folder, "SELECT lookup FROM own_keys ORDER BY lookup")
    assert left == [(b"\2" * 32,), (b"\3" * 32,)]
    settled = Record("DMP.TD2.1", kind="settlement", settles=doubt.id, outcome="undecidable", detail={"how": "person"})
    await world.journal.write(settled)
    assert (await world.retain(days=401, retention=keep)).keys == 1
    assert rows(world.folder, "SELECT lookup FROM own_keys") == [(b"\2" * 32,)]
    with JournalReader(world.folder) as reader:
        assert reader.entries().entries[0]["detail"]["keys"] == 1


def test_keys_are_kept_a_month_at_least() -> None:
    assert Retention(keys={"*": 30}).keys == {"*": 30}
    with pytest.raises(ValueError, match="agirait deux fois"):
        Retention(keys={"*": 29})


async def test_a_name_that_a_call_uses_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the entries is over when the call comes: only the watch can tell."""
    await world.write("old", days=0)
    await world.write("older", days=0)
    before = await world.journal.ref(Named("person", "old"))
    note = module._note_living
    arrived = [False]

    def late(*arguments: Any) -> None:
        note(*arguments)
        arrived[0] = True

    monkeypatch.setattr(module, "_note_living", late)
    original = world.journal.change

    async def change(work: Any) -> Any:
        if arrived[0]:
            arrived[0] = False
            await world.write("old", days=500)
        return await original(work)

    monkeypatch.setattr(world.journal, "change", change)
    await world.retain(days=500)
    assert await world.journal.ref(Named("person", "old")) == before
    assert await world.journal.ref(Named("person", "older")) is None
    assert len(rows(world.folder, "SELECT DISTINCT unit_ref FROM usage_units")) == 2


@pytest.mark.sqlite("the room of its own disk")
async def test_the_disk_gets_its_room_back(world: World) -> None:
    for number in range(60):
        await world.write(f"p{number}", days=0, size=50_000)
    await world.write("recent", days=40, size=50_000)
    removed = await world.retain(days=41)
    assert removed.bodies == 60
    assert removed.bytes_before > 3_000_000 > 600_000 > removed.bytes_after
    assert (world.folder / FILE_NAME).stat().st_size == removed.bytes_after
    assert rows(world.folder, "PRAGMA integrity_check") == [("ok",)]
    assert len(rows(world.folder, "SELECT 1 FROM blobs")) == 1


@pytest.mark.parametrize(("refs", "accepted"), [({"*": 400}, True), ({"*": 399}, False), ({"*": 500, "a": 1}, False)])
def test_refs_are_kept_longer_than_any_window(refs: dict[str, int], accepted: bool) -> None:
    if accepted:
        assert Retention({}, refs).refs == refs
    else:
        with pytest.raises(ValueError, match="une personne compterait deux fois"):
            Retention({}, refs)
    with pytest.raises(ValueError, match="un jour au moins"):
        Retention({"*": 0})


async def test_a_gateway_lets_go_by_itself_day_after_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.write("old", days=0)
    world.clock.now = BORN + timedelta(days=31)
    rounds: list[bool] = []
    retained = module.retain

    async def counted(*arguments: Any, **options: Any) -> module.Removed:
        rounds.append(True)
        if len(rounds) == 1:
            raise JournalFull("no room")
        return await retained(*arguments, **options)

    monkeypatch.setattr(module, "retain", counted)
    daily = asyncio.create_task(module.retain_daily(world.journal, KEEP, world.clock, first_s=0, every_s=0.01))
    async with asyncio.timeout(20):
        while world.places("bodies"):
            await asyncio.sleep(0.01)
    daily.cancel()
    await asyncio.gather(daily, return_exceptions=True)
    assert len(rounds) >= 2
