"""Erasing a person changes no leaf, no root, no verification and no recount; what it commits to proves nothing any more."""
from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.nomenclatures.identifiers import parse_matricule
from connectors.wire.clock import SystemClock
from gateway.journal.erasure import erase
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.leaves import Leaves
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.notes import encode
from gateway.journal.record import Body, Facts, Named
from gateway.usage.recount import recount
from tests.gateway.journal.proof.exports import exported, judged, key_of, members, witnessed
from tests.gateway.journal.world import feed, open_journal, rows

PERSON, OTHER = "275126322074974", "156102A00400188"
BYTES = b"<ClinicalDocument/>"


def fill(folder: Path) -> None:
    async def run() -> None:
        journal = open_journal(folder, clock=SystemClock())
        for n in range(12):
            matricule = (PERSON, OTHER)[n % 2]
            body = Body("request", len(BYTES), hashlib.sha256(BYTES).digest(), b'{"v":1,"body":{"data":"corps"}}')
            record = feed("ok", person=Named("person", matricule), bodies=[body])
            record.documents, record.facts = [Named("document", f"1.2.3.{n}")], Facts({"a": n}, (matricule,))
            await journal.write(record)
        await journal.close()

    asyncio.run(run())


def forget(folder: Path) -> None:
    async def run() -> None:
        journal = open_journal(folder, clock=SystemClock())
        done = await erase(journal, parse_matricule(PERSON), by="test")
        assert (done.known, done.entries) == (True, 6)
        await journal.close()

    asyncio.run(run())


def leaves(folder: Path) -> list[bytes]:
    found = Leaves(folder)
    try:
        return found.hashes(1, 0, 1000)
    finally:
        found.close()


def calls(content: bytes) -> list[bytes]:
    return [line for line in members(content)["log-1.ndjson"].splitlines() if b'"kind":"call"' in line]


def test_erasing_a_person_leaves_every_proof_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    fill(folder)
    kept, before, hashes, counted = witnessed(folder), exported(folder), leaves(folder), recount(folder)
    forget(folder)
    after, now = exported(folder), leaves(folder)

    assert now[: len(hashes)] == hashes and len(now) == len(hashes) + 1  # the act is one more entry
    tree = Hashes(folder, 1)
    assert encode(tree.root_at(len(hashes))) in members(before)["log-0.ndjson"].decode()
    tree.close()
    assert calls(after) == calls(before), "the lines of the person's calls, to the byte"
    for content in (before, after):
        verdict = judged(tmp_path / "x.zip", content, key_of(folder), kept)
        assert verdict.faults == [] and verdict.witness is not None
    assert verify_local(folder, (key_of(folder),)).faults == []
    again = recount(folder)
    assert (again.gap_count, again.units, again.stored) == (0, counted.units, counted.stored)


@pytest.mark.sqlite("its files")
def test_a_commitment_without_its_salt_proves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    fill(folder)
    salts = dict(rows(folder, "SELECT pos, salt FROM bodies"))
    found: dict[int, dict[str, Any]] = {pos: orjson.loads(body) for pos, body in rows(folder, "SELECT pos, body FROM entries")}

    def opens(pos: int, salt: bytes) -> bool:
        said = hashlib.sha256(salt + hashlib.sha256(BYTES).digest()).hexdigest()
        return bool(found[pos]["bodies"][0]["commitment"] == said)

    assert all(opens(pos, salt) for pos, salt in salts.items()) and len(salts) == 12
    forget(folder)
    left = dict(rows(folder, "SELECT pos, salt FROM bodies"))
    gone = set(salts) - set(left)
    assert len(gone) == 6 and {found[pos]["person_ref"] for pos in gone}.isdisjoint({found[pos]["person_ref"] for pos in left})
    assert not any(opens(pos, salt) for pos in gone for salt in left.values()), "nothing in the journal opens it"
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(salts[pos] in stored for pos in gone)
    assert all(salt in stored for salt in left.values()), "the twin: what was not erased is there"
