"""Several gateways on one PostgreSQL: who writes which log, and what they agree on (design §5, « Stores »)."""
from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.journal import retention, shared_head
from gateway.journal.drafts import draft_of
from gateway.journal.query import JournalReader
from gateway.journal.record import Claim, Intent, JournalError, JournalStopped, JournalUnsafe, KeyTaken, Named
from gateway.journal.shared_head import HOLDER_NAME
from gateway.journal.store import Store
from gateway.usage.rebuilding import rebuilt
from gateway.usage.recount import recount
from gateway.usage.source import journal_of
from tests.gateway.journal.several import Another, change, closed, killed
from tests.gateway.journal.world import BORN, HandClock, feed, message, open_journal, rows

_WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = CAST('refs' AS regclass)"

# --- logs and leases


async def test_each_gateway_writes_a_log_of_its_own(gateway: Another, tmp_path: Path) -> None:
    one, other = gateway("a"), gateway("b")
    assert (one.log_id, other.log_id) == (1, 2)
    written = [(await journal.write(feed("ok")))[0][:2] for journal in (one, other, one, other)]
    assert written == [(1, 0), (2, 0), (1, 1), (2, 1)]
    with JournalReader(tmp_path / "b") as reader:
        assert [(entry["log"], entry["seq"]) for _, entry in reader.select()] == [(1, 0), (1, 1), (2, 0), (2, 1)]


async def test_a_log_that_was_closed_is_taken_again_at_once_and_goes_on(gateway: Another) -> None:
    one = gateway("a")
    await one.write(feed("ok"))
    await closed(one)
    other = gateway("b")
    assert (other.log_id, (await other.write(feed("ok")))[0].seq) == (1, 1)


async def test_a_gateway_killed_and_started_again_takes_its_own_log_and_what_it_owed(gateway: Another, tmp_path: Path) -> None:
    one = gateway("a")
    await one.intend(feed(), Intent(None, 30.0))
    await killed(one)
    again = gateway("a")
    assert (again.log_id, again.recovered) == (1, 1)
    assert rows(tmp_path / "a", "SELECT outcome FROM entries") == [("in_doubt",)]


async def test_nobody_else_takes_a_log_before_its_lease_is_out(gateway: Another, tmp_path: Path) -> None:
    one = gateway("a")
    await killed(one)
    assert gateway("b").log_id == 2
    change(tmp_path / "a", "UPDATE log_heads SET lease_until = clock_timestamp() - interval '1 s' WHERE log_id = 1")
    assert gateway("c").log_id == 1


async def test_a_gateway_that_was_thought_dead_writes_nothing_more(gateway: Another, tmp_path: Path) -> None:
    one = gateway("a")
    await one.write(feed("ok"))
    change(tmp_path / "a", "UPDATE log_heads SET lease_until = '-infinity'")
    other = gateway("b")
    assert other.log_id == 1
    await other.write(feed("ok"))
    with pytest.raises(JournalStopped, match="another process writes log 1"):
        await one.write(feed("ok"))
    assert one.stopped
    with pytest.raises(JournalStopped):
        await one.intend(feed(), Intent(None, 30.0))
    assert rows(tmp_path / "a", "SELECT pos & 255 FROM entries ORDER BY pos") == [(0,), (1,)]


async def test_a_gateway_without_a_call_says_that_it_lives(
    gateway: Another, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_head, "LEASE", timedelta(seconds=0.3))
    one = gateway("a")
    lease = "SELECT lease_until FROM log_heads WHERE log_id = 1"
    [(first,)] = rows(tmp_path / "a", lease)
    for _ in range(100):
        await asyncio.sleep(0.05)
        if rows(tmp_path / "a", lease) > [(first,)]:
            break
    assert rows(tmp_path / "a", lease) > [(first,)]
    assert not one.stopped


async def test_a_holder_that_is_not_the_log_s_last_owner_proves_nothing(gateway: Another, tmp_path: Path) -> None:
    await killed(gateway("a"))
    (tmp_path / "a" / HOLDER_NAME).write_text("0" * 32)
    assert gateway("a").log_id == 2


# --- what several write at once


