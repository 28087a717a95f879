"""A process that is killed while it changes the registry leaves one state, which is the journal's (decision 0030)."""
from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version
from tests.gateway.grappes.world import GRAPPE, LES_CARMES, noted, put, registrar_of, the, with_mailbox

#: A process that changes the registry once, and dies by SIGKILL at the point that its argument names.
VICTIM = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.grappes import registrar, versions
from gateway.journal.journal import Journal
from tests.gateway.grappes.world import GRAPPE, registrar_of, with_mailbox

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def wait_and_die(*_):
    die()

point, folder = sys.argv[1], Path(sys.argv[2])
if point == "before_entry":
    Journal.write = wait_and_die
elif point == "before_current_file":
    versions.put_forward = die
elif point == "inside_current_file":
    Path.replace = (lambda replace: lambda self, to: die() if to.parent.name == "grappes" else replace(self, to))(Path.replace)

async def change():
    async with registrar_of(folder) as changing:
        await changing.change(GRAPPE, lambda one: with_mailbox(one, "carmes@ccas.mssante.test"), by="amoa")

asyncio.run(change())
"""


@pytest.mark.parametrize("point, in_force", [("before_entry", 1), ("before_current_file", 2), ("inside_current_file", 2)])
async def test_whatever_kills_it_the_journal_says_which_version_is_in_force(tmp_path: Path, point: str, in_force: int) -> None:
    folder = put(tmp_path)
    command = [sys.executable, "-c", VICTIM, point, str(tmp_path)]
    died = subprocess.run(command, cwd=Path(__file__).parents[3], timeout=30, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert [entry["version"] for entry in noted(tmp_path)] == list(range(2, in_force + 1))
    assert Registry.load(folder).version_of(GRAPPE) == in_force
    async with registrar_of(tmp_path) as registrar:
        await registrar.adopt()
        saved = await registrar.change(GRAPPE, lambda one: with_mailbox(one, "autre@ccas.mssante.test"), by="amoa")
    assert saved.version == in_force + 1
    kept = [box.address for box in the(load_version(folder, GRAPPE, saved.version), LES_CARMES).mailboxes]
    assert kept == ["carmes@ccas.mssante.test"] * (in_force - 1) + ["autre@ccas.mssante.test"]
    assert Registry.load(folder).grappe(GRAPPE) == load_version(folder, GRAPPE, saved.version)
    assert list(folder.glob("*.new")) == []
