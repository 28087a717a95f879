"""The search index: it follows the journal, is never trusted further than it goes, and keeps every page as cheap as the first."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest

from gateway.journal import search
from gateway.journal.filters import Filters, Period
from gateway.journal.journal import FILE_NAME
from gateway.journal.proof.leaves import Leaves
from gateway.journal.query import BEGINNING, STATEMENTS, JournalReader, PrefixTooShort
from gateway.journal.record import Named, Record
from gateway.journal.search import FILE_NAME as INDEX
from gateway.journal.search import SEEKS, Follower
from tests.gateway.journal.world import feed, open_journal


def follow(folder: Path) -> int:
    follower = Follower(folder / FILE_NAME)
    total = 0
    while done := follower.catch_up():
        total += done
    follower.close()
    return total


async def write(folder: Path, *records: Record) -> None:
    journal = open_journal(folder)
    await journal.write(*records)
    await journal.close()


def flagged(flag: str) -> Record:
    record = feed("refused")
    record.flag(flag)
    return record


def ids(folder: Path, filters: Filters) -> list[str]:
    with JournalReader(folder) as reader:
        return [entry["id"] for entry in reader.entries(filters, limit=1000).entries]


@contextmanager
def counted(reader: JournalReader) -> Iterator[Callable[[], int]]:
    """How many instructions SQLite's virtual machine runs, on the journal and on its index."""
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return False

    connections = [reader._db, *([reader._index._db] if reader._index._db else [])]
    for connection in connections:
        connection.set_progress_handler(step, 1)
    yield lambda: steps
    for connection in connections:
        connection.set_progress_handler(None)


async def test_an_entry_is_found_before_it_is_indexed_and_after(tmp_path: Path) -> None:
    first, second = flagged("V-VIHF"), flagged("V-VIHF")
    await write(tmp_path, feed("ok"), first)
    wanted = Filters(flags=("V-VIHF",))
    assert ids(tmp_path, wanted) == [first.id]
    assert follow(tmp_path) == 2
    await write(tmp_path, second, feed("ok"))
    assert ids(tmp_path, wanted) == [second.id, first.id]
    assert follow(tmp_path) == 2
    assert ids(tmp_path, wanted) == [second.id, first.id]
    assert follow(tmp_path) == 0


@pytest.mark.sqlite("the steps of its machine")
async def test_a_rare_flag_is_found_without_looking_at_the_others(tmp_path: Path) -> None:
    rare = flagged("V-DROITS")
    await write(tmp_path, rare, *(feed("ok") for _ in range(2000)))
    follow(tmp_path)
    with JournalReader(tmp_path) as reader, counted(reader) as steps:
        assert [entry["id"] for entry in reader.entries(Filters(flags=("V-DROITS",))).entries] == [rare.id]
        assert steps() < 1000


@pytest.mark.parametrize("filters", [
    Filters(), Filters(kind="call"), Filters(outcome="ok"), Filters(tenant="editeur-a", operation="DMP.TD2.1"),
    Filters(service="DMP", finess_et="130784507"), Filters(event=Period("2000", "2100")),
], ids=str)  # fmt: skip
@pytest.mark.sqlite("the steps of its machine")
async def test_a_page_far_down_costs_what_the_first_costs(tmp_path: Path, filters: Filters) -> None:
    journal = open_journal(tmp_path)
    for _ in range(2):
        await journal.write(*(feed("ok") for _ in range(1000)))
    await journal.close()
    follow(tmp_path)
    costs, cursor = [], None
    with JournalReader(tmp_path) as reader:
        for _ in range(190):
            with counted(reader) as steps:
                page = reader.entries(filters, cursor, limit=10)
                costs.append(steps())
            cursor = page.cursor
            assert len(page.entries) == 10
    assert max(costs[1:]) < 1.5 * costs[1], (costs[1], max(costs))


@pytest.mark.sqlite("the steps of its machine")
async def test_a_bounded_search_stops_and_goes_on(tmp_path: Path) -> None:
    rare = flagged("V-DROITS")
    await write(tmp_path, rare, *(feed("ok") for _ in range(500)))
    found, cursor, pages = [], None, 0
    with JournalReader(tmp_path) as reader:
        while pages == 0 or cursor is not None:
            with counted(reader) as steps:
                page = reader.entries(Filters(flags=("V-DROITS",)), cursor, effort=100)
                assert steps() < 3000
            found, cursor, pages = found + page.entries, page.cursor, pages + 1
    assert pages == 5
    assert [entry["id"] for entry in found] == [rare.id]


@pytest.mark.sqlite("the steps of its machine")
async def test_two_filters_meet_without_walking_either(tmp_path: Path) -> None:
    """A thousand entries have one value, a thousand others the other, one has both."""
    both = Record("INS.RECHERCHE_TRAITS", outcome="refused", tenant="editeur-b")
    await write(
        tmp_path, both, *(Record("INS.RECHERCHE_TRAITS", outcome="ok", tenant="editeur-a") for _ in range(1000)),
        *(Record("PSC.TOKEN", outcome="ok", tenant="editeur-b") for _ in range(1000)),
    )  # fmt: skip
    follow(tmp_path)
    with JournalReader(tmp_path) as reader, counted(reader) as steps:
        found = reader.entries(Filters(service="INS", tenant="editeur-b")).entries
        assert [entry["id"] for entry in found] == [both.id]
        assert steps() < 1000


