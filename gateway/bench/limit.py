"""What the disk and SQLite can do with the rows of a journal when nothing is left to compute."""
from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.journal import database
from gateway.journal.connection import Connection

_NOT_OF_ENTRIES = {"log_heads"}
_ALIKE = 8  # hexadecimal digits with which refs made one after the other begin
Batch = list[tuple[str, list[tuple[Any, ...]]]]


@dataclass(frozen=True, slots=True)
class Limit:
    entries: int
    seconds: float
    cpu_seconds: float


def batches_of(journal_file: Path, commits: int) -> list[Batch]:
    """Every row of a journal as statements and their rows, spread over ``commits`` transactions in the order of writing.

    Refs are stored by their random names: they are shuffled, those that begin alike together, as the journal drew them; sorted
    ones would be written at a tenth of the price.
    """
    connection = database.open_for_reading(journal_file)
    batches: list[Batch] = [[] for _ in range(commits)]
    try:
        for table in [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]:
            if table in _NOT_OF_ENTRIES or table.startswith("sqlite_"):
                continue
            rows, columns = _in_order(connection, table)
            statement = f"INSERT INTO {table} VALUES ({','.join('?' * columns)})"  # noqa: S608
            for n, batch in enumerate(batches):
                share = rows[n * len(rows) // commits : (n + 1) * len(rows) // commits]
                if share:
                    batch.append((statement, share))
    finally:
        connection.close()
    return batches


def write_prepared(path: Path, batches: list[Batch], entries: int) -> Limit:
    """The same rows in the same tables, by the same pragmas, one durable transaction a batch."""
    connection = database.open_for_writing(path)
    started, cpu_started = time.perf_counter(), time.process_time()
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        for statement, rows in batch:
            connection.executemany(statement, rows)
        connection.execute("COMMIT")
    limit = Limit(entries, time.perf_counter() - started, time.process_time() - cpu_started)
    connection.close()
    return limit


def bare_commits_ms(path: Path, count: int) -> list[float]:
    """How long each of ``count`` transactions of one small row takes: what the disk asks for one sync."""
    connection = database.open_for_writing(path)
    connection.execute("CREATE TABLE alone (n INTEGER)")
    taken = []
    for n in range(count):
        started = time.perf_counter()
        connection.execute("INSERT INTO alone VALUES (?)", (n,))
        taken.append((time.perf_counter() - started) * 1000)
    connection.close()
    return taken


def _in_order(connection: Connection, table: str) -> tuple[list[tuple[Any, ...]], int]:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    order = next((name for name in ("pos", "seq") if name in columns), None)
    rows = list(connection.execute(f"SELECT * FROM {table}" + (f" ORDER BY {order}" if order else "")))  # noqa: S608
    if order is None:
        rows = _as_drawn(rows)
    return rows, len(columns)


def _as_drawn(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    chance = random.Random(1)
    order: defaultdict[str, float] = defaultdict(chance.random)
    return sorted(rows, key=lambda row: (order[row[0][:_ALIKE]], chance.random()))
