"""The last snapshot of a journal, for whoever prints or checks it: pure reading, beside a gateway or without one.

A snapshot is a C2SP checkpoint of log 0, and the vector (log, size, root) of every log, which is the last leaf it covers.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.journal.proof import files, register
from gateway.journal.proof.notes import Checkpoint, Note, NoteError, PublicKey, encode
from gateway.journal.proof.register import RegisterError, Vector


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``size`` and ``root`` are those of log 0; ``root`` is in base64, as in the checkpoint. ``at``: when, RFC 3339 UTC.

    checkpoint  the signed note
    leaf        the line of log 0 that holds the vector
    """

    origin: str
    size: int
    root: str
    at: str
    vector: Vector
    checkpoint: str
    leaf: bytes


def latest(folder: Path, within: Mapping[int, int] | None = None) -> Snapshot | None:
    """The last signed snapshot of the gateway's ``folder``; None before the first.

    within  the last one that knows no more entries than these, by log: what a measure of that vector may rest on
    Nothing is verified here: it is what the journal says of itself. Raises RegisterError when its files contradict each other.
    """
    registry = folder / files.FOLDER
    leaves = files.last_lines(registry / files.LOG_0)  # both files are read from their ends, together
    younger = None
    for raw in files.last_lines(registry / files.CHECKPOINTS):
        try:
            note = files.note_of(raw)
            head = Checkpoint.parse(Note.parse(note).text)
        except (ValueError, KeyError, TypeError, NoteError):
            raise RegisterError(f"{files.CHECKPOINTS}: the last line is not a checkpoint") from None
        if younger is not None and head.size >= younger:
            return None  # of a log 0 that was lost, and whose loss was accepted
        younger = head.size
        leaf, read = _leaf(leaves, head.size - 1)
        known = register.vector_of(read)
        if within is None or all(one.size <= within.get(one.log, 0) for one in known):
            return Snapshot(head.origin, head.size, encode(head.root), read["at"], known, note, leaf)
    return None


def snapshot_root(folder: Path, within: Mapping[int, int] | None = None) -> str | None:
    """The root to print on a measure or an export: of the last snapshot, in base64. As ``latest``."""
    snapshot = latest(folder, within)
    return None if snapshot is None else snapshot.root


def told(folder: Path) -> dict[str, Any] | None:
    """What a file of entries says of the last snapshot: size and root of log 0, and when; None before the first, or when the
    registry is damaged, which ``verify --local`` tells."""
    try:
        snapshot = latest(folder)
    except RegisterError:
        return None
    return None if snapshot is None else {"size": snapshot.size, "root": snapshot.root, "at": snapshot.at}


def public_key(folder: Path) -> PublicKey | None:
    """The key that signs now, as log 0 names it; None before the first checkpoint."""
    for raw in files.last_lines(folder / files.FOLDER / files.LOG_0):
        leaf = register.read(raw)
        if leaf["kind"] == "key":
            return register.key_of(leaf)[0]
    return None


def _leaf(leaves: Iterator[bytes], seq: int) -> tuple[bytes, dict[str, Any]]:
    for raw in leaves:
        leaf = register.read(raw)
        if leaf["seq"] == seq:
            return raw, leaf
        if leaf["seq"] < seq:
            break
    raise RegisterError(f"{files.LOG_0} is shorter than its last checkpoint: leaf {seq} is missing")
