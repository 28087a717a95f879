"""The tables facts and facts_about: what conformance read in a message, beside the entry and erasable (design §4, §5.6).

``facts_about`` says by keyed lookup whom the facts of one entry are about: a message may be about a person whom its entry
does not name. No ref is made for it, and its rows leave with the facts.
"""
from __future__ import annotations

import orjson

from gateway.journal.connection import Connection
from gateway.journal.record import Facts
from gateway.journal.rows import gathered
from gateway.journal.vault import Vault


class FactRows:
    """Through the connection of the running transaction."""

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._vault = vault
        self._facts = gathered(connection, "facts (pos, body)", columns=2)
        self._about = gathered(connection, "facts_about (pos, person)", columns=2)

    def add(self, pos: int, facts: Facts) -> None:
        self._facts.add((pos, orjson.dumps(facts.values)))
        for person in facts.persons:
            self._about.add((pos, about(self._vault, person)))

    def flush(self) -> None:
        self._facts.flush()
        self._about.flush()

    def forget(self) -> None:
        self._facts.forget()
        self._about.forget()


def about(vault: Vault, matricule: str) -> bytes:
    return vault.lookup("facts.person", matricule)


def positions_about(connection: Connection, vault: Vault, matricule: str) -> list[int]:
    """Entries whose facts are about this person."""
    return [pos for (pos,) in connection.execute("SELECT pos FROM facts_about WHERE person = ?", (about(vault, matricule),))]
