"""A gateway that died is settled by another, and one that was only stopped writes nothing more (decision 0046)."""
from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connectors.wire.clock import SystemClock
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Intent, JournalStopped, Record
from gateway.journal.recovery import SettlementWorker
from gateway.usage.recount import recount
from tests.gateway.journal.several import Another, change, closed
from tests.gateway.journal.test_recovery import KEY, PERSON, Dmp
from tests.gateway.journal.world import HandClock, feed, rows
from tests.stores import opened

_OUT = "UPDATE log_heads SET lease_until = clock_timestamp() - interval '1 s' WHERE log_id = "
_LEASES = "SELECT log_id, lease_owner, isfinite(lease_until) FROM log_heads ORDER BY log_id"


async def owed(journal: Journal, *, blob: bytes | None = b"question") -> Record:
    record = feed(person=PERSON)
    record.exchanges.clear()
    await journal.intend(record, Intent(KEY, 0.0, b"documents", blob))
    return record


async def test_what_a_dead_gateway_owes_is_written_by_another_one(gateway: Another, tmp_path: Path) -> None:
    dead, other = gateway("a"), gateway("b")
    calls = [await owed(dead) for _ in range(3)]
    assert await other.take_over() is None, "its lease is not out"
    change(tmp_path / "a", f"{_OUT} 1")
    taken = await other.take_over()
    assert taken is not None
    assert (taken.log, taken.boot, taken.doubts, taken.more) == (1, dead.boot_id, 3, False)
    with JournalReader(tmp_path / "b") as reader:
        entries = [entry for _, entry in reader.select()]
        assert reader.intents() == 0
    assert {entry["id"] for entry in entries} == {call.id for call in calls}
    for entry in entries:
        assert (entry["log"], entry["outcome"], entry["flags"]) == (other.log_id, "in_doubt", ["G-ARRET"])
        assert entry["exchanges"] == [{"code": None, "upstream_us": 0}]
    assert rows(tmp_path / "a", _LEASES) == [(1, other.boot_id, False), (2, other.boot_id, True)]
    assert [doubt.entry_id for doubt in await other.doubts(KEY)] == [entry["id"] for entry in entries]
    assert await other.take_over() is None
    assert recount(tmp_path / "a").gap_count == 0


async def test_a_gateway_that_was_taken_from_writes_nothing_more_and_says_who_did(gateway: Another, tmp_path: Path) -> None:
    zombie, other = gateway("a"), gateway("b")
    call = await owed(zombie)
    change(tmp_path / "a", f"{_OUT} 1")
    await other.take_over()
    call.outcome = "ok"
    with pytest.raises(JournalStopped, match=f"another process writes log 1: boot {other.boot_id}"):
        await zombie.write(call)
    assert zombie.stopped
    [(outcome,)] = rows(tmp_path / "a", "SELECT outcome FROM entries")
    assert outcome == "in_doubt", "the answer that nobody could read durably is not done"
    assert rows(tmp_path / "a", "SELECT count(*) FROM usage_units") == [(0,)]


async def test_a_log_without_anything_owed_is_closed_too(gateway: Another, tmp_path: Path) -> None:
    zombie, other = gateway("a"), gateway("b")
    change(tmp_path / "a", f"{_OUT} 1")
    taken = await other.take_over()
    assert taken is not None and taken.doubts == 0
    with pytest.raises(JournalStopped):
        await zombie.write(feed("ok"))


async def test_a_log_that_was_left_in_order_is_nobody_s_debt(gateway: Another) -> None:
    one, other = gateway("a"), gateway("b")
    await closed(one)
    assert await other.take_over() is None


async def test_the_gateways_own_clocks_say_nothing_of_a_lease(gateway: Another, tmp_path: Path) -> None:
    """Years late or early: only the server's time counts."""
    clock = HandClock()
    late, other = gateway("a", clock), gateway("b", SystemClock())
    await owed(late)
    assert await other.take_over() is None
    clock.now = clock.now.replace(year=2050)
    await owed(late)
    change(tmp_path / "a", f"{_OUT} 1")
    taken = await other.take_over()
    assert taken is not None and taken.doubts == 2


async def test_one_gateway_takes_what_two_want(gateway: Another, tmp_path: Path) -> None:
    dead, one, other = gateway("a"), gateway("b"), gateway("c")
    for _ in range(4):
        await owed(dead)
    change(tmp_path / "a", f"{_OUT} 1")
    taken = await asyncio.gather(one.take_over(), other.take_over())
    assert sum(done.doubts for done in taken if done is not None) == 4
    assert sum(done is not None for done in taken) == 1
    assert rows(tmp_path / "a", "SELECT count(*), count(DISTINCT id) FROM entries") == [(4, 4)]