@pytest.mark.parametrize("sql", [*SEEKS.values(), *STATEMENTS])
@pytest.mark.sqlite("its plans")
async def test_every_statement_of_a_page_seeks(tmp_path: Path, sql: str) -> None:
    await write(tmp_path, feed("ok"))
    follow(tmp_path)
    with JournalReader(tmp_path) as reader:
        connection = reader._index._db if sql in SEEKS.values() else reader._db
        assert connection is not None
        plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql, (1,) * sql.count("?"))]
    assert plan
    assert all(step.startswith("SEARCH") for step in plan), plan


async def test_cursors_lead_both_ways_to_the_same_pages(tmp_path: Path) -> None:
    records = [feed("ok") if number % 3 else flagged("V-VIHF") for number in range(60)]
    await write(tmp_path, *records)
    follow(tmp_path)
    filters = Filters(flags=("V-VIHF",))
    with JournalReader(tmp_path) as reader:
        down = [reader.entries(filters, limit=5)]
        while len(down) < 4:
            down.append(reader.entries(filters, down[-1].cursor, limit=5))
        up = [reader.entries(filters, after=BEGINNING, limit=5)]
        while len(up) < 4:
            up.append(reader.entries(filters, after=up[-1].newer, limit=5))
        back = reader.entries(filters, up[-1].cursor, limit=100)
        forth = reader.entries(filters, after=down[-1].newer, limit=100)
    assert [entry["id"] for page in down for entry in page.entries] == [record.id for record in records[::3]][::-1]
    assert [page.entries for page in up] == [page.entries for page in reversed(down)]
    assert (len(back.entries), len(forth.entries)) == (15, 15)


async def test_newer_misses_nothing_that_is_written_meanwhile(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    written: list[str] = []
    seen: list[str] = []
    with JournalReader(tmp_path) as reader:
        after: str | None = reader.entries().newer
        for turn in range(40):
            records = [feed("ok") if number % 2 else flagged("V-VIHF") for number in range(turn % 7)]
            await journal.write(*records)
            written += [record.id for record in records if record.flags]
            if turn % 5 == 0:
                follow(tmp_path)
            page = reader.entries(Filters(flags=("V-VIHF",)), after=after, limit=3)
            seen += [entry["id"] for entry in reversed(page.entries)]
            after = page.newer
        while page.entries:
            page = reader.entries(Filters(flags=("V-VIHF",)), after=after, limit=3)
            seen += [entry["id"] for entry in reversed(page.entries)]
            after = page.newer
    await journal.close()
    assert seen == written


async def test_what_is_written_while_a_page_is_read_does_not_come_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(tmp_path, *(feed("ok") for _ in range(5)))
    with JournalReader(tmp_path) as reader:
        monkeypatch.setattr(JournalReader, "_end", lambda _reader: 3 + (1 << 40))  # as before the last two were written
        page = reader.entries(after=BEGINNING)
        assert (len(page.entries), page.newer) == (5, str(5 + (1 << 40)))


async def test_a_walk_ends_with_what_was_there_when_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.query._CHUNK", 10)
    journal = open_journal(tmp_path)
    await journal.write(*(feed("ok") for _ in range(15)))
    seen = 0
    with JournalReader(tmp_path) as reader:
        for _ in reader.select():
            seen += 1
            if seen == 10:
                await journal.write(*(feed("ok") for _ in range(30)))
    await journal.close()
    assert seen == 15


async def test_a_page_after_a_cursor_does_not_change_while_entries_arrive(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(*(feed("ok") for _ in range(30)))
    filters = Filters(outcome="ok", event=Period("2000", None))
    with JournalReader(tmp_path) as reader:
        cursor = reader.entries(filters, limit=10).cursor
        before = reader.entries(filters, cursor, limit=10)
        for _ in range(3):
            await journal.write(*(feed("ok") for _ in range(10)))
            follow(tmp_path)
            assert reader.entries(filters, cursor, limit=10) == before
    await journal.close()


async def test_an_index_of_another_journal_is_not_believed(tmp_path: Path) -> None:
    """An older copy of the journal is put back: other entries have the same places."""
    await write(tmp_path / "a", feed("ok"), flagged("V-VIHF"))
    follow(tmp_path / "a")
    found = flagged("V-VIHF")
    await write(tmp_path / "b", found, feed("ok"), feed("ok"))
    (tmp_path / "a" / INDEX).rename(tmp_path / "b" / INDEX)
    assert ids(tmp_path / "b", Filters(flags=("V-VIHF",))) == [found.id]
    assert follow(tmp_path / "b") == 3
    assert ids(tmp_path / "b", Filters(flags=("V-VIHF",))) == [found.id]
    assert len(ids(tmp_path / "b", Filters(outcome="ok"))) == 2


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, None], ids=["empty", "garbage", "cut"])
async def test_a_damaged_index_costs_time_only(tmp_path: Path, content: bytes | None) -> None:
    found = flagged("V-VIHF")
    await write(tmp_path, found, *(feed("ok") for _ in range(300)))
    follow(tmp_path)
    path = tmp_path / INDEX
    path.write_bytes(path.read_bytes()[:8192] if content is None else content)
    assert ids(tmp_path, Filters(flags=("V-VIHF",))) == [found.id]
    follow(tmp_path)
    assert ids(tmp_path, Filters(flags=("V-VIHF",))) == [found.id]


