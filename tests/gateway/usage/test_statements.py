"""No rate reads more of the journal than its own window: every statement goes by an index (decision 0032)."""
from __future__ import annotations

import pytest

from gateway.usage import statements
from gateway.usage.vector import inside
from tests.gateway.usage.conftest import Fill

ALL = {
    f"{name}[{key}]": sql
    for name in ("NUMERATOR", "ROWS", "FIRST_UNIT", "LAST_UNIT", "COUNTED")
    for key, sql in getattr(statements, name).items()
} | {name: getattr(statements, name) for name in ("BESIDE", "BESIDE_ROWS", "DOUBTS", "DOUBTS_NEAR")}
VALUES = dict.fromkeys(("environment", "indicator", "finess_et", "start", "end", "after", "before", "unit_ref"), "")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("vector", ["", f" AND {inside(((1, 5), (2, 7)))}"])
@pytest.mark.sqlite("its plans")
def test_a_statement_goes_by_an_index(fill: Fill, name: str, vector: str) -> None:
    sql = ALL[name].format(units="usage_units", inside=vector)
    plan = [row[3] for row in fill().execute(f"EXPLAIN QUERY PLAN {sql}", VALUES)]
    assert {step for step in plan if step.startswith("SCAN")} <= {"SCAN each", "SCAN b"}, plan  # queries, not tables
    searched = [step for step in plan if step.startswith("SEARCH usage_units")]
    assert searched or "DOUBTS" in name or "BESIDE" in name
    assert all("usage_units_messages" in step or "usage_units_persons" in step or "COUNTED" in name for step in searched), plan
