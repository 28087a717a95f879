"""Searches go by groups of places: nothing is missed, whatever the index promised, and a page asks its store a few times."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.journal.connection import is_sqlite
from gateway.journal.filters import Filters
from gateway.journal.query import JournalReader
from gateway.journal.search import chosen
from gateway.journal.sifting import sift
from tests.gateway.journal.test_query_search import flagged, follow, write
from tests.gateway.journal.world import feed
from tests.stores import in_postgres, opened

_WANTED = Filters(flags=("V-VIHF",))
_TERMS = (
    "kind", "service", "operation", "outcome", "finess_et", "tenant", "environment", "settles", "professional_ref",
    "message_ref", "person_ref",
)  # fmt: skip
_MANY = 120
_PLACES = st.integers(0, 2**_MANY - 1).map(lambda bits: {place for place in range(_MANY) if bits >> place & 1})


def entry(wanted: bool) -> bytes:
    flags = ["V-VIHF"] if wanted else []
    return orjson.dumps(dict.fromkeys(_TERMS) | {"event_time": "", "recorded_at": "", "flags": flags, "document_refs": []})


@settings(max_examples=60)
@example(set(range(_MANY)), set(range(_MANY)), set(range(0, _MANY, 2)), True, 10, None)
@given(_PLACES, _PLACES, _PLACES, st.booleans(), st.integers(1, 30), st.one_of(st.none(), st.integers(0, 40)))
def test_pages_of_any_size_find_every_entry_once_and_in_order(
    there: set[int], promised: set[int], wanted: set[int], down: bool, limit: int, effort: int | None
) -> None:
    """What the index promises may hold nothing, or something else; what it promises not is not looked for."""
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE entries (pos INTEGER PRIMARY KEY, body BLOB)")
    db.executemany("INSERT INTO entries VALUES (?, ?)", [(pos, entry(pos in wanted)) for pos in sorted(there)])
    places = sorted(promised | wanted)
    found: list[int] = []
    place: int | None = _MANY if down else 0
    while place is not None:
        one = sift(db, _WANTED, [chosen(places, down=down)], place, down=down, limit=limit, effort=effort)
        assert len(one.rows) <= limit
        assert one.resume is None or one.resume != place, "it goes on"
        found, place = [*found, *(row[0] for row in one.rows)], one.resume
    assert found == sorted(there & wanted, reverse=down)
    db.close()


@contextmanager
def asked(reader: JournalReader, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that the journal is asked."""
    heard: list[str] = []
    inner = reader._db

    class Heard:
        def execute(self, statement: str, *values: Any) -> Any:
            heard.append(statement)
            return inner.execute(statement, *values)

    monkeypatch.setattr(reader, "_db", Heard())
    yield heard
    monkeypatch.setattr(reader, "_db", inner)


async def test_a_page_of_a_search_asks_its_store_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(tmp_path, *(flagged("V-VIHF") if number % 2 else feed("ok") for number in range(200)))
    follow(tmp_path)
    with JournalReader(tmp_path) as reader:
        with asked(reader, monkeypatch) as heard:
            page = reader.entries(_WANTED, limit=50)
            assert len(page.entries) == 50
            assert len(heard) <= 3, heard
        found = [read for _, read in reader.select(_WANTED)]
    assert len(found) == 100


async def test_a_stretch_that_left_is_passed_over_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an act of retention that the index does not know of: the postings of 64 entries lead nowhere."""
    records = [flagged("V-VIHF") for _ in range(80)]
    await write(tmp_path, *records)
    follow(tmp_path)
    db = opened(tmp_path)
    for trigger in ("entries_never_leave", "entries_are_gone"):
        db.execute(in_postgres(f"DROP TRIGGER {trigger}") if not is_sqlite(db) else f"DROP TRIGGER IF EXISTS {trigger}")
    db.execute("DELETE FROM entries WHERE pos & 127 BETWEEN 10 AND 73")
    db.close()
    with JournalReader(tmp_path) as reader, asked(reader, monkeypatch) as heard:
        assert [one["id"] for one in reader.entries(_WANTED, limit=80).entries] == [
            record.id for number, record in reversed(list(enumerate(records))) if not 10 <= number <= 73
        ]
        assert len(heard) <= 8, heard


async def test_many_that_are_not_what_is_asked_are_looked_at_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not indexed: each of 300 entries may match, and one does."""
    rare = flagged("V-VIHF")
    await write(tmp_path, rare)
    follow(tmp_path)
    await write(tmp_path, *(feed("ok") for _ in range(300)))
    with JournalReader(tmp_path) as reader, asked(reader, monkeypatch) as heard:
        assert [one["id"] for one in reader.entries(_WANTED, limit=1).entries] == [rare.id]
        assert len(heard) <= 20, "one entry at a time would be 301"
