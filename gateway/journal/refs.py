"""Random names for values that the hashed part must not hold (design §5.6)."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.journal.connection import Connection, spoken
from gateway.journal.randomness import random_bytes
from gateway.journal.record import Named
from gateway.journal.rows import LOOKED_UP, gathered, in_groups
from gateway.journal.vault import Vault

_CACHED = 50_000
_NAME_BYTES, _SEGMENT_BYTES, _IN_SEGMENT = 16, 4, 256
#: What values are named by in a transaction: computed before it, outside the writer's thread.
Lookups = Mapping[Named, bytes]


class Refs:
    """The table refs, through the connection of the running transaction.

    The cache holds committed refs only: ``settle`` says after each transaction whether its new ones became so.
    """

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._connection, self._vault = connection, vault
        self._known: dict[bytes, str] = {}
        self._fresh: dict[bytes, str] = {}
        self._new: set[str] = set()
        self._expected: dict[Named, bytes] = {}
        self._named: dict[Named, str] = {}
        self._absent: set[bytes] = set()
        self._watched: set[str] | None = None
        self._segment, self._left = b"", 0
        self._rows = gathered(connection, "refs (ref, kind, lookup, sealed)", columns=4)
        self._readings = {size: _reading(connection, size) for size in LOOKED_UP}

    def lookups(self, values: Iterable[Named]) -> dict[Named, bytes]:
        """For ``expect``; from any thread."""
        return self._vault.lookups(values)

    def expect(self, coming: Iterable[Lookups]) -> None:
        """The transaction will name these: the refs that exist are read in a few statements."""
        for lookups in coming:
            self._expected.update(lookups)
        known, fresh = self._known, self._fresh
        unknown = list({lookup for lookup in self._expected.values() if lookup not in known})
        self._read(unknown)
        self._absent = {lookup for lookup in unknown if lookup not in fresh}
        self._named = {
            named: ref for named, lookup in self._expected.items() if (ref := known.get(lookup) or fresh.get(lookup)) is not None
        }

    def find(self, named: Named) -> str | None:
        """The ref of a value already named, or None."""
        return self._found(self._lookup(named))

    def ref_of(self, named: Named) -> str:
        """The ref of a value, made when it has none. A person's value is never sealed: nothing can give it back."""
        lookup = self._expected.get(named) or self._lookup(named)
        ref = self._known.get(lookup) or self._found(lookup) or self._made(named, lookup)
        if self._watched is not None:
            self._watched.add(ref)
        return ref

    def refs_of(self, values: Sequence[Named]) -> Mapping[Named, str]:
        """The same for the values of one entry, among others of the transaction; new refs are drawn in their order."""
        named = self._named
        for value in values:
            if value not in named:
                named[value] = self.ref_of(value)
        if self._watched is not None:
            self._watched.update(named[value] for value in values)
        return named

    def is_new(self, ref: str) -> bool:
        """Whether the running transaction made it: no stored row can name it."""
        return ref in self._new

    def flush(self) -> None:
        self._rows.flush()

    def watch(self, on: bool) -> None:
        """From now on, remember the refs that records name, whoever writes them; or no more."""
        self._watched = set() if on else None

    def unnamed(self, refs: set[str]) -> set[str]:
        """Those of ``refs`` that no record has named since ``watch``."""
        return refs - (self._watched or set())

    def forget(self) -> None:
        """Rows were deleted: whatever is remembered must be read again."""
        self._known.clear()
        self._named.clear()
        self._fresh.clear()
        self._new.clear()
        self._absent.clear()

    def settle(self, *, committed: bool) -> None:
        if committed and self._fresh:
            if len(self._known) > _CACHED:
                self._known.clear()
            self._known.update(self._fresh)
        self._rows.forget()
        self._fresh.clear()
        self._new.clear()
        self._expected.clear()
        self._named.clear()
        self._absent.clear()

    def _lookup(self, named: Named) -> bytes:
        return self._expected.get(named) or self._vault.lookup(named.kind, named.value)

    def _read(self, lookups: Sequence[bytes]) -> None:
        for group in in_groups(lookups):
            self._fresh.update(dict(self._connection.execute(self._readings[len(group)], group)))

    def _found(self, lookup: bytes) -> str | None:
        ref = self._known.get(lookup) or self._fresh.get(lookup)
        if ref is None and lookup not in self._absent:
            ref = self._connection.execute("SELECT ref FROM refs WHERE lookup = ?", (lookup,)).get
            if ref is not None:
                self._fresh[lookup] = ref
        return ref

    def _name(self) -> str:
        """A random name. Those made one after the other begin alike, so that their rows lie in the same pages (decision 0022)."""
        if not self._left:
            self._segment, self._left = random_bytes(_SEGMENT_BYTES), _IN_SEGMENT
        self._left -= 1
        return (self._segment + random_bytes(_NAME_BYTES - _SEGMENT_BYTES)).hex()

    def _sealed(self, ref: str, named: Named) -> bytes | None:
        return None if named.kind == "person" else self._vault.seal(ref, named.value.encode("utf-8", "surrogatepass"))

    def _made(self, named: Named, lookup: bytes) -> str:
        ref = self._name()
        self._rows.add((ref, named.kind, lookup, self._sealed(ref, named)))
        self._fresh[lookup] = ref
        self._new.add(ref)
        return ref


def _reading(connection: Connection, size: int) -> str:
    """The names of ``size`` values. SQLite makes a table of those behind IN, to sort them: it takes half as long again."""
    return spoken(
        connection,
        sqlite=f"SELECT lookup, ref FROM (VALUES {','.join(['(?)'] * size)}) CROSS JOIN refs ON lookup = column1",  # noqa: S608
        postgres=f"SELECT lookup, ref FROM refs WHERE lookup IN ({','.join('?' * size)})",  # noqa: S608
    )
