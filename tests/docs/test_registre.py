"""Every command of docs/registre.md is played as it is written, on a registry of its own."""
from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from typer.main import get_command

from gateway.cli.main import app
from gateway.grappes.changes import CHANGES
from gateway.grappes.denominator_files import COLUMNS as DENOMINATORS
from gateway.grappes.denominators import MOTIFS, SOURCES
from gateway.grappes.extraction import COLUMNS as EXTRACTION
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from tests.gateway.grappes.test_registry_commands import certificate
from tests.gateway.grappes.world import GRAPPE, LES_CARMES, MARSEILLE, put

PAGE = (Path(__file__).parents[2] / "docs" / "registre.md").read_text("utf-8")
NAMES = {"GRAPPE": GRAPPE, "ET": LES_CARMES, "EJ": MARSEILLE, "ADRESSE": "carmes@ccas.mssante.test"}


def commands() -> list[str]:
    """Without the words that explain them, which two spaces set apart."""
    text = PAGE.replace("\\\n        ", "")
    lines = [line.split(" [--")[0] for line in re.findall(r"^    socle (.+)$", text, re.MULTILINE)]
    return [re.split(r" {2,}|(?<=--by amoa) (?=\w)", line)[0] for line in lines]


def completed(file: str, content: str) -> str:
    """A template as its reader fills it in."""
    if file == "extraction.csv":
        return content.replace(";;;;;", ";61;58;40;50;")
    return "\n".join(row for row in content.splitlines() if "MURIERS" not in row)  # whose persons nobody knows


def test_every_command_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "open", partial(Journal.open, ballast_bytes=1 << 18))
    monkeypatch.setenv("SOCLE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = put(tmp_path / "gateway")
    (tmp_path / "auth.pem").write_bytes(certificate())
    socle = get_command(app)
    played = commands()
    assert len(played) == 18
    for line in played:
        line, _, file = line.partition(" > ")
        words = [NAMES.get(word, word) for word in shlex.split(line)]
        result = CliRunner().invoke(socle, words)
        assert result.exit_code == 0, (line, result.output)
        if file:
            (tmp_path / file).write_text(completed(file, result.stdout), encoding="utf-8")
    assert Registry.load(folder).version_of(GRAPPE) > 8


def test_every_column_reason_source_and_change_is_explained() -> None:
    for name in (*(one.name for one in (*DENOMINATORS, *EXTRACTION)), *MOTIFS, *SOURCES):
        assert f"`{name}`" in PAGE, name
    kinds = set(re.findall(r"`([a-z]+)`", PAGE.partition("a un `kind`")[2].partition("et les champs")[0]))
    models = CHANGES.json_schema()["$defs"]
    assert kinds == {model["properties"]["kind"]["const"] for model in models.values() if "kind" in model["properties"]}
