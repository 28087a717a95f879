"""Recount: the entries are the evidence, and every row of usage_units that disagrees with them is named."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.usage import app
from gateway.journal.query import JournalMissing
from gateway.usage.recount import recount
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, EVECHE, fed, sent, settled
from tests.stores import opened


@pytest.fixture
def filled(fill: Fill, journal_file: Path) -> Path:
    """A journal file with every way to earn a unit, or not."""
    doubt = sent("<3@dui>", "2026-11-05T10:00", outcome="in_doubt")
    fill(
        fed("p1", "2026-11-03T10:00"), fed("p1", "2026-11-04T10:00"), fed("p2", "2026-11-03T10:00", EVECHE),
        fed("p3", "2026-11-03T10:00", finess_et=None), fed("p4", "2026-11-03T10:00", outcome="refused"),
        sent("<1@dui>", "2026-11-03T10:00"), sent("<1@dui>", "2026-12-03T10:00"), sent("<2@dui>", "2026-11-03T10:00"),
        doubt, settled(doubt, "succeeded", "2026-11-05T10:01"),
    )  # fmt: skip
    return journal_file


def tamper(path: Path, sql: str, values: tuple[object, ...] = ()) -> None:
    connection = opened(path.parent)
    connection.execute(sql, values)
    assert connection.changes() == 1
    connection.close()


def one_unit(path: Path) -> str:
    connection = opened(path.parent)
    ref: str = connection.execute("SELECT unit_ref FROM usage_units WHERE finess_et = ?", (EVECHE,)).get
    connection.close()
    return ref


def command(path: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["recount", "--data", str(path.parent.parent), *options])
    return result.exit_code, result.output


def test_an_untouched_journal_recounts(filled: Path) -> None:
    found = recount(filled.parent)
    assert (found.entries, found.units, found.stored, found.gaps) == (10, 6, 6, [])
    code, text = command(filled)
    assert code == 0
    assert text.startswith("DONNÉES SIMULÉES")
    assert text.endswith("recompté : oui\n")


def test_a_deleted_row_is_named(filled: Path) -> None:
    ref = one_unit(filled)
    tamper(filled, "DELETE FROM usage_units WHERE unit_ref = ?", (ref,))
    [gap] = recount(filled.parent).gaps
    assert (gap.kind, gap.expected and gap.expected.unit_ref, gap.found) == ("manquante", ref, None)
    code, text = command(filled)
    assert code == 1
    assert f"ligne manquante dans la table — attendu : bac_a_sable IND-DMP-01 ET {EVECHE} unité {ref} " in text
    assert "recompté : non" in text


def test_an_added_row_is_named(filled: Path) -> None:
    row = ("bac_a_sable", "IND-DMP-01", CARMES, "f" * 32, "2026-11-03T10:00:00.000000Z", 1, 3)
    tamper(filled, "INSERT INTO usage_units VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    [gap] = recount(filled.parent).gaps
    assert (gap.kind, gap.expected, gap.found and gap.found.unit_ref) == ("en_trop", None, "f" * 32)
    code, text = command(filled, "--json")
    said = orjson.loads(text)
    assert (code, said["holds"], said["simulated"], said["gap_count"]) == (1, False, True, 1)
    assert said["gaps"][0]["found"] == {
        "environment": "bac_a_sable", "indicator": "IND-DMP-01", "finess_et": CARMES, "unit_ref": "f" * 32,
        "event_time": "2026-11-03T10:00:00.000000Z", "log": 1, "seq": 3,
    }  # fmt: skip


@pytest.mark.parametrize("column, value", [("finess_et", CARMES), ("event_time", "2026-12-03T10:00:00.000000Z")])
def test_a_corrupted_row_is_named_with_both_readings(filled: Path, column: str, value: str) -> None:
    ref = one_unit(filled)
    tamper(filled, f"UPDATE usage_units SET {column} = ? WHERE unit_ref = ?", (value, ref))
    [gap] = recount(filled.parent).gaps
    assert gap.kind == "differente"
    assert (gap.expected and gap.expected.finess_et, getattr(gap.found, column)) == (EVECHE, value)
    code, text = command(filled)
    assert code == 1
    assert "ligne différente — attendu : " in text
    assert f"unité {ref}" in text


@pytest.mark.parametrize("column, value", [
    ("unit_ref", "e" * 32), ("indicator", "IND-MSS-01"), ("environment", "production"), ("seq", 9),
])
def test_a_row_moved_to_another_unit_is_missing_here_and_extra_there(filled: Path, column: str, value: object) -> None:
    tamper(filled, f"UPDATE usage_units SET {column} = ? WHERE unit_ref = ?", (value, one_unit(filled)))
    assert sorted(gap.kind for gap in recount(filled.parent).gaps) == ["en_trop", "manquante"]
    assert command(filled)[0] == 1


def test_gaps_beyond_the_limit_are_counted(filled: Path) -> None:
    connection = opened(filled.parent)
    connection.execute("DELETE FROM usage_units")
    connection.close()
    found = recount(filled.parent, limit=2)
    assert (found.gap_count, len(found.gaps)) == (6, 2)


def test_a_message_kept_at_its_second_sending_is_a_gap(filled: Path) -> None:
    later = "UPDATE usage_units SET event_time = '2026-12-03T10:00:00.000000Z', seq = 6"
    tamper(filled, f"{later} WHERE indicator = 'IND-MSS-01' AND seq = 5")
    assert sorted(gap.kind for gap in recount(filled.parent).gaps) == ["en_trop", "manquante"]


def test_no_journal_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing):
        recount(tmp_path / "gateway")
    code, text = command(tmp_path / "gateway" / "journal.sqlite3")
    assert (code, "Aucun journal dans" in text) == (2, True)
