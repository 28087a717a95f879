"""Whether the keys of a folder are those of the journal beside them (design §5.6).

Another K would name everybody anew, so that one person counts twice; another K2 opens nothing, so that an erasure that looks
for a number in what is sealed would find none and say that it is done. Both are told from values that the journal sealed.
"""
from __future__ import annotations

from contextlib import suppress

from cryptography.exceptions import InvalidTag

from gateway.journal.connection import Connection
from gateway.journal.record import JournalUnsafe
from gateway.journal.vault import Vault

_SOME = """
SELECT ref, kind, lookup, sealed FROM (SELECT ref, kind, lookup, sealed FROM refs LIMIT 10000) AS looked_at
WHERE sealed IS NOT NULL LIMIT 16
"""


def insist_on_keys(connection: Connection, vault: Vault) -> None:
    """Raises JournalUnsafe when none of some values opens, or none has its name: one that is damaged says nothing of a key."""
    rows = connection.execute(_SOME).fetchall()
    opened = []
    for ref, kind, lookup, sealed in rows:
        with suppress(InvalidTag):
            opened.append((kind, vault.unseal(ref, sealed), lookup))
    if rows and not opened:
        raise JournalUnsafe(
            "la clé K2 (keys/K2) n'est pas celle de ce journal : rien de ce qui y est scellé ne s'ouvrirait, et un effacement "
            "n'y trouverait personne. Remettez la sienne (docs/securite.md)"
        )
    if opened and not any(one.lookup(kind, value) == lookup for one in vault.everywhere() for kind, value, lookup in opened):
        raise JournalUnsafe(
            "la clé K (keys/K) n'est pas celle de ce journal : une personne y aurait deux noms et compterait deux fois. Remettez "
            "la sienne (docs/securite.md)"
        )
