"""`socle sandbox` refuses what the sandbox could never do, before asking it."""
from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.main import app


def test_a_fault_on_an_unknown_operation_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sandbox", "faults", "--arm", "DMP.TD9=timeout", "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.startswith("« DMP.TD9 » : opération inconnue ; possibles : INS.RECHERCHE_TRAITS, ")


def test_a_fault_on_a_known_operation_is_asked_of_the_sandbox(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sandbox", "faults", "--arm", "DMP.TD2.1=timeout", "--data", str(tmp_path)])
    assert (done.exit_code, done.stderr.split(".")[0]) == (3, f"Aucun bac à sable ne tourne dans {tmp_path}".split(".")[0])
