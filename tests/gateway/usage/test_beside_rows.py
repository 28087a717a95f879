"""Rows of usage_beside: written with the entry, and the same when an older journal is brought to this schema."""
from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import apsw
import pytest

from gateway.journal.record import Record
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, fed, sent, settled

_ROWS = "SELECT indicator, finess_et, seq, what FROM usage_beside ORDER BY seq"


def every_way() -> list[Record]:
    doubt = fed("p3", "2026-11-03T10:00", outcome="in_doubt")
    receipt = replace(sent("<2@dui>", "2026-11-03T10:00"), counts_for=[])
    apart = replace(fed("p5", "2026-11-03T10:00"), attribution="non_attribue:divergent")
    return [
        fed("p1", "2026-11-03T10:00"), fed("p2", "2026-11-03T10:00", outcome="refused"),
        fed("p2", "2026-11-03T10:00", finess_et=None), doubt, settled(doubt, "succeeded", "2026-11-03T10:01"), receipt, apart,
        sent("<3@dui>", "2026-11-03T10:00", finess_et=None, outcome="cut"), Record("INS.RECHERCHE_TRAITS", outcome="failed"),
        Record(None, kind="admin", detail={"action": "essai"}),
    ]  # fmt: skip


def test_each_call_that_is_no_unit_has_one_row(fill: Fill) -> None:
    assert list(fill(*every_way()).execute(_ROWS)) == [
        ("IND-DMP-01", CARMES, 1, "refused"), ("IND-DMP-01", "", 2, "non_attribue"), ("IND-DMP-01", CARMES, 3, "in_doubt"),
        ("IND-MSS-01", CARMES, 5, "exclu"), ("IND-DMP-01", "", 6, "non_attribue"), ("IND-MSS-01", "", 7, "cut"),
    ]  # fmt: skip


@pytest.mark.sqlite("its schemas of before")
def test_an_older_journal_gets_the_same_rows(fill: Fill, journal_file: Path) -> None:
    written = list(fill(*every_way()).execute("SELECT * FROM usage_beside"))
    older = apsw.Connection(str(journal_file))
    older.execute("DROP TABLE usage_beside; DROP INDEX usage_units_messages; DROP INDEX usage_units_persons")
    older.execute("CREATE INDEX usage_units_window ON usage_units (environment, indicator, finess_et, event_time, unit_ref)")
    older.execute((resources.files("gateway.journal") / "migrations" / "0006.sql").read_text())
    assert list(older.execute("SELECT * FROM usage_beside")) == written
    older.close()