async def test_an_index_of_another_form_is_made_again(tmp_path: Path) -> None:
    await write(tmp_path, feed("ok"))
    connection = apsw.Connection(str(tmp_path / INDEX))
    connection.execute("CREATE TABLE postings (something TEXT)")
    connection.pragma("user_version", 99)
    connection.close()
    assert follow(tmp_path) == 1
    assert len(ids(tmp_path, Filters(outcome="ok"))) == 1


async def test_two_followers_do_not_disturb_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_BATCH", 500)
    await write(tmp_path, *(feed("ok") for _ in range(1200)))
    one, other = Follower(tmp_path / FILE_NAME), Follower(tmp_path / FILE_NAME)
    done = [one.catch_up(), other.catch_up(), one.catch_up(), other.catch_up()]
    one.close()
    other.close()
    assert done == [500, 500, 200, 0]
    assert len(ids(tmp_path, Filters(outcome="ok"))) == 1000


async def test_however_many_entries_wait_one_is_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, most, loads = 0, 0, orjson.loads

    class Read(dict[str, Any]):
        def __init__(self, body: bytes) -> None:
            nonlocal alive, most
            super().__init__(loads(body))
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    await write(tmp_path, *(feed("ok") for _ in range(300)))
    monkeypatch.setattr(orjson, "loads", Read)
    assert (follow(tmp_path), most, alive) == (300, 2, 0)  # the last one goes once the next is read


@pytest.mark.sqlite("the pages that it keeps")
async def test_what_follows_the_journal_keeps_few_of_its_pages(tmp_path: Path) -> None:
    await write(tmp_path, *(feed("ok") for _ in range(1000)))
    follower, leaves = Follower(tmp_path / FILE_NAME), Leaves(tmp_path)
    assert (follower.catch_up(), len(leaves.hashes(1, 0, 1000))) == (1000, 1000)
    for one in (follower._entries, leaves._db):
        assert isinstance(one, apsw.Connection)
        assert one.status(apsw.SQLITE_DBSTATUS_CACHE_USED)[0] < 512 * 1024
    follower.close()
    leaves.close()


async def test_the_gateway_follows_its_journal_and_stops_at_once(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(*(feed("ok") for _ in range(700)))
    following = asyncio.create_task(search.follow(tmp_path / FILE_NAME))
    late = [700]
    for _ in range(200):
        with JournalReader(tmp_path) as reader:
            late.append(reader.late)
        if not late[-1]:
            break
        await asyncio.sleep(0.02)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await journal.close()
    assert late[-1] == 0


async def test_the_index_holds_no_value_that_a_client_chose(tmp_path: Path) -> None:
    record = feed("ok", person=Named("person", "279035121518989"))
    record.message = Named("message", "cadre@ehpad.test\n<canari@dui>")
    await write(tmp_path, record)
    follow(tmp_path)
    content = b"".join(path.read_bytes() for path in tmp_path.glob(INDEX + "*"))
    assert content
    assert b"279035121518989" not in content
    assert b"canari" not in content


async def test_an_id_may_be_given_by_its_beginning(tmp_path: Path) -> None:
    record = feed("ok")
    await write(tmp_path, record, *(feed("ok") for _ in range(50)))
    follow(tmp_path)
    assert ids(tmp_path, Filters(id_prefix=record.id[:30])) == [record.id]
    assert len(ids(tmp_path, Filters(id_prefix=record.id[:6]))) == 51
    assert ids(tmp_path, Filters(id_prefix="ffffffff")) == []
    with JournalReader(tmp_path) as reader:
        assert [e["id"] for e in reader.find(record.id)] == [e["id"] for e in reader.find("1/0")] == [record.id]
        assert reader.find("1/51") == reader.find("1/x") == reader.find("9" * 40 + "/1") == reader.find("") == []
        assert len(reader.find(record.id[:8])) == 2


async def test_a_beginning_that_too_many_ids_share_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.query._MOST_WITH_PREFIX", 3)
    await write(tmp_path, *(feed("ok") for _ in range(4)))
    with JournalReader(tmp_path) as reader, pytest.raises(PrefixTooShort):
        reader.entries(Filters(id_prefix="0"))
