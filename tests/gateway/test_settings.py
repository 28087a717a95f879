"""A setting that cannot be used stops the process with exit 2 and one French line that names it."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import Settings, why_refused

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("BODIES", '{"MSS.SOUMISSION": "full"}', "« MSS.SOUMISSION » : full est refusé, none au plus"),
        ("BODIES", '{"INS.AUTRE": "full"}', "« INS.AUTRE » : écrivez une opération connue"),
        ("BODIES", "full", "ce n'est pas du JSON lisible"),
        ("RETENTION_REFS_DAYS", '{"*": 30}', "« * » : 400 jours au moins"),
        ("RETENTION_BODIES_DAYS", '{"editeur-a": 0}', "« editeur-a » : un jour au moins"),
        ("ENVIRONMENT", "prod", "attendu : bac_a_sable, recette, charge ou production"),
    ],
)
def test_a_wrong_setting_is_said_in_one_line_by_gateway_and_command(tmp_path: Path, name: str, value: str, why: str) -> None:
    environment = {**os.environ, f"SOCLE_{name}": value, "SOCLE_DATA": str(tmp_path)}
    command = "from gateway.cli.main import main; main()"
    for call in (["-m", "gateway"], ["-c", command, "journal", "retention"]):
        done = subprocess.run([sys.executable, *call], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith(f"Réglage SOCLE_{name} : ") and why in done.stderr


def test_right_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_BODIES", '{"INS.RECHERCHE_TRAITS": "full", "editeur-a/PSC.TOKEN": "headers"}')
    monkeypatch.setenv("SOCLE_RETENTION_REFS_DAYS", '{"*": 400}')
    settings = Settings()
    assert settings.bodies == {"INS.RECHERCHE_TRAITS": "full", "editeur-a/PSC.TOKEN": "headers"}
    assert settings.retention().refs == {"*": 400}


@pytest.mark.parametrize(("name", "value", "why"), [
    ("DRAIN_S", "0", "plus de 0 est attendu"), ("DRAIN_S", "demain", "un nombre est attendu"),
    ("BALLAST_MIO", "0", "1 au moins"), ("BALLAST_MIO", "1.5", "un nombre entier est attendu"),
    ("RERUN_IN_PRODUCTION", "peut-être", "attendu : true ou false"),
    ("BODIES", '{"INS.RECHERCHE_TRAITS": "tout"}', "attendu : none, digest, headers ou full"),
    ("BODY_MAX_KIO", "-1", "plus de 0 est attendu"),
])  # fmt: skip
def test_what_is_wrong_is_said_in_french(monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str) -> None:
    monkeypatch.setenv(f"SOCLE_{name}", value)
    with pytest.raises(ValidationError) as error:
        Settings()
    assert why_refused(error.value) == f"Réglage SOCLE_{name} : {why} (docs/reglages.md)."