async def test_one_message_through_two_gateways_at_once_counts_once(gateway: Another, tmp_path: Path) -> None:
    one, other = gateway("a"), gateway("b")
    names = [f"<{n}@ehpad.test>" for n in range(40)]
    calls = [journal.write(message("ok", name)) for name in names for journal in (one, other)]
    await asyncio.gather(*calls)
    assert rows(tmp_path / "a", "SELECT count(*), count(DISTINCT unit_ref) FROM usage_units") == [(40, 40)]
    with JournalReader(tmp_path / "a") as reader:
        found = recount(tmp_path / "a")
        assert (found.gap_count, found.units, reader.counts()["MSS.SOUMISSION"]["journal"]) == (0, 40, 80)


@pytest.mark.parametrize("first", ["a", "b"])
async def test_a_message_sent_again_next_month_through_another_gateway_stays_in_its_first_month(
    gateway: Another, tmp_path: Path, first: str
) -> None:
    """Whichever log comes first in the order of places, and whichever commits first."""
    journals = {name: gateway(name) for name in ("a", "b")}
    second = "b" if first == "a" else "a"
    early, late = message("ok", "<1@ehpad.test>"), message("ok", "<1@ehpad.test>")
    late.event_time = BORN + timedelta(days=30)
    await journals[first].write(late)
    await journals[second].write(early)
    await journals[first].write(message_at(late.event_time))
    assert rows(tmp_path / "a", "SELECT substr(event_time, 1, 10) FROM usage_units") == [("2026-03-02",)]
    assert recount(tmp_path / "a").gap_count == 0


async def test_what_was_counted_then_is_made_again_from_the_entries_of_then(gateway: Another, tmp_path: Path) -> None:
    one, other = gateway("a"), gateway("b")
    early, late = message("ok", "<1@ehpad.test>"), message("ok", "<1@ehpad.test>")
    late.event_time = BORN + timedelta(days=30)
    await other.write(late)
    await one.write(early)
    with journal_of(tmp_path / "a") as journal:
        for _ in range(2):  # made once, then found
            counted = [
                journal.execute(f"SELECT substr(event_time, 1, 10), log FROM {rebuilt(journal, vector)}").fetchall()
                for vector in (((2, 1),), ((1, 1), (2, 1)))
            ]
            assert counted == [[("2026-04-01", 2)], [("2026-03-02", 1)]]


@pytest.mark.parametrize("first", ["a", "b"])
async def test_messages_at_once_across_a_month_s_border_count_in_their_first_month(
    gateway: Another, tmp_path: Path, first: str
) -> None:
    """Neither sees the other's row before it writes its own: the row itself decides, by time and not by place."""
    journals = {name: gateway(name) for name in ("a", "b")}
    for turn in range(5):
        names = [f"<{turn}.{n}@ehpad.test>" for n in range(20)]
        late = {name: message("ok", name) for name in names}
        for one in late.values():
            one.event_time = BORN + timedelta(days=30)
        await journals["a"].write(*(message("refused", name) for name in names))  # named: nobody waits for the other's names
        early = [journals[first].write(message("ok", name)) for name in names]
        other = journals["b" if first == "a" else "a"]
        await asyncio.gather(*early, *(other.write(one) for one in late.values()))
    days = rows(tmp_path / "a", "SELECT substr(event_time, 1, 10), count(*) FROM usage_units GROUP BY 1")
    assert days == [("2026-03-02", 100)]
    assert recount(tmp_path / "a").gap_count == 0


async def test_one_value_has_one_name_whoever_meets_it_first(gateway: Another, tmp_path: Path) -> None:
    one, other = gateway("a"), gateway("b")
    person = Named("person", "279035121518989")
    calls = [journal.write(feed("ok", person=person)) for _ in range(10) for journal in (one, other)]
    await asyncio.gather(*calls)
    assert rows(tmp_path / "a", "SELECT count(DISTINCT person_ref), count(*) FROM entries") == [(1, 20)]
    assert await one.ref(person) == await other.ref(person) is not None


async def test_a_name_that_one_gateway_let_go_is_not_used_by_the_other(gateway: Another, tmp_path: Path) -> None:
    one, other = gateway("a"), gateway("b")
    person = Named("person", "279035121518989")
    await other.write(feed("ok", person=person))
    before = await other.ref(person)
    await one.change(lambda store: store.connection().execute("DELETE FROM refs"))
    await other.write(feed("ok", person=person))
    after = await other.ref(person)
    assert after not in (None, before)
    assert rows(tmp_path / "a", "SELECT ref FROM refs") == [(after,)]


