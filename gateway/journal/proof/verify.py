"""Verifying an export against a public key that came from outside (design §5.5): no server, no journal.

Standard library and cryptography only, which ``tests/gateway/journal/proof/test_alone.py`` holds.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from gateway.journal.proof import archive, register
from gateway.journal.proof.archive import Archive, ArchiveError
from gateway.journal.proof.cover import LONGEST_ITEM
from gateway.journal.proof.matching import Matcher, Read
from gateway.journal.proof.notes import Checkpoint, Note, NoteError, PublicKey, decode, encode
from gateway.journal.proof.register import REGISTRY, Head, RegisterError
from gateway.journal.proof.removals import OPERATION, Removal, masks
from gateway.journal.proof.verdict import Verdict, name_of, of_log, signer_of
from gateway.journal.proof.witness import Witness

FORM = "socle-export-1"
_MOST_ROTATIONS = 1_000


def verify(path: Path, keys: Sequence[PublicKey], witness: bytes | None = None) -> Verdict:
    """Look at everything that an export holds; ``witness`` is the content of one. Raises WitnessError, OSError."""
    kept = None if witness is None else Witness.parse(witness)
    verdict = Verdict()
    try:
        opened = Archive(path)
    except ArchiveError as error:
        verdict.fault("bad-archive", str(error))
        return verdict
    try:
        _Verification(opened, keys, kept, verdict).run()
    except ArchiveError as error:
        verdict.fault("bad-archive", str(error))
    finally:
        opened.close()
    return verdict


class _Verification:
    """One export, read member by member."""

    def __init__(self, opened: Archive, keys: Sequence[PublicKey], witness: Witness | None, verdict: Verdict) -> None:
        self._archive, self._witness, self._verdict = opened, witness, verdict
        self._keys, self._former = list(keys), list(keys)  # former: those that named ours, for a witness of before
        self._rotations: list[tuple[PublicKey, PublicKey]] = []
        self._last: bytes = b""  # of log 0
        self._digests: dict[str, str] = {}
        self._roots: dict[int, dict[int, bytes]] = {}
        self._shown: dict[int, dict[int, int]] = {}

    def run(self) -> None:
        verdict = self._verdict
        note, head = self._snapshot()
        registry = self._log(REGISTRY, self._heed)
        self._follow_rotations()
        verdict.head = head
        verdict.signed(note, self._keys, head)
        if (registry.frontier.size, registry.frontier.root()) != (head.size, head.root):
            verdict.fault("bad-proof", "les lignes du registre (journal 0) ne donnent pas la racine signée", "0")
        self._read_vector(head)
        for entry in verdict.vector:
            self._compare(entry)
        for log in self._archive.logs():
            if log not in {REGISTRY, *(entry.log for entry in verdict.vector)}:
                verdict.fault("other-log", f"le journal {log} n'est pas de ceux que le point de contrôle couvre", f"{log}")
        self._read_about()
        if verdict.about.get("whole") is True and not any(fault.code == "altered-export" for fault in verdict.faults):
            for entry in verdict.vector:
                self._check_whole(entry)
        if self._witness is not None:
            self._compare_witness(self._witness)

    # --- the snapshot

    def _snapshot(self) -> tuple[Note, Checkpoint]:
        try:
            note = Note.parse(self._archive.text(archive.SNAPSHOT))
            return note, Checkpoint.parse(note.text)
        except NoteError:
            raise ArchiveError("snapshot.txt n'est pas un point de contrôle signé") from None

    def _heed(self, line: bytes) -> None:
        """Log 0 as it is read: which key names which, and the last line."""
        self._last = line
        if b'"kind":"key"' not in line or len(self._rotations) >= _MOST_ROTATIONS:
            return
        try:
            new, old = register.key_of(register.read(line))
        except RegisterError:
            return
        if old is not None:
            self._rotations.append((old, new))

    def _follow_rotations(self) -> None:
        for old, new in self._rotations:
            if old in self._keys and new not in self._keys:
                self._keys.append(new)
        self._verdict.keys = tuple(self._keys)
        for old, new in reversed(self._rotations):
            if new in self._former and old not in self._former:
                self._former.append(old)

    def _read_vector(self, head: Checkpoint) -> None:
        verdict = self._verdict
        try:
            leaf = register.read(self._last)
            if leaf["seq"] == head.size - 1:
                verdict.vector, verdict.at = register.vector_of(leaf), str(leaf.get("at"))
                return
        except RegisterError:
            pass
        verdict.fault("bad-proof", "la dernière ligne du registre (journal 0) n'est pas le vecteur du point de contrôle", "0")

    # --- the logs

    def _log(self, log: int, told: Callable[[bytes], None] = lambda _line: None) -> Read:
        """One log's two members, read once. The faults of its lines are named."""
        lines, proof = (self._archive.member(f"log-{log}.{kind}") for kind in ("ndjson", "proof"))
        read = Matcher(log, self._sizes_of(log), told).match(lines.lines(), proof.lines(LONGEST_ITEM))
        self._verdict.faults += read.faults
        self._verdict.lines[log] = read.lines
        self._roots[log], self._shown[log] = read.roots, read.shown
        for member in (lines, proof):
            self._digests[member.name] = member.digest.hexdigest()
        return read

    def _sizes_of(self, log: int) -> set[int]:
        if self._witness is None:
            return set()
        return {head.size for head in self._witness.heads if head.log == log}

    def _compare(self, head: Head) -> None:
        verdict, name = self._verdict, name_of(head.log)
        if not {f"log-{head.log}.ndjson", f"log-{head.log}.proof"} <= self._archive.names:
            verdict.fault("left-out-log", f"{name} manque à l'export : le point de contrôle le couvre", f"{head.log}")
            return
        read = self._log(head.log, self._heed_act)
        if read.frontier.size != head.size or encode(read.frontier.root()) != head.root:
            said = f"{name} de l'export n'est pas celui que le point de contrôle couvre ({head.size} entrées)"
            verdict.fault("bad-proof", said, f"{head.log}")

    def _heed_act(self, line: bytes) -> None:
        """An entry as it is read: whether it says that retention removed others."""
        if OPERATION.encode() not in line:
            return
        try:
            removal = Removal.of(json.loads(line))
        except (ValueError, RecursionError):  # anybody may have made the export
            return
        if removal is not None:
            self._verdict.removals.append(removal)

    def _check_whole(self, head: Head) -> None:
        """An export of everything shows every entry but those that an act of retention, shown too, says it removed."""
        if self._named(f"log-{head.log}.") or head.log not in self._shown:
            return
        told = [one for one in self._verdict.removals if one.ranges[-1][1] < head.size]
        shown, removed = self._shown[head.log], masks(told, head.log)
        known = sum((shown.get(one, 0) | removed.get(one, 0)).bit_count() for one in {*shown, *removed})
        if known < head.size:
            many, where = head.size - known, of_log(head.log)
            one = f"1 entrée {where} n'est ni montrée ni retirée"
            said = one if many == 1 else f"{many} entrées {where} ne sont ni montrées ni retirées"
            said += " par la conservation"
            self._verdict.fault("left-out-lines", said, f"{head.log}")

    def _read_about(self) -> None:
        """What the exporter signed of the whole: it tells when lines and proof were changed together."""
        verdict = self._verdict
        content = self._archive.text(archive.EXPORT)
        self._digests[archive.ABOUT] = sha256(self._archive.text(archive.ABOUT).encode()).hexdigest()
        try:
            note = Note.parse(content)
            about = json.loads(note.text)
            members, root = about["members"], decode(about["root"])
            if about["form"] != FORM or not isinstance(members, dict):
                raise ValueError("another form")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ArchiveError("export.txt n'est pas la description signée d'un export") from None
        if signer_of(note, self._keys) is None:
            verdict.fault("altered-export", "export.txt n'est pas signé par la clé du journal : description refaite")
        elif verdict.head is not None and (about["size"], root) != (verdict.head.size, verdict.head.root):
            verdict.fault("altered-export", "export.txt décrit l'export d'un autre point de contrôle")
        else:
            verdict.about = about
            for name in sorted(members.keys() | self._digests.keys()):
                if members.get(name) != self._digests.get(name) and not self._named(name):
                    verdict.fault("altered-export", f"{name} n'est plus celui qui a été exporté")

    def _named(self, member: str) -> bool:
        """Whether a fault already says what is wrong with the log of this member."""
        log = member[4:].partition(".")[0]
        return any(fault.place is not None and fault.place.partition("/")[0] == log for fault in self._verdict.faults)

    # --- the witness

    def _compare_witness(self, witness: Witness) -> None:
        verdict = self._verdict
        before = len(verdict.faults)
        if verdict.head is not None and witness.head.origin != verdict.head.origin:
            verdict.fault("other-journal", "ce témoin est celui d'un autre journal")
            return
        verdict.signed(witness.note, [*self._keys, *self._former], witness.head, kept=True)
        if verdict.head is not None and witness.head.size > verdict.head.size and witness.at > (verdict.at or ""):
            younger = f"le témoin, du {witness.at}, est plus récent que l'export, du {verdict.at} : rien ne s'y compare"
            then = "demandez un export d'aujourd'hui ; s'il ne prolonge pas le témoin, la base a été restaurée"
            verdict.fault("younger-witness", f"{younger}. Donnez un témoin d'avant l'export, ou {then}")
            return
        sizes = {REGISTRY: verdict.head.size if verdict.head else 0} | {head.log: head.size for head in verdict.vector}
        for head in witness.heads:
            self._compare_head(head, sizes.get(head.log))
        if len(verdict.faults) == before:
            verdict.witness = witness.heads[0]

    def _compare_head(self, kept: Head, size: int | None) -> None:
        verdict = self._verdict
        name, place = name_of(kept.log), f"{kept.log}"
        root = self._roots.get(kept.log, {}).get(kept.size)
        if size is None or size < kept.size:
            said = f"{name} avait {kept.size} lignes au témoin, il en a {size or 0} : base restaurée d'un état antérieur"
            verdict.fault("shorter-than-witness", said, place)
        elif root is not None and encode(root) != kept.root:
            said = f"les {kept.size} premières lignes {of_log(kept.log)} ne sont plus celles du témoin"
            why = "entrée remplacée et arbre refait, ou base restaurée puis continuée"
            verdict.fault("rewritten", f"{said} : {why}", place)
        elif root is None and kept.log in self._roots:
            said = f"l'export ne permet pas de comparer {name} au témoin : refaites-le par socle journal export --witness"
            verdict.fault("not-comparable", said, place)
