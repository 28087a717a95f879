"""One schema on two stores: tables, columns, keys and indexes cannot drift apart (decision 0038)."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.journal.record import JournalError, JournalUnsafe
from gateway.journal.schema import check_version_of, migrate, migrate_postgres, migrations, postgres_migrations, version_of
from gateway.journal.server import open_for_reading, open_for_writing
from tests.stores import Server

_TYPES = {"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea"}
#: Of PostgreSQL alone: the version, which SQLite keeps in its header; ids, which a table cut by month cannot keep unique; the
#: month itself; what several writers agree by; and the index that SQLite makes of a column said to be unique.
_ITS_OWN_TABLES = {"store", "entry_ids", "watched"}
_ITS_OWN_COLUMNS = {"month"}
_ITS_OWN_INDEXES = {"entries_id", "refs_lookup_key", "usage_units_once"}
_ITS_OWN_TYPES = {("log_heads", "lease_until"): "timestamp with time zone", ("doubts", "asked_until"): "timestamp with time zone"}

Tables = dict[str, dict[str, tuple[str, bool]]]
Keys = dict[str, tuple[str, ...]]


def of_sqlite() -> tuple[Tables, Keys, dict[str, str]]:
    db = apsw.Connection("")
    migrate(db)
    tables: Tables = {}
    keys: Keys = {}
    for (table,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")):
        columns = list(db.execute(f"PRAGMA table_info({table})"))
        keys[table] = tuple(row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5])
        tables[table] = {row[1]: (_TYPES[row[2]], bool(row[3] or row[5])) for row in columns}
    indexes = dict(db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"))
    return tables, keys, {name: _bare(sql) for name, sql in indexes.items()}


def of_postgres(server: Server, folder: Path) -> tuple[Tables, Keys, dict[str, str]]:
    db = open_for_reading(server.place(folder))
    tables: Tables = {}
    for table, column, kind, nullable in db.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
        " JOIN pg_class ON relname = table_name WHERE table_schema = 'public' AND NOT relispartition"
        " ORDER BY table_name, ordinal_position"
    ):
        tables.setdefault(table, {})[column] = (kind, nullable == "NO")
    rows = db.execute(
        "SELECT tablename, indexname, indexdef FROM pg_indexes JOIN pg_class ON relname = tablename"
        " WHERE schemaname = 'public' AND NOT relispartition"
    ).fetchall()
    db.close()
    keys = {table: _columns(sql) for table, name, sql in rows if name.endswith("_pkey")}
    return tables, keys, {name: _bare(sql) for _, name, sql in rows if not name.endswith("_pkey")}


def _columns(sql: str) -> tuple[str, ...]:
    return tuple(re.sub(r".*\((.*?)\)", r"\1", sql).split(", "))


def _bare(sql: str) -> str:
    """An index without what each store adds to its text."""
    text = re.sub(r"USING btree |ONLY |public\.|::text|UNIQUE ", "", sql)
    head, where, condition = text.partition(" WHERE ")
    return head + where + condition.strip("()")


def test_the_two_schemas_are_the_same(postgres: Server, tmp_path: Path) -> None:
    tables, keys, indexes = of_sqlite()
    theirs, their_keys, their_indexes = of_postgres(postgres, tmp_path)
    assert set(theirs) - _ITS_OWN_TABLES == set(tables)
    for table, columns in tables.items():
        own = {name: (kind, need) for name, (kind, need) in theirs[table].items() if name not in _ITS_OWN_COLUMNS}
        expected = {name: (_ITS_OWN_TYPES.get((table, name), kind), need) for name, (kind, need) in columns.items()}
        assert list(own.items()) == list(expected.items()), table
        assert tuple(name for name in their_keys[table] if name not in _ITS_OWN_COLUMNS) == keys[table], table
    assert {name: sql for name, sql in their_indexes.items() if name not in _ITS_OWN_INDEXES} == indexes


def test_what_belongs_to_a_month_is_cut_by_month_and_what_is_unique_is_not(postgres: Server, tmp_path: Path) -> None:
    db = open_for_reading(postgres.place(tmp_path))
    cut = {name for (name,) in db.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")}
    db.close()
    assert cut == {"entries", "bodies", "blobs", "facts", "facts_about"}


def test_text_sorts_by_code_point(postgres: Server, tmp_path: Path) -> None:
    db = open_for_reading(postgres.place(tmp_path))
    others = db.execute(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace AND attcollation <> 0 AND attcollation <> '\"C\"'::regcollation"
    ).fetchall()
    db.close()
    assert others == []


def test_both_stores_end_with_the_same_step() -> None:
    steps = postgres_migrations()
    assert list(steps) == list(range(min(steps), len(migrations()) + 1))


@pytest.mark.parametrize("attempt", ["UPDATE departed SET act = 'b'", "DELETE FROM departed", "TRUNCATE departed"])
def test_a_kept_leaf_is_never_changed(postgres: Server, tmp_path: Path, attempt: str) -> None:
    db = open_for_writing(postgres.place(tmp_path))
    db.execute("INSERT INTO departed VALUES (1, 0, 'a', 'x', 'y', '1', ?)", (b"x" * 32,))
    with pytest.raises(JournalError, match="a kept leaf is never"):
        db.execute(attempt)
    db.close()


@pytest.mark.parametrize("version, words", [(-1, "plus ancienne"), (1, "plus récente")])
def test_another_version_is_said(postgres: Server, tmp_path: Path, version: int, words: str) -> None:
    db: Any = open_for_writing(postgres.place(tmp_path))
    known = version_of(db)
    db.execute("UPDATE store SET version = ?", (known + version,))
    with pytest.raises(JournalError, match=words):
        check_version_of(db, "le journal PostgreSQL", older=False)
    if version > 0:
        with pytest.raises(JournalUnsafe, match="plus récente"):
            migrate_postgres(db)
    db.close()
