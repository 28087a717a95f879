"""README.fr.md and docs/exports.md say what the exports write: every column, format and command."""
from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.exports import csv_rates
from gateway.exports.definitions import POPULATION_NOTE
from gateway.exports.opened import FORMATS
from gateway.exports.pack import MAKERS
from gateway.usage.indicators import INDICATORS

ROOT = Path(__file__).parents[3]
AMOA = (ROOT / "README.fr.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "exports.md").read_text("utf-8")
USAGE = (ROOT / "docs" / "usage.md").read_text("utf-8")
#: Columns of the programme that their own name explains (programme-indicateurs §13.2).
PLAIN = {
    "grappe", "finess_ej", "finess_et", "raison_sociale", "indicateur", "periode_debut", "periode_fin", "fenetre", "numerateur",
    "denominateur", "denominateur_definition", "denominateur_date", "taux_pct", "cible_pct", "statut",
}  # fmt: skip


def test_every_column_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", GUIDE + USAGE))
    assert set(csv_rates.COLUMNS) - PLAIN <= explained
    assert set(csv_rates.COLUMNS) >= PLAIN


def test_every_format_is_named() -> None:
    assert all(f"`{name}`" in GUIDE for name in (*MAKERS, *FORMATS, "tout"))
    assert ",".join(FORMATS) in AMOA


def test_the_five_indicators_and_their_targets_stand_in_the_guide() -> None:
    rows = dict(re.findall(r"^\| `(IND-[A-Z]+-\d\d)` \|.*\| (\d+) % \|", AMOA, re.MULTILINE))
    assert rows == {one.id: str(one.target) for one in INDICATORS.values()}
    assert "note 2" in POPULATION_NOTE and "note 2" in AMOA


def test_every_command_of_the_guide_exists() -> None:
    named = set(re.findall(r"socle ((?:usage|grappe|journal) [a-z]+)", AMOA))
    assert named >= {"usage export", "usage close", "usage explain", "usage recount", "grappe list", "journal verify"}
    for words in named:
        assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0, words
    options = CliRunner().invoke(app, ["usage", "export", "--help"]).output
    assert all(option in options for option in re.findall(r"(?<![\w-])--[a-z]+", GUIDE) if option != "--data")
