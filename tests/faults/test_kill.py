"""A gateway killed while it writes, and a second one that would write beside it (design §5)."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from gateway.journal.journal import LOCK_NAME
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalLocked
from gateway.journal.units import UnitSet, units_of
from tests.gateway.journal.world import open_journal, rows

pytestmark = pytest.mark.faults

_ROOT = Path(__file__).parents[2]


@contextmanager
def _victim(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.faults.victim", str(folder)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.stdout.close()


async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    with _victim(tmp_path) as victim:
        assert victim.stdout is not None
        told = [victim.stdout.readline().split() for _ in range(400)]
        os.kill(victim.pid, signal.SIGKILL)
        told += [line.split() for line in victim.stdout.read().splitlines() if len(line.split()[-1]) == 36]
    with JournalReader(tmp_path) as reader:  # what died can be read before anything is started again
        assert {what[1] for what in told if what[0] == "entry"} <= {entry.id for entry in reader.walk()}
    journal = open_journal(tmp_path)
    recovered = journal.recovered
    await journal.close()
    with JournalReader(tmp_path) as reader:
        entries = list(reader.walk())
        units = set(reader.units())
        counts = reader.counts()
        assert reader.intents() == 0
    kept = {entry.id for entry in entries}
    assert [what for what in told if what[1] not in kept] == []
    assert [entry.seq for entry in entries] == list(range(len(entries)))
    assert units == UnitSet(unit for entry in entries for unit in units_of(orjson.loads(entry.body))).rows
    assert recovered == counts["DMP.TD2.1"]["in_doubt"] == counts["DMP.TD2.1"]["recovered"] <= 8
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_second_process_is_told_who_holds_the_journal(tmp_path: Path) -> None:
    with _victim(tmp_path) as victim:
        with pytest.raises(JournalLocked) as refusal:
            open_journal(tmp_path)
        assert refusal.value.pid == victim.pid
        assert str(victim.pid) in str(refusal.value)
    assert (tmp_path / LOCK_NAME).exists(), "the lock file stays; the lock went with its holder"
    await open_journal(tmp_path).close()


async def test_a_second_journal_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with pytest.raises(JournalLocked) as refusal:
        open_journal(tmp_path)
    assert refusal.value.pid == os.getpid()
    await journal.close()
    await open_journal(tmp_path).close()


def test_readers_need_no_lock(tmp_path: Path) -> None:
    with _victim(tmp_path), JournalReader(tmp_path) as reader:
        assert reader.entries(limit=1) is not None
