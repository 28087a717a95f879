"""docs/securite.md says what the code does: levels, ceilings, delays, keys, commands."""
from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.journal.backup import SHORTEST_PASSPHRASE
from gateway.journal.bodies import CEILINGS, LEVELS
from gateway.journal.proof.signing import SigningKey
from gateway.journal.retention import BODIES_DAYS, REFS_DAYS, SHORTEST_REFS_DAYS
from gateway.journal.vault import Vault
from gateway.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "securite.md").read_text("utf-8")


def test_levels_and_ceilings() -> None:
    assert all(f"`{level}`" in PAGE for level in LEVELS)
    said = re.search(r"^- Plafonds : (.*?)\. ", PAGE, re.MULTILINE)
    assert said is not None
    assert dict(re.findall(r"([A-Z]{3})\w* `(\w+)`", said[1].replace("MSSanté", "MSS"))) == dict(CEILINGS)


def test_delays() -> None:
    assert f"Corps {BODIES_DAYS} jours" in PAGE
    assert (round(REFS_DAYS / 365.25), "faits cinq ans" in PAGE) == (5, True)
    settings = (DOCS / "reglages.md").read_text("utf-8")
    assert f"`SOCLE_RETENTION_BODIES_DAYS` | {BODIES_DAYS} |" in settings
    assert f"`SOCLE_RETENTION_REFS_DAYS` | {REFS_DAYS} |" in settings and f"{SHORTEST_REFS_DAYS} au moins" in settings
    assert f"`SOCLE_BODY_MAX_KIO` | {Settings.model_fields['body_max_kio'].default} |" in settings


def test_every_key_of_the_journal_is_explained(tmp_path: Path) -> None:
    Vault.open(tmp_path, "bac_a_sable", create=True)
    SigningKey(tmp_path).prepare("socle/essai")
    SigningKey(tmp_path).promote()
    assert {path.name for path in tmp_path.iterdir()} == set(re.findall(r"`gateway/keys/(\w+)`", PAGE))
    assert f"({SHORTEST_PASSPHRASE} caractères au moins)" in PAGE


def test_every_command_that_it_names_exists() -> None:
    named = set(re.findall(r"socle journal ([a-z]+)", PAGE))
    assert named >= {"erase", "retention", "backup", "restore", "settle"}
    for name in named:
        assert CliRunner().invoke(app, ["journal", name, "--help"]).exit_code == 0, name
