"""`socle sandbox tenant` as its reader sees it; what the control API answers is tried in tests/mocks/sandbox/test_tenants.py."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import sandbox_tenant
from gateway.cli.common import BAD_INPUT
from gateway.cli.main import app

LISTED = {
    "tenants": [
        {"name": "dui-exemple", "product": "DUI dui-exemple", "structures": ["0B0990008", "0B0990016"], "has_key": False},
        {"name": "editeur-b", "product": "DUI B", "structures": [], "has_key": True},
    ],
    "removed": ["editeur-c"],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    asked: list[tuple[str, str]] = []

    def ask(_data: Path, method: str, path: str, *_body: object) -> dict[str, Any]:
        asked.append((method, path))
        return LISTED

    monkeypatch.setattr(sandbox_tenant, "ask", ask)
    return asked


def tenant(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["sandbox", "tenant", *arguments], env={"COLUMNS": "80"})
    return done.exit_code, done.stdout, done.stderr


def test_a_tenant_is_not_removed_by_a_slip(asked: list[tuple[str, str]]) -> None:
    code, _, error = tenant("remove", "editeur-b")
    assert (code, "--yes" in error, asked) == (BAD_INPUT, True, [])
    code, out, _ = tenant("remove", "editeur-b", "--yes")
    assert (code, asked, "restent au journal" in out) == (0, [("DELETE", "/tenants/editeur-b")], True)


def test_the_list_holds_in_a_narrow_terminal(asked: list[tuple[str, str]]) -> None:
    code, out, _ = tenant("list")
    lines = out.splitlines()
    assert (code, max(map(len, lines)) <= 80) == (0, True)
    assert lines[1].split() == ["dui-exemple", "DUI", "dui-exemple", "0B0990008", "0B0990016", "non"]
    assert lines[2].split() == ["editeur-b", "DUI", "B", "aucun", "oui"] and lines[3] == "Retirés : editeur-c."
