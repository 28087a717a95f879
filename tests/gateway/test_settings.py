"""A setting that cannot be used stops the process with exit 2 and one French line that names it."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from gateway.cli.main import app as cli
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
        ("UPSTREAMS", '{"INS": "http://services.fr"}', "INS : attendu https://hôte:port, sans chemin ni compte"),
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


@pytest.mark.parametrize(
    "url", ["", "hote", "ftp://hote", "https://", "https://:1", "https://hote/", "https://hote?a", "https://moi:mdp@hote", "https://hote:",
            "https://hote:99999", "https://hote#a", "https://[::1", " https://hote"],
)  # fmt: skip
def test_an_address_is_a_host_and_a_port(url: str) -> None:
    with pytest.raises(ValidationError, match="DMP : attendu https"):
        Settings(upstreams={"DMP": url})
    right = {"DMP": "https://lps.fr:8443", "INS": "https://[::1]:9", "MSS": "smtp://operateur.fr"}
    assert Settings(upstreams=right).upstreams == right  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value", "why"), [
    ("UPSTREAMS", '{"IMAP": "imap://hote"}', "attendu : INS, INS-ONEWAY, DMP, PSC, PSC-WALLET, ANN ou MSS"),
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


@pytest.mark.parametrize(
    ("present", "address", "code", "why"),
    [
        ("journal.sqlite3", "postgresql://socle:secret@base.test/journal", 2, "a déjà un journal SQLite"),
        ("autre", "mysql://socle:secret@base.test/journal", 2, "écrivez postgresql://"),
        ("autre", "postgresql://socle:secret@/journal?host={folder}", 3, "le serveur tourne"),
    ],
)
def test_a_store_that_cannot_be_is_refused_in_one_line_without_its_secret(
    own_sandbox: Path, tmp_path: Path, present: str, address: str, code: int, why: str
) -> None:
    (tmp_path / "sandbox").symlink_to(own_sandbox / "sandbox")
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / present).touch()
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--data", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "SOCLE_STORE": address.format(folder=tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert why in done.stderr
    assert "secret" not in done.stderr


def test_the_address_of_a_store_is_not_shown_to_whoever_lists_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: started.append(words))
    monkeypatch.setenv("SOCLE_STORE", "")
    CliRunner().invoke(cli, ["gateway", "--store", "postgresql://socle:secret@base.test/journal"], catch_exceptions=False)
    assert os.environ["SOCLE_STORE"].startswith("postgresql://")
    assert [word for word in started[0] if "secret" in word] == []
