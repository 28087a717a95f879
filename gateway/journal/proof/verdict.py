"""What a verification finds, and who signed a checkpoint. Standard library and cryptography only."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.journal.proof.matching import Fault
from gateway.journal.proof.notes import Checkpoint, ForgedNote, Note, OtherKey, PublicKey
from gateway.journal.proof.register import REGISTRY, Head, Vector
from gateway.journal.proof.removals import Removal

WITHOUT_WITNESS = (
    "Sans témoin gardé hors de chez l'exploitant, une réécriture complète du journal par qui détient la clé ne se verrait pas."
)
_EXPORTED, _KEPT = "le point de contrôle", "le point de contrôle du témoin"


@dataclass(slots=True)
class Verdict:
    """``holds`` when no fault was found. ``about`` is what the export says of itself, once its signature holds.

    lines    how many lines of each log were looked at
    signer   the key that signed the checkpoint, or the list of files
    keys     those that the key given leads to, by rotations
    removals what acts of retention say that they removed: no fault
    files    how many files of a signed list were looked at
    witness  log 0 as the witness had it, once compared without fault
    """

    faults: list[Fault] = field(default_factory=list)
    head: Checkpoint | None = None
    at: str | None = None
    vector: Vector = ()
    lines: dict[int, int] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    signer: PublicKey | None = None
    witness: Head | None = None
    keys: tuple[PublicKey, ...] = ()
    files: int = 0
    removals: list[Removal] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.faults

    def fault(self, code: str, says: str, place: str | None = None) -> None:
        self.faults.append(Fault(code, says, place))

    def signed(self, note: Note, keys: Sequence[PublicKey], head: Checkpoint, *, kept: bool = False) -> None:
        """Name what is wrong with the signature of a checkpoint: of the export, or of a witness that was ``kept``.

        keys  those given, and those that they lead to
        """
        what = _KEPT if kept else _EXPORTED
        signer = signer_of(note, keys)
        if signer is None:
            self._not_signed(note, keys, what)
        elif head.origin != signer.name:
            self.fault("forged-checkpoint", f"{what} porte sur un autre journal que sa clé")
        elif not kept:
            self.signer = signer

    def _not_signed(self, note: Note, keys: Sequence[PublicKey], what: str) -> None:
        mine = {(key.name, key.id) for key in keys}
        if any((name, identifier) in mine for name, identifier, _ in note.signatures):
            self.fault("forged-checkpoint", f"la signature est fausse : {what} a été forgé ou modifié")
            return
        theirs = ", ".join(f"{name}+{identifier.hex()}" for name, identifier, _ in note.signatures)
        given = f"{keys[0].name}+{keys[0].id.hex()}"
        self.fault("other-key", f"{what} est signé par une autre clé ({theirs}) que celle qui est donnée ({given})")


def signer_of(note: Note, keys: Sequence[PublicKey]) -> PublicKey | None:
    """Which of these keys signed the note."""
    for key in keys:
        try:
            note.check(key)
        except (OtherKey, ForgedNote):
            continue
        return key
    return None


def name_of(log: int) -> str:
    return "le registre (journal 0)" if log == REGISTRY else f"le journal {log}"


def of_log(log: int) -> str:
    return name_of(log).replace("le ", "du ", 1)
