"""`socle usage rates|export` on a real data folder, as an AMOA types it."""
from __future__ import annotations

import errno
import io
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner

from connectors.wire.clock import SystemClock
from gateway.cli.usage import app
from gateway.cli.usage_asked import source_of
from gateway.exports.table_rates import rates_table
from gateway.grappes.install import install
from gateway.grappes.reading import example
from gateway.journal.record import Record
from gateway.usage.rates import Asked, answer
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, EVECHE, MURIERS, fed, sent

KEYS = [
    "grappe", "finess_et", "indicator", "window", "period_start", "period_end", "numerator", "in_doubt", "denominator", "rate",
    "target", "reached", "status", "environment", "simulated", "denominator_label",
]  # fmt: skip


@pytest.fixture
def data(fill: Fill, tmp_path: Path) -> Path:
    """Three persons fed in the first period, one in the month after; a message in each; one ESSMS without a number."""
    install(example("marseille-hyeres"), {"structures": []}, [], tmp_path / "gateway" / "grappes")
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


def test_an_environment_amid_another_is_seen(data: Path, fill: Fill) -> None:
    fill(Record("PSC.TOKEN", outcome="ok"), environment="recette")
    fill(*(Record("PSC.TOKEN", outcome="ok") for _ in range(60)))
    fill(*(Record("PSC.TOKEN", outcome="ok") for _ in range(60)))
    code, text = run(data, "rates", "--environment", "recette", "--from", "2025-11", "--json")
    assert code == 0, text
    assert run(data, "rates", "--environment", "charge", "--from", "2025-11")[0] == 2


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
    install(example("marseille-hyeres"), {"structures": []}, [], tmp_path / "gateway" / "grappes")
    code, text = run(tmp_path, "rates")
    assert (code, "Aucun journal dans" in text) == (2, True)


@pytest.mark.sqlite("its file")
def test_a_file_that_is_no_journal_is_said(data: Path) -> None:
    for path in (data / "gateway").glob("journal.sqlite3*"):
        path.write_bytes(b"autre chose" * 100)
    code, text = run(data, "rates")
    assert (code, "pas un journal lisible" in text) == (2, True)


def test_one_month_and_one_version(data: Path) -> None:
    assert CliRunner().invoke(app, ["close", "--data", str(data)]).exit_code == 0
    month = items(data, "--month", "2026-01")
    assert {(item["window"], item["period_end"], item["state"], item["version"]) for item in month} == {
        ("premiere", "2026-01-31", "clos", 1),
    }  # fmt: skip
    first = run(data, "rates", "--month", "2026-01", "--version", "1", "--json")[1]
    assert orjson.loads(first)["rates"] == month
    assert first == run(data, "rates", "--month", "2026-01", "--version", "1", "--json")[1]
    text = run(data, "rates", "--month", "2026-01")[1]
    assert "Fenêtre du 01/11/2025 au 31/01/2026 : close, version 1 ; registre version 1 ; journal 1:7" in text
    assert "Comptage : une unité par message ; réponses comptées" in text
    later = run(data, "rates", "--month", "2026-02")[1]
    assert "IND-DMP-01, tendance : 0,5 % (trois mois à 01/2026), puis 0,2 % (02/2026)" in later
    assert "IND-DUI-01, tendance" not in later


