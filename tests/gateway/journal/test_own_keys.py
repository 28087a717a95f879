"""Idempotency-Keys in the journal: taken with the intent, closed with the entry (docs/decisions/0020)."""
from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import Claim, Intent, KeyTaken, Named, Outcome, Record
from tests.gateway.journal.world import feed, open_journal, rows

INTENT = Intent(Named("submission", "1.2.3"), 30.0, b"documents")
PERSON = Named("person", "279035121518989")
ANSWER = b'201\n{"statut":"accepte"}'


def claim(journal: Journal, key: str = "k1", body: str = "{}") -> Claim:
    return Claim(journal.keyed("own-key", key), journal.keyed("own-body", body))


def call(journal: Journal, key: str = "k1", body: str = "{}") -> Record:
    record = feed(person=PERSON)
    record.claim = claim(journal, key, body)
    return record


async def close(journal: Journal, record: Record, outcome: Outcome, answer: bytes | None = None) -> None:
    assert record.claim is not None
    record.outcome, record.claim.answer = outcome, answer
    await journal.write(record)


async def test_a_key_is_taken_with_the_intent_once(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    records = [call(journal) for _ in range(5)]
    taken = await asyncio.gather(*(journal.intend(record, INTENT) for record in records), return_exceptions=True)
    [winner] = [record for record, error in zip(records, taken, strict=True) if error is None]
    assert all(isinstance(error, KeyTaken) and error.call_id == winner.id for error in taken if error is not None)
    assert len(rows(tmp_path, "SELECT 1 FROM intents")) == 1
    use = await journal.use_of(claim(journal))
    assert use is not None and (use.call_id, use.outcome, use.answer) == (winner.id, None, None)
    await close(journal, winner, "ok", ANSWER)
    await journal.close()


async def test_the_answer_is_kept_sealed_and_outlives_the_process(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    record = call(journal)
    await journal.intend(record, INTENT)
    await close(journal, record, "ok", ANSWER)
    await journal.close()
    assert not any(b"accepte" in file.read_bytes() for file in tmp_path.glob(f"{FILE_NAME}*"))
    journal = open_journal(tmp_path)
    for body, same in (("{}", True), ("{1}", False)):
        use = await journal.use_of(claim(journal, body=body))
        assert use is not None and (use.call_id, use.same_body, use.answer) == (record.id, same, ANSWER)
    assert await journal.use_of(claim(journal, "k2")) is None
    await journal.close()


@pytest.mark.parametrize("outcome", ["failed", "unauthorised", "invalid", "cut"])
async def test_a_call_without_answer_gives_its_key_back(tmp_path: Path, outcome: Outcome) -> None:
    journal = open_journal(tmp_path)
    record = call(journal)
    await journal.intend(record, INTENT)
    await close(journal, record, outcome)
    assert await journal.use_of(claim(journal)) is None
    again = call(journal)
    await journal.intend(again, INTENT)
    await close(journal, again, "ok", ANSWER)
    await journal.close()


@pytest.mark.parametrize(("settled", "free"), [("succeeded", False), ("failed", True), ("undecidable", False)])
async def test_a_doubt_holds_its_key_until_its_settlement(tmp_path: Path, settled: Outcome, free: bool) -> None:
    journal = open_journal(tmp_path)
    record = call(journal)
    await journal.intend(record, INTENT)
    await close(journal, record, "in_doubt")
    use = await journal.use_of(claim(journal))
    assert use is not None and (use.outcome, use.settlement) == ("in_doubt", None)
    with pytest.raises(KeyTaken):
        await journal.intend(call(journal), INTENT)
    settlement = Record("DMP.TD2.1", kind="settlement", settles=record.id, outcome=settled, detail={"how": "ask", "by": "t"})
    await journal.write(settlement)
    use = await journal.use_of(claim(journal))
    assert (use is None) == free
    if use is not None:
        assert use.settlement == {"id": settlement.id, "outcome": settled, "how": "ask"}
    await journal.close()


async def test_a_dead_process_leaves_the_key_with_its_call_in_doubt(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    record = call(journal)
    await journal.intend(record, INTENT)
    await journal.close()
    journal = open_journal(tmp_path)
    use = await journal.use_of(claim(journal))
    assert use is not None and (use.call_id, use.outcome) == (record.id, "in_doubt")
    await journal.close()


async def test_a_call_refused_before_its_intent_keeps_its_answer_too(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    record = call(journal)
    await close(journal, record, "refused", ANSWER)
    use = await journal.use_of(claim(journal))
    assert use is not None and use.answer == ANSWER
    other = call(journal)  # it never had the key: it may not take the first one's answer away
    await close(journal, other, "failed")
    await close(journal, call(journal), "refused", b"422\n{}")
    use = await journal.use_of(claim(journal))
    assert use is not None and (use.call_id, use.answer) == (record.id, ANSWER)
    await journal.close()


async def test_neither_key_nor_body_is_stored(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    record = call(journal, "279035121518989", '{"matricule":"279035121518989"}')
    await journal.intend(record, INTENT)
    await close(journal, record, "ok", ANSWER)
    await journal.close()
    assert not any(b"279035121518989" in file.read_bytes() for file in tmp_path.glob(f"{FILE_NAME}*"))
