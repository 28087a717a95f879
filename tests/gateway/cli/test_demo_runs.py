"""Where a run is kept, and that a shortened run never passes for the declared numbers."""
from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.demo import _capped
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
