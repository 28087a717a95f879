"""A numerator opened to its entries: each entry of the window once, with the reason why it counts or not."""
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from connectors.wire.clock import SystemClock
from gateway.cli.usage import app
from gateway.grappes.install import install
from gateway.grappes.reading import example
from gateway.journal.connection import Connection
from gateway.journal.record import Record
from gateway.usage.counting import Counting, Slot
from gateway.usage.explain import Explained, explain
from gateway.usage.periods import Window
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, EJ, MURIERS, fed, sent, settled

FIRST = Window("premiere", date(2025, 11, 1), date(2026, 2, 1))


def opened(journal: Connection, folder: Path, indicator: str) -> Explained:
    with journal:
        return explain(Counting(journal, "bac_a_sable"), folder, Slot(indicator, CARMES, FIRST))


def told(found: Explained) -> dict[tuple[int, int], str]:
    return {(line.log, line.seq): line.why for line in found.lines}


def test_every_entry_of_the_window_has_one_reason(fill: Fill, journal_file: Path) -> None:
    lost, found, later = (fed(name, "2026-01-31T22:50", outcome="in_doubt") for name in ("lost", "found", "later"))
    failed, unknowable = (fed(name, "2025-11-05T10:00", outcome="in_doubt") for name in ("failed", "unknowable"))
    journal = fill(
        fed("p1", "2025-11-03T10:00"), fed("p1", "2025-11-04T10:00"), fed("p2", "2025-11-05T10:00", outcome="refused"),
        fed("p3", "2025-11-05T10:00", None), lost, found, settled(found, "succeeded", "2026-01-31T22:55"), later,
        settled(later, "succeeded", "2026-02-01T08:00"), failed, settled(failed, "failed", "2025-11-06T10:00"), unknowable,
        settled(unknowable, "undecidable", "2025-11-06T10:00"), fed("p9", "2026-02-03T10:00"),
    )  # fmt: skip
    seen = opened(journal, journal_file.parent, "IND-DMP-01")
    assert told(seen) == {
        (1, 0): "compte", (1, 1): "deja_compte", (1, 2): "refuse", (1, 4): "en_doute", (1, 6): "compte", (1, 7): "autre_fenetre",
        (1, 9): "regle_echec", (1, 11): "indecidable",
    }  # fmt: skip
    assert (seen.numerator, seen.others) == (2, {"hors_grappe": 1})
    by_place = {(line.log, line.seq): line for line in seen.lines}
    assert by_place[1, 1].first == (1, 0)
    assert by_place[1, 7].first == (1, 8)


def test_a_message_sent_again_names_the_entry_that_counts(fill: Fill, journal_file: Path) -> None:
    journal = fill(
        sent("<1@dui>", "2025-10-20T10:00"), sent("<1@dui>", "2025-11-20T10:00"), sent("<2@dui>", "2025-11-20T10:00"),
        replace(sent("<3@dui>", "2025-11-21T10:00"), counts_for=[]),
    )  # fmt: skip
    seen = opened(journal, journal_file.parent, "IND-MSS-01")
    assert told(seen) == {(1, 1): "deja_compte", (1, 2): "compte", (1, 3): "exclu"}
    assert (seen.numerator, seen.lines[0].first) == (1, (1, 0))


def test_an_estimated_time_near_a_border_is_told(fill: Fill, journal_file: Path) -> None:
    near, far = fed("p1", "2026-01-31T10:00", outcome="in_doubt"), fed("p2", "2025-12-15T10:00", outcome="in_doubt")
    words = [Record("DMP.TD2.1", kind="settlement", settles=one.id, outcome="succeeded") for one in (near, far)]
    journal = fill(near, far, *words)
    seen = opened(journal, journal_file.parent, "IND-DMP-01")
    assert {(line.seq, line.border) for line in seen.lines} == {(2, True), (3, False)}
    with journal:
        assert Counting(journal, "bac_a_sable").not_counted(Slot("IND-DMP-01", CARMES, FIRST)).border == 1


@pytest.fixture
def data(fill: Fill, tmp_path: Path) -> Path:
    install(example("marseille-hyeres"), {"structures": []}, [], tmp_path / "gateway" / "grappes")
    fill(fed("p1", "2025-11-03T10:00"), fed("p2", "2025-12-03T10:00", outcome="refused"), sent("<1@dui>", "2025-11-03T10:00"))
    return tmp_path


def run(data: Path, *words: str, **asked: str) -> tuple[int, str]:
    given = {"grappe": "marseille-hyeres", "finess": CARMES, "indicator": "IND-DMP-01", "month": "2026-01"} | asked
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    result = CliRunner().invoke(app, ["explain", *options, *words, "--data", str(data)])
    return result.exit_code, result.output


def test_the_command_opens_a_number(data: Path) -> None:
    code, text = run(data)
    assert code == 0, text
    assert "DMP, dossiers alimentés, RESIDENCE FOYER LES CARMES (130790199), du 01/11/2025 au 31/01/2026" in text
    assert "1 / 61 = 1,6 % ; version 1" in text
    assert "compté : 1\n  1/0 2025-11-03T10:00:00.000000Z ok" in text
    assert "non accepté : 1\n  1/1 2025-12-03T10:00:00.000000Z refused" in text


