"""What a rate asks of the journal goes by indexes, whatever the journal's size."""
from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from gateway.grappes.extraction import ACCEPTED
from gateway.grappes.extraction import OPERATION as EXTRACTION
from gateway.journal.database import open_for_writing
from gateway.journal.store import POS_BITS
from gateway.usage import statements
from gateway.usage.closings import CLOSINGS
from gateway.usage.closings import OPERATION as CLOSING
from gateway.usage.vector import inside

_VALUES = {
    "environment": "charge", "indicator": "IND-MSS-01", "finess_et": "990000002", "unit_ref": "", "start": "", "end": "",
    "after": "", "before": "",
}  # fmt: skip
_OF_SLOTS = {
    f"{name} {indicator}": sql
    for name, table in (("numerator", statements.NUMERATOR), ("rows", statements.ROWS), ("first", statements.FIRST_UNIT),
                        ("counted", statements.COUNTED))
    for indicator, sql in table.items()
}  # fmt: skip
_BESIDE = {"beside": statements.BESIDE, "beside rows": statements.BESIDE_ROWS, "doubts": statements.DOUBTS,
           "doubts near": statements.DOUBTS_NEAR}  # fmt: skip


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> apsw.Connection:
    return open_for_writing(tmp_path_factory.mktemp("plans") / "journal.sqlite3")


def plan(journal: apsw.Connection, sql: str) -> list[str]:
    values = {name: value for name, value in _VALUES.items() if f":{name}" in sql}
    return [row[3] for row in journal.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


@pytest.mark.parametrize("name", [*_OF_SLOTS, *_BESIDE])
@pytest.mark.parametrize("whole", [True, False])
def test_counting_walks_over_no_table(journal: apsw.Connection, name: str, whole: bool) -> None:
    sql = (_OF_SLOTS | _BESIDE)[name].format(units="usage_units", inside="" if whole else f" AND {inside(((1, 1 << POS_BITS),))}")
    steps = plan(journal, sql)
    scans = [step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step and step not in ("SCAN each", "SCAN b")]
    assert scans == [], steps


@pytest.mark.parametrize(("sql", "operation", "index"), [
    (CLOSINGS, CLOSING, "entries_closings"), (ACCEPTED, EXTRACTION, "entries_extractions"),
])  # fmt: skip
def test_what_every_rate_reads_is_an_index_of_its_own(
    journal: apsw.Connection, sql: str, operation: str, index: str
) -> None:
    assert f"operation = '{operation}'" in sql
    assert plan(journal, sql) == [f"SCAN entries USING INDEX {index}"]


def test_without_its_index_every_entry_is_walked_over(tmp_path: Path) -> None:
    other = open_for_writing(tmp_path / "journal.sqlite3")
    other.execute("DROP INDEX entries_closings")
    assert plan(other, CLOSINGS) == ["SCAN entries"]
    other.close()
