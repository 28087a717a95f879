"""An export that anybody can verify: entries, and what shows that they are those of the journal (design §5.5, docs/preuve.md).

One zip, the same bytes for the same snapshot and selection, made in constant memory:

    LISEZMOI.txt                  what this is, and how to verify it
    snapshot.txt                  the C2SP checkpoint of log 0
    log-0.ndjson, log-0.proof     lines of the registry log, the vector last, and the tree they are in
    log-N.ndjson, log-N.proof     the entries asked for, of each log of the vector, and the tree they are in
    export.txt                    what was asked, and the digest of each file above, signed
"""
from __future__ import annotations

import hashlib
import heapq
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any

from gateway.journal.proof import archive, files, register
from gateway.journal.proof.cover import Item, cover
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.leaves import Leaves
from gateway.journal.proof.merkle import Frontier, leaf_hash
from gateway.journal.proof.notes import Signer, encode
from gateway.journal.proof.register import REGISTRY, Head
from gateway.journal.proof.removals import Removal, say
from gateway.journal.proof.snapshot import Snapshot
from gateway.journal.proof.verify import FORM
from gateway.journal.proof.witness import Witness

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever it is made
_MODE = 0o600 << 16
_PLACE = 8  # bytes of a seq in the spool
_ALWAYS_SHOWN = {"key", "fork", "opened", "closed"}

#: An entry asked for: its log, its seq, its canonical JSON.
Line = tuple[int, int, bytes]


class TreeDamaged(RuntimeError):
    """The entries, or their kept hashes, are not those that the snapshot was signed for; the text is French."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is asked of the journal, in words for ``export.txt``, and what must be comparable with it.

    asked     names and values of the filters: codes, FINESS numbers, dates; none: every entry that the snapshot covers is given
    warning   what must be said of simulated data; None in production
    """

    asked: dict[str, Any]
    warning: str | None = None
    witnesses: Sequence[Witness] = ()


def write(
    file: IO[bytes], folder: Path, snapshot: Snapshot, signer: Signer, lines: Iterable[Line], export: Export
) -> dict[int, int]:
    """Write the zip; how many lines of each log it has. ``lines`` in the order of (log, seq), those after the snapshot too.

    The acts of retention are always among them: they say which entries are not there any more. Raises TreeDamaged, JournalError,
    OSError.
    """
    acts = _acts(folder)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        counts = _Writing(made, folder, snapshot, export, acts).run(signer, _together(lines, acts))
    if len(_acts(folder)) != len(acts):
        raise TreeDamaged("la conservation a retiré des entrées pendant qu'il se faisait : recommencez")
    return counts


class _Writing:
    def __init__(self, made: zipfile.ZipFile, folder: Path, snapshot: Snapshot, export: Export, acts: Sequence[Line]) -> None:
        self._zip, self._folder, self._snapshot, self._export = made, folder, snapshot, export
        self._digests: dict[str, str] = {}
        self._acts = acts
        self._cuts = _cuts(folder, snapshot, export.witnesses)

    def run(self, signer: Signer, lines: Iterable[Line]) -> dict[int, int]:
        snapshot = self._snapshot
        about = _about(snapshot, self._export.warning, self._removed())
        self._text(archive.ABOUT, about)
        self._digests[archive.ABOUT] = hashlib.sha256(about.encode()).hexdigest()
        self._text(archive.SNAPSHOT, snapshot.checkpoint)
        counts = {REGISTRY: self._log(Head(REGISTRY, snapshot.size, snapshot.root), _registry_lines(self._folder, snapshot))}
        groups = groupby(lines, key=lambda line: line[0])
        group = next(groups, None)
        for head in snapshot.vector:
            while group is not None and group[0] < head.log:
                group = next(groups, None)
            mine: Iterator[Line] = iter(())
            if group is not None and group[0] == head.log:
                mine = group[1]
            counts[head.log] = self._log(head, ((seq, body) for _, seq, body in mine if seq < head.size))
        self._text(archive.EXPORT, signer.sign(self._description(counts)))
        return counts

    def _log(self, head: Head, lines: Iterable[tuple[int, bytes]]) -> int:
        """The two members of one log: its lines as they come, then the cover, from the seqs and hashes put aside."""
        with tempfile.TemporaryFile() as spool:
            number = 0
            with self._member(f"log-{head.log}.ndjson") as member:
                for seq, body in lines:
                    leaf = leaf_hash(body)
                    member.write(body + b"\n")
                    spool.write(seq.to_bytes(_PLACE, "big") + leaf)
                    number += 1
            spool.seek(0)
            with self._member(f"log-{head.log}.proof") as member:
                for item in self._items(head, _spooled(spool)):
                    member.write(item.line())
        return number

    def _items(self, head: Head, shown: Iterator[tuple[int, bytes]]) -> Iterator[Item]:
        """The cover, computed again as a verifier will: what would not verify is never handed out."""
        tree, frontier = Hashes(self._folder, head.log), Frontier()
        try:
            for item in cover(head.size, shown, tree.node, self._cuts.get(head.log, ())):
                frontier.add(item.hash, item.level)
                yield item
        except ValueError as error:
            raise TreeDamaged(f"l'arbre du journal {head.log} est incomplet : supprimez gateway/tree, qui se refait") from error
        finally:
            tree.close()
        if encode(frontier.root()) != head.root:
            said = f"le journal {head.log}, ou l'arbre qu'on en garde, n'est plus celui qui a été signé"
            raise TreeDamaged(f"{said} : lancez socle journal verify --local ; s'il tient, supprimez gateway/tree, qui se refait")

    def _description(self, counts: dict[int, int]) -> str:
        told = {
            "form": FORM, "size": self._snapshot.size, "root": self._snapshot.root, "at": self._snapshot.at,
            "asked": self._export.asked, "whole": not self._export.asked, "simulated": self._export.warning is not None,
            "lines": {str(log): number for log, number in counts.items()}, "members": self._digests,
        }  # fmt: skip
        return json.dumps(told, ensure_ascii=False, sort_keys=True) + "\n"

    def _removed(self) -> list[str]:
        """What retention removed, as far as the snapshot knows: a French line for each log."""
        sizes = {head.log: head.size for head in self._snapshot.vector}
        known = (body for log, seq, body in self._acts if seq < sizes.get(log, 0))
        told = [one for body in known if (one := Removal.of(json.loads(body))) is not None]
        found = ((head.log, say(told, head.log)) for head in self._snapshot.vector)
        return [f"Journal {log} : {said}." for log, said in found if said is not None]

    def _text(self, name: str, text: str) -> None:
        with self._zip.open(_info(name), "w") as member:
            member.write(text.encode())

    def _member(self, name: str) -> _Digested:
        return _Digested(self._zip.open(_info(name), "w", force_zip64=True), name, self._digests)


