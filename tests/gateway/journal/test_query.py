"""Reading beside the writer: pages and counts."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.journal.query import Filters, JournalMissing, JournalReader
from gateway.journal.record import Intent, Named, Record
from gateway.journal.units import Unit, UnitSet, units_of
from tests.gateway.journal.world import feed, message, open_journal

PERSON = Named("person", "279035121518989")


def read_call(outcome: str = "ok") -> Record:
    return Record("INS.RECHERCHE_TRAITS", outcome=outcome)  # type: ignore[arg-type]  # no exchange: answered by the gateway


async def test_pages_follow_each_other_without_hole_or_repeat_while_entries_arrive(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    written = [entry.id for entry in await journal.write(*(feed("ok") for _ in range(25)))]
    seen: list[str] = []
    with JournalReader(tmp_path) as reader:
        cursor = None
        while True:
            page = reader.entries(cursor=cursor, limit=10)
            seen += [entry["id"] for entry in page.entries]
            await journal.write(feed("ok"))
            cursor = page.cursor
            if cursor is None:
                break
    await journal.close()
    assert seen == written[::-1]


async def test_filters_choose_entries(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(feed("ok"), feed("refused"), message("ok", "<1@ehpad.test>"), read_call())
    await journal.close()
    with JournalReader(tmp_path) as reader:
        chosen = {
            "operation": [e["outcome"] for e in reader.entries(Filters(operation="DMP.TD2.1")).entries],
            "service": [e["operation"] for e in reader.entries(Filters(service="MSS")).entries],
            "both": [e["seq"] for e in reader.entries(Filters(outcome="ok", finess_et="130784507")).entries],
        }
    assert chosen == {"operation": ["refused", "ok"], "service": ["MSS.SOUMISSION"], "both": [2, 0]}


@pytest.mark.parametrize("cursor", ["x", "-1", "1 OR 1=1", "", "²", "9" * 30])
async def test_a_cursor_that_no_page_gave_is_refused(tmp_path: Path, cursor: str) -> None:
    await open_journal(tmp_path).close()
    with JournalReader(tmp_path) as reader, pytest.raises(ValueError, match="not a cursor"):
        reader.entries(cursor=cursor)


async def test_counts_tell_what_was_forwarded_and_what_is_in_doubt(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    doubts = [feed("in_doubt") for _ in range(3)]
    await journal.write(feed("ok"), feed("refused"), read_call("invalid"), *doubts)
    await journal.write(Record("DMP.TD2.1", kind="settlement", settles=doubts[0].id, outcome="succeeded"))
    await journal.intend(feed(), Intent(None, 30.0))
    with JournalReader(tmp_path) as reader:
        assert reader.intents() == 1
        counts = reader.counts()
    await journal.close()
    assert counts == {
        "DMP.TD2.1": {
            "journal": 5, "forwarded": 5, "in_doubt": 2, "recovered": 0,
            "outcomes": {"ok": 1, "refused": 1, "in_doubt": 3}, "settled": {"succeeded": 1},
        },
        "INS.RECHERCHE_TRAITS": {
            "journal": 1, "forwarded": 0, "in_doubt": 0, "recovered": 0, "outcomes": {"invalid": 1}, "settled": {},
        },
    }  # fmt: skip


async def test_a_snapshot_hides_what_is_written_meanwhile(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(feed("ok"))
    with JournalReader(tmp_path) as reader:
        with reader.snapshot():
            assert len(list(reader.walk())) == 1
            await journal.write(feed("ok"))
            assert len(list(reader.walk())) == 1
        assert len(list(reader.walk())) == 2
    await journal.close()


async def test_entries_alone_give_the_units_back(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    lost = feed("in_doubt", person=PERSON)
    await journal.write(feed("ok", person=PERSON), feed("ok", person=PERSON), feed("refused"), lost, message("ok", "<1@x>"))
    await journal.write(message("ok", "<1@x>"), Record("DMP.TD2.1", kind="settlement", settles=lost.id, outcome="succeeded"))
    await journal.close()
    with JournalReader(tmp_path) as reader:
        stored: set[Unit] = set(reader.units())
        recounted = UnitSet(unit for entry in reader.walk() for unit in units_of(orjson.loads(entry.body)))
    assert stored == recounted.rows
    assert sorted(unit.seq for unit in stored) == [0, 1, 4, 6]
    assert len({unit.unit_ref for unit in stored if unit.indicator == "IND-DMP-01"}) == 1


def test_no_journal_here(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing):
        JournalReader(tmp_path)
