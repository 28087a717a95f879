"""Random names for values that the hashed part must not hold (design §5.6)."""
from __future__ import annotations

import os
from typing import Any

import apsw

from gateway.journal.record import Named
from gateway.journal.vault import Vault

_CACHED = 50_000


class Refs:
    """The table refs, through the connection of the running transaction.

    The cache holds committed refs only: ``settle`` says after each transaction whether its new ones became so.
    """

    def __init__(self, connection: apsw.Connection, vault: Vault) -> None:
        self._connection, self._vault = connection, vault
        self._known: dict[bytes, str] = {}
        self._fresh: dict[bytes, str] = {}

    def find(self, named: Named) -> str | None:
        """The ref of a value already named, or None."""
        lookup = self._vault.lookup(named.kind, named.value)
        return self._known.get(lookup) or self._fresh.get(lookup) or self._stored(lookup)

    def ref_of(self, named: Named) -> str:
        """The ref of a value, made when it has none. A person's value is never sealed: nothing can give it back."""
        lookup = self._vault.lookup(named.kind, named.value)
        ref = self._known.get(lookup) or self._fresh.get(lookup)
        if ref is None:
            ref = self._fresh[lookup] = self._stored(lookup) or self._made(named, lookup)
        return ref

    def settle(self, *, committed: bool) -> None:
        if committed and self._fresh:
            if len(self._known) > _CACHED:
                self._known.clear()
            self._known.update(self._fresh)
        self._fresh.clear()

    def _stored(self, lookup: bytes) -> str | None:
        ref: str | None = self._connection.execute("SELECT ref FROM refs WHERE lookup = ?", (lookup,)).get
        return ref

    def _made(self, named: Named, lookup: bytes) -> str:
        ref = os.urandom(16).hex()
        sealed = None if named.kind == "person" else self._vault.seal(ref, named.value.encode("utf-8", "surrogatepass"))
        row: tuple[Any, ...] = (ref, named.kind, lookup, sealed)
        self._connection.execute("INSERT INTO refs (ref, kind, lookup, sealed) VALUES (?, ?, ?, ?)", row)
        return ref
