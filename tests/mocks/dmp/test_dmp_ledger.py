"""The ledger says what is simulated, and each line names a test that exists."""
from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mocks.sandbox.ledger import not_checked
from tests.connectors.dmp.samples import Dui
from tests.mocks.dmp.conftest import Dmp

ROOT = Path(__file__).parents[3]
ROWS = tomllib.loads((ROOT / "mocks/dmp/ledger.toml").read_text("utf-8"))["behaviour"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_each_line_cites_its_source_or_says_why_not(row: dict[str, str]) -> None:
    assert ("source" in row) != ("status" in row)
    if "source" in row:
        assert re.fullmatch(r"dmp#\d+(\.\d+)?", row["source"])
    else:
        assert row["status"] in ("assumed", "not-yet")
        assert row["why"]
    if row.get("status") == "not-yet":
        assert "test" not in row
        return
    path, _, name = row["test"].partition("::")
    assert re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8"))


async def test_replies_name_what_is_not_checked(dmp: Dmp, dui: Dui) -> None:
    reply = await dmp.post(dui.existence())
    assert reply.headers["x-socle-mock"] == "dmp"
    named = reply.headers["x-socle-not-checked"].split(", ")
    assert named == not_checked("dmp")
    assert "dmp-xades" in named
