"""Opening the journal's SQLite file, safely or not at all (design §5, « Stores »; reference/packages §10)."""
from __future__ import annotations

from importlib import resources
from pathlib import Path

import apsw

from gateway.journal.record import JournalError, JournalUnsafe

Pragmas = tuple[tuple[str, str, object], ...]

#: Each pragma as asked and as it must read back; another answer means that entries could be lost.
DURABLE: Pragmas = (
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),
    ("fullfsync", "on", 1),
    ("checkpoint_fullfsync", "on", 1),
    ("secure_delete", "on", 1),
)
#: Speed only: refs and units are spread at random over their indexes, so pages are better kept and written back together.
_TUNING = (("cache_size", -65_536), ("wal_autocheckpoint", 4000))
_GIVES_BACK = ("auto_vacuum", 2)  # incremental; to be said before the first table: what retention frees leaves the file
_FIRST_SAFE = (3, 51, 3)  # earlier releases may corrupt the file when the WAL restarts
_AFFECTED = (3, 52)  # the fix came in 3.51.3 and 3.53.0


def check_version(version: str) -> None:
    """Raise JournalUnsafe for a SQLite whose WAL reset may corrupt the file."""
    numbers = tuple(int(part) for part in version.split("."))
    if numbers < _FIRST_SAFE or numbers[:2] == _AFFECTED:
        raise JournalUnsafe(f"SQLite {version} peut abîmer un journal ; il faut au moins 3.51.3, ou 3.53.0")


def open_for_writing(path: Path, *, vfs: str | None = None, pragmas: Pragmas = DURABLE) -> apsw.Connection:
    """The one writing connection, migrated. Raises JournalUnsafe when a pragma is not obtained.

    A test VFS has no shared memory for the WAL index: with ``vfs`` the connection locks the file exclusively.
    """
    check_version(apsw.sqlite_lib_version())
    if vfs is None:
        path.touch(mode=0o600)  # SQLite gives its WAL the same mode
    connection = apsw.Connection(str(path), vfs=vfs)
    if vfs is not None:
        connection.pragma("locking_mode", "exclusive")
    connection.set_busy_timeout(5000)  # a reader that checkpoints on leaving, for instance
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


def open_for_reading(path: Path, *, older: bool = False) -> apsw.Connection:
    """A reader beside the writer, from any process. Raises JournalError when the file is not a journal of this version.

    older  one of an earlier version will do: for what has been there since the first, before a gateway migrates the file
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        version = connection.pragma("user_version")
    except apsw.Error as error:
        raise JournalError(f"{path.name} n'est pas un journal lisible ({error})") from error
    if version > len(migrations()) or (version < len(migrations()) and not older):
        raise JournalError(_other_schema(path, version))
    return connection


def _other_schema(path: Path, version: int) -> str:
    """French: said as it is to whoever reads the journal with another version of the program."""
    known = len(migrations())
    if version > known:
        newer = f"{path.name} a été écrit par une version plus récente de Socle (schéma {version}, connu ici : {known})"
        return f"{newer} : mettez Socle à jour."
    return (
        f"{path.name} a été écrit par une version plus ancienne de Socle (schéma {version}, connu ici : {known}) : "
        "ouvrez-le une fois par « socle gateway --data … », qui le met à jour, puis relisez-le."
    )


def migrations() -> list[str]:
    """The SQL of each version, in order: file 0001.sql takes the schema from version 0 to 1."""
    folder = resources.files("gateway.journal") / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def migrate(connection: apsw.Connection) -> None:
    """Bring the schema to the latest version, one transaction a step. Raises JournalUnsafe for a newer file."""
    steps = migrations()
    present = connection.pragma("user_version")
    if present > len(steps):
        raise JournalUnsafe(f"il a été écrit par une version plus récente de Socle (schéma {present}, connu ici : {len(steps)})")
    for version, sql in enumerate(steps[present:], start=present + 1):
        with connection:
            connection.execute(sql)
            connection.pragma("user_version", version)
