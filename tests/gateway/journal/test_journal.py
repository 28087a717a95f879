"""What a caller of the journal relies on (design §5)."""
from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from gateway.journal.journal import Journal
from gateway.journal.record import Body, Entry, Intent, JournalStopped, Named, NotInDoubt, Record
from gateway.journal.store import Store
from tests.gateway.journal.world import BORN, feed, message, open_journal, rows

KEY = Named("submission", "1.2.250.1.999.1 1.2.250.1.999.2")
PERSON = Named("person", "279035121518989")


def content(entry: Entry) -> dict[str, object]:
    read: dict[str, object] = orjson.loads(entry.body)
    return read


async def test_entries_are_numbered_without_gap_whatever_fails_between(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    known = feed("ok")
    first = await journal.write(known)
    with pytest.raises(Exception, match=r"UNIQUE.*entries\.id|unique.*entry_ids"):
        await journal.write(known)
    second = await journal.write(feed("ok"), feed("refused"))
    await journal.close()
    assert [(entry.log, entry.seq) for entry in first + second] == [(1, 0), (1, 1), (1, 2)]
    assert rows(tmp_path, "SELECT next_seq FROM log_heads") == [(3,)]


async def test_a_record_that_fails_does_not_fail_those_committed_with_it(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    known = feed("ok", person=PERSON)
    await journal.write(known)
    others = [feed("ok", person=Named("person", f"1{n:014d}"), bodies=[Body("request", 3, bytes(32))]) for n in range(20)]
    results = await asyncio.gather(*(journal.write(record) for record in [*others, known]), return_exceptions=True)
    await journal.close()
    assert [isinstance(result, Exception) for result in results] == [False] * 20 + [True]
    refs = {row[0] for row in rows(tmp_path, "SELECT ref FROM refs")}
    named = {orjson.loads(row[0])["person_ref"] for row in rows(tmp_path, "SELECT body FROM entries")}
    assert len(named) == 21
    assert named <= refs, "an entry names a ref that was rolled back"


async def test_the_entry_of_a_call_takes_its_intent_away(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    record = feed()
    await journal.intend(record, Intent(KEY, 30.0))
    assert journal.in_flight_intents == 1
    assert rows(tmp_path, "SELECT call_id, operation FROM intents") == [(record.id, "DMP.TD2.1")]
    record.outcome = "ok"
    await journal.write(record)
    assert (journal.in_flight_intents, rows(tmp_path, "SELECT * FROM intents")) == (0, [])
    assert (journal._store.intents._open, journal._store.intents._closed) == ({}, []), "closed intents are kept in memory"
    assert rows(tmp_path, "SELECT operation, log, seq, state FROM keys") == [("DMP.TD2.1", 1, 0, "ok")]
    await journal.close()


async def test_a_duplicate_proves_the_first_call_and_counts_it_once(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    first, retry = feed(person=PERSON), feed(person=PERSON)
    await journal.intend(first, Intent(KEY, 30.0, commitment=b"documents"))
    first.outcome = "in_doubt"
    await journal.write(first)
    await journal.intend(retry, Intent(KEY, 30.0, commitment=b"documents"))

    [doubt] = await journal.doubts(KEY)
    assert doubt.entry_id == first.id
    assert await journal.same_as(doubt, PERSON, b"documents")
    assert not await journal.same_as(doubt, PERSON, b"other documents")
    assert not await journal.same_as(doubt, Named("person", "180010100000162"), b"documents")
    assert not await journal.same_as(doubt, PERSON, None)

    retry.outcome = "refused"
    settlement = Record(retry.operation, kind="settlement", settles=first.id, outcome="succeeded", detail={"how": "duplicate"})
    _, settled = await journal.write(retry, settlement)
    assert await journal.doubts(KEY) == []
    await journal.close()
    assert content(settled)["finess_et"] == first.finess_et
    assert (content(settled)["event_time"], content(settled)["time_basis"]) == ("2026-03-02T09:00:00.000000Z", "estimated")
    assert rows(tmp_path, "SELECT indicator, finess_et, seq FROM usage_units") == [("IND-DMP-01", "130784507", 2)]


async def test_an_entry_is_settled_once(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    first = feed("in_doubt")
    await journal.write(first)
    await journal.write(Record(first.operation, kind="settlement", settles=first.id, outcome="failed", event_time=BORN))
    with pytest.raises(NotInDoubt, match=first.id):
        await journal.write(Record(first.operation, kind="settlement", settles=first.id, outcome="succeeded"))
    await journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM usage_units") == [(0,)]


async def test_a_resent_message_counts_once_in_the_first(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(message("ok", "<1@ehpad.test>"))
    await journal.write(message("ok", "<2@ehpad.test>"))
    await journal.write(message("ok", "<1@ehpad.test>"))
    await journal.close()
    assert rows(tmp_path, "SELECT seq FROM usage_units ORDER BY seq") == [(0,), (1,)]


async def test_what_one_transaction_has_written_so_far_counts_in_it(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(message("ok", "<1@ehpad.test>"), message("ok", "<1@ehpad.test>"))
    doubt = feed("in_doubt", person=PERSON)
    settlement = Record(doubt.operation, kind="settlement", settles=doubt.id, outcome="succeeded")
    _, settled = await journal.write(doubt, settlement)
    await journal.close()
    assert content(settled)["finess_et"] == doubt.finess_et
    assert rows(tmp_path, "SELECT seq FROM usage_units ORDER BY seq") == [(0,), (3,)]


async def test_the_same_value_has_one_ref_and_asking_makes_none(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert await journal.ref(PERSON) is None
    one, two = await journal.write(feed("ok", person=PERSON), feed("refused", person=PERSON))
    assert content(one)["person_ref"] == content(two)["person_ref"] == await journal.ref(PERSON)
    await journal.close()
    reopened = open_journal(tmp_path)
    assert content(one)["person_ref"] == await reopened.ref(PERSON)
    await reopened.close()


async def test_every_value_of_a_large_group_is_found_again(tmp_path: Path) -> None:
    values = [Named("person", f"{n:015d}") for n in range(135)]
    for round_ in range(2):  # the second process knows no ref before it asks

        def new_of(store: Store) -> list[bool]:
            store.refs.expect([store.refs.lookups(values)])
            return [store.refs.is_new(store.refs.ref_of(value)) for value in values]

        journal = open_journal(tmp_path)
        assert await journal.change(new_of) == [round_ == 0] * len(values)
        await journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM refs") == [(135,)]


async def test_a_cancelled_caller_leaves_its_record_written(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    record = feed("ok")
    await journal.intend(record, Intent(KEY, 30.0))
    task = asyncio.create_task(journal.write(record))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await journal.close()
    await asyncio.sleep(0)
    assert journal.in_flight_intents == 0
    assert rows(tmp_path, "SELECT outcome FROM entries") == [("ok",)]


async def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    journal: Journal = open_journal(tmp_path)
    await journal.close()
    with pytest.raises(JournalStopped, match="closed"):
        await journal.write(feed("ok"))


@pytest.mark.parametrize("statement", ["UPDATE entries SET outcome = 'failed'", "DELETE FROM entries"])
async def test_the_file_itself_refuses_to_change_an_entry(tmp_path: Path, statement: str) -> None:
    journal = open_journal(tmp_path)
    await journal.write(feed("ok"))
    await journal.close()
    with pytest.raises(Exception, match="an entry is never"):
        rows(tmp_path, statement)
    assert rows(tmp_path, "SELECT outcome FROM entries") == [("ok",)]
