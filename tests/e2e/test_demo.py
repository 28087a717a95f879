"""`socle demo` on real processes and real protocols, with few people; then what tampering does to a kept run."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from loadtests import failures, world
from loadtests.play import plan_of

pytestmark = pytest.mark.slow

SEED, MONTHS = 3, 4
SOCLE = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


@dataclass(frozen=True)
class Demonstration:
    folder: Path
    exit_code: int
    said: dict[str, Any]


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """Four months of the shipped grappe, six persons at most in each ESSMS."""
    place = tmp_path_factory.mktemp("demo")
    command = [*SOCLE, "demo", "--persons", "6", "--months", str(MONTHS), "--seed", str(SEED), "--json", "-o", "out"]
    done = subprocess.run(command, cwd=place, capture_output=True, timeout=110)
    assert done.stdout, done.stderr.decode()
    [folder] = (place / ".socle" / "demo").iterdir()
    return Demonstration(folder, done.returncode, orjson.loads(done.stdout))


def test_it_reconciles(demonstration: Demonstration) -> None:
    assert demonstration.said["gaps"] == []
    assert (demonstration.said["reconciled"], demonstration.exit_code) == (True, 0)
    for operation, number in demonstration.said["sent"].items():
        assert demonstration.said["journal"][operation] == demonstration.said["mocks"][operation] == number


def test_every_provoked_failure_was_read_by_a_dui_and_no_other(demonstration: Demonstration) -> None:
    assert set(demonstration.said["failures"]) == set(failures.PROVOKED)


def test_rates_are_those_of_the_plan(demonstration: Demonstration) -> None:
    data = demonstration.folder / "data"
    expected = plan_of(world.load(data), data, "marseille-hyeres", MONTHS, SEED).expected
    windows = {"premiere": 0, "mensuelle": 1}
    counted = {
        (row["finess_et"], row["indicator"], windows[row["window"]]): row["numerator"]
        for row in demonstration.said["rates"]
        if row["finess_et"] is not None
    }
    assert counted == expected


def test_some_essms_reach_the_target_and_the_twelfth_has_no_rate(demonstration: Demonstration) -> None:
    rows = demonstration.said["rates"]
    for indicator in ("IND-MSS-01", "IND-DMP-01"):
        for window in ("premiere", "mensuelle"):
            mine = [row for row in rows if (row["indicator"], row["window"]) == (indicator, window) and row["finess_et"]]
            assert len(mine) == 12
            assert {row["reached"] for row in mine} == {True, False, None}
            [undeclared] = [row for row in mine if row["status"] == "non_calculable"]
            assert (undeclared["finess_et"], undeclared["rate"]) == ("830206587", None)


def test_the_message_never_sent_again_stays_in_doubt(demonstration: Demonstration) -> None:
    assert demonstration.said["in_doubt"] == {"MSS.SOUMISSION": 1}
    assert sum(row["in_doubt"] for row in demonstration.said["rates"] if row["finess_et"]) == 1


def test_files_say_that_they_are_simulated(demonstration: Demonstration) -> None:
    place = demonstration.folder.parents[2]
    table, data = (place / name for name in sorted(demonstration.said["files"]))
    assert table.read_text("utf-8-sig").splitlines()[0].startswith("DONNÉES SIMULÉES")
    assert orjson.loads(data.read_bytes())["simulated"] is True
    assert "DONNEES-SIMULEES" in table.name and demonstration.said["simulated"] is True


def test_a_kept_run_reconciles_again(demonstration: Demonstration) -> None:
    done = CliRunner().invoke(app, ["demo", "--check", str(demonstration.folder)])
    assert done.exit_code == 0, done.output
    assert done.output.rstrip().endswith("réconcilié : oui")


def _journal(run: Path, sql: str) -> None:
    """A change that the journal itself refuses: its triggers are taken off first, as someone with the file could do."""
    connection = apsw.Connection(str(run / "data/gateway/journal.sqlite3"))
    for trigger in ("entries_never_change", "entries_never_leave"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(sql)
    assert connection.changes() == 1
    connection.close()


def drop_a_search(run: Path) -> None:
    _journal(run, "DELETE FROM entries WHERE pos = (SELECT min(pos) FROM entries WHERE operation = 'INS.RECHERCHE_TRAITS')")


def drop_a_feed(run: Path) -> None:
    feeds = "operation = 'DMP.TD2.1' AND outcome = 'ok'"
    _journal(run, f"DELETE FROM entries WHERE pos = (SELECT min(pos) FROM entries WHERE {feeds})")


def add_an_entry(run: Path) -> None:
    columns = "kind, service, operation, outcome, tenant, finess_et, exchanges, recovered, settles, recorded_at, body"
    _journal(
        run,
        f"INSERT INTO entries (pos, id, {columns}) SELECT (SELECT max(pos) + 1 FROM entries), 'added', {columns} FROM entries"
        " WHERE pos = (SELECT min(pos) FROM entries WHERE operation = 'ANN.RECHERCHE')",
    )


def drop_a_unit(run: Path) -> None:
    _journal(run, "DELETE FROM usage_units WHERE seq = (SELECT min(seq) FROM usage_units WHERE indicator = 'IND-DMP-01')")


def forge_a_request(run: Path) -> None:
    with (run / "data/mocks/received.jsonl").open("ab") as ledger:
        ledger.write(b'{"op":"INS.RECHERCHE_TRAITS","at":"2027-01-01T00:00:00.000+00:00"}\n')


def swap_an_effect(run: Path) -> None:
    """As many effects as before, one of them another: counts alone would not see it."""
    path = run / "data/mocks/held.jsonl"
    unit = next(line["unit"] for line in map(orjson.loads, path.read_bytes().splitlines()) if line["op"] == "DMP.TD2.1")
    path.write_bytes(path.read_bytes().replace(unit.encode(), b"0" * 64))


def forge_an_effect(run: Path) -> None:
    with (run / "data/mocks/held.jsonl").open("ab") as ledger:
        ledger.write(b'{"op":"DMP.TD2.1","unit":"' + b"0" * 64 + b'","at":"2027-01-01T00:00:00.000+00:00"}\n')


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (drop_a_search, "INS.RECHERCHE_TRAITS : envoyés = journal"),
        (drop_a_feed, "DMP.TD2.1 : détenus = comptés + en doute détenus"),
        (add_an_entry, "ANN.RECHERCHE : envoyés = journal"),
        (drop_a_unit, "recomptage : 1 unité(s) d'usage en désaccord"),
        (forge_a_request, "INS.RECHERCHE_TRAITS : transmis = reçus"),
        (swap_an_effect, "DMP.TD2.1 : 1 effet(s) annoncé(s) réussi(s) au DUI, qu'aucun service ne détient"),
        (forge_an_effect, "DMP.TD2.1 : détenus = comptés + en doute détenus"),
    ],
)
def test_one_line_more_or_less_is_found(
    demonstration: Demonstration, tmp_path: Path, tamper: Callable[[Path], None], named: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(demonstration.folder, run)
    tamper(run)
    done = CliRunner().invoke(app, ["demo", "--check", str(run), "--json"])
    report = orjson.loads(done.stdout)
    assert (done.exit_code, report["reconciled"]) == (1, False)
    assert any(gap.startswith(named) for gap in report["gaps"]), report["gaps"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--grappe", "atlantide"], "Grappe inconnue : « atlantide ». Grappes livrées : marseille-hyeres."),
        (["--months", "2"], "--months 2 : la première mesure porte sur trois mois ; donnez de 3 à 12 mois."),
        (["--check", "."], ". n'est pas une exécution : sent.jsonl y manque. Indiquez le dossier que socle demo a affiché."),
    ],
)
def test_bad_usage_is_one_french_line(arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["demo", *arguments])
    assert (done.exit_code, done.stderr.strip()) == (2, said)
    assert list(tmp_path.iterdir()) == []


def test_a_gateway_that_refuses_its_settings_says_which_with_its_own_code(tmp_path: Path) -> None:
    broken = {**os.environ, "SOCLE_DRAIN_S": "-1"}
    done = subprocess.run([*SOCLE, "demo", "--persons", "5"], cwd=tmp_path, env=broken, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert "Le processus « gateway » s'est arrêté (code 2). Réglage SOCLE_DRAIN_S" in done.stderr.decode()
