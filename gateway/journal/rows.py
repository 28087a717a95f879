"""Rows written many at a time.

SQLite lets go of the interpreter at each statement; taking it back from a busy event loop costs far more than a row does
(docs/performance.md). A transaction therefore gathers its rows, and writes each table by a few statements. A row that is
refused ends the transaction: a statement that could be undone alone would first copy each page that it changes.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import orjson

from gateway.journal.connection import Connection, is_sqlite

Order = Callable[[Sequence[Any]], Any]
_AT_ONCE = (64, 16, 4, 1)  # a few fixed sizes, so that every statement is prepared once
LOOKED_UP = (4, 16, 64)


class Rows:
    """Rows that wait for ``flush``; ``into`` is the table, with its columns if not all, ``tail`` what follows the VALUES."""

    def __init__(self, connection: Connection, into: str, columns: int, tail: str = "") -> None:
        self._connection = connection
        one = "(" + ",".join("?" * columns) + ")"
        head = f"INSERT OR ROLLBACK INTO {into} VALUES "  # noqa: S608 - constants only
        self._statements = [(size, f"{head}{','.join([one] * size)} {tail}") for size in _AT_ONCE]
        self._waiting: list[Sequence[Any]] = []
        self.add = self._waiting.append  # several times an entry: no call of ours in between

    def flush(self) -> None:
        """Write what waits, in the order in which it came."""
        waiting, done = self._waiting, 0
        for size, statement in self._statements:
            while len(waiting) - done >= size:
                self._connection.execute(statement, tuple(chain.from_iterable(waiting[done : done + size])))
                done += size
        waiting.clear()

    def forget(self) -> None:
        """The transaction is taken back, and what waits with it."""
        self._waiting.clear()


class SharedRows(Rows):
    """On a server that others write too: one statement for each row, sent together, in an order that all writers keep to.

    A row may so meet one of its own transaction, and two transactions never wait for each other's rows crosswise.
    """

    def __init__(self, connection: Connection, into: str, columns: int, tail: str, order: Order | None) -> None:
        super().__init__(connection, into, columns)
        self._statement = f"INSERT INTO {into} VALUES ({','.join('?' * columns)}) {tail}"  # noqa: S608 - constants only
        self._order = order

    def flush(self) -> None:
        if self._waiting:
            rows = self._waiting if self._order is None else sorted(self._waiting, key=self._order)
            self._connection.executemany(self._statement, rows)
            self._waiting.clear()


def gathered(
    connection: Connection, into: str, columns: int, tail: str = "", *, shared_tail: str | None = None, order: Order | None = None
) -> Rows:
    """Rows for this connection's store. ``shared_tail`` and ``order``: of a table where several writers meet."""
    if is_sqlite(connection):
        return Rows(connection, into, columns, tail)
    return SharedRows(connection, into, columns, tail if shared_tail is None else shared_tail, order)


def in_groups(items: Sequence[Any]) -> Iterator[list[Any]]:
    """The items in groups of a few fixed sizes, the last filled up with NULL: for statements that look values up."""
    for start in range(0, len(items), LOOKED_UP[-1]):
        group = list(items[start : start + LOOKED_UP[-1]])
        size = next(size for size in LOOKED_UP if size >= len(group))
        yield group + [None] * (size - len(group))


def listed(values: Sequence[Any]) -> str:
    """The values as one parameter of a statement that reads them by ``json_each``."""
    return orjson.dumps(list(values)).decode()
