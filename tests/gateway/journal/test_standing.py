"""A journal says where it stands to whoever opens it next, one of an earlier version too: it is read before it is migrated."""
from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import apsw
import orjson
import pytest

from connectors.wire.clock import SystemClock
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.record import JournalError
from gateway.journal.schema import migrations
from gateway.journal.standing import clock_of, environment_of
from tests.gateway.journal.world import feed, open_journal, rows

OFFSET = timedelta(days=3)
JUMP = {"action": "clock", "by": "test", "offset_us": OFFSET // timedelta(microseconds=1)}


async def a_journal(folder: Path) -> None:
    journal: Journal = open_journal(folder, environment="recette", clock=SystemClock(OFFSET, 2))
    await journal.write(journal.admin(JUMP), feed("ok"))
    await journal.close()


def earlier(folder: Path, version: int) -> None:
    """The same entries in a file of an earlier version: what that version's migrations made, and no more."""
    kept = rows(folder, "SELECT pos, id, kind, tenant, recorded_at, body, 0, 0 FROM entries")
    heads = rows(folder, "SELECT log_id, next_seq, lease_owner, lease_until FROM log_heads")
    for file in folder.glob(f"{FILE_NAME}*"):
        file.unlink()
    connection = apsw.Connection(str(folder / FILE_NAME))
    for sql in migrations()[:version]:
        connection.execute(sql)
    columns = "pos, id, kind, tenant, recorded_at, body, exchanges, recovered"
    connection.executemany(f"INSERT INTO entries ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)
    connection.executemany("INSERT INTO log_heads (log_id, next_seq, lease_owner, lease_until) VALUES (?, ?, ?, ?)", heads)
    connection.pragma("user_version", version)
    connection.close()


async def test_time_and_environment_are_those_of_the_journal(tmp_path: Path) -> None:
    assert (clock_of(tmp_path).version, environment_of(tmp_path)) == (0, None)
    await a_journal(tmp_path)
    assert (clock_of(tmp_path).offset, clock_of(tmp_path).version, environment_of(tmp_path)) == (OFFSET, 2, "recette")


@pytest.mark.parametrize("version", range(1, len(migrations())))
@pytest.mark.sqlite("its schemas of before")
async def test_a_journal_of_an_earlier_version_tells_too_and_then_opens(tmp_path: Path, version: int) -> None:
    await a_journal(tmp_path)
    before = rows(tmp_path, "SELECT body FROM entries ORDER BY pos")
    earlier(tmp_path, version)
    clock = clock_of(tmp_path)
    assert (clock.offset, clock.version, environment_of(tmp_path)) == (OFFSET, 2, "recette")
    journal = open_journal(tmp_path, environment="recette", clock=clock)
    await journal.write(journal.admin({"action": "test", "by": "test"}))
    await journal.close()
    after = rows(tmp_path, "SELECT body FROM entries ORDER BY pos")
    assert after[: len(before)] == before
    assert orjson.loads(after[-1][0])["clock_version"] == 2


def test_an_empty_file_is_a_journal_that_never_began(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    assert (clock_of(tmp_path).version, environment_of(tmp_path)) == (0, None)


@pytest.mark.sqlite("its file")
async def test_what_is_no_journal_or_a_later_one_is_refused(tmp_path: Path) -> None:
    await a_journal(tmp_path)
    connection = apsw.Connection(str(tmp_path / FILE_NAME))
    connection.pragma("user_version", 99)
    connection.close()
    for ask in (clock_of, environment_of):
        with pytest.raises(JournalError, match="plus récente"):
            ask(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"pas une base" * 400)
    for ask in (clock_of, environment_of):
        with pytest.raises(JournalError, match="lisible"):
            ask(tmp_path)
