"""`socle bench population` on a small sandbox: every figure is there, and nothing is left behind."""
from __future__ import annotations

from pathlib import Path

import pytest

from gateway.bench import population


def test_a_sandbox_is_made_asked_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "_CALLS", 12)
    monkeypatch.setattr(population, "_WARM", 2)
    monkeypatch.setattr(population, "_FEW", 40)
    measured = population._of(tmp_path, 40)
    monkeypatch.setattr(population, "_of", lambda _folder, _persons: measured)
    figures = {figure.name: figure for figure in population.figures(tmp_path, [60])}
    names = {"semis_cpu_s", "fichier_mio", "demarrage_s", "memoire_mio", "insi_ms", "dmp_ms"}
    assert set(figures) == {f"population.{name}.60" for name in names}
    assert all(figure.value > 0 and figure.ratio == 1 for figure in figures.values())
    assert figures["population.semis_cpu_s.60"].holds
    assert list(tmp_path.iterdir()) == []
