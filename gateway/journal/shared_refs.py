"""Refs on a server: several writers may name the same value at the same moment, and must give it the same name."""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.journal.record import Named
from gateway.journal.refs import Lookups, Refs
from gateway.journal.rows import listed

# Whoever comes second waits until the first has committed, then finds the first one's name.
_UNLESS_NAMED = "INSERT INTO refs (ref, kind, lookup, sealed) VALUES (?, ?, ?, ?) ON CONFLICT (lookup) DO NOTHING"
_TELL = "INSERT INTO watched (ref) SELECT value FROM json_each(?) ON CONFLICT DO NOTHING"


class SharedRefs(Refs):
    """A name is written as soon as it is made, and read again: what is in the table is what counts."""

    def expect(self, coming: Iterable[Lookups]) -> None:
        super().expect(coming)
        if self._absent:
            self._name_all({lookup: named for named, lookup in self._expected.items() if lookup in self._absent})
            self._absent.clear()

    def watch(self, on: bool) -> None:
        """For every writer: none must be in the middle of a transaction (``Store.connection``), and each begins by ``follow``."""
        self._connection.execute("DELETE FROM watched")
        self._connection.execute("UPDATE store SET watching = ?", (on,))
        self.follow(on)

    def follow(self, watching: bool) -> None:
        self._watched = set() if watching else None

    def unnamed(self, refs: set[str]) -> set[str]:
        """As they are in the table: no writer may be in the middle of a transaction."""
        self.flush()
        named = "SELECT ref FROM watched WHERE ref IN (SELECT value FROM json_each(?))"
        return refs - {ref for (ref,) in self._connection.execute(named, (listed(sorted(refs)),))}

    def flush(self) -> None:
        """Tell the refs that the transaction has named, once it has named them all."""
        super().flush()
        if self._watched:
            self._connection.execute(_TELL, (listed(sorted(self._watched)),))
            self._watched.clear()

    def _made(self, named: Named, lookup: bytes) -> str:
        self._name_all({lookup: named})
        self._absent.discard(lookup)
        return self._fresh[lookup]

    def _name_all(self, values: Mapping[bytes, Named]) -> None:
        """In the order of their digests: two writers that want the same values never wait for each other crosswise."""
        ours = {lookup: self._name() for lookup in sorted(values)}
        self._connection.executemany(
            _UNLESS_NAMED,
            [(ref, values[lookup].kind, lookup, self._sealed(ref, values[lookup])) for lookup, ref in ours.items()],
        )
        self._read(list(ours))
        self._new.update(ref for lookup, ref in ours.items() if self._fresh[lookup] == ref)
