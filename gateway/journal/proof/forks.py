"""A log that is not what its last checkpoint said: what was found, and how it is told (design §5.5)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.journal.proof.register import Head
from gateway.journal.proof.verdict import name_of
from gateway.journal.record import JournalError

Reason = Literal["shorter", "other", "lost", "key"]
WHAT_TO_DO = (
    "Remettez les fichiers qui vont ensemble (journal.sqlite3, registry/, keys/) ; si l'écart est voulu, "
    "« socle gateway --accept-fork » l'accepte et l'inscrit au journal."
)


@dataclass(frozen=True, slots=True)
class Fork:
    """``was``: what the last checkpoint says of this log; ``at`` when; ``size``: how many entries there are now.

    shorter  entries that the checkpoint covers are missing
    other    they are there, and they are not the same ones
    lost     log 0 is empty although its key, or a checkpoint, shows that there was one
    key      the signing key that log 0 names is missing
    """

    log: int
    reason: Reason
    size: int
    was: Head | None = None
    at: str | None = None

    def __str__(self) -> str:
        name = name_of(self.log)
        when = "" if self.at is None else f" du {self.at}"
        covered = "" if self.was is None else f"{self.was.size}"
        if self.reason == "shorter":
            return f"{name} a {self.size} lignes, son dernier point de contrôle{when} en couvre {covered}"
        if self.reason == "other":
            return f"{name} n'a plus les {covered} premières lignes que couvre son dernier point de contrôle{when}"
        if self.reason == "lost":
            return "le registre (registry/log-0.ndjson) manque alors qu'il a existé"
        return "la clé de signature (keys/signing) manque, ou n'est pas celle que le registre nomme"

    def detail(self) -> dict[str, Any]:
        """For the entry that says it was accepted: codes and numbers."""
        was = {} if self.was is None else {"was_size": self.was.size, "was_root": self.was.root}
        return {"log": self.log, "reason": self.reason, "size": self.size, **was}


class JournalForked(JournalError):
    """The journal and its checkpoints contradict each other (exit 4). The text is French."""

    def __init__(self, forks: Sequence[Fork]) -> None:
        super().__init__(" ; ".join(str(fork) for fork in forks) + f". {WHAT_TO_DO}")
        self.forks = tuple(forks)
