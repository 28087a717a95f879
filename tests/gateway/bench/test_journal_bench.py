"""`socle bench journal`: what it prints, and what its limit is made of."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.bench.calls import calls, intent_of
from gateway.bench.figure import Figure, Target
from gateway.bench.limit import batches_of, write_prepared
from gateway.cli.main import app
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from tests.gateway.journal.world import open_journal, rows

FIELDS = {
    "name", "unit", "value", "limit", "limit_is", "ratio", "target", "holds", "transport", "body_bytes", "connections",
}  # fmt: skip


def test_every_figure_is_complete_and_nothing_is_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    done = CliRunner().invoke(app, ["bench", "journal", "--data", str(folder), "--scale", "0.02", "--json"])
    assert done.exit_code == 0, done.output
    figures = orjson.loads(done.stdout)
    by_name = {figure["name"]: figure for figure in figures}
    assert all(set(figure) == FIELDS for figure in figures)
    assert {f"journal.entrees_cpu.{n}" for n in (1, 16, 64, 256)} <= set(by_name)
    assert {f"journal.p99_ajoute.{n}" for n in (50, 200, 500)} <= set(by_name)
    assert by_name["journal.entrees_cpu.64"]["target"] == "ratio ≥ 0.35"
    assert by_name["journal.entrees.64"]["target"] == "≥ 10000"
    assert by_name["journal.p99_ajoute.200"]["target"] == "< 10"
    assert all(figure["value"] > 0 for figure in figures)
    assert by_name["journal.groupe.1"]["value"] == 1
    assert by_name["journal.groupe.64"]["value"] > 8
    assert not folder.exists()


def test_an_unknown_area_is_one_french_line_and_exit_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "disque", "--data", str(tmp_path)])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("« disque » : domaine inconnu ; possibles : journal, usage, store, ")


def test_enforced_a_missed_target_is_exit_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def figures(missed: bool) -> list[Figure]:
        target = Target("value", "at least", 2.0 if missed else 1.0)
        return [Figure("essai", "x/s", 1.0, None, None, target, "en processus", 0, 1)]

    for missed in (True, False):
        monkeypatch.setattr("gateway.bench.journal.figures", lambda _folder, _scale, missed=missed: figures(missed))
        done = CliRunner().invoke(app, ["bench", "journal", "--data", str(tmp_path), "--enforce"])
        assert (done.exit_code, "NON" in done.stdout) == ((1, True) if missed else (0, False))


@pytest.mark.parametrize(("value", "limit", "target", "ratio", "holds"), [
    (30.0, 100.0, Target("ratio", "at least", 0.35), 0.3, False),
    (35.0, 100.0, Target("ratio", "at least", 0.35), 0.35, True),
    (9.9, 4.0, Target("value", "below", 10), 2.475, True),
    (10.0, 4.0, Target("value", "below", 10), 2.5, False),
    (30.0, None, Target("ratio", "at least", 0.35), None, None),
    (30.0, 100.0, None, 0.3, None),
])  # fmt: skip
def test_whether_a_target_holds(
    value: float, limit: float | None, target: Target | None, ratio: float | None, holds: bool | None
) -> None:
    figure = Figure("essai", "x/s", value, limit, "limite", target, "en processus", 0, 1)
    assert (figure.ratio, figure.holds) == (ratio, holds)


async def test_the_limit_writes_the_same_rows_in_the_same_tables(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for record in calls(0, 40):
        intent = intent_of(record)
        if intent is not None:
            await journal.intend(record, intent)
        await journal.write(record)
    await journal.close()
    copy = tmp_path / "copy"
    copy.mkdir()
    batches = batches_of(tmp_path / FILE_NAME, 7)
    assert len(batches) == 7
    write_prepared(copy / FILE_NAME, batches, 40)
    with JournalReader(tmp_path) as one, JournalReader(copy) as other:
        assert list(one.walk()) == list(other.walk())
        assert set(one.units()) == set(other.units())
    for table in ("refs", "bodies", "keys"):
        both = [sorted(rows(folder, f"SELECT * FROM {table}")) for folder in (tmp_path, copy)]
        assert both[0] == both[1] != []
    kinds = {row[0] for row in rows(tmp_path, "SELECT operation FROM entries")}
    assert kinds == {"INS.RECHERCHE_TRAITS", "DMP.TD2.1", "MSS.SOUMISSION", "PSC.TOKEN"}
