"""A gateway killed while entries leave: whole acts or none, the tree as it was, and the next pass goes on (decision 0040)."""
from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.journal.proof.local import verify_local
from gateway.usage.recount import recount
from tests.faults.retaining import POINTS
from tests.gateway.journal.world import rows
from tests.gateway.usage.aged import Aged, aged

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
#: Acts that are durable at each point, of the one that there is.
DURABLE = {"before-act": 0, "leaves-kept": 0, "entries-gone": 0}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Aged:
    return aged(tmp_path_factory.mktemp("old") / "gateway")


def count(folder: Path) -> int:
    old_calls = "kind = 'call' AND outcome <> 'in_doubt' AND recorded_at < '2028-05'"
    [(number,)] = rows(folder, f"SELECT count(*) FROM entries WHERE {old_calls}")
    return int(number)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(old: Aged, tmp_path: Path, point: str) -> None:
    folder = Path(shutil.copytree(old.folder, tmp_path / "gateway"))
    command = [sys.executable, "-m", "tests.faults.retaining", str(folder), point]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    left = DURABLE.get(point, 1)
    assert (count(folder), len(rows(folder, "SELECT 1 FROM departed"))) == (300 * (1 - left), left)
    assert verify_local(folder).faults == []
    assert recount(folder).gap_count == 0

    again = Aged(folder)
    assert again.retain()["entries"] == 300 * (1 - left)
    assert count(folder) == 0
    [size] = [size for (size,) in rows(folder, "PRAGMA freelist_count")]
    assert size == 0, "the disk has its room back"
    assert verify_local(folder).faults == []
    assert recount(folder).gap_count == 0


