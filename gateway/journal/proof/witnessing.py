"""Making a witness of the last snapshot, for somebody outside to keep."""
from __future__ import annotations

from pathlib import Path

from gateway.journal.proof import merkle, witness
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.notes import PublicKey
from gateway.journal.proof.register import REGISTRY, Head
from gateway.journal.proof.snapshot import Snapshot
from gateway.journal.proof.witness import Since, Witness


class NotGrown(ValueError):
    """The journal is shorter than the witness it should have grown from; the text is French."""


def witness_of(folder: Path, snapshot: Snapshot, key: PublicKey, since: Witness | None = None) -> str:
    """The file. Raises NotGrown, and ValueError when the kept hashes do not reach the snapshot."""
    tree = Hashes(folder, REGISTRY)
    try:
        proof = merkle.inclusion_proof(snapshot.size - 1, snapshot.size, tree.node)
    finally:
        tree.close()
    grown = None if since is None else witness.since_json(_since(folder, snapshot, since))
    return witness.text(snapshot.checkpoint, snapshot.leaf, proof, str(key), grown)


def _since(folder: Path, snapshot: Snapshot, before: Witness) -> Since:
    sizes = {head.log: head.size for head in snapshot.vector}
    logs = {head.log: (head.size, _consistency(folder, head, sizes.get(head.log, 0))) for head in before.vector}
    return Since(before.head.size, _consistency(folder, Head(REGISTRY, before.head.size, ""), snapshot.size), logs)


def _consistency(folder: Path, before: Head, size: int) -> tuple[bytes, ...]:
    if size < before.size:
        raise NotGrown(f"le journal {before.log} a {size} lignes, il en avait {before.size} au témoin donné")
    tree = Hashes(folder, before.log)
    try:
        return tuple(merkle.consistency_proof(before.size, size, tree.node))
    finally:
        tree.close()