async def test_a_transaction_under_way_is_not_cut_through(gateway: Another, tmp_path: Path) -> None:
    """Whoever holds its log's row is alive, whatever its lease says."""
    dead, other = gateway("a"), gateway("b")
    await owed(dead)
    change(tmp_path / "a", f"{_OUT} 1")
    db = opened(tmp_path / "a")
    db.execute("BEGIN")
    db.execute("SELECT 1 FROM log_heads WHERE log_id = 1 FOR UPDATE").fetchone()
    assert await other.take_over() is None
    db.execute("ROLLBACK")
    db.close()
    assert await other.take_over() is not None


async def test_what_is_left_of_a_takeover_is_taken_over(gateway: Another, tmp_path: Path) -> None:
    """The taker dies between two portions: the log has no lease any more, and intents still."""
    dead, other = gateway("a"), gateway("b")
    await owed(dead)
    change(tmp_path / "a", "UPDATE log_heads SET lease_owner = 'another', lease_until = '-infinity' WHERE log_id = 1")
    taken = await other.take_over()
    assert taken is not None and (taken.boot, taken.doubts) == ("another", 1)


async def test_a_doubt_is_asked_about_by_one_gateway_at_a_time(gateway: Another, tmp_path: Path) -> None:
    dead, one, other = gateway("a"), gateway("b"), gateway("c")
    for _ in range(3):
        await owed(dead)
    change(tmp_path / "a", f"{_OUT} 1")
    await one.take_over()
    dmps = [Dmp(*["not_found"] * 3), Dmp(*["not_found"] * 3)]
    waits = (0.0, 3600.0)
    workers = [
        SettlementWorker(journal, {"DMP.TD2.1": dmp}, SystemClock(), waits_s=waits)
        for journal, dmp in zip((one, other), dmps, strict=True)
    ]
    assert await asyncio.gather(*(worker.settle_due() for worker in workers)) == [0, 0]
    assert sum(len(dmp.asked) for dmp in dmps) == 3
    assert rows(tmp_path / "a", "SELECT DISTINCT not_found, asked_until FROM doubts") == [(1, None)]


async def test_a_doubt_whose_asker_died_is_asked_about_again(gateway: Another, tmp_path: Path) -> None:
    one, other = gateway("a"), gateway("b")
    await owed(one)
    change(tmp_path / "a", f"{_OUT} 1")
    await other.take_over()
    since = SystemClock().real()
    [claimed] = await other.doubts_to_ask(["DMP.TD2.1"], not_found=0, since=since)
    assert claimed.blob == b"question"
    assert await other.doubts_to_ask(["DMP.TD2.1"], not_found=0, since=since) == []
    change(tmp_path / "a", "UPDATE doubts SET asked_until = clock_timestamp() - interval '1 s'")
    assert [doubt.entry_id for doubt in await other.doubts_to_ask(["DMP.TD2.1"], not_found=0, since=since)] == [claimed.entry_id]


async def test_a_person_erased_by_another_gateway_is_not_asked_about_by_a_call_of_ours(gateway: Another, tmp_path: Path) -> None:
    one, other = gateway("a"), gateway("b")
    call = await owed(one)

    def erase(store: object) -> None:
        db = store.connection()  # type: ignore[attr-defined]
        db.execute("UPDATE intents SET blob = NULL, commitment = NULL")
        db.execute("DELETE FROM refs WHERE kind = 'person'")

    await other.change(erase)
    call.outcome = "in_doubt"
    await one.write(call)
    assert rows(tmp_path / "a", "SELECT blob, commitment, key_ref IS NULL FROM doubts") == [(None, None, False)]


async def test_acts_come_in_the_order_in_which_they_became_true(gateway: Another, tmp_path: Path) -> None:
    """Not in that of places: the second gateway's log is after the first one's, whatever it holds."""
    one, other = gateway("a"), gateway("b")
    for number, journal in enumerate((other, one, other, one)):
        await journal.write(journal.admin({"action": "essai", "number": number}))
    assert rows(tmp_path / "a", "SELECT log FROM acts ORDER BY n") == [(2,), (1,), (2,), (1,)]
    with JournalReader(tmp_path / "a") as reader:
        last = reader.last_admin("essai")
        assert [entry["detail"]["number"] for entry in reader.acts()] == [0, 1, 2, 3]
    assert last is not None and last["detail"]["number"] == 3
