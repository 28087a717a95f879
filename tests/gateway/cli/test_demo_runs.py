"""Where a run is kept, and that a shortened run never passes for the declared numbers."""
from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from gateway.cli.demo import _capped
from gateway.cli.main import app
from gateway.cli.runs import new_folder
from gateway.grappes.reading import example


def test_runs_are_kept_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_DATA", str(tmp_path))
    assert new_folder("demo").parent == tmp_path / "demo"
    monkeypatch.delenv("SOCLE_DATA")
    assert new_folder("load").parent == Path(".socle/load")


def test_a_capped_denominator_is_not_given_as_the_declared_one() -> None:
    declared = example("marseille-hyeres")
    short = _capped(declared, 20)
    assert max(one.persons or 0 for one in short.essms) == 20
    assert short.denominator_label == f"{declared.denominator_label} ; plafonné à 20 par ESSMS pour un essai court"
    assert _capped(declared, None) == declared


@pytest.mark.parametrize("command", [["demo"], ["load", "run"]])
def test_a_disk_without_room_is_said_before_anything_starts(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCLE_DATA", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=299 << 20))
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 3
    folder = tmp_path / command[0]
    said = f"Il faut 300 Mo libres pour une exécution ; il en reste 299 Mo dans {folder}. Libérez de la place."
    assert done.stderr.strip() == said
    assert not list(folder.glob("*/data/*"))
