"""A witness: one snapshot kept outside, and what shows that it says what it says (design §5.5). Standard library, cryptography.

    checkpoint  the signed note of log 0
    leaf        the last line that it covers: the vector
    proof       inclusion of that line in the tree of the checkpoint
    key         the public key, for information
    since       with ``--since``: the witness before, and proofs that every log only grew from it to this one
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.journal.proof import merkle, register
from gateway.journal.proof.notes import Checkpoint, Note, NoteError, decode, encode
from gateway.journal.proof.register import REGISTRY, Head, RegisterError, Vector

FORM = "socle-witness-1"
LARGEST = 1 << 20


class WitnessError(ValueError):
    """The file is no witness, or contradicts itself; the text is French."""


@dataclass(frozen=True, slots=True)
class Since:
    """Consistency proofs from an earlier size of log 0, and from the size of each log at that moment."""

    size: int
    log_0: tuple[bytes, ...]
    logs: dict[int, tuple[int, tuple[bytes, ...]]]


@dataclass(frozen=True, slots=True)
class Witness:
    """``note`` is parsed and not yet verified; ``head`` is what it says, ``vector`` what its last leaf says."""

    note: Note
    head: Checkpoint
    vector: Vector
    at: str
    since: Since | None = None

    @property
    def heads(self) -> Vector:
        """Of every log at that moment, log 0 first."""
        return (Head(REGISTRY, self.head.size, encode(self.head.root)), *self.vector)

    @classmethod
    def parse(cls, content: bytes) -> Witness:
        """Raises WitnessError."""
        try:
            told = json.loads(content[: LARGEST + 1])
            if told["form"] != FORM:
                raise WitnessError("ce n'est pas un témoin de Socle")
            note = Note.parse(told["checkpoint"])
            head, leaf = Checkpoint.parse(note.text), told["leaf"].encode()
            proof = [decode(one) for one in told["proof"]]
            read = register.read(leaf)
            vector, at = register.vector_of(read), str(read["at"])
            since = None if told.get("since") is None else _since(told["since"])
        except WitnessError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, NoteError, RegisterError, RecursionError):
            raise WitnessError("ce n'est pas un témoin de Socle, ou il est abîmé") from None
        last = head.size - 1
        if read["seq"] != last or not merkle.verify_inclusion(merkle.leaf_hash(leaf), last, head.size, proof, head.root):
            raise WitnessError("le vecteur de ce témoin n'est pas celui que son point de contrôle couvre")
        return cls(note, head, vector, at, since)


def text(
    checkpoint: str, leaf: bytes, proof: Sequence[bytes], key: str, since: dict[str, Any] | None = None
) -> str:
    """The file."""
    told: dict[str, Any] = {
        "form": FORM, "checkpoint": checkpoint, "leaf": leaf.decode(), "proof": [encode(one) for one in proof], "key": key,
    }  # fmt: skip
    if since is not None:
        told["since"] = since
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def since_json(since: Since) -> dict[str, Any]:
    logs = [{"log": log, "size": size, "proof": [encode(one) for one in proof]} for log, (size, proof) in since.logs.items()]
    return {"size": since.size, "proof": [encode(one) for one in since.log_0], "logs": logs}


def _since(told: dict[str, Any]) -> Since:
    logs = {int(row["log"]): (int(row["size"]), tuple(decode(one) for one in row["proof"])) for row in told["logs"]}
    return Since(int(told["size"]), tuple(decode(one) for one in told["proof"]), logs)