@pytest.mark.parametrize("under_way", [False, True], ids=["an entry", "an intent"])
async def test_what_another_gateway_names_during_a_pass_of_retention_keeps_its_name(
    gateway: Another, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, under_way: bool
) -> None:
    """It names them once the pass has looked at what lives, and before it deletes the rest."""
    clock = HandClock()
    one, other = gateway("a", clock), gateway("b", clock)
    seen, forgotten = Named("person", "279035121518989"), Named("person", "forgotten")
    for person in (seen, forgotten):
        await other.write(feed("ok", person=person))
    before = await other.ref(seen)
    clock.now += timedelta(days=500)
    note_living, loop, calls = retention._note_living, asyncio.get_running_loop(), [feed(person=seen)]

    def then_named(*arguments: Any) -> None:
        note_living(*arguments)
        if under_way:
            naming = other.intend(calls[0], Intent(Named("submission", "1"), 30.0))
            asyncio.run_coroutine_threadsafe(naming, loop).result(10)
        else:
            calls[0].outcome = "ok"
            asyncio.run_coroutine_threadsafe(other.write(calls[0]), loop).result(10)

    monkeypatch.setattr(retention, "_note_living", then_named)
    await retention.retain(one, retention.Retention({}, {"*": 400}), clock.now, by="test")
    assert (await one.ref(seen), await one.ref(forgotten)) == (before, None)
    if under_way:
        calls[0].outcome = "ok"
        await other.write(calls[0])
    assert rows(tmp_path / "a", "SELECT person_ref FROM entries WHERE id = '" + calls[0].id + "'") == [(before,)]
    # Nothing is watched any more: the next pass lets go of what was kept.
    assert rows(tmp_path / "a", "SELECT watching, (SELECT count(*) FROM watched) FROM store") == [(False, 0)]
    monkeypatch.setattr(retention, "_note_living", note_living)
    clock.now += timedelta(days=500)
    await retention.retain(one, retention.Retention({}, {"*": 400}), clock.now, by="test")
    assert await other.ref(seen) is None


