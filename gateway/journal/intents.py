"""The table intents: calls with a side effect that are under way (design §5, « Rows and their life »)."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from gateway.journal.connection import Connection, spoken
from gateway.journal.drafts import Draft, recalled
from gateway.journal.rows import gathered, in_groups


@dataclass(frozen=True, slots=True)
class Kept:
    """What an intent says that its entry does not."""

    key_ref: str | None
    deadline: str
    commitment: bytes | None
    blob: bytes | None  # sealed


class Intents:
    """Through the connection of the running transaction. What is open is also kept in memory: closing asks nothing.

    ``settle`` says after each transaction whether it was committed; until then ``open`` and ``close`` may be taken back.
    """

    def __init__(self, connection: Connection, boot_id: str, log_id: int) -> None:
        self._connection, self._boot_id, self._log_id = connection, boot_id, log_id
        self._open: dict[str, Kept] = {}
        self._fresh: dict[str, Kept] = {}
        self._closed: list[str] = []
        self._rows = gathered(
            connection,
            "intents (call_id, log, boot, operation, key_ref, deadline, commitment, blob, draft)", columns=9,
        )  # fmt: skip

    def open(self, call_id: str, operation: str | None, kept: Kept, draft: bytes) -> None:
        self._fresh[call_id] = kept
        self._rows.add(
            (call_id, self._log_id, self._boot_id, operation, kept.key_ref, kept.deadline, kept.commitment, kept.blob, draft)
        )

    def close(self, call_id: str) -> Kept | None:
        """Take an intent away; None when the call never had one."""
        kept = self._open.get(call_id) or self._fresh.get(call_id)
        if kept is not None:
            self._closed.append(call_id)
        return kept

    def forget_questions(self, call_ids: Iterable[str]) -> None:
        """A person was erased: what these intents would have asked, or compared, is no longer known."""
        for call_id in call_ids:
            for held in (self._open, self._fresh):
                if call_id in held:
                    held[call_id] = replace(held[call_id], blob=None, commitment=None)

    def reseal(self, resealed: Callable[[str, bytes], bytes | None]) -> int:
        """The sealing key changes: what is held would else be written later under the old one. How many were."""
        moved = 0
        for held in (self._open, self._fresh):
            for call_id, kept in held.items():
                fresh = None if kept.blob is None else resealed(call_id, kept.blob)
                if fresh is not None:
                    held[call_id], moved = replace(kept, blob=fresh), moved + 1
        return moved

    def of_dead_boots(self, limit: int) -> list[Draft]:
        """Drafts of intents that no living process will close: the folder's lock proves that every other boot is dead; on a
        server, the lease proves it of those that wrote this log."""
        return self._drafts(
            spoken(self._connection, sqlite=_OF_OTHER_BOOTS, postgres=_OF_OTHER_BOOTS_OF_THE_LOG),
            {"boot": self._boot_id, "log": self._log_id, "limit": limit},
        )

    def of_log(self, log_id: int, limit: int) -> list[Draft]:
        """Drafts of the intents of a log that was taken from its writer."""
        return self._drafts(_OF_THE_LOG, {"log": log_id, "limit": limit})

    def read_again(self) -> None:
        """Another gateway may have erased a person: what calls under way would have asked is what the table still says."""
        for group in in_groups(list(self._open)):
            marks = ",".join("?" * len(group))
            rows = self._connection.execute(f"SELECT {_KEPT} FROM intents WHERE call_id IN ({marks})", group)  # noqa: S608
            self._open.update({call_id: Kept(*kept) for call_id, *kept in rows})

    def _drafts(self, statement: str, values: dict[str, Any]) -> list[Draft]:
        found = self._connection.execute(statement, values)
        drafts = []
        for call_id, key_ref, deadline, commitment, blob, draft in found:
            self._fresh[call_id] = Kept(key_ref, deadline, commitment, blob)
            drafts.append(recalled(draft))
        return drafts

    def flush(self) -> None:
        self._rows.flush()
        for group in in_groups(self._closed):
            self._connection.execute(f"DELETE FROM intents WHERE call_id IN ({','.join('?' * len(group))})", group)  # noqa: S608

    def settle(self, *, committed: bool) -> None:
        if committed:
            self._open.update(self._fresh)
            for call_id in self._closed:
                self._open.pop(call_id, None)
        self._rows.forget()
        self._fresh.clear()
        self._closed.clear()


_KEPT = "call_id, key_ref, deadline, commitment, blob"
_OF_OTHER_BOOTS = """
SELECT call_id, key_ref, deadline, commitment, blob, draft FROM intents WHERE boot <> :boot ORDER BY call_id LIMIT :limit
"""
_OF_OTHER_BOOTS_OF_THE_LOG = _OF_OTHER_BOOTS.replace("WHERE", "WHERE log = :log AND")
_OF_THE_LOG = _OF_OTHER_BOOTS.replace("boot <> :boot", "log = :log")
