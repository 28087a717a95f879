"""The verifier needs the standard library and cryptography, nothing else, and no part of the gateway but itself."""
from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.gateway.journal.proof.exports import exported, key_of, witnessed
from tests.gateway.journal.proof.world import write

ROOT = Path(__file__).parents[4]
ENTRIES = ("gateway.journal.proof.verify", "gateway.journal.proof.growth", "gateway.journal.proof.signed_files")
#: Beside the packages themselves, which are empty.
OURS = "gateway.journal.proof."


def imported(module: str) -> set[str]:
    path = ROOT.joinpath(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and node.level == 0
            inside = {f"{node.module}.{one.name}" for one in node.names}
            ours = {one for one in inside if ROOT.joinpath(*one.split(".")).with_suffix(".py").exists()}
            names |= ours or {node.module}
    return names


def test_what_the_verifier_imports() -> None:
    seen: set[str] = set()
    waiting = list(ENTRIES)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imported(module):
            top = name.partition(".")[0]
            assert name.startswith(OURS) or top in sys.stdlib_module_names or top == "cryptography", f"{module} imports {name}"
            if name.startswith(OURS):
                waiting.append(name)
    assert "gateway.journal.proof.merkle" in seen and "gateway.journal.proof.notary" not in seen
    for package in ("gateway/journal/__init__.py", "gateway/journal/proof/__init__.py"):
        assert not (ROOT / package).read_text("utf-8").strip()


ALONE = """
import importlib.abc, sys
sys.path.insert(0, sys.argv[1])

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("apsw", "orjson", "pydantic", "typer", "fastapi", "structlog", "httpx", "connectors"):
            raise ImportError(name)

sys.meta_path.insert(0, Nothing())
from pathlib import Path
from gateway.journal.proof.notes import PublicKey
from gateway.journal.proof.verify import verify
verdict = verify(Path(sys.argv[2]), [PublicKey.parse(sys.argv[3])], Path(sys.argv[4]).read_bytes())
print(verdict.holds, verdict.lines[1], [fault.says for fault in verdict.faults])
"""


def test_it_runs_where_socle_is_not_installed(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    write(folder, 5)
    (tmp_path / "w.json").write_bytes(witnessed(folder))
    (tmp_path / "x.zip").write_bytes(exported(folder))
    arguments = [str(ROOT), str(tmp_path / "x.zip"), str(key_of(folder)), str(tmp_path / "w.json")]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *arguments], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
    )
    assert (done.stdout, done.returncode) == ("True 5 []\n", 0), done.stderr
