"""The face that the journal knows of SQLite's connections, before a PostgreSQL server."""
from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.journal.connection import StoreBusy, StoreError, StoreFull, StoreLost
from gateway.journal.postgres import _AT_ONCE, PostgresConnection, _error_class
from tests.stores import Server

MANY = "SELECT n FROM generate_series(1, ?) AS n"


@pytest.fixture
def address(postgres: Server, tmp_path: Path) -> Iterator[str]:
    yield postgres.place(tmp_path)
    postgres.drop_below(tmp_path)


@pytest.fixture
def db(address: str) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(address, {})
    yield connection
    connection.close()


def test_rows_are_tuples_however_they_are_asked_for(db: PostgresConnection) -> None:
    assert db.execute("SELECT ?::text, ?::bytea", ("é", b"\0")).fetchall() == [("é", b"\0")]
    assert db.execute("SELECT CAST(:a AS bigint) + CAST(:a AS bigint)", {"a": 2}).get == 4
    assert db.execute("SELECT 1, 2").get == (1, 2)
    assert (db.execute("SELECT 1 WHERE false").get, db.execute("SELECT 1 WHERE false").fetchone()) == (None, None)
    rows = db.execute(MANY, (3,))
    assert (next(rows), list(rows), rows.fetchone()) == ((1,), [(2,), (3,)], None)


def test_a_long_result_comes_by_portions_while_other_statements_run(db: PostgresConnection) -> None:
    seen = 0
    for (n,) in (rows := db.execute(MANY, (3 * _AT_ONCE + 1,))):
        assert len(rows._rows) < _AT_ONCE
        if n % _AT_ONCE == 0:
            assert db.execute("SELECT CAST(? AS bigint)", (n,)).get == n
            assert len(db.execute(MANY, (2 * _AT_ONCE,)).fetchall()) == 2 * _AT_ONCE
        seen += 1
    assert seen == 3 * _AT_ONCE + 1
    assert db.execute("SELECT pg_current_xact_id_if_assigned() IS NULL").get is True


def test_a_result_that_is_left_is_no_transaction_that_stays(db: PostgresConnection, address: str) -> None:
    assert next(db.execute(MANY, (2 * _AT_ONCE,))) == (1,)
    gc.collect()
    db.execute("BEGIN")
    db.execute("CREATE TABLE written (n bigint)")
    db.execute("COMMIT")
    other = PostgresConnection(address, {})
    assert other.execute("SELECT to_regclass('written') IS NOT NULL").get is True
    other.close()


def test_a_result_under_way_keeps_its_rows_when_the_transaction_ends(db: PostgresConnection) -> None:
    db.execute("BEGIN")
    rows = db.execute(MANY, (2 * _AT_ONCE,))
    assert next(rows) == (1,)
    db.execute("COMMIT")
    assert len(list(rows)) == 2 * _AT_ONCE - 1


def test_what_changed_is_counted_and_what_fails_is_taken_back(db: PostgresConnection) -> None:
    db.script("CREATE TABLE few (n bigint PRIMARY KEY)")
    db.executemany("INSERT INTO few VALUES (?)", [(n,) for n in range(5)])
    db.execute("UPDATE few SET n = n + 10 WHERE n > ?", (2,))
    assert db.changes() == 2
    db.execute("DELETE FROM few WHERE n < ? RETURNING n", (2,))
    assert db.changes() == 2
    with pytest.raises(StoreError, match="23505"), db:
        db.execute("DELETE FROM few")
        db.executemany("INSERT INTO few VALUES (?)", [(1,), (1,)])
    assert db.in_transaction is False
    assert db.execute("SELECT count(*) FROM few").get == 3


async def test_it_works_inside_a_running_loop_and_in_any_thread(db: PostgresConnection) -> None:
    assert db.execute(MANY, (2,)).fetchall() == [(1,), (2,)]
    assert await asyncio.to_thread(lambda: db.execute("SELECT 1").get) == 1
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(db.execute("SELECT 1").get)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert found == [1] * 4


def test_a_server_that_goes_away_is_lost_for_good(db: PostgresConnection, address: str) -> None:
    other = PostgresConnection(address, {})
    other.execute("SELECT pg_terminate_backend(?)", (db.execute("SELECT pg_backend_pid()").get,)).fetchone()
    other.close()
    for _ in range(2):
        with pytest.raises(StoreLost):
            db.execute("SELECT 1").fetchone()


def test_a_server_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreLost, match="ne répond plus") as refused:
        PostgresConnection(f"postgresql://socle:secret@/base?host={tmp_path}", {})
    assert "secret" not in str(refused.value)


def test_two_that_wait_for_each_other_are_told_apart_from_what_fails(db: PostgresConnection, address: str) -> None:
    db.script("CREATE TABLE two (n bigint PRIMARY KEY, x bigint); INSERT INTO two VALUES (1, 0), (2, 0)")
    other = PostgresConnection(address, {})
    db.execute("BEGIN")
    other.execute("BEGIN")
    db.execute("UPDATE two SET x = 1 WHERE n = 1")
    other.execute("UPDATE two SET x = 1 WHERE n = 2")
    told: list[type[StoreError]] = []

    def attempt(connection: PostgresConnection, row: int) -> None:
        try:
            connection.execute("UPDATE two SET x = 2 WHERE n = ?", (row,))
        except StoreError as error:
            told.append(type(error))
        connection.execute("ROLLBACK")

    crossed = threading.Thread(target=attempt, args=(other, 1))
    crossed.start()
    attempt(db, 2)
    crossed.join(10)
    other.close()
    assert told == [StoreBusy]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("40001", StoreBusy), ("40P01", StoreBusy), ("53100", StoreFull), ("57P01", StoreLost), ("58030", StoreLost),
     ("08006", StoreLost), ("XX001", StoreLost), ("23505", StoreError), ("25006", StoreError), ("42601", StoreError)],
)  # fmt: skip
def test_each_refusal_says_what_may_be_done(code: str, kind: type[StoreError]) -> None:
    assert _error_class(code) is kind
