"""`socle bench usage`: what it prints at a small size, and what its growth says. The large sizes are not run here."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.bench.figure import Figure
from gateway.bench.usage import growth
from gateway.cli.main import app
from tests.gateway.bench.test_journal_bench import FIELDS

_NAMES = (
    "taux_mois", "taux_mois_cpu", "taux_annee_cpu", "export_taux", "recompte", "export_ndjson", "export_csv", "octets_par_entree",
)  # fmt: skip


def test_every_figure_is_there_for_each_size_and_nothing_is_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    asked = ["bench", "usage", "--data", str(folder), "--entries", "1000", "--entries", "2000", "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    figures = {figure["name"]: figure for figure in orjson.loads(done.stdout)}
    assert set(figures) == {f"usage.{name}.{size}" for name in _NAMES for size in (1000, 2000)} | {"usage.taux_mois.croissance"}
    for name, figure in figures.items():
        assert set(figure) == FIELDS
        assert figure["value"] > 0, name
        assert figure["limit"] is None or figure["limit_is"], name
    assert figures["usage.taux_mois.2000"]["target"] == "< 100"
    assert figures["usage.taux_mois.2000"]["limit"] < figures["usage.taux_mois.2000"]["value"]
    assert figures["usage.recompte.2000"]["value"] < figures["usage.recompte.2000"]["limit"]
    assert 500 < figures["usage.octets_par_entree.2000"]["limit"] < figures["usage.octets_par_entree.2000"]["value"]
    assert not folder.exists()


@pytest.mark.parametrize(("times", "holds"), [((40.0, 44.0), True), ((40.0, 80.0), False)])
def test_growth_compares_the_smallest_with_the_largest(times: tuple[float, float], holds: bool) -> None:
    sizes = zip((10_000_000, 1_000_000), reversed(times), strict=True)
    measured = [Figure(f"usage.taux_mois_cpu.{size}", "ms CPU", value, None, None, None, "", 0, 1) for size, value in sizes]
    [figure] = growth([*measured, Figure("usage.recompte.1000000", "entrées/s", 1.0, None, None, None, "", 0, 1)])
    assert (figure.value, figure.limit, figure.holds) == (round(times[1] / times[0], 2), 10.0, holds)
    assert list(growth(measured[:1])) == []


@pytest.mark.parametrize(("options", "said"), [
    (["journal", "--entries", "1000"], "--entries ne vaut que pour socle bench usage, store, population, retention, insi."),
    (["usage", "--entries", "1000000000000"], "ou mesurez moins par --entries."),
])  # fmt: skip
def test_what_cannot_be_measured_is_one_french_line_and_exit_2(tmp_path: Path, options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["bench", *options, "--data", str(tmp_path / "data")])
    assert done.exit_code == 2
    assert done.stderr.endswith(f"{said}\n") and done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()
