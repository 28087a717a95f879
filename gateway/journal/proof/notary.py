"""The notary follows the journal: it hashes what was committed, and signs checkpoints (design §5.5, decision 0026).

The writer never waits for it. One process has it at a time: whoever holds the journal's lock, or leads.
"""
from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import apsw

from connectors.wire.clock import Clock
from gateway.journal.canonical import text_of
from gateway.journal.proof import files, register, snapshot
from gateway.journal.proof.forks import Fork, JournalForked
from gateway.journal.proof.hashes import Hashes, make_again
from gateway.journal.proof.leaves import Leaves
from gateway.journal.proof.log0 import Log0
from gateway.journal.proof.notes import PublicKey, Signer, encode
from gateway.journal.proof.register import REGISTRY, Head, RegisterError, Why
from gateway.journal.proof.signing import SigningKey
from gateway.journal.proof.snapshot import Snapshot
from gateway.journal.record import JournalError, JournalUnsafe
from gateway.os_errors import in_french

log = logging.getLogger(__name__)

EVERY_ENTRIES, EVERY_S = 1_000, 300.0
_BATCH = 2_000
_LOOKED_AT = 32  # entries compared one by one at the end of what is signed, and as many spread before
_BREATH_S = 0.1  # between full batches: half of a processor at most goes to catching up
_PAUSE_S = 1.0
_CLOSING_S = 10.0  # what is not hashed by then is hashed at the next start


