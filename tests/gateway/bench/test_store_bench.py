"""`socle bench store` at a small size: every figure is there, and the deep page is really one. Large sizes are not run here."""
from __future__ import annotations

from pathlib import Path

import orjson
from typer.testing import CliRunner

from gateway.cli.main import app
from tests.gateway.bench.test_journal_bench import FIELDS

_NAMES = {
    "index", "page_1", "page_31", "recherche_essms_mois", "recherche_essms_issue", "recherche_personne",
    "recherche_personne_absente", "taux_mois", "recompte", "octets_par_entree", "arbre", "export_preuve",
    "export_octets_par_entree", "verification", "index_octets_par_entree", "arbre_octets_par_entree",
}  # fmt: skip


def test_a_journal_is_loaded_read_exported_and_verified(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    done = CliRunner().invoke(app, ["bench", "store", "--data", str(folder), "--entries", "2000", "--json"])
    assert done.exit_code == 0, done.output
    figures = {figure["name"]: figure for figure in orjson.loads(done.stdout)}
    assert {f"store.sqlite.{name}.2000" for name in _NAMES} <= set(figures)
    for name, figure in figures.items():
        assert set(figure) == FIELDS
        assert figure["value"] > 0, name
    assert figures["store.sqlite.page_31.2000"]["limit"] == figures["store.sqlite.page_1.2000"]["value"]
    assert figures["store.sqlite.arbre_octets_par_entree.2000"]["value"] >= 32
    assert not folder.exists()
