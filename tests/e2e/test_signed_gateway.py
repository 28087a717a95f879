"""A real gateway process signs its journal, survives a kill, and refuses a journal that is not the one it signed."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.journal.proof import files, register
from gateway.journal.query import Filters, JournalReader
from mocks.sandbox.build import init

ROOT = Path(__file__).parents[2]
MOCKS = ("insi", "insi-oneway", "dmp", "psc", "psc-wallet", "annuaire", "smtp")
PORTS = json.dumps({f"mock-{name}": 1 for name in MOCKS})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("made")
    init(data)
    return data


@contextlib.contextmanager
def gateway(data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process on free ports, ready; killed at the end if it still runs."""
    command = [sys.executable, "-m", "gateway", "--data", str(data), *options]
    environment = {**os.environ, "SOCLE_PORTS": PORTS}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            for line in process.stdout:
                said = json.loads(line)
                if said.get("ready") == "console":
                    port = int(said["url"].rpartition(":")[2])
                    (data / "run.json").write_text(json.dumps({"ports": {"console": port}}))
                if said.get("pret"):
                    break
            yield process
        finally:
            process.kill()
            process.stdout.close()
            process.stderr.close()


def stopped(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def run(*arguments: str | Path) -> Any:
    done = CliRunner().invoke(app, ["journal", *map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def leaves(data: Path) -> list[dict[str, Any]]:
    return [register.read(raw) for raw in files.lines(data / "gateway" / files.FOLDER / files.LOG_0)]


def entries(data: Path, action: str) -> list[dict[str, Any]]:
    with JournalReader(data / "gateway") as reader:
        found = [entry["detail"] for _, entry in reader.select(Filters(kind="admin"))]
    return [detail for detail in found if detail["action"] == action]


def copy(source: Path, target: Path) -> None:
    """What a backup by SQLite's own means would hold."""
    with contextlib.closing(apsw.Connection(str(source))) as old, contextlib.closing(apsw.Connection(str(target))) as new:
        with new.backup("main", old, "main") as work:
            work.step()
        new.pragma("journal_mode", "delete")


def test_a_gateway_signs_is_killed_and_refuses_what_it_did_not_sign(made: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(made, tmp_path / "data"))
    first, second, export = tmp_path / "t1.json", tmp_path / "t2.json", tmp_path / "range.zip"

    with gateway(data) as process:  # its acts go through its console
        run("witness", "-o", first, "--data", data)
        old = run("key", "--data", data)["key"]
        assert run("rekey", "--by", "exploitant", "--data", data)["previous"] == old
        assert [one["key"] for one in entries(data, "signing_key")] == [run("key", "--data", data)["key"]]
        copy(data / "gateway" / "journal.sqlite3", tmp_path / "yesterday.sqlite3")
        os.kill(process.pid, signal.SIGKILL)
    assert [leaf["kind"] for leaf in leaves(data)][:2] == ["key", "opened"]

    with gateway(data) as process:
        done = CliRunner().invoke(app, ["journal", "export", "-o", str(export), "--data", str(data)])
        assert done.exit_code == 0, done.output
        run("witness", "-o", second, "--since", first, "--data", data)
        assert stopped(process) == 0
    assert [leaf["kind"] for leaf in leaves(data)][-2:] == ["closed", "checkpoint"]
    assert leaves(data)[-1]["why"] == "stop"
    assert run("verify", "--local", "--data", data, "--key", old)["holds"]
    assert run("verify", export, "--key", old, "--witness", first)["witness"] is not None
    assert run("verify", second, "--key", old, "--key", run("key", "--data", data)["key"], "--witness", first)["holds"]

    shutil.copy(tmp_path / "yesterday.sqlite3", data / "gateway" / "journal.sqlite3")
    for suffix in ("-wal", "-shm"):
        (data / "gateway" / f"journal.sqlite3{suffix}").unlink(missing_ok=True)
    with gateway(data) as process:
        assert process.wait(30) == 4
        assert process.stderr is not None
        [line] = [line for line in process.stderr.read().splitlines() if not line.startswith("{")]
    assert line.startswith("Le journal refuse de s'ouvrir : le journal 1 a ")
    assert "--accept-fork" in line

    with gateway(data, "--accept-fork") as process:
        assert stopped(process) == 0
    [said] = entries(data, "fork_accepted")
    assert (said["log"], said["reason"], said["by"]) == (1, "shorter", "administrateur")
    assert "fork" in [leaf["kind"] for leaf in leaves(data)]
    assert run("verify", "--local", "--data", data)["holds"]
