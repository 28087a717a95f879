"""Checking a journal against all of its own registry, from the first line to the last (design §5.5): `verify --local`.

A start compares a few entries with kept hashes; this hashes every one again. It reads beside a gateway, in constant memory.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.journal.proof import files, register
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.leaves import HoleInLog, Leaves
from gateway.journal.proof.matching import removed
from gateway.journal.proof.merkle import Frontier, leaf_hash
from gateway.journal.proof.notes import Checkpoint, Note, NoteError, PublicKey, encode
from gateway.journal.proof.register import REGISTRY, Head, RegisterError
from gateway.journal.proof.removals import STRETCH, Removal, ranges_of
from gateway.journal.proof.verdict import Verdict, name_of, of_log

_BATCH = 2_000


def verify_local(folder: Path, keys: tuple[PublicKey, ...] = ()) -> Verdict:
    """Every checkpoint of the gateway's ``folder`` against every entry; ``keys``: those that must have signed, if given.

    Raises JournalError when the journal cannot be read.
    """
    verdict = Verdict()
    registry = _Registry(folder)
    registry.check(verdict, keys)
    leaves = Leaves(folder)
    try:
        sizes, removals = leaves.sizes(), leaves.removals()
        for head in registry.last_vector if registry.readable else ():
            _check_log(verdict, folder, leaves, registry, head.log, sizes.get(head.log, 0))
        verdict.removals = list(removals.values())
        _check_departed(verdict, leaves, removals)
    finally:
        leaves.close()
    verdict.vector, verdict.at, verdict.head = registry.last_vector, registry.at, registry.head
    return verdict


class _Registry:
    """Log 0 and its signatures, read in parallel."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / files.FOLDER
        self.forked: dict[int, int] = {}  # log, seq of its last accepted fork: what was said before is not true any more
        self._was: dict[str, Any] | None = None  # the last signed head of a log 0 that was lost
        self.last_vector: register.Vector = ()
        self.at: str | None = None
        self.head: Checkpoint | None = None
        self.readable = True

    def check(self, verdict: Verdict, keys: tuple[PublicKey, ...]) -> None:
        frontier, known = Frontier(), list(keys)
        try:
            rotations = self._look_ahead()
            for old, new in reversed(rotations):  # a key that named ours signed what came before
                if new in known and old not in known:
                    known.append(old)
            notes = self._notes(self.forked.get(REGISTRY))
            note = next(notes, None)
            for raw in files.lines(self._folder / files.LOG_0):
                self._heed(register.read(raw), frontier.size, known, strict=bool(keys))
                frontier.add(leaf_hash(raw))
                while note is not None and note[1].size <= frontier.size:
                    self._compare(verdict, note, frontier, known)
                    note = next(notes, None)
            if note is not None:
                said = f"le registre a {frontier.size} lignes, un point de contrôle en couvre {note[1].size}"
                verdict.fault("shorter", said, "0")
            if self.head is None and self.last_vector:
                said = f"le registre dit des points de contrôle, aucun n'est signé (registry/{files.CHECKPOINTS})"
                verdict.fault("bad-registry", said, "0")
        except (KeyError, TypeError):
            self.readable = False
            verdict.fault("bad-registry", "le registre (registry/) est abîmé : une ligne n'a pas la forme attendue", "0")
        except (RegisterError, NoteError, ValueError) as error:
            self.readable = False
            verdict.fault("bad-registry", f"le registre (registry/) est abîmé : {error}", "0")

    def _look_ahead(self) -> list[tuple[PublicKey, PublicKey]]:
        """Notes the accepted forks; which key named which."""
        rotations: list[tuple[PublicKey, PublicKey]] = []
        for seq, leaf in enumerate(self._leaves()):
            if leaf["kind"] == "fork":
                self.forked[leaf["of"]] = seq
                self._was = leaf["was"] if leaf["of"] == REGISTRY and leaf["was"] is not None else self._was
            elif leaf["kind"] == "key":
                new, old = register.key_of(leaf)
                rotations += [] if old is None else [(old, new)]
        return rotations

    def heads(self, log: int) -> Iterator[Head]:
        """What the checkpoints say of one log since its last accepted fork, in order."""
        for seq, leaf in enumerate(self._leaves()):
            if leaf["kind"] == "checkpoint" and seq > self.forked.get(log, -1):
                yield from (head for head in register.vector_of(leaf) if head.log == log)

    def _leaves(self) -> Iterator[dict[str, Any]]:
        return (register.read(raw) for raw in files.lines(self._folder / files.LOG_0))

    def _notes(self, fork: int | None) -> Iterator[tuple[Note, Checkpoint]]:
        """Those of this log 0: after an accepted loss, the ones up to the last that was signed before speak of another."""
        lost = self._was
        for raw in files.lines(self._folder / files.CHECKPOINTS):
            note = Note.parse(files.note_of(raw))
            head = Checkpoint.parse(note.text)
            if lost is not None:
                lost = None if (head.size, encode(head.root)) == (lost["size"], lost["root"]) else lost
            elif fork is None or head.size > fork:
                yield note, head

    def _heed(self, leaf: dict[str, Any], seq: int, known: list[PublicKey], *, strict: bool) -> None:
        if leaf["seq"] != seq:
            raise RegisterError(f"ligne {leaf['seq']} à la place de la ligne {seq}")
        if leaf["kind"] == "key":
            new, old = register.key_of(leaf)
            if not strict or old in known:
                known.append(new)
        elif leaf["kind"] == "checkpoint":
            self.last_vector, self.at = register.vector_of(leaf), leaf["at"]

    def _compare(self, verdict: Verdict, note: tuple[Note, Checkpoint], frontier: Frontier, known: list[PublicKey]) -> None:
        signed, head = note
        verdict.signed(signed, known, head)
        if head.size != frontier.size or head.root != frontier.root():
            said = f"les {head.size} premières lignes {of_log(REGISTRY)} ne sont plus celles que leur point de contrôle couvre"
            verdict.fault("rewritten", said, "0")
        self.head = head


