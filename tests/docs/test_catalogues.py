"""Every setting, flag and operation is documented, and every documented one exists."""
from __future__ import annotations

import ast
import re
from pathlib import Path

from gateway.doors.own.problem import KINDS
from gateway.operations import OPERATIONS, TARGETS
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
FLAG = re.compile(r"[VGNEF]-[A-Z][A-Z-]*[A-Z]")


def flags_in_code() -> set[str]:
    paths = [path for top in ("gateway", "connectors") for path in (ROOT / top).rglob("*.py")]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if FLAG.fullmatch(text)}


def flags_in_docs() -> set[str]:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    return {match[1] for match in re.finditer(r"^\| ([VGNEF]-[A-Z-]+) \|", page, re.MULTILINE)}


def test_flags() -> None:
    assert flags_in_code() == flags_in_docs()


def test_settings() -> None:
    page = (ROOT / "docs" / "reglages.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `SOCLE_([A-Z_]+)`", page, re.MULTILINE))
    elsewhere = {"BIND", "PUBLIC_HOSTS"}  # read where sockets are opened and certificates made
    assert documented == {name.upper() for name in Settings.model_fields} | elsewhere


def test_operations_are_consistent() -> None:
    for identifier, operation in OPERATIONS.items():
        assert identifier.startswith(operation.service + ".")
        assert operation.label
        assert operation.side_effect == (operation.settle != "none"), identifier
        assert operation.indicator is None or operation.indicator in TARGETS


def test_problems_of_our_own_doors() -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    rows = re.findall(r'^\| <a id="probleme-([a-z-]+)"></a>`([a-z-]+)` \| ([0-9]{3}) \| ([^|]+) \|', page, re.MULTILINE)
    assert all(anchor == name for anchor, name, _, _ in rows)
    assert {name: (int(status), title) for _, name, status, title in rows} == {
        kind.slug: (kind.status, kind.title) for kind in KINDS.values()
    }
