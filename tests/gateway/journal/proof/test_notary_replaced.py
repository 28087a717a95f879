"""A notary whose place another process took, and that wakes up: it signs nothing that anybody reads (decision 0056)."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.wire.clock import SystemClock
from gateway.journal.connection import StoreLost
from gateway.journal.proof import files, register, snapshot
from gateway.journal.proof.merkle import leaf_hash
from gateway.journal.proof.notary import Notary
from gateway.journal.proof.notes import encode
from tests.gateway.journal.proof.world import root_of, rows, sign, vector, write


class Lead:
    """Whether a process still has it."""

    lost = False

    def confirm(self) -> None:
        if self.lost:
            raise StoreLost("PostgreSQL 57P01 : terminating connection due to administrator command")


@pytest.fixture
def lead() -> Lead:
    return Lead()


@pytest.fixture
def stopped(tmp_path: Path, lead: Lead) -> Iterator[Notary]:
    """It has signed 30 entries; 10 more have come since."""
    write(tmp_path, 30)
    one = Notary.open(tmp_path, SystemClock(), confirm=lead.confirm)
    one.begin("stopped")
    one.up_to_date("period")
    write(tmp_path, 10)
    yield one
    one.close(sign=False)


@pytest.fixture
def taker(tmp_path: Path, stopped: Notary) -> Iterator[Notary]:
    one = Notary.open(tmp_path, SystemClock(), confirm=Lead().confirm)
    yield one
    one.close(sign=False)


def evidence(folder: Path) -> list[bytes]:
    return [(folder / files.FOLDER / name).read_bytes() for name in (files.LOG_0, files.CHECKPOINTS)]


def test_who_lost_the_lead_signs_nothing(tmp_path: Path, stopped: Notary, lead: Lead) -> None:
    before = evidence(tmp_path)
    lead.lost = True
    stopped.catch_up()
    for act in (lambda: stopped.checkpoint("period"), lambda: stopped.up_to_date("witness"), stopped.rotate):
        with pytest.raises(StoreLost):
            act()
    assert evidence(tmp_path) == before
    lead.lost = False  # the twin
    stopped.checkpoint("period")
    assert vector(tmp_path)[0].size == 40


def test_who_was_stopped_between_the_question_and_the_writing_writes_where_nobody_reads(
    tmp_path: Path, stopped: Notary, taker: Notary
) -> None:
    taker.up_to_date("period")
    write(tmp_path, 300)
    before = evidence(tmp_path)
    while stopped.catch_up():  # further than its successor, and a level of the tree that this one has not reached
        pass
    with pytest.raises(OSError, match="another process took log-0"):
        stopped.checkpoint("period")
    stopped._log0._hashes.append([bytes(32)])  # it was stopped even later
    assert evidence(tmp_path) == before
    assert vector(tmp_path)[0].size == 40
    taker.up_to_date("period")
    write(tmp_path, 5)
    stopped.catch_up()
    taker.up_to_date("period")
    bodies = [bytes(body) for (body,) in rows(tmp_path, "SELECT body FROM entries ORDER BY pos")]
    assert [(head.size, head.root) for head in vector(tmp_path)] == [(345, encode(root_of(map(leaf_hash, bodies))))]
    leaves = [register.read(raw)["seq"] for raw in files.lines(tmp_path / files.FOLDER / files.LOG_0)]
    assert leaves == list(range(len(leaves)))
    sign(tmp_path)  # opens: nothing contradicts anything
    last = snapshot.latest(tmp_path)
    assert last is not None and last.vector == vector(tmp_path)


def test_a_line_without_its_signature_is_signed_by_the_successor(tmp_path: Path, stopped: Notary) -> None:
    """It was stopped in the middle of a checkpoint."""
    stopped._log0.add("checkpoint", SystemClock().real(), vector=register.vector_json(vector(tmp_path)), why="period")
    size = stopped._log0.size
    one = Notary.open(tmp_path, SystemClock(), confirm=Lead().confirm)
    made = one.up_to_date("period")
    assert (made.size, made.vector[0].size) == (size + 1, 40)
    before = evidence(tmp_path)
    with pytest.raises(OSError, match="another process took checkpoints"):
        stopped._log0.sign(stopped._signer)  # type: ignore[arg-type]
    assert evidence(tmp_path) == before
    one.close()
    sign(tmp_path)


def test_the_files_are_copied_only_where_somebody_else_may_have_them_open(tmp_path: Path) -> None:
    write(tmp_path, 3)
    sign(tmp_path)
    kept = [path.open("rb") for path in sorted((tmp_path / files.FOLDER).iterdir())]
    places = [os.fstat(file.fileno()).st_ino for file in kept]
    sign(tmp_path)
    assert [path.stat().st_ino for path in sorted((tmp_path / files.FOLDER).iterdir())] == places
    Notary.open(tmp_path, SystemClock(), confirm=Lead().confirm).close(sign=False)
    again = sorted((tmp_path / files.FOLDER).iterdir())
    assert [path.name for path in again] == [files.CHECKPOINTS, files.LOG_0], "no draft is left"
    assert not {path.stat().st_ino for path in again} & set(places)
    assert {path.stat().st_mode & 0o777 for path in again} == {0o600}
    for file in kept:
        file.close()
