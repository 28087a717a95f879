"""A list of files and their digests, signed: what a set of exports is. Standard library and cryptography only.

    socle files 1
    <SHA-256 in hexadecimal>  <name>
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.journal.proof.notes import Note, NoteError, PublicKey
from gateway.journal.proof.verdict import Verdict, signer_of
from gateway.journal.proof.verify import verify
from gateway.journal.proof.witness import Witness

TITLE = "socle files 1"
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._+-]{0,199})")
_MOST_FILES = 1_000


def text_of(digests: Mapping[str, str]) -> str:
    """What is signed: name to digest."""
    return "".join([f"{TITLE}\n", *(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))])


def is_list(beginning: bytes) -> bool:
    return beginning.startswith(TITLE.encode())


def verify_files(content: bytes, folder: Path, keys: Sequence[PublicKey], witness: bytes | None = None) -> Verdict:
    """The files of ``folder`` against their signed list, and the proof among them, if there is one, in its turn.

    Raises WitnessError, OSError.
    """
    verdict = Verdict()
    try:
        note = Note.parse(content.decode())
        title, *lines = note.text.rstrip("\n").split("\n")
        rows = [_LINE.fullmatch(line) for line in lines]
    except (NoteError, UnicodeDecodeError):
        title, rows = "", []
    if title != TITLE or not 0 < len(rows) <= _MOST_FILES or None in rows:
        verdict.fault("bad-list", "ce n'est pas une liste de fichiers signée, ou elle est abîmée")
        return verdict
    listed = {row[2]: row[1] for row in rows if row is not None}
    proof = next((name for name in sorted(listed) if name.startswith("preuve") and name.endswith(".zip")), None)
    if proof is not None and (folder / proof).is_file():
        verdict = verify(folder / proof, keys, witness)
    elif witness is not None:
        Witness.parse(witness)
        verdict.fault("not-comparable", "aucune preuve parmi ces fichiers : rien ne s'y compare au témoin")
    verdict.signer = signer_of(note, [*keys, *verdict.keys])
    if verdict.signer is None:
        verdict.fault("forged-list", "la liste des fichiers n'est pas signée par la clé donnée, ou a été modifiée")
    for name, digest in sorted(listed.items()):
        if not (folder / name).is_file():
            verdict.fault("missing-file", f"{name} manque")
        elif _digest(folder / name) != digest:
            verdict.fault("changed-file", f"{name} n'est plus celui qui a été signé")
    verdict.files = len(listed)
    return verdict


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
