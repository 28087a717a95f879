"""How `socle journal verify` tells what it found."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import typer

from gateway.cli.common import CHECK_FAILED, print_json
from gateway.cli.french import counted
from gateway.journal.proof.notes import encode
from gateway.journal.proof.removals import masks, say
from gateway.journal.proof.verdict import WITHOUT_WITNESS, Verdict

#: What a file made to deceive could draw on the terminal, or hide there.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def judge(verdict: Verdict, as_json: bool, what: str, *, witnessed: bool) -> None:
    """Tell the verdict; exit 1 when it does not hold."""
    warning = None if witnessed else WITHOUT_WITNESS
    if as_json:
        print_json(_item(verdict, warning))
    else:
        for line in _told(verdict, what, warning):
            typer.echo(_NO_TEXT.sub("\ufffd", line))
    if not verdict.holds:
        raise typer.Exit(CHECK_FAILED)


def _told(verdict: Verdict, what: str, warning: str | None) -> Iterator[str]:
    if verdict.about.get("simulated"):
        yield "DONNÉES SIMULÉES"
    if verdict.head is not None:
        lines = counted(verdict.head.size, "ligne", "lignes")
        yield f"Instantané du {verdict.at} : registre {lines}, racine {encode(verdict.head.root)}"
    for head in verdict.vector:
        looked = verdict.lines.get(head.log)
        seen = "" if looked is None else f" ; lignes vérifiées : {looked}"
        yield f"Journal {head.log} : {counted(head.size, 'entrée', 'entrées')}, racine {head.root}{seen}"
        removed = say(verdict.removals, head.log)
        if removed is not None:
            yield f"  {removed}"
    if verdict.files:
        yield f"Fichiers de la liste signée : {verdict.files}"
    if verdict.signer is not None:
        yield f"Signé par {verdict.signer.name}+{verdict.signer.id.hex()}"
    if verdict.witness is not None:
        yield f"Prolonge le témoin : registre {verdict.witness.size} lignes, racine {verdict.witness.root}"
    for fault in verdict.faults:
        yield f"ÉCART [{fault.code}] {fault.says}"
    yield f"{'Tient' if verdict.holds else 'NE TIENT PAS'} : {what}"
    if warning is not None:
        yield warning


def _item(verdict: Verdict, warning: str | None) -> dict[str, Any]:
    head = verdict.head
    return {
        "holds": verdict.holds, "faults": [asdict(fault) for fault in verdict.faults],
        "snapshot": None if head is None else {
            "origin": head.origin, "size": head.size, "root": encode(head.root), "at": verdict.at,
        },
        "vector": [one._asdict() for one in verdict.vector],
        "lines": {str(log): number for log, number in sorted(verdict.lines.items())},
        "removed": {str(head.log): removed for head in verdict.vector if (removed := _removed(verdict, head.log))["number"]},
        "files": verdict.files, "signer": None if verdict.signer is None else str(verdict.signer),
        "witness": None if verdict.witness is None else verdict.witness._asdict(),
        "simulated": verdict.about.get("simulated"), "asked": verdict.about.get("asked"), "avertissement": warning,
    }  # fmt: skip


def _removed(verdict: Verdict, log: int) -> dict[str, Any]:
    mine = [one for one in verdict.removals if one.log == log]
    number = sum(mask.bit_count() for mask in masks(mine, log).values())
    return {
        "number": number, "acts": len(mine), "since": min((one.at for one in mine), default=None),
        "until": max((one.at for one in mine), default=None), "ranges": [list(pair) for one in mine for pair in one.ranges],
    }  # fmt: skip
