"""Rows written many at a time.

SQLite lets go of the interpreter at each statement; taking it back from a busy event loop costs far more than a row does
(docs/performance.md). A transaction therefore gathers its rows, and writes each table by a few statements.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

_AT_ONCE = (64, 16, 4, 1)  # a few fixed sizes, so that every statement is prepared once


class Rows:
    """Rows that wait for ``flush``; ``head`` and ``tail`` stand before and after the VALUES of the statement."""

    def __init__(self, connection: apsw.Connection, head: str, columns: int, tail: str = "") -> None:
        self._connection = connection
        one = "(" + ",".join("?" * columns) + ")"
        self._statements = [(size, f"{head} VALUES {','.join([one] * size)} {tail}") for size in _AT_ONCE]
        self._waiting: list[Sequence[Any]] = []

    def add(self, row: Sequence[Any]) -> None:
        self._waiting.append(row)

    def flush(self) -> None:
        """Write what waits, in the order in which it came."""
        waiting, done = self._waiting, 0
        for size, statement in self._statements:
            while len(waiting) - done >= size:
                values = [value for row in waiting[done : done + size] for value in row]
                self._connection.execute(statement, values)
                done += size
        waiting.clear()

    def forget(self) -> None:
        """The transaction is taken back, and what waits with it."""
        self._waiting.clear()


def in_groups(items: Sequence[Any]) -> list[Sequence[Any]]:
    """The items in groups whose sizes are those of prepared statements."""
    groups, done = [], 0
    for size in _AT_ONCE:
        while len(items) - done >= size:
            groups.append(items[done : done + size])
            done += size
    return groups
