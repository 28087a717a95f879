"""Log 0 as one process writes it: its file, its hashes, and what its last lines say (decision 0026)."""
from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.journal.canonical import text_of
from gateway.journal.proof import files, register
from gateway.journal.proof.files import AppendOnly
from gateway.journal.proof.forks import Fork
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.merkle import leaf_hash
from gateway.journal.proof.notes import Checkpoint, Note, NoteError, PublicKey, Signer, encode
from gateway.journal.proof.register import REGISTRY, Head, Kind, RegisterError, Vector

_BATCH = 2_000


class Log0:
    """Opening it reads every line once and compares its hashes with those kept beside.

    key      the last one named; None while the log is empty
    vector   of the last checkpoint leaf, ``at`` its time
    signed   the last signed checkpoint, None before the first
    forked   the logs whose fork was accepted since: their checkpoint says nothing of them any more
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` is the gateway's. Raises RegisterError when a whole line is no leaf of log 0."""
        registry = folder / files.FOLDER
        self._lines, self._notes = AppendOnly(registry / files.LOG_0), AppendOnly(registry / files.CHECKPOINTS)
        self._hashes = Hashes(folder, REGISTRY, writable=True)
        self.key: PublicKey | None = None
        self.vector: Vector = ()
        self.at: str | None = None
        self.forked: set[int] = set()
        self._accepted: Fork | None = None
        try:
            self.signed = self._last_signed()
            self._hash(self._scanned())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for one in (self._lines, self._notes, self._hashes):
            one.close()

    @property
    def size(self) -> int:
        return self._hashes.size

    def add(self, kind: Kind, now: datetime, **more: Any) -> None:
        """One leaf, durable when this returns. Raises OSError."""
        size = self.size
        raw = register.line(size, kind, text_of(now), **more)
        self._hashes.append([leaf_hash(raw)])  # first: a line whose hash found no room would stand there twice
        try:
            self._lines.append(raw)
        except OSError:
            self._hashes.truncate(size)
            raise
        self._heed(register.read(raw))

    def sign(self, signer: Signer) -> str:
        """Sign log 0 as it is; the note is durable when this returns. Raises OSError."""
        head = Checkpoint(signer.name, self.size, self._hashes.root_at(self.size))
        note = signer.sign(head.text())
        self._notes.append(files.note_line(note))
        self.signed = head
        return note

    def fork(self) -> Fork | None:
        """What the last signed checkpoint says against these lines; None when it agrees."""
        head = self.signed
        if head is None:
            return None
        was = Head(REGISTRY, head.size, encode(head.root))
        if self._accepted is not None and self._accepted.was == was:
            return None
        if not self.size:
            return Fork(REGISTRY, "lost", 0, was)
        if self.size < head.size:
            return Fork(REGISTRY, "shorter", self.size, was)
        return None if self._hashes.root_at(head.size) == head.root else Fork(REGISTRY, "other", self.size, was)

    # --- reading it once

    def _last_signed(self) -> Checkpoint | None:
        raw = next(files.last_lines(self._notes.path), None)
        if raw is None:
            return None
        try:
            return Checkpoint.parse(Note.parse(files.note_of(raw)).text)
        except (ValueError, KeyError, TypeError, NoteError):
            raise RegisterError(f"{files.CHECKPOINTS} : la dernière ligne n'est pas un point de contrôle") from None

    def _scanned(self) -> Iterator[bytes]:
        for seq, raw in enumerate(files.lines(self._lines.path)):
            leaf = register.read(raw)
            if leaf["seq"] != seq:
                raise RegisterError(f"{files.LOG_0} : ligne {leaf['seq']} à la place de la ligne {seq}")
            self._heed(leaf)
            yield leaf_hash(raw)

    def _hash(self, leaves: Iterator[bytes]) -> None:
        """Make the kept hashes those of the lines: they are what is rebuilt, never what is believed."""
        done, batch = 0, []
        for one in leaves:
            batch.append(one)
            if len(batch) == _BATCH:
                done = self._agree(done, batch)
                batch = []
        done = self._agree(done, batch)
        if self._hashes.size > done:
            self._hashes.truncate(done)

    def _agree(self, first: int, batch: list[bytes]) -> int:
        known = self._hashes.leaves(first, min(len(batch), max(0, self._hashes.size - first)))
        if known != batch[: len(known)]:
            self._hashes.truncate(first)
            known = []
        self._hashes.append(batch[len(known) :])
        return first + len(batch)

    def _heed(self, leaf: dict[str, Any]) -> None:
        if leaf["kind"] == "key":
            self.key = register.key_of(leaf)[0]
        elif leaf["kind"] == "checkpoint":
            self.vector, self.at = register.vector_of(leaf), leaf["at"]
            self.forked.clear()
        elif leaf["kind"] == "fork":
            self.forked.add(leaf["of"])
            if leaf["of"] == REGISTRY and leaf["was"] is not None:
                self._accepted = Fork(REGISTRY, "other", leaf["size"], Head(**leaf["was"]))
