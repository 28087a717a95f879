"""A connection to PostgreSQL with the face that the journal knows of SQLite's (decision 0038).

asyncpg speaks the protocol on an event loop; everything that reads or writes the journal is synchronous, in threads. Each
connection owns a loop, which runs only while a statement does: in the caller's thread, or in a thread of its own when the
caller is itself inside a running loop.
"""
from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakSet

import asyncpg

from gateway.journal.connection import StoreBusy, StoreError, StoreFull, StoreLost, Values
from gateway.journal.placeholders import numbered

T = TypeVar("T")

_AT_ONCE = 1_000  # rows of a long result in memory
_CONNECT_S = 10.0
_READS = ("SELECT", "WITH", "VALUES", "SHOW")
_BUSY = ("40001", "40P01")  # serialization failure, deadlock
_FULL = "53100"
#: Classes after which nothing more is sure: connection, operator intervention, system error, internal error.
_LOST = ("08", "57P", "58", "XX")


class PostgresConnection:
    """Rows come as tuples. A long result is read by portions: outside a transaction it opens one of its own until it ends."""

    def __init__(self, address: str, settings: Mapping[str, str]) -> None:
        """``settings`` hold for the session. Raises StoreError."""
        self._loop = asyncio.SelectorEventLoop()
        self._busy = threading.RLock()
        self._apart: ThreadPoolExecutor | None = None
        self._transaction: Any = None
        self._asked_for = False  # the transaction was begun by the caller
        self._open: WeakSet[Result] = WeakSet()  # long results under way; one that nobody reads on is forgotten
        self._changes = 0
        try:
            self._link = self._run(lambda: _connected(address, settings))
        except BaseException:
            self._loop.close()
            raise

    def __enter__(self) -> PostgresConnection:
        self.execute("BEGIN")
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.execute("COMMIT" if kind is None else "ROLLBACK")

    @property
    def in_transaction(self) -> bool:
        return self._asked_for

    def execute(self, statements: str, bindings: Values = (), /) -> Result:
        """Raises StoreError. A statement that reads is sent when its first row is asked for, any other at once."""
        verb = statements.split(None, 1)[0].upper()
        if verb in ("BEGIN", "COMMIT", "ROLLBACK"):
            _CONTROL[verb](self)
            return Result(self, "", (), rows=())
        text, names = numbered(statements)
        values = tuple(bindings) if names is None else tuple(bindings[name] for name in names)  # type: ignore[call-overload]
        if verb in _READS:
            return Result(self, text, values)
        if "RETURNING" in text:
            rows = self._run(lambda: self._link.fetch(text, *values))
            self._changes = len(rows)
            return Result(self, text, values, rows=rows)
        self._changes = _count(self._run(lambda: self._link.execute(text, *values)))
        return Result(self, "", (), rows=())

    def executemany(self, statements: str, sequenceofbindings: Iterable[Values], /) -> None:
        text, names = numbered(statements)
        assert names is None
        self._run(lambda: self._link.executemany(text, sequenceofbindings))

    def script(self, statements: str) -> None:
        """Several statements without parameters, in one exchange."""
        self._run(lambda: self._link.execute(statements))

    def changes(self) -> int:
        return self._changes

    def close(self) -> None:
        with self._busy:
            if self._loop.is_closed():
                return
            self._run(lambda: _closed(self._link))
            if self._apart is not None:
                self._apart.shutdown()
            self._loop.close()

    def __del__(self) -> None:
        link = getattr(self, "_link", None)
        if link is not None and not self._loop.is_closed():
            link.terminate()  # nobody closed it: the server must not keep what it holds
            if not _in_a_loop():
                self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    # -- transactions

    def _begin(self) -> None:
        self._settle_reading()
        self._transaction = self._run(lambda: _begun(self._link))
        self._asked_for = True

    def _commit(self) -> None:
        self._asked_for = True  # no result that ends now ends the transaction too
        for result in list(self._open):
            result.drain()
        transaction, self._transaction, self._asked_for = self._transaction, None, False
        self._run(transaction.commit)

    def _rollback(self) -> None:
        self._open.clear()
        transaction, self._transaction, self._asked_for = self._transaction, None, False
        if not self._link.is_closed():
            self._run(transaction.rollback)

    def _settle_reading(self) -> None:
        """End the transaction that long results opened, once they have what they still want."""
        if self._transaction is not None and not self._asked_for:
            self._commit()

    # -- results

    def first(self, text: str, values: tuple[Any, ...]) -> Any:
        return self._run(lambda: self._link.fetchrow(text, *values))

    def opened(self, result: Result, text: str, values: tuple[Any, ...]) -> Any:
        if self._transaction is None:
            self._transaction = self._run(lambda: _begun(self._link))
        self._open.add(result)
        return self._run(lambda: _cursor(self._link, text, values))

    def portion(self, cursor: Any) -> list[Any]:
        rows: list[Any] = self._run(lambda: cursor.fetch(_AT_ONCE))
        return rows

    def ended(self, result: Result) -> None:
        self._open.discard(result)
        if not self._open:
            self._settle_reading()

    # -- inside

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with self._busy, _said():
            if self._loop.is_closed():
                raise StoreLost("la connexion à PostgreSQL est fermée")
            if not _in_a_loop():
                return self._loop.run_until_complete(work())
            if self._apart is None:
                self._apart = ThreadPoolExecutor(1, "journal-postgres")
            return self._apart.submit(lambda: self._loop.run_until_complete(work())).result()