Confirm = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A checkpoint when so many entries wait for one, or when some have waited so long."""

    entries: int = EVERY_ENTRIES
    seconds: float = EVERY_S


class Notary:
    """Built by ``open``. Its methods may be called from any thread; they block."""

    def __init__(self, folder: Path, clock: Clock, rhythm: Rhythm, confirm: Confirm | None) -> None:
        self.folder, self.forks = folder, tuple[Fork, ...]()  # forks: found at the opening, and not accepted yet
        self._confirm = confirm or _alone
        if confirm is not None:
            files.make_own(folder)
            make_again(folder, REGISTRY)
        self._clock, self._rhythm = clock, rhythm
        self._keys = SigningKey(folder / "keys")
        self._busy = threading.RLock()
        self._signed_at: float | None = None  # monotonic
        self._boot: str | None = None
        self._leaves = Leaves(folder)
        self._log0 = Log0(folder)
        self._signer: Signer | None = None
        self._signed = {head.log: head.size for head in self._log0.vector}
        self._trees = {one: Hashes(folder, one, writable=True) for one in {*self._leaves.sizes(), *self._signed}}
        self._unsigned = self._log0.signed is None or self._log0.signed.size != self._log0.size

    @classmethod
    def open(
        cls, folder: Path, clock: Clock, rhythm: Rhythm = Rhythm(), *, accept_fork: bool = False, confirm: Confirm | None = None
    ) -> Self:
        """The notary of the journal that this process holds open; compares every log with its last checkpoint.

        confirm  where another process may take this place: asked before anything is signed, raises when one has. What this one
                 then still writes is read by nobody
        With ``accept_fork`` what contradicts is in ``forks``, for ``accept``; without, raises JournalForked. Raises
        JournalUnsafe when the registry cannot be read.
        """
        try:
            notary = cls(folder, clock, rhythm, confirm)
        except RegisterError as error:
            raise JournalUnsafe(f"le registre du journal (registry/) est abîmé : {error}") from error
        except OSError as error:
            raise _unwritable(error) from error
        try:
            notary.forks = tuple(notary._compare())
            if notary.forks and not accept_fork:
                raise JournalForked(notary.forks)
            if not notary.forks:
                notary._have_key()
        except BaseException as error:
            notary._release()
            raise (_unwritable(error) if isinstance(error, OSError) else error) from None
        return notary

    def begin(self, boot: str) -> None:
        """Note which logs this process is about to write."""
        with self._busy:
            self._boot = boot
            try:
                for one, size in self._leaves.sizes().items():
                    self._log0.add("opened", self._clock.real(), of=one, size=size, boot=boot)
                self._unsigned = True
            except OSError as error:  # a full disk: the journal has its own room, and goes on
                log.warning("journal_opening_not_noted", extra={"error": str(error)})

    def accept(self, by: str) -> Snapshot:
        """Take the logs as they are, say so in log 0, and sign that."""
        with self._busy:
            self._have_key()
            for fork in self.forks:
                was = None if fork.was is None else fork.was._asdict()
                self._log0.add("fork", self._clock.real(), of=fork.log, was=was, size=fork.size, reason=fork.reason, by=by)
                if fork.log != REGISTRY and fork.log in self._trees:
                    self._trees[fork.log].truncate(0)
            self.forks = ()
            while self.catch_up():
                pass
            return self.checkpoint("fork")

    def catch_up(self) -> int:
        """Hash one batch of each log; how many entries that was. Raises apsw.Error, OSError, JournalError."""
        with self._busy:
            done = 0
            for one in self._leaves.sizes():
                if one not in self._trees:
                    self._trees[one] = Hashes(self.folder, one, writable=True)
                new = self._leaves.hashes(one, self._trees[one].size, _BATCH)
                self._trees[one].append(new)
                done += len(new)
            return done

    @property
    def waiting(self) -> int:
        """Entries that are hashed and under no checkpoint yet."""
        return sum(tree.size - self._signed.get(one, 0) for one, tree in self._trees.items())

    def due(self) -> bool:
        """Whether a checkpoint should be made now."""
        waited = self._signed_at is None or time.monotonic() - self._signed_at >= self._rhythm.seconds
        return self.waiting >= self._rhythm.entries or ((self.waiting > 0 or self._unsigned) and waited)

    def checkpoint(self, why: Why) -> Snapshot:
        """Sign the logs as far as they are hashed; durable when it returns. Raises OSError, JournalError."""
        with self._busy:
            assert self._signer is not None, "a fork is accepted before anything is signed"
            self._confirm()
            for tree in self._trees.values():
                tree.sync()
            vector = [Head(one, tree.size, encode(tree.root_at(tree.size))) for one, tree in sorted(self._trees.items())]
            self._log0.add("checkpoint", self._clock.real(), vector=register.vector_json(vector), why=why)
            self._log0.sign(self._signer)
            self._signed, self._signed_at, self._unsigned = {head.log: head.size for head in vector}, time.monotonic(), False
            made = _last(self.folder)
            log.info("journal_checkpoint", extra={"size": made.size, "root": made.root, "why": why})
            return made

    def up_to_date(self, why: Why) -> Snapshot:
        """A snapshot that covers every entry committed so far: the last one if it does, else a new one."""
        with self._busy:
            while self.catch_up():
                pass
            if why == "witness" or self.waiting or self._unsigned:
                return self.checkpoint(why)
            return _last(self.folder)

    def rotate(self) -> tuple[PublicKey, PublicKey]:
        """Sign with a new key from now on, named by the old one in log 0. The old and the new public key."""
        with self._busy:
            assert self._signer is not None, "a fork is accepted before anything is signed"
            self.up_to_date("rotation")
            old, new = self._signer, self._keys.prepare(self._signer.name)
            now = self._clock.real()
            self._log0.add("key", now, key=str(new.public), note=register.rotation(old, new.public, text_of(now)))
            self._keys.promote()
            self._signer = new
            self.checkpoint("rotation")
            return old.public, new.public

    def close(self, *, sign: bool = True) -> None:
        """Sign what there is; then nothing of this notary is open. A failure is logged: the next start catches up."""
        with self._busy:
            try:
                if sign and not self.forks:
                    self._last_word()
            except (OSError, apsw.Error, JournalError) as error:
                log.warning("journal_not_signed_at_the_end", extra={"error": str(error)})
            finally:
                self._release()

    # --- inside

    def _last_word(self) -> None:
        deadline = time.monotonic() + _CLOSING_S
        while self.catch_up() and time.monotonic() < deadline:
            pass
        if self._boot is not None:
            for one, tree in sorted(self._trees.items()):
                root = encode(tree.root_at(tree.size))
                self._log0.add("closed", self._clock.real(), of=one, size=tree.size, root=root, boot=self._boot)
            self._unsigned = True
        if self.waiting or self._unsigned:
            self.checkpoint("stop")

    def _release(self) -> None:
        self._leaves.close()
        self._log0.close()
        for tree in self._trees.values():
            tree.close()

    def _have_key(self) -> None:
        """The signer that log 0 names; a first one for a journal that never had any, or whose loss was accepted."""
        named = self._log0.key
        self._signer = None if named is None else self._keys.settle(named)
        if self._signer is not None:
            return
        name = f"socle/{os.urandom(16).hex()}" if named is None else named.name
        kept = self._keys.present(name)
        new = kept or self._keys.prepare(name)
        self._log0.add("key", self._clock.real(), key=str(new.public), note=None)
        if kept is None:
            self._keys.promote()
        self._signer, self._unsigned = new, True

    def _compare(self) -> Iterator[Fork]:
        """What the last checkpoint says of log 0, of the key and of each log, against what is there."""
        fork = self._log0.fork()
        if fork is None and self._log0.key is None and self._keys.present("") is not None:
            fork = Fork(REGISTRY, "lost", 0)
        if fork is not None:
            yield fork
        elif self._log0.key is not None and self._keys.settle(self._log0.key) is None:
            yield Fork(REGISTRY, "key", self._log0.size)
        sizes = self._leaves.sizes()
        for head in self._log0.vector:
            if head.log in self._log0.forked:
                self._trees[head.log].truncate(0)
            elif sizes.get(head.log, 0) < head.size:
                yield Fork(head.log, "shorter", sizes.get(head.log, 0), head, self._log0.at)
            elif not self._is_the_beginning(head):
                yield Fork(head.log, "other", sizes[head.log], head, self._log0.at)

    def _is_the_beginning(self, head: Head) -> bool:
        """Whether the log begins with the entries of this head. The kept hashes answer, once they agree with some entries;
        when they do not, they are made again from all of them."""
        tree = self._trees[head.log]
        if not head.size:
            return True
        if tree.size >= head.size and encode(tree.root_at(head.size)) == head.root and self._agrees(head):
            tree.truncate(head.size)  # what came after was not synced
            return True
        log.warning("journal_tree_made_again", extra={"log": head.log, "entries": head.size})
        tree.truncate(0)
        while tree.size < head.size:
            tree.append(self._leaves.hashes(head.log, tree.size, min(_BATCH, head.size - tree.size)))
        return encode(tree.root_at(head.size)) == head.root

    def _agrees(self, head: Head) -> bool:
        first = max(0, head.size - _LOOKED_AT)
        seqs = {first * n // _LOOKED_AT for n in range(_LOOKED_AT)} if first else set()
        tree = self._trees[head.log]
        spread = all(self._leaves.hashes(head.log, seq, 1) == [tree.leaf(seq)] for seq in seqs)
        return spread and self._leaves.hashes(head.log, first, head.size - first) == tree.leaves(first, head.size - first)


async def sign_along(notary: Notary) -> None:
    """Hash what the writer commits and sign when it is due, until cancelled. The journal goes on whatever happens here."""
    while True:
        done = 0
        try:
            done = await asyncio.to_thread(notary.catch_up)
            if done < _BATCH and notary.due():
                await asyncio.to_thread(notary.checkpoint, "period")
        except (apsw.Error, OSError, JournalError) as error:
            log.error("journal_not_signed", extra={"error": str(error)})
        await asyncio.sleep(_PAUSE_S if done < _BATCH else _BREATH_S)


def _alone() -> None:
    """Nobody else can take this place: the folder is locked."""


def _unwritable(error: OSError) -> JournalUnsafe:
    return JournalUnsafe(f"le registre du journal (registry/, tree/, keys/) ne peut pas être écrit : {in_french(error)}")


def _last(folder: Path) -> Snapshot:
    last = snapshot.latest(folder)
    assert last is not None, "one was signed just before"
    return last