def test_a_reader_of_the_names_that_goes_away_is_no_fault_of_the_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`socle usage export … | head -1`: the files are there."""
    said: list[str] = []

    def gone(text: str, *, err: bool = False) -> None:
        if not err:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        said.append(text)

    monkeypatch.setattr(typer, "echo", gone)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", io.StringIO())
        patched.setattr("sys.stderr", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            app(["export", "--month", "2026-01", "--format", "csv", "-o", str(data / "out"), "--data", str(data)])
    assert (ended.value.code, said) == (1, [])
    assert len(list((data / "out").iterdir())) == 3


def test_the_rates_of_the_dui_are_not_tables_of_nothing(data: Path) -> None:
    text = run(data, "rates", "--month", "2026-01")[1]
    assert "Dossiers actifs : aucune extraction du DUI ni déclaration, première période du 01/11/2025 au 31/01/2026." in text
    assert text.count("ESSMS ") == 2


def test_silence_in_a_window_that_is_over_is_judged_at_its_end(data: Path, fill: Fill) -> None:
    """As on the COPIL page: what a closed measure rests on knows nothing of the messages sent since."""
    fill(sent("<3@dui>", "2026-01-20T10:00", EVECHE), sent("<4@dui>", "2026-01-28T10:00", MURIERS))
    code, text = run(data, "rates", "--month", "2026-01", "--detail", "--json")
    assert code == 0, text
    silent = {one["finess_et"]: one["text"] for one in orjson.loads(text)["alerts"] if one["code"] == "silence"}
    assert silent == {EVECHE: "aucun message depuis le 20/01/2026"}


def test_no_rate_of_a_month_to_come(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "real", lambda _: datetime(2026, 2, 10, tzinfo=UTC))
    ends = {item["period_end"] for item in items(data, "--months", "12")}
    assert ends == {"2026-01-31", "2026-02-28"}
    code, text = run(data, "rates", "--month", "2026-03")
    assert (code, text) == (2, "--month 2026-03 : mois à venir, rien n'y est compté ; le dernier commencé est 2026-02.\n")


def test_detail_adds_what_stands_beside_and_changes_no_rate(data: Path) -> None:
    code, text = run(data, "rates", "--month", "2026-01", "--detail", "--json")
    said = orjson.loads(text)
    assert code == 0
    assert [item["numerator"] for item in said["rates"]] == [item["numerator"] for item in items(data, "--month", "2026-01")]
    carmes = next(item for item in said["rates"] if (item["finess_et"], item["indicator"]) == (CARMES, "IND-DMP-01"))
    assert carmes["breakdown"]["events"] == 3
    assert {one["code"] for one in said["alerts"]} >= {"aucun-evenement", "denominateur-ancien"}
    assert len(said["stakes"]) == 12 and said["stakes_lines"][-1].startswith("plafonds publiés")
    assert {one["insi_calls"] for one in said["ins"]} == {0}
    assert said["signs"] == [
        {"finess_et": CARMES, "messages": 1, "internal": 0, "automatic": 0, "first_sender": 0, "unsigned": 1},
    ]  # fmt: skip
    assert "Argent en jeu :" in run(data, "rates", "--month", "2026-01", "--detail")[1]


@pytest.mark.parametrize("words, said", [
    (("--month", "2999-01"), "--month 2999-01 : mois à venir, rien n'y est compté"),
    (("--from", "2999-01"), "--from 2999-01 : mois à venir"),
    (("--month", "2025-12"), "Aucune fenêtre ne finit en 2025-12"),
    (("--month", "2026-01", "--from", "2025-11"), "--month et --from : donnez l'un ou l'autre"),
    (("--version", "1"), "--version : dites aussi de quel mois"),
    (("--month", "2026-01", "--version", "1"), "pas de telle version pour ce mois, aucune version n'en est close"),
    (("--per", "personne"), "--per personne : « message » ou « destinataire »"),
    (("--deduire-suppressions",), "Option de comptage refusée, déduire les suppressions"),
])
def test_what_cannot_be_asked_is_answered_by_one_line(data: Path, words: tuple[str, ...], said: str) -> None:
    code, text = run(data, "rates", *words)
    assert (code, text.count("\n")) == (2, 1), text
    assert said in text


def test_a_table_of_eighty_columns_cuts_no_figure(data: Path) -> None:
    CliRunner().invoke(app, ["close", "--data", str(data)])
    with source_of(data, "bac_a_sable", None) as source:
        found = answer(source.journal, source.registry, Asked("bac_a_sable", source.now, month=date(2026, 1, 1)))
    lines = rates_table(found, 80).splitlines()[1:]
    assert max(map(len, lines[:-1])) <= 80
    carmes = [line for line in lines if CARMES in line]
    assert [line.split(CARMES)[1].split() for line in carmes] == [
        ["1", "0", "61", "1,6", "%", "non", "calculé"], ["3", "0", "61", "4,9", "%", "non", "calculé"],
    ]  # fmt: skip
    entity = [line.split("130804289")[1].split()[:3] for line in lines if "130804289" in line]
    assert entity == [["1", "0", "457"], ["3", "0", "457"]]
