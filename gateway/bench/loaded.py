"""A gateway's folder that a bench loaded, and the figures that are told of it."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.bench.figure import Figure, Target
from gateway.bench.usage_loader import load
from gateway.journal.database import size_on_server
from gateway.journal.location import FILE_NAME, address_of
from gateway.journal.query import JournalReader

TRANSPORT = "en processus"
_SOME = 10_000  # entries, to know how long one is


@dataclass(frozen=True, slots=True)
class Loaded:
    """``area`` begins the names of its figures: ``usage``, ``store.sqlite`` …

    leaf  bytes of the canonical JSON of an entry, the mean of the first ones as they were loaded
    """

    folder: Path
    entries: int
    area: str
    leaf: int

    def figure(
        self, name: str, unit: str, value: float, limit: float | None = None, limit_is: str | None = None,
        target: Target | None = None,
    ) -> Figure:  # fmt: skip
        return Figure(f"{self.area}.{name}.{self.entries}", unit, value, limit, limit_is, target, TRANSPORT, self.leaf, 1)

    def store_bytes(self) -> int:
        """What the store takes: the file, or the database with its indexes."""
        path = self.folder / FILE_NAME
        return path.stat().st_size if address_of(self.folder) is None else size_on_server(path)


@contextmanager
def loading(folder: Path, entries: int, area: str, address: str | None = None) -> Iterator[Loaded]:
    """A journal of that many entries in a new folder inside ``folder``, removed at the end. Raises as ``load``.

    address  of an empty PostgreSQL database: the journal is made there, and stays there
    """
    with TemporaryDirectory(prefix="banc-", dir=folder) as name:
        load(Path(name), entries, address=address)
        yield Loaded(Path(name), entries, area, _leaf_bytes(Path(name)))


def _leaf_bytes(folder: Path) -> int:
    with JournalReader(folder) as reader:
        some = [len(entry.body) for entry in islice(reader.walk(), _SOME)]
    return round(sum(some) / len(some))
