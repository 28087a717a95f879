"""One way of bringing a journal's schema up to date, on both stores (decision 0038).

Step ``NNNN`` is a file for each store: ``NNNN.sql`` for SQLite, ``NNNN.postgres.sql`` for PostgreSQL. SQLite's begin at 1;
PostgreSQL's first one holds the whole schema of its step, and a journal there begins with it.
"""
from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import apsw

from gateway.journal.connection import Connection
from gateway.journal.record import JournalError, JournalUnsafe

if TYPE_CHECKING:
    from gateway.journal.postgres import PostgresConnection

_STEP = re.compile(r"(\d{4})(\.postgres)?\.sql")
_MADE_BY_ONE = 0x50C1E  # of the advisory lock: two gateways may be started at the same moment


@cache
def _steps(postgres: bool) -> dict[int, str]:
    folder = resources.files("gateway.journal") / "migrations"
    found = ((_STEP.fullmatch(item.name), item) for item in folder.iterdir())
    return {
        int(name[1]): item.read_text(encoding="utf-8") for name, item in found if name is not None and bool(name[2]) == postgres
    }


def migrations() -> list[str]:
    """SQLite's steps, in order: file 0001.sql takes the schema from version 0 to 1."""
    steps = _steps(postgres=False)
    return [steps[version] for version in sorted(steps)]


def postgres_migrations() -> dict[int, str]:
    """PostgreSQL's steps by version; the first one is a whole schema."""
    steps = _steps(postgres=True)
    return {version: steps[version] for version in sorted(steps)}


def version_of(connection: Connection) -> int:
    """0 for a store that has no journal yet."""
    if isinstance(connection, apsw.Connection):
        return int(connection.pragma("user_version"))
    if connection.execute("SELECT to_regclass('store')").get is None:
        return 0
    return int(connection.execute("SELECT version FROM store").get)


def check_version_of(connection: Connection, name: str, *, older: bool) -> None:
    """Raises JournalError, in French, for a store of another version of the program; ``older``: an earlier one will do."""
    version, known = version_of(connection), len(migrations())
    if version > known:
        newer = f"{name} a été écrit par une version plus récente de Socle (schéma {version}, connu ici : {known})"
        raise JournalError(f"{newer} : mettez Socle à jour.")
    if version < known and not older:
        raise JournalError(
            f"{name} a été écrit par une version plus ancienne de Socle (schéma {version}, connu ici : {known}) : "
            "ouvrez-le une fois par « socle gateway --data … », qui le met à jour, puis relisez-le."
        )


def migrate(connection: apsw.Connection) -> None:
    """Bring the schema to the latest version, one transaction a step. Raises JournalUnsafe for a newer file."""
    steps = migrations()
    present = connection.pragma("user_version")
    _refuse_newer(present)
    for version, sql in enumerate(steps[present:], start=present + 1):
        with connection:
            connection.execute(sql)
            connection.pragma("user_version", version)


def migrate_postgres(connection: PostgresConnection) -> None:
    """The same on a server: all steps in one transaction, by one gateway. Raises JournalUnsafe for a newer schema."""
    with connection:
        connection.execute("SELECT pg_advisory_xact_lock(?)", (_MADE_BY_ONE,)).fetchone()
        present = version_of(connection)
        _refuse_newer(present)
        for version, sql in postgres_migrations().items():
            if version > present:
                connection.script(sql)
                connection.execute("UPDATE store SET version = ?", (version,))


def _refuse_newer(present: int) -> None:
    known = len(migrations())
    if present > known:
        raise JournalUnsafe(f"il a été écrit par une version plus récente de Socle (schéma {present}, connu ici : {known})")