def _check_log(verdict: Verdict, folder: Path, leaves: Leaves, registry: _Registry, log: int, size: int) -> None:
    """One log against every head that the registry has of it; the first contradiction is told, and where."""
    frontier, good = Frontier(), 0
    try:
        for head in registry.heads(log):
            if head.size > size:
                said = f"{name_of(log)} a {size} entrées, son point de contrôle en couvre {head.size}"
                verdict.fault("shorter", said, f"{log}")
                return
            while frontier.size < head.size:
                for one in leaves.hashes(log, frontier.size, min(_BATCH, head.size - frontier.size)):
                    frontier.add(one)
            if encode(frontier.root()) != head.root:
                verdict.fault("rewritten", _where(folder, leaves, log, good, head.size), f"{log}")
                return
            good = head.size
            verdict.lines[log] = good
    except HoleInLog as error:
        verdict.fault("removed-line", str(error), f"{log}")


def _check_departed(verdict: Verdict, leaves: Leaves, removals: Mapping[str, Removal]) -> None:
    """Every leaf that is kept without its entry is one that an act of retention, itself an entry, says it removed."""
    for left in leaves.departed():
        good = verdict.lines.get(left.log, 0)
        verdict.lines[left.log] = good - sum(seq < good for seq in left.seqs)
        said = removals.get(left.act)
        known = 0 if said is None or said.log != left.log or said.stretch != left.seqs[0] // STRETCH else said.mask
        for first, last in ranges_of(seq for seq in left.seqs if not known >> seq % STRETCH & 1):
            if not leaves.has(left.log, first):
                what = f"{removed(left.log, first, last)} sans acte de conservation : seule l'empreinte reste"
                verdict.fault("removed-without-act", what, f"{left.log}/{first}")


def _where(folder: Path, leaves: Leaves, log: int, good: int, end: int) -> str:
    """The first entry that is not what was hashed, as far as the kept hashes know."""
    tree = Hashes(folder, log)
    try:
        for first in range(good, min(end, tree.size), _BATCH):
            number = min(_BATCH, min(end, tree.size) - first)
            kept, now = tree.leaves(first, number), leaves.hashes(log, first, number)
            for seq, (old, new) in enumerate(zip(kept, now, strict=True), start=first):
                if old != new:
                    return f"l'entrée {log}/{seq} n'est plus celle qui a été signée"
    finally:
        tree.close()
    return f"une entrée {of_log(log)} entre {log}/{good} et {log}/{end - 1} n'est plus celle qui a été signée"