async def test_whoever_names_without_being_watched_has_committed_before_the_pass_looks(
    gateway: Another, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction began before the watch, and is still open when the pass asks for it."""
    clock = HandClock()
    one, other = gateway("a", clock), gateway("b", clock)
    person = Named("person", "279035121518989")
    await other.write(feed("ok", person=person))
    before = await other.ref(person)
    clock.now += timedelta(days=500)
    naming, go, looked = threading.Event(), threading.Event(), threading.Event()
    draft, note_living = draft_of(feed("ok", person=person), "bac_a_sable", clock), retention._note_living

    def name(store: Store) -> None:
        store.append(draft)
        store.connection(alone=False)  # its rows are written, and nobody sees them yet
        naming.set()
        go.wait(20)

    def look(*arguments: Any) -> None:
        looked.set()
        note_living(*arguments)

    monkeypatch.setattr(retention, "_note_living", look)
    under_way = asyncio.create_task(other.change(name))
    await asyncio.to_thread(naming.wait, 10)
    passing = asyncio.create_task(retention.retain(one, retention.Retention({}, {"*": 400}), clock.now, by="test"))
    async with asyncio.timeout(10):
        while not (looked.is_set() or rows(tmp_path / "a", _WAITS)):
            await asyncio.sleep(0.02)
    early = looked.is_set()
    go.set()
    await asyncio.gather(under_way, passing)
    assert not early, "the pass looked while a name that it could not see was being written"
    assert await one.ref(person) == before
    assert rows(tmp_path / "a", "SELECT DISTINCT person_ref FROM entries WHERE kind = 'call'") == [(before,)]


async def test_one_pass_of_retention_at_a_time(gateway: Another, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = gateway("a"), gateway("b")
    note_living, loop, refused = retention._note_living, asyncio.get_running_loop(), []

    def meanwhile(*arguments: Any) -> None:
        second = retention.retain(other, retention.Retention(), other.clock.real(), by="b")
        with pytest.raises(retention.AlreadyRetaining, match="autre passerelle") as error:
            asyncio.run_coroutine_threadsafe(second, loop).result(10)
        refused.append(error)
        note_living(*arguments)

    monkeypatch.setattr(retention, "_note_living", meanwhile)
    await retention.retain(one, retention.Retention(), one.clock.real(), by="a")
    monkeypatch.setattr(retention, "_note_living", note_living)
    await retention.retain(other, retention.Retention(), other.clock.real(), by="b")  # the twin: later
    assert len(refused) == 1


# --- one key for names


async def test_a_folder_with_another_key_is_refused(gateway: Another, tmp_path: Path) -> None:
    one = gateway("a")
    await one.write(feed("ok", person=Named("person", "279035121518989")))
    other = gateway("b")  # the twin: the same key
    await closed(other)
    right = (tmp_path / "b" / "keys" / "K").read_bytes()
    (tmp_path / "b" / "keys" / "K").write_bytes(bytes(range(32)))
    for environment in ("bac_a_sable", "production"):
        with pytest.raises(JournalUnsafe, match=r"deux noms.*remettez-y leur clé"):
            open_journal(tmp_path / "b", environment=environment)
    (tmp_path / "b" / "keys" / "K").write_bytes(right)
    again = gateway("b")
    assert await again.ref(Named("person", "279035121518989")) is not None


async def test_what_says_which_key_it_is_tells_nothing_of_it(gateway: Another, tmp_path: Path) -> None:
    one = gateway("a")
    [(said,)] = rows(tmp_path / "a", "SELECT names_by FROM store")
    keys = [path.read_bytes() for path in (tmp_path / "a" / "keys").iterdir()]
    assert len(bytes(said)) == 32 and bytes(said) not in keys
    for kind in ("names", "check", ""):
        assert bytes(said) != one.keyed(kind, "")


async def test_an_idempotency_key_is_taken_once(gateway: Another) -> None:
    one, other = gateway("a"), gateway("b")
    for n in range(8):
        claims = [Claim(bytes([n]) * 32, b"f" * 32) for _ in range(2)]
        taken = await asyncio.gather(
            one.intend(record_with(claims[0]), Intent(None, 30.0)), other.intend(record_with(claims[1]), Intent(None, 30.0)),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in taken) == ["KeyTaken", "NoneType"]
    assert all(isinstance(error, KeyTaken) for error in [next(result for result in taken if result)])


async def test_an_entry_in_doubt_is_settled_once_whoever_settles_it(gateway: Another) -> None:
    one, other = gateway("a"), gateway("b")
    doubt = feed("in_doubt")
    await one.write(doubt)
    settlements = [feed("succeeded") for _ in range(2)]
    for settlement in settlements:
        settlement.kind, settlement.settles = "settlement", doubt.id
    results = await asyncio.gather(one.write(settlements[0]), other.write(settlements[1]), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NotInDoubt", "list"]


async def test_one_id_is_one_entry_whatever_the_log_and_the_month(gateway: Another) -> None:
    clock = HandClock()
    one, other = gateway("a"), gateway("b", clock)
    record = feed("ok")
    await one.write(record)
    with pytest.raises(JournalError, match="entry_ids"):
        await other.write(record)
    assert (await other.write(feed("ok")))[0].seq == 0


# --- months


async def test_entries_lie_in_the_month_in_which_they_are_written_and_a_log_never_goes_back(
    gateway: Another, tmp_path: Path
) -> None:
    clock = HandClock()
    one = gateway("a", clock)
    for moment in ("2026-03-31T23:59", "2026-04-01T00:00", "2026-03-31T23:00", "2026-12-31T12:00", "2027-01-01T00:00"):
        clock.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        await one.write(feed("ok"))
    months = rows(tmp_path / "a", "SELECT month FROM entries ORDER BY pos")
    assert [month for (month,) in months] == [202603, 202604, 202604, 202612, 202701]
    ahead = rows(tmp_path / "a", "SELECT to_regclass('entries_202702') IS NOT NULL, to_regclass('facts_202701') IS NOT NULL")
    assert ahead == [(True, True)]
    await closed(one)
    clock.now = BORN
    again = gateway("a", clock)
    await again.write(feed("ok"))
    assert rows(tmp_path / "a", "SELECT month FROM entries ORDER BY pos DESC LIMIT 1") == [(202701,)]


def message_at(moment: datetime) -> Any:
    record = message("ok", "<1@ehpad.test>")
    record.event_time = moment
    return record


def record_with(claim: Claim) -> Any:
    record = feed()
    record.claim = claim
    return record
