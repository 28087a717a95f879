"""What the journal asks of a connection to its store; SQLite's own satisfies it, and PostgreSQL's facade (decision 0038)."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import apsw

from gateway.journal.record import JournalError

Values = Sequence[Any] | Mapping[str, Any]


class Cursor(Protocol):
    """The rows of one statement, read as they are asked for."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    @property
    def get(self) -> Any:
        """The first value of the first row, or None; the whole row when it has several."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """For one thread at a time. A statement takes ``?`` with a sequence, or ``:name`` with a mapping."""

    def __enter__(self) -> Any:
        """One transaction; taken back when it is left by an error."""

    def __exit__(self, kind: Any, error: Any, traceback: Any, /) -> bool | None: ...

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, statements: str, bindings: Values = ..., /) -> Cursor: ...

    def executemany(self, statements: str, sequenceofbindings: Iterable[Values], /) -> Any: ...

    def changes(self) -> int:
        """Rows that the last statement inserted, updated or deleted."""

    def close(self) -> None: ...


class StoreError(JournalError):
    """The store refused a statement, or cannot be reached. Its text is for the operator, and never holds a server's password.

    StoreError
      |- StoreBusy   two transactions wanted the same rows: the same work done again will pass
      |- StoreFull   the server's disk takes no more; what was committed stays
      `- StoreLost   the connection, or what the server holds, can no longer be trusted: only a restart tells the truth
    """


class StoreBusy(StoreError):
    pass


class StoreFull(StoreError):
    pass


class StoreLost(StoreError):
    pass


def busy(error: apsw.BusyError) -> StoreBusy:
    """SQLite's own word for it: a program that is no gateway holds the file, and will let go of it."""
    return StoreBusy(f"un autre programme tient le fichier du journal ({error})")


def is_sqlite(connection: Connection) -> bool:
    return isinstance(connection, apsw.Connection)


def spoken(connection: Connection, *, sqlite: str, postgres: str) -> str:
    """The statement in the words of this connection's store, where the two must differ."""
    return sqlite if is_sqlite(connection) else postgres
