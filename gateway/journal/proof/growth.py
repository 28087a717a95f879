"""From one witness to a later one: every log only grew (design §5.5). Standard library and cryptography only."""
from __future__ import annotations

from collections.abc import Sequence

from gateway.journal.proof import merkle
from gateway.journal.proof.notes import PublicKey, decode
from gateway.journal.proof.register import REGISTRY
from gateway.journal.proof.verdict import Verdict, name_of, of_log
from gateway.journal.proof.witness import Witness


def verify_witness(content: bytes, keys: Sequence[PublicKey], before: bytes | None = None) -> Verdict:
    """A witness alone; with ``before``, that every log only grew from that earlier one. Raises WitnessError."""
    new, old = Witness.parse(content), None if before is None else Witness.parse(before)
    verdict = Verdict(head=new.head, at=new.at, vector=new.vector)
    verdict.signed(new.note, keys, new.head)
    if old is not None:
        verdict.signed(old.note, keys, old.head, kept=True)
        if old.head.size > new.head.size and old.at > new.at:
            said = f"le témoin donné par --witness, du {old.at}, est plus récent que celui à vérifier, du {new.at}"
            verdict.fault("younger-witness", f"{said} : donnez-les dans l'autre ordre")
            return verdict
        _grew(verdict, old, new)
        if verdict.holds:
            verdict.witness = old.heads[0]
    return verdict


def _grew(verdict: Verdict, old: Witness, new: Witness) -> None:
    if old.head.origin != new.head.origin:
        verdict.fault("other-journal", "ces deux témoins sont de deux journaux différents")
        return
    now = {head.log: head for head in new.heads}
    proofs = {} if new.since is None else {REGISTRY: (new.since.size, new.since.log_0), **new.since.logs}
    for before in old.heads:
        name, place = name_of(before.log), f"{before.log}"
        after, (size, proof) = now.get(before.log), proofs.get(before.log, (None, ()))
        if after is None or after.size < before.size:
            left = 0 if after is None else after.size
            said = f"{name} avait {before.size} lignes au premier témoin, il en a {left} : base restaurée d'un état antérieur"
            verdict.fault("shorter-than-witness", said, place)
        elif size != before.size and 0 < before.size < after.size:
            said = f"le second témoin n'a pas de preuve depuis le premier pour {name} : refaites-le avec --since"
            verdict.fault("not-comparable", said, place)
        elif not merkle.verify_consistency(before.size, after.size, decode(before.root), decode(after.root), proof):
            said = f"les {before.size} premières lignes {of_log(before.log)} ne sont plus celles du premier témoin"
            verdict.fault("rewritten", f"{said} : journal réécrit", place)