def test_a_first_period_that_runs_is_opened_by_its_last_month(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "real", lambda _: datetime(2025, 12, 10, tzinfo=UTC))
    code, text = run(data)
    assert (code, "compté : 1\n  1/0 2025-11-03T10:00:00.000000Z ok" in text) == (0, True)
    code, text = run(data, month="2025-12")
    assert (code, text.endswith("pas membre, ou première période en cours (donnez son dernier mois).\n")) == (2, True)
    for month in ("2026-02", "2026-03"):  # another window, which has not begun
        assert "mois à venir, rien n'y est compté ; le dernier commencé est 2025-12" in run(data, month=month)[1]


def test_the_command_tells_each_version_and_why_it_changed(data: Path, fill: Fill) -> None:
    assert CliRunner().invoke(app, ["close", "--data", str(data)]).exit_code == 0
    fill(fed("p3", "2026-01-03T10:00"))
    said = orjson.loads(run(data, "--json")[1])
    assert (said["measure"]["numerator"], said["measure"]["version"], said["measure"]["state"]) == (2, 2, "en_cloture")
    assert [cause["kind"] for cause in said["measure"]["causes"]] == ["appel"]
    assert [(one["version"], one["numerator"]) for one in said["versions"]] == [(1, 1)]
    assert len(said["entries"]) == 3
    again = orjson.loads(run(data, "--json", "--version", "1")[1])
    assert (again["measure"]["numerator"], len(again["entries"])) == (1, 2)
    assert "Version 2, non close : 1 appel(s) inscrit(s) après la clôture" in run(data)[1]


def test_the_command_says_where_a_rate_of_the_dui_comes_from(data: Path) -> None:
    code, text = run(data, indicator="IND-DUI-01")
    assert (code, "aucune extraction ni déclaration pour cette fenêtre" in text) == (0, True)


@pytest.mark.parametrize("asked, said", [
    ({"finess": "000000000"}, "000000000 n'est pas un ESSMS de la grappe marseille-hyeres"),
    ({"finess": EJ}, "est une entité juridique (EJ) de marseille-hyeres"),
    ({"indicator": "IND-MSS-02"}, "n'est pas un indicateur ; possibles : IND-DUI-01"),
    ({"month": "2025-12"}, "n'a pas de fenêtre qui finit en 2025-12"),
    ({"month": "2999-01"}, "--month 2999-01 : mois à venir"),
    ({"month": "janvier"}, "« janvier » n'est pas un mois"),
    ({"grappe": "autre"}, "Grappe inconnue : « autre »"),
    ({"version": "7"}, "pas de telle version pour ce mois, aucune version n'en est close"),
    ({"environment": "production"}, "Aucune entrée de l'environnement « production »"),
])
def test_a_wrong_question_is_answered_by_one_line(data: Path, asked: dict[str, str], said: str) -> None:
    code, text = run(data, **asked)
    assert (code, text.count("\n")) == (2, 1), text
    assert said in text


def test_an_essms_without_a_number_is_opened_too(data: Path) -> None:
    code, text = run(data, finess=MURIERS)
    assert (code, "0 / — = —" in text) == (0, True)


def test_closing_is_told_once(data: Path) -> None:
    first, second = (CliRunner().invoke(app, ["close", "--data", str(data)]) for _ in range(2))
    assert "marseille-hyeres : fenêtre du 2025-11-01 au 2026-02-01 exclu, close en version 1" in first.output
    assert second.output.startswith("Rien à clore")


def test_a_rate_that_had_no_number_is_told_by_a_dash(data: Path) -> None:
    assert CliRunner().invoke(app, ["close", "--data", str(data)]).exit_code == 0
    code, text = run(data, finess=MURIERS)
    assert (code, "Version 1 close : 0 / —, entrée" in text, "None" in text) == (0, True, False)


def test_who_settled_is_told_in_french(data: Path, fill: Fill) -> None:
    lost = fed("p4", "2025-12-04T10:00", outcome="in_doubt")
    fill(lost, replace(settled(lost, "succeeded", "2025-12-04T10:05"), detail={"how": "late", "by": "passerelle"}))
    text = run(data)[1]
    assert "réglé par une réponse tardive" in text, text


def test_what_made_a_version_is_told_whichever_rate_it_touches(data: Path, fill: Fill) -> None:
    assert CliRunner().invoke(app, ["close", "--data", str(data)]).exit_code == 0
    fill(sent("<late@dui>", "2025-12-05T10:00"))
    shown = CliRunner().invoke(app, ["rates", "--month", "2026-01", "--data", str(data)])
    assert shown.output.count("  1 appel(s) inscrit(s) après la clôture") == 1, shown.output
    told = CliRunner().invoke(app, ["close", "--data", str(data)])
    assert "close en version 2\n  1 appel(s) inscrit(s) après la clôture\n" in told.output
