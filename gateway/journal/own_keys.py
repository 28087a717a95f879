"""The table own_keys: what was done under each Idempotency-Key of our own doors (design §5.3, « Own doors »).

A key is taken in the transaction of the intent and closed in that of the entry, so a process that dies leaves it with a call
in doubt, or leaves no key at all. What the client chose is stored nowhere: keys and bodies are keyed digests.
"""
from __future__ import annotations

from collections.abc import Callable

import orjson

from gateway.journal.connection import Connection
from gateway.journal.record import Claim, KeyTaken, KeyUse
from gateway.journal.vault import Vault

SEALED_AS = "own|"  # before the call's id: the name under which its answer is sealed


class OwnKeys:
    """Through the connection of the running transaction. ``flush`` writes the entries that wait in it."""

    def __init__(self, connection: Connection, vault: Vault, flush: Callable[[], None]) -> None:
        self._db, self._vault, self._flush = connection, vault, flush

    def use_of(self, claim: Claim) -> KeyUse | None:
        """What the key was used for; None when it is free."""
        row = self._db.execute(
            "SELECT call_id, fingerprint, answer FROM own_keys WHERE lookup = ?", (claim.lookup,)
        ).fetchone()
        if row is None:
            return None
        call_id, fingerprint, sealed = row
        answer = None if sealed is None else self._vault.unseal(_name(call_id), sealed)
        outcome = None if answer else self._outcome(call_id)
        settlement = self._settlement(call_id) if outcome == "in_doubt" else None
        if settlement is not None and settlement["outcome"] == "failed":
            return None  # the call had no effect: the key may serve again
        return KeyUse(call_id, fingerprint == claim.fingerprint, answer, outcome, settlement)

    def take(self, call_id: str, person_ref: str | None, claim: Claim) -> None:
        """Raises KeyTaken when another call has the key."""
        before = self._db.execute("SELECT call_id FROM own_keys WHERE lookup = ?", (claim.lookup,)).get
        use = self.use_of(claim)
        if use is not None:
            raise KeyTaken(use.call_id)
        self._db.execute(_TAKE, (claim.lookup, call_id, claim.fingerprint, person_ref, before))
        if not self._db.changes():  # another writer took it since
            raise KeyTaken(self._db.execute("SELECT call_id FROM own_keys WHERE lookup = ?", (claim.lookup,)).get)

    def close(self, call_id: str, outcome: str | None, claim: Claim) -> None:
        """Keep the answer of the call, even of one that was refused before its intent; without an answer the key is given
        back, unless nobody knows what the call did."""
        if claim.answer is not None:
            sealed = self._vault.seal(_name(call_id), claim.answer)
            self._db.execute(
                "INSERT INTO own_keys (lookup, call_id, fingerprint, answer) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (lookup) DO UPDATE SET answer = excluded.answer WHERE own_keys.call_id = excluded.call_id",
                (claim.lookup, call_id, claim.fingerprint, sealed),
            )
        elif outcome != "in_doubt":
            self._db.execute("DELETE FROM own_keys WHERE lookup = ? AND call_id = ?", (claim.lookup, call_id))

    def forget_person(self, person_ref: str) -> None:
        """Erasure: keys and answers of the calls about this person go."""
        self._db.execute("DELETE FROM own_keys WHERE person_ref = ?", (person_ref,))

    def _outcome(self, call_id: str) -> str | None:
        self._flush()
        outcome: str | None = self._db.execute("SELECT outcome FROM entries WHERE id = ?", (call_id,)).get
        return outcome

    def _settlement(self, call_id: str) -> dict[str, str] | None:
        body = self._db.execute("SELECT body FROM entries WHERE settles = ? ORDER BY pos DESC LIMIT 1", (call_id,)).get
        if body is None:
            return None
        entry = orjson.loads(body)
        return {"id": entry["id"], "outcome": entry["outcome"], "how": str((entry["detail"] or {}).get("how", ""))}


#: The key of a call that had no effect goes to the new call, unless it is no longer that call's.
_TAKE = """
INSERT INTO own_keys (lookup, call_id, fingerprint, person_ref) VALUES (?, ?, ?, ?) ON CONFLICT (lookup) DO UPDATE
SET call_id = excluded.call_id, fingerprint = excluded.fingerprint, person_ref = excluded.person_ref, answer = NULL
WHERE own_keys.call_id = ?
"""


def _name(call_id: str) -> str:
    return SEALED_AS + call_id