class _Digested:
    """A member being written, whose digest is noted when it is closed."""

    def __init__(self, member: IO[bytes], name: str, digests: dict[str, str]) -> None:
        self._member, self._name, self._digests = member, name, digests
        self._digest = hashlib.sha256()

    def write(self, content: bytes) -> None:
        self._digest.update(content)
        self._member.write(content)

    def __enter__(self) -> _Digested:
        return self

    def __exit__(self, *exception: object) -> None:
        self._member.close()
        self._digests[self._name] = self._digest.hexdigest()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, _MODE, 3
    return info


def _spooled(spool: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    while row := spool.read(_PLACE + 32):
        yield int.from_bytes(row[:_PLACE], "big"), row[_PLACE:]


def _registry_lines(folder: Path, snapshot: Snapshot) -> Iterator[tuple[int, bytes]]:
    """The lines of log 0 that a verifier reads: keys, openings, forks, what witnesses were given, and the vector."""
    for seq, raw in enumerate(files.lines(folder / files.FOLDER / files.LOG_0)):
        if seq >= snapshot.size:
            return
        if seq == snapshot.size - 1 or _shown(raw):
            yield seq, raw


def _shown(raw: bytes) -> bool:
    leaf = register.read(raw)
    return leaf["kind"] in _ALWAYS_SHOWN or leaf.get("why") == "witness"


def _cuts(folder: Path, snapshot: Snapshot, witnesses: Sequence[Witness]) -> dict[int, list[int]]:
    """The sizes at which somebody outside knows a root: of the witnesses that the registry remembers, and of those given."""
    cuts: dict[int, list[int]] = {}
    given = ((witness.head.size, witness.vector) for witness in witnesses)
    for size, vector in chain(_remembered(folder, snapshot), given):
        for head in (Head(REGISTRY, size, ""), *vector):
            cuts.setdefault(head.log, []).append(head.size)
    return cuts


def _remembered(folder: Path, snapshot: Snapshot) -> Iterator[tuple[int, register.Vector]]:
    for seq, raw in _registry_lines(folder, snapshot):
        leaf = register.read(raw)
        if leaf.get("why") == "witness":
            yield seq + 1, register.vector_of(leaf)


def _acts(folder: Path) -> list[Line]:
    leaves = Leaves(folder)
    try:
        return list(leaves.acts())
    finally:
        leaves.close()


def _together(lines: Iterable[Line], acts: Iterable[Line]) -> Iterator[Line]:
    """Both in the order of places, each line once."""
    last = None
    for line in heapq.merge(lines, acts, key=lambda line: line[:2]):
        if line[:2] != last:
            yield line
        last = line[:2]


def _about(snapshot: Snapshot, warning: str | None, removed: Sequence[str]) -> str:
    first = "" if warning is None else f"{warning}\n\n"
    gone = "".join(f"{one}\n" for one in removed)
    return f"""{first}Export vérifiable du journal d'une passerelle Socle.

Instantané du {snapshot.at}
Registre : {snapshot.size} lignes, racine {snapshot.root}
{gone}
Vérifier, sans passerelle ni réseau, avec la clé publique reçue de l'exploitant par un autre chemin que ce fichier :

    socle journal verify CE_FICHIER.zip --key CLE [--witness TEMOIN.json]

log-N.ndjson : les entrées, une par ligne ; log-N.proof : leur place dans l'arbre RFC 6962 de ce journal.
snapshot.txt : le point de contrôle signé (C2SP) ; la dernière ligne de log-0.ndjson donne la racine de chaque journal.
"""
