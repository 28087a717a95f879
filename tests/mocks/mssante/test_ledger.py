"""The ledger of the simulated operator: each line has its source or says what it assumes, and names a test that exists."""
from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_line_is_sourced_and_tested() -> None:
    ledger = tomllib.loads((ROOT / "mocks/mssante/ledger.toml").read_text(encoding="utf-8"))["behaviour"]
    assert len({line["id"] for line in ledger}) == len(ledger)
    for line in ledger:
        if line.get("status") == "not-yet":
            assert line["why"] and "test" not in line
            continue
        assert ("source" in line) != (line.get("status") == "assumed" and bool(line["why"])), line["id"]
        path, _, name = line["test"].partition("::")
        assert re.search(rf"^async def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), line["id"]
