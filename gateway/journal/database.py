"""Opening the journal, safely or not at all (design §5, « Stores »; reference/packages §10).

The path that these functions take is that of the SQLite file; where the journal is on a server instead, the address lies
beside that place (``location.py``).
"""
from __future__ import annotations

from pathlib import Path
from types import ModuleType

import apsw

from gateway.journal.connection import Connection
from gateway.journal.location import address_of
from gateway.journal.record import JournalError, JournalUnsafe
from gateway.journal.schema import check_version_of, migrate

Pragmas = tuple[tuple[str, str, object], ...]

#: Each pragma as asked and as it must read back; another answer means that entries could be lost.
DURABLE: Pragmas = (
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),
    ("fullfsync", "on", 1),
    ("checkpoint_fullfsync", "on", 1),
    ("secure_delete", "on", 1),
)
#: Speed only: refs and units are spread at random over their indexes, so pages are better kept and written back together. More
#: would cost more: a commit that split a page looks through all that are kept (SQLite's pcache1TruncateUnsafe).
_TUNING = (("cache_size", -16_384), ("wal_autocheckpoint", 4000))
_GIVES_BACK = ("auto_vacuum", 2)  # incremental; to be said before the first table: what retention frees leaves the file
_FIRST_SAFE = (3, 51, 3)  # earlier releases may corrupt the file when the WAL restarts
_AFFECTED = (3, 52)  # the fix came in 3.51.3 and 3.53.0
_BUSY_MS = 5000  # how long another program's hold on the file is waited out
_ONCE_KIB = 256  # of a reader that comes back to no page but the upper ones


def check_version(version: str) -> None:
    """Raise JournalUnsafe for a SQLite whose WAL reset may corrupt the file."""
    numbers = tuple(int(part) for part in version.split("."))
    if numbers < _FIRST_SAFE or numbers[:2] == _AFFECTED:
        raise JournalUnsafe(f"SQLite {version} peut abîmer un journal ; il faut au moins 3.51.3, ou 3.53.0")


def _server() -> ModuleType:
    """Only a journal that is on a server asks for the driver, which is an extra."""
    try:
        from gateway.journal import server
    except ModuleNotFoundError as error:
        raise JournalError("il est sur PostgreSQL, et le pilote manque : installez socle[postgres]") from error
    return server


def is_new(path: Path) -> bool:
    """Whether there is no journal yet: not even its keys. Raises StoreError when the server does not say."""
    address = address_of(path.parent)
    if address is None:
        return not path.exists()
    return bool(_server().is_new(address))


def open_for_writing(path: Path, *, vfs: str | None = None, pragmas: Pragmas = DURABLE) -> Connection:
    """The one writing connection, migrated. Raises JournalUnsafe when what protects the journal is not obtained."""
    address = address_of(path.parent)
    if address is not None:
        connection: Connection = _server().open_for_writing(address)
        return connection
    return open_file(path, vfs=vfs, pragmas=pragmas)


def open_file(path: Path, *, vfs: str | None = None, pragmas: Pragmas = DURABLE) -> apsw.Connection:
    """The SQLite file, to be written.

    A test VFS has no shared memory for the WAL index: with ``vfs`` the connection locks the file exclusively.
    """
    check_version(apsw.sqlite_lib_version())
    if vfs is None:
        path.touch(mode=0o600)  # SQLite gives its WAL the same mode
    connection = apsw.Connection(str(path), vfs=vfs)
    if vfs is not None:
        connection.pragma("locking_mode", "exclusive")
    connection.set_busy_timeout(_BUSY_MS)  # a reader that checkpoints on leaving, for instance
    for name, value in (_GIVES_BACK, *_TUNING):
        connection.pragma(name, value)
    for name, asked, expected in pragmas:
        connection.pragma(name, asked)
        obtained = connection.pragma(name)
        if obtained != expected:
            raise JournalUnsafe(f"SQLite n'accorde pas ce qui protège le journal : {name} vaut {obtained!r} et non {expected!r}")
    migrate(connection)
    return connection


def open_beside(path: Path) -> apsw.Connection:
    """A second connection that may give room back to the disk beside the writer, by short steps; it changes no row."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(1000)
    for name, asked, _ in DURABLE[1:]:
        connection.pragma(name, asked)
    return connection


def vacuum(path: Path) -> None:
    """Let a server reuse what deleted rows took, and plan by what is there. Raises StoreError."""
    _server().vacuum(address_of(path.parent))


def size_on_server(path: Path) -> int:
    """Bytes that the journal takes on its server. Raises StoreError."""
    return int(_server().size(address_of(path.parent)))


def open_for_reading(path: Path, *, older: bool = False, boot: str | None = None, once: bool = False) -> Connection:
    """A reader beside the writer, from any process. Raises JournalError when there is no journal of this version.

    older  one of an earlier version will do: for what has been there since the first, before a gateway migrates the file
    once   it reads on from where it was: SQLite keeps few pages for it
    boot   of the gateway whose locks it takes on a server, which go when the gateway is taken over
    """
    address = address_of(path.parent)
    if address is not None:
        shared: Connection = _server().open_for_reading(address, older=older, boot=boot)
        return shared
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(_BUSY_MS)
        if once:
            connection.pragma("cache_size", -_ONCE_KIB)
        check_version_of(connection, path.name, older=older)
    except apsw.Error as error:
        raise JournalError(f"{path.name} n'est pas un journal lisible ({error})") from error
    return connection