class Result:
    """The rows of one statement, as tuples."""

    def __init__(
        self, connection: PostgresConnection, text: str, values: tuple[Any, ...], rows: Iterable[Any] | None = None
    ) -> None:
        self._connection, self._text, self._values = connection, text, values
        self._rows: deque[tuple[Any, ...]] = deque(map(tuple, rows or ()))
        self._cursor: Any = None
        self._fresh, self._ended = rows is None, rows is not None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self

    def __next__(self) -> tuple[Any, ...]:
        if not self._rows and not self._more():
            raise StopIteration
        return self._rows.popleft()

    @property
    def get(self) -> Any:
        row = self.fetchone()
        return row if row is None or len(row) > 1 else row[0]

    def fetchone(self) -> Any:
        if not self._fresh:
            return next(self, None)
        row = self._connection.first(self._text, self._values)
        return None if row is None else tuple(row)

    def fetchall(self) -> list[Any]:
        return list(self)

    def drain(self) -> None:
        """Take all that is left: the transaction that holds it ends."""
        while self._more():
            pass

    def _more(self) -> bool:
        if self._ended:
            return False
        if self._fresh:
            self._fresh = False
            self._cursor = self._connection.opened(self, self._text, self._values)
        rows = self._connection.portion(self._cursor)
        self._rows.extend(map(tuple, rows))
        if len(rows) < _AT_ONCE:
            self._ended = True
            self._connection.ended(self)
        return bool(rows)


_CONTROL: dict[str, Callable[[PostgresConnection], None]] = {
    "BEGIN": PostgresConnection._begin, "COMMIT": PostgresConnection._commit, "ROLLBACK": PostgresConnection._rollback,
}  # fmt: skip


async def _connected(address: str, settings: Mapping[str, str]) -> Any:
    return await asyncpg.connect(
        address, timeout=_CONNECT_S, statement_cache_size=300, max_cached_statement_lifetime=0,
        server_settings={"application_name": "socle", "jit": "off", "TimeZone": "UTC"} | dict(settings),
    )  # fmt: skip


async def _closed(link: Any) -> None:
    with suppress(Exception):  # whatever the server says of it, we leave
        await link.close(timeout=_CONNECT_S)
    link.terminate()
    await asyncio.sleep(0)  # the socket closes in the loop's next round


async def _begun(link: Any) -> Any:
    transaction = link.transaction()
    await transaction.start()
    return transaction


async def _cursor(link: Any, text: str, values: tuple[Any, ...]) -> Any:
    return await link.cursor(text, *values)


@contextmanager
def _said() -> Iterator[None]:
    """Errors of the driver as errors of the journal. Their details may hold values of rows: only what is sure not to is said."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise _error_class(error.sqlstate or "")(f"PostgreSQL {error.sqlstate} : {error.args[0]}") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, EOFError) as error:
        raise StoreLost(f"PostgreSQL ne répond plus ({type(error).__name__})") from error


def _error_class(code: str) -> type[StoreError]:
    if code in _BUSY:
        return StoreBusy
    if code == _FULL:
        return StoreFull
    return StoreLost if code.startswith(_LOST) else StoreError


def _count(status: str) -> int:
    """Of « INSERT 0 3 », « UPDATE 1 »; 0 for what changes no row."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
