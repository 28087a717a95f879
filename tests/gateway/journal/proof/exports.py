"""Exports of a small journal, and what somebody may do to them."""
from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.journal.proof import export, snapshot
from gateway.journal.proof.notes import PublicKey
from gateway.journal.proof.signing import SigningKey
from gateway.journal.proof.snapshot import Snapshot
from gateway.journal.proof.verdict import Verdict
from gateway.journal.proof.verify import verify
from gateway.journal.proof.witness import Witness
from gateway.journal.proof.witnessing import witness_of
from gateway.journal.query import Filters, JournalReader
from tests.gateway.journal.proof.world import notary

Members = dict[str, bytes]


def key_of(folder: Path) -> PublicKey:
    key = snapshot.public_key(folder)
    assert key is not None
    return key


def taken(folder: Path, why: Any = "export") -> Snapshot:
    with notary(folder) as one:
        return one.up_to_date(why)


def exported(
    folder: Path, *, filters: Filters | None = None, witnesses: tuple[bytes, ...] = (), at: Snapshot | None = None
) -> bytes:
    """The zip of the entries asked for, under a snapshot taken now."""
    made = at or taken(folder)
    signer = SigningKey(folder / "keys").present(made.origin)
    assert signer is not None
    asked = export.Export({} if filters is None else {"filtered": True}, None, [Witness.parse(one) for one in witnesses])
    file = io.BytesIO()
    with JournalReader(folder) as reader:
        rows = reader.select(filters or Filters())
        export.write(file, folder, made, signer, ((entry["log"], entry["seq"], body) for body, entry in rows), asked)
    return file.getvalue()


def witnessed(folder: Path, since: bytes | None = None) -> bytes:
    made = taken(folder, "witness")
    return witness_of(folder, made, key_of(folder), None if since is None else Witness.parse(since)).encode()


def members(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(content: Members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, one in content.items():
            made.writestr(name, one)
    return file.getvalue()


def changed(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    told = members(content)
    return zipped(told | {name: change(told[name])})


def lines_changed(content: bytes, change: Callable[[list[bytes]], list[bytes]], name: str = "log-1.ndjson") -> bytes:
    return changed(content, name, lambda one: b"".join(change(one.splitlines(keepends=True))))


def judged(path: Path, content: bytes, key: PublicKey, witness: bytes | None = None) -> Verdict:
    path.write_bytes(content)
    return verify(path, [key], witness)


def codes(verdict: Verdict) -> list[str]:
    return [fault.code for fault in verdict.faults]


def told(verdict: Verdict) -> str:
    return "\n".join(fault.says for fault in verdict.faults)
