"""A gateway killed while it signs: what it told was signed stays signed, and the next start goes on from it (design §5.5)."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.wire.clock import SystemClock
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.notary import Notary
from gateway.journal.proof.notes import encode

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
_KILLS = 6


def killed(folder: Path, after_s: float) -> list[list[str]]:
    """Run the signing process for so long, kill it, and give the snapshots it told."""
    command = [sys.executable, "-m", "tests.faults.signing", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_s)  # somewhere in the middle of something
        os.kill(process.pid, signal.SIGKILL)
        return [line.split() for line in process.stdout.read().splitlines() if len(line.split()) == 4]


def test_what_was_told_signed_stays_signed(tmp_path: Path) -> None:
    told: list[list[str]] = []
    for number in range(_KILLS):
        told += killed(tmp_path, 0.2 + 0.037 * number)
        verdict = verify_local(tmp_path)
        assert verdict.faults == []
    assert len(told) > _KILLS
    notary = Notary.open(tmp_path, SystemClock())  # as the next gateway does
    assert notary.forks == ()
    notary.close()
    for log, at in ((0, 0), (1, 2)):
        tree = Hashes(tmp_path, log)
        assert all(encode(tree.root_at(int(row[at]))) == row[at + 1] for row in told)
        tree.close()
