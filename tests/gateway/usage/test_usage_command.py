"""`socle usage rates|export` on a real data folder, as an AMOA types it."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.usage import app
from gateway.grappes.install import install
from gateway.grappes.reading import example
from gateway.journal.record import Record
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, MURIERS, fed, sent

KEYS = [
    "grappe", "finess_et", "indicator", "window", "period_start", "period_end", "numerator", "in_doubt", "denominator", "rate",
    "target", "reached", "status", "environment", "simulated", "denominator_label",
]  # fmt: skip


@pytest.fixture
def data(fill: Fill, tmp_path: Path) -> Path:
    """Three persons fed in the first period, one in the month after; a message in each; one ESSMS without a number."""
    install(example("marseille-hyeres"), {"structures": []}, {"professionals": []}, tmp_path / "gateway" / "grappes")
    fill(
        fed("p1", "2025-11-03T10:00"), fed("p2", "2025-12-03T10:00"), fed("p3", "2026-01-03T10:00"),
        fed("p1", "2026-02-03T10:00"), sent("<1@dui>", "2025-11-03T10:00"), sent("<2@dui>", "2026-02-03T10:00"),
        fed("p9", "2025-11-03T10:00", MURIERS),
    )  # fmt: skip
    return tmp_path


def run(data: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words, "--data", str(data)])
    return result.exit_code, result.output


def items(data: Path, *words: str) -> list[dict[str, object]]:
    code, text = run(data, "rates", *words, "--json")
    assert code == 0, text
    said = orjson.loads(text)
    assert (said["simulated"], said["avertissement"][:17]) == (True, "DONNÉES SIMULÉES ")
    return list(said["rates"])


def test_rates_are_given_item_by_item(data: Path) -> None:
    found = items(data, "--grappe", "marseille-hyeres", "--from", "2025-11", "--months", "4")
    assert len(found) == 2 * 5 * (12 + 2 + 1)  # windows, indicators; ESSMS, legal entities and the grappe
    assert all(list(item)[: len(KEYS)] == KEYS for item in found)
    [first, month] = [item for item in found if (item["finess_et"], item["indicator"]) == (CARMES, "IND-DMP-01")]
    assert {name: first[name] for name in KEYS} == {
        "grappe": "marseille-hyeres", "finess_et": CARMES, "indicator": "IND-DMP-01", "window": "premiere",
        "period_start": "2025-11-01", "period_end": "2026-01-31", "numerator": 3, "in_doubt": 0, "denominator": 61,
        "rate": 4.9, "target": 70, "reached": False, "status": "calcule", "environment": "bac_a_sable", "simulated": True,
        "denominator_label": "personnes accompagnées (déclaration du projet, 2025) ; sous-ensemble éligible inconnu",
    }  # fmt: skip
    assert (month["window"], month["period_start"], month["period_end"], month["numerator"]) == (
        "mensuelle", "2026-02-01", "2026-02-28", 1,
    )  # fmt: skip
    twelfth = next(item for item in found if item["finess_et"] == MURIERS and item["indicator"] == "IND-DMP-01")
    assert (twelfth["numerator"], twelfth["denominator"], twelfth["status"]) == (1, None, "non_calculable")
    assert (twelfth["rate"], twelfth["reached"]) == (None, None)


def test_without_a_month_the_first_period_starts_with_the_first_unit(data: Path) -> None:
    assert items(data) == items(data, "--from", "2025-11")


def test_a_declared_go_live_decides_of_the_first_period(data: Path) -> None:
    path = data / "gateway" / "grappes" / "marseille-hyeres.json"
    content = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps(content | {"date_demarrage": "2025-11-15"}))
    assert items(data)[0]["period_start"] == "2025-12-01"


def test_business_time_ahead_of_the_wall_clock_closes_windows(data: Path, fill: Fill) -> None:
    fill(fed("p1", "2095-11-03T10:00"), fed("p1", "2096-02-03T10:00"))
    found = items(data, "--from", "2095-11")
    assert {item["status"] for item in found if item["window"] == "premiere" and item["denominator"]} == {"calcule"}
    assert {item["status"] for item in found if item["window"] == "mensuelle" and item["denominator"]} == {"provisoire"}


def test_the_text_says_first_that_data_are_simulated(data: Path) -> None:
    code, text = run(data, "rates")
    lines = text.splitlines()
    assert code == 0
    assert lines[0].startswith("DONNÉES SIMULÉES")
    assert any("RESIDENCE FOYER LES CARMES" in line and "4,9 %" in line for line in lines)
    assert any("RESIDENCE AUTONOMIE LES MURIERS" in line and "non calculable" in line for line in lines)
    assert "11 ET sur 12" in text
    assert "…" not in text
    assert max(map(len, lines[1:])) <= 118


def test_an_environment_without_an_entry_has_no_rate_at_all(data: Path) -> None:
    code, text = run(data, "rates", "--environment", "production", "--from", "2025-11", "--json")
    assert (code, text.count("\n")) == (2, 1)
    assert "Aucune entrée de l'environnement « production »" in text
    assert "0 % n'aurait pas de sens" in text


def test_another_environment_counts_nothing_of_this_one(data: Path, fill: Fill) -> None:
    fill(Record("PSC.TOKEN", outcome="ok"), environment="recette")
    code, text = run(data, "rates", "--environment", "recette", "--from", "2025-11", "--json")
    said = orjson.loads(text)
    assert (code, said["environment"]) == (0, "recette")
    assert {item["numerator"] for item in said["rates"]} == {0}


def test_export_writes_files_that_say_what_they_are(data: Path) -> None:
    code, text = run(data, "export", "--format", "csv,json", "--out", str(data / "sortie"))
    assert code == 0
    names = sorted(path.name for path in (data / "sortie").iterdir() if path.name.startswith("taux"))
    assert names == [f"taux-marseille-hyeres-2025-11_2026-02-provisoire-DONNEES-SIMULEES.{kind}" for kind in ("csv", "json")]
    assert all(name in text for name in names)
    exported = orjson.loads((data / "sortie" / names[1]).read_bytes())["rates"]
    assert [item["numerator"] for item in exported] == [item["numerator"] for item in items(data)]


@pytest.mark.parametrize("words, said", [
    (("--grappe", "autre"), "Grappe inconnue : « autre ». Grappes du registre : marseille-hyeres"),
    (("--from", "novembre"), "« novembre » n'est pas un mois : écrivez --from AAAA-MM"),
    (("--months", "2"), "--months 2 : entre 3, la première période, et 120"),
    (("--environment", "prod"), "« prod » n'est pas un environnement ; possibles : bac_a_sable, recette, charge, production"),
])
def test_a_wrong_question_is_answered_by_one_line(data: Path, words: tuple[str, ...], said: str) -> None:
    code, text = run(data, "rates", *words)
    assert (code, text.count("\n")) == (2, 1)
    assert said in text


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    assert run(tmp_path, "rates")[0] == 2
    install(example("marseille-hyeres"), {"structures": []}, {"professionals": []}, tmp_path / "gateway" / "grappes")
    code, text = run(tmp_path, "rates")
    assert (code, "Aucun journal dans" in text) == (2, True)


def test_a_file_that_is_no_journal_is_said(data: Path) -> None:
    for path in (data / "gateway").glob("journal.sqlite3*"):
        path.write_bytes(b"autre chose" * 100)
    code, text = run(data, "rates")
    assert (code, "illisible" in text) == (2, True)
