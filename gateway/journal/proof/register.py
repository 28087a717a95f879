"""The leaves of log 0, the registry log: one line of JSON each, hashed as it stands (decision 0026). Standard library only.

    opened, closed   a gateway process began or ended to write a log: ``of``, ``size``, ``boot``; closed also ``root``
    key              a signing key: ``key``; after the first, ``note`` is the rotation, signed by the key before it
    checkpoint       ``vector``: the head of every log at that moment, and ``why``; the next signature covers it
    fork             an operator accepted that a log is not what its last checkpoint said: ``of``, ``was``,
                     ``size`` now, ``reason``, ``by``
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from gateway.journal.proof.notes import ROOT_BYTES, Note, NoteError, PublicKey, Signer, decode

VERSION = 1
REGISTRY = 0  # the log itself
Kind = Literal["opened", "closed", "key", "checkpoint", "fork"]
#: Why a checkpoint was made: N entries or T seconds passed, a process stops, a key changes, a fork was accepted, an
#: export asks, or somebody outside keeps it.
Why = Literal["period", "stop", "rotation", "fork", "export", "witness"]
_ROTATION = "socle key rotation 1"
_MOST_ENTRIES = 1 << 40
_AT = re.compile(r"[0-9TZ:.+-]{4,40}")


class Head(NamedTuple):
    """One log at one moment: how many entries, and their RFC 6962 root in base64."""

    log: int
    size: int
    root: str


Vector = tuple[Head, ...]


class RegisterError(ValueError):
    """The line is not a leaf of log 0."""


def line(seq: int, kind: Kind, at: str, **more: Any) -> bytes:
    """One leaf, without its newline."""
    content = {"v": VERSION, "log": REGISTRY, "seq": seq, "kind": kind, "at": at, **more}
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def vector_json(vector: Iterable[Head]) -> list[dict[str, Any]]:
    return [head._asdict() for head in vector]


def read(raw: bytes) -> dict[str, Any]:
    """Raises RegisterError."""
    try:
        leaf = json.loads(raw)
        named = isinstance(leaf["seq"], int) and isinstance(leaf["kind"], str) and _AT.fullmatch(leaf["at"]) is not None
        if named and (leaf["v"], leaf["log"]) == (VERSION, REGISTRY):
            return dict(leaf)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise RegisterError("not a line of log 0")


def vector_of(leaf: dict[str, Any]) -> Vector:
    """The vector of a checkpoint leaf, logs in order. Raises RegisterError."""
    try:
        if leaf["kind"] != "checkpoint":
            raise RegisterError("not a checkpoint leaf")
        heads = tuple(Head(row["log"], row["size"], row["root"]) for row in leaf["vector"])
    except (KeyError, TypeError):
        raise RegisterError("no vector in this leaf") from None
    numbers = [head.log for head in heads]
    whole = all(type(head.log) is int and type(head.size) is int and isinstance(head.root, str) for head in heads)
    if not whole or numbers != sorted(set(numbers)) or not all(_possible(head) for head in heads):
        raise RegisterError("a vector that is not one")
    return heads


def _possible(head: Head) -> bool:
    try:
        return head.log > REGISTRY and 0 <= head.size < _MOST_ENTRIES and len(decode(head.root)) == ROOT_BYTES
    except NoteError:
        return False


def rotation(old: Signer, new: PublicKey, at: str) -> str:
    """The note by which a key names the next one."""
    return old.sign(f"{_ROTATION}\n{old.public}\n{new}\n{at}\n")


def key_of(leaf: dict[str, Any]) -> tuple[PublicKey, PublicKey | None]:
    """The key of a key leaf, and the one that vouches for it, its signature checked; None for a key that nobody signed.

    Raises RegisterError.
    """
    try:
        key = PublicKey.parse(leaf["key"])
        if leaf["note"] is None:
            return key, None
        note = Note.parse(leaf["note"])
        title, old_text, new_text, _at = note.text.rstrip("\n").split("\n")
        old = PublicKey.parse(old_text)
        note.check(old)
    except (KeyError, TypeError, ValueError, AttributeError, NoteError):
        raise RegisterError("a key leaf that is not one") from None
    if title != _ROTATION or new_text != str(key):
        raise RegisterError("a rotation to another key")
    return key, old
