import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BEHAVIOURS = tomllib.loads((ROOT / "mocks" / "sandbox" / "ledger.toml").read_text())["behaviour"]


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=[behaviour["id"] for behaviour in BEHAVIOURS])
def test_each_claim_has_a_source_or_a_reason_and_names_its_test(behaviour: dict[str, str]) -> None:
    if "status" in behaviour:
        assert behaviour["status"] in ("assumed", "not-yet") and behaviour["why"]
    else:
        assert "#" in behaviour["source"]
    if behaviour.get("status") != "not-yet":
        path, _, name = behaviour["test"].partition("::")
        assert f"def {name}(" in (ROOT / path).read_text()
