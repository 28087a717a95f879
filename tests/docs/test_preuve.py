"""docs/preuve.md says what the verifier does: its codes, its commands, its delays."""
from __future__ import annotations

import ast
import re
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.journal.proof import archive
from gateway.journal.proof.forks import WHAT_TO_DO
from gateway.journal.proof.notary import EVERY_ENTRIES, EVERY_S
from gateway.journal.proof.verdict import WITHOUT_WITNESS
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "preuve.md").read_text("utf-8")
CODE = re.compile(r"[a-z]+(?:-[a-z]+)+|rewritten|shorter")


def codes_in_code() -> set[str]:
    """Every first argument of ``fault``, ``_fault`` and ``Fault`` in the verifying modules."""
    found: set[str] = set()
    for path in (ROOT / "gateway" / "journal" / "proof").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("fault", "_fault", "Fault"):
                    found.add(str(node.args[0].value))
    return found - {"more"}


def test_every_fault_is_explained_and_no_other() -> None:
    table = PAGE[PAGE.index("## Ce qui est prouvé") : PAGE.index("## Ce qui ne l'est pas")]
    explained = {name for name in re.findall(r"`([a-z-]+)`", table) if CODE.fullmatch(name)}
    assert explained == codes_in_code()


def test_commands_and_members() -> None:
    for name in set(re.findall(r"socle journal ([a-z]+)", PAGE)):
        assert CliRunner().invoke(app, ["journal", name, "--help"]).exit_code == 0, name
    assert all(f"`{name}`" in PAGE for name in (archive.ABOUT, archive.EXPORT, archive.SNAPSHOT))


def test_delays() -> None:
    assert (EVERY_ENTRIES, EVERY_S) == (1000, 300)
    fields = Settings.model_fields
    assert (fields["checkpoint_entries"].default, fields["checkpoint_s"].default) == (EVERY_ENTRIES, EVERY_S)
    assert "1000 entrées ou 5 minutes" in " ".join(PAGE.split())


def test_the_words_it_shows_are_those_of_the_program() -> None:
    said = " ".join(PAGE.split())
    assert WITHOUT_WITNESS in said
    assert WHAT_TO_DO in said
