"""`socle load run` on real processes, the gateway killed on the way: what was answered is in the journal."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

SOCLE = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any], Path]:
    place = tmp_path_factory.mktemp("load")
    command = [*SOCLE, "load", "run", "--users", "16", "--duration", "20s", "--kill-gateway-at", "8s", "--json"]
    done = subprocess.run(command, cwd=place, capture_output=True, timeout=110)
    assert done.stdout, done.stderr.decode()
    [folder] = (place / ".socle" / "load").iterdir()
    return done.returncode, orjson.loads(done.stdout), folder


@pytest.mark.slow
def test_a_killed_run_reconciles(killed: tuple[int, dict[str, Any], Path]) -> None:
    code, said, _ = killed
    assert said["gaps"] == []
    assert (said["reconciled"], code) == (True, 0)
    for operation, answered in said["answered"].items():
        assert answered <= said["journal"][operation] <= said["sent"][operation]
    assert sum(said["sent"].values()) - sum(said["answered"].values()) == said["failures"].get("sans réponse", 0)


@pytest.mark.slow
def test_the_gateway_was_really_killed_and_started_again(killed: tuple[int, dict[str, Any], Path]) -> None:
    _, said, folder = killed
    lines = [orjson.loads(line) for line in (folder / "data/logs/gateway.log").read_bytes().splitlines() if line.startswith(b"{")]
    opened = [line for line in lines if line.get("event") == "journal_open"]
    assert len(opened) == 2
    assert len({line["boot"] for line in opened}) == 2
    assert said["killed_at_s"] == 8
    last = orjson.loads((folder / "sent.jsonl").read_bytes().splitlines()[-1])
    assert last["at"] > opened[1]["at"].replace("+0000", "")  # calls went on after the restart


@pytest.mark.slow
def test_every_protocol_was_loaded_and_the_report_names_its_machine(killed: tuple[int, dict[str, Any], Path]) -> None:
    _, said, _ = killed
    assert set(said["sent"]) == {
        "INS.RECHERCHE_TRAITS", "DMP.TD0.2", "DMP.TD2.1", "MSS.SESSION_SMTP", "MSS.SOUMISSION", "PSC.AUTHORIZE", "PSC.LOGIN",
        "PSC.TOKEN", "PSC.USERINFO", "ANN.RECHERCHE",
    }  # fmt: skip
    assert said["machine"]["cpus"] >= 1 and said["machine"]["locust"] and said["generator_cpu_s"] > 0
    assert said["environment"] == "charge" and said["simulated"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--duration", "10s", "--kill-gateway-at", "10s"], "--kill-gateway-at 10s vient après la fin (10s)"),
        (["--duration", "une heure"], "Durée « une heure » : donnez des secondes (30s) ou des minutes (2m)"),
        (["--duration", "20m"], "Durée « 20m » : donnez des secondes (30s) ou des minutes (2m)"),
    ],
)
def test_bad_usage_is_one_french_line(arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["load", "run", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith(said) and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
