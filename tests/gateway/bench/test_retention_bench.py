"""`socle bench retention` at a small size: entries leave beside traffic, and the disk gets its room back."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.bench import retention
from gateway.cli.main import app
from tests.gateway.bench.test_journal_bench import FIELDS


def test_entries_leave_and_the_disk_gets_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_QUIET_S", 0.2)
    folder = tmp_path / "data"
    done = CliRunner().invoke(app, ["bench", "retention", "--data", str(folder), "--entries", "2000", "--json"])
    assert done.exit_code == 0, done.output
    found = {figure["name"].removeprefix("conservation.").removesuffix(".2000"): figure for figure in orjson.loads(done.stdout)}
    assert {"octets_par_entree_avant", "octets_par_entree_apres", "rendu", "p99", "pire", "entrees"} <= set(found)
    assert all(set(figure) == FIELDS for figure in found.values())
    assert found["octets_par_entree_apres"]["value"] < found["octets_par_entree_avant"]["value"] / 2
    assert found["octets_par_entree_apres.departed"]["value"] >= 30
    assert not folder.exists()
