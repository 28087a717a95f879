"""`socle grappe list|show`."""
from __future__ import annotations

from pathlib import Path

import orjson
from typer.testing import CliRunner

from gateway.cli.grappe import app
from gateway.grappes.install import install
from gateway.grappes.reading import example


def run(data: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words, "--data", str(data)])
    return result.exit_code, result.output


def test_a_shipped_grappe_is_listed_until_it_is_installed(tmp_path: Path) -> None:
    shipped = {"id": "marseille-hyeres", "name": "Marseille - Hyères", "ars": "ARS Provence-Alpes-Côte d'Azur", "essms": 12}
    assert orjson.loads(run(tmp_path, "list", "--json")[1]) == {"grappes": [shipped | {"installed": False}]}
    install(example("marseille-hyeres"), {"structures": []}, [], tmp_path / "gateway" / "grappes")
    assert orjson.loads(run(tmp_path, "list", "--json")[1]) == {"grappes": [shipped | {"installed": True}]}
    assert "marseille-hyeres : Marseille - Hyères" in run(tmp_path, "list")[1]


def test_what_was_typed_and_what_was_kept_are_both_shown(tmp_path: Path) -> None:
    code, text = run(tmp_path, "show", "marseille-hyeres")
    lines = text.splitlines()
    assert code == 0
    numbers = ("130045133", "130784507", "830206587")
    second, third, twelfth = (next(line for line in lines if number in line) for number in numbers)
    assert "à vérifier" in second
    assert "fausse" in second
    assert "corrigé" in third
    assert "non déclaré" in twelfth
    assert "130784507 (saisi 1306784507)" in text
    assert "décision de l'équipe Socle" in text
    assert orjson.loads(run(tmp_path, "show", "marseille-hyeres", "--json")[1])["essms"][2]["saisi"] == "1306784507"


def test_an_unknown_grappe_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    code, text = run(tmp_path, "show", "autre")
    assert (code, text) == (2, "Grappe inconnue : « autre ». Grappes connues : marseille-hyeres.\n")
