"""Measures whose entries left: the same figures to the byte, said to be frozen; a recount that neither accuses nor hides."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.usage import app
from gateway.exports.assembling import assembled
from gateway.exports.copil import page
from gateway.exports.csv_rates import COLUMNS, rates_csv
from gateway.exports.fhir_reports import bundle
from gateway.exports.table_rates import rates_table
from gateway.exports.xlsx_rates import rates_xlsx
from gateway.usage.counting import Counting, EntryLeft, Slot
from gateway.usage.explain import explain
from gateway.usage.flows import flows
from gateway.usage.ins import ins_lines
from gateway.usage.measure import Measure
from gateway.usage.parts import Options
from gateway.usage.periods import Window
from gateway.usage.recount import Recount, recount
from gateway.usage.signs import signs
from gateway.usage.source import journal_of
from gateway.usage.variants import NoSuchOption
from tests import stores
from tests.gateway.journal.proof.world import tamper
from tests.gateway.journal.world import rows
from tests.gateway.usage.aged import ENVIRONMENT, FIRST_PERIOD, LATER, Aged, aged, traffic
from tests.gateway.usage.world import CARMES, fed, sent, utc

DMP, MSS = "IND-DMP-01", "IND-MSS-01"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Aged:
    """Everything is still there."""
    return aged(tmp_path_factory.mktemp("whole") / "gateway")


@pytest.fixture(scope="module")
def frozen(whole: Aged, tmp_path_factory: pytest.TempPathFactory) -> Aged:
    """A copy, whose entries left; for reading."""
    copy = copied(whole, tmp_path_factory.mktemp("frozen"))
    assert copy.retain()["entries"] == 300
    return copy


@pytest.fixture
def world(frozen: Aged, tmp_path: Path) -> Aged:
    """The same, to be damaged."""
    return copied(frozen, tmp_path)


def copied(one: Aged, to: Path) -> Aged:
    stores.copied(one.folder, to / "gateway")
    copy = Aged.__new__(Aged)
    copy.__dict__ = one.__dict__ | {"folder": to / "gateway"}
    return copy


def thawed(found: list[Measure]) -> list[Measure]:
    return [replace(row, frozen=None) for row in found]


def said(found: Recount) -> dict[str, str]:
    return {one.indicator: one.verdict for one in found.measures if one.start == "01/11/2026"}


def test_the_figures_are_those_of_before(whole: Aged, frozen: Aged) -> None:
    before, after = whole.measures(breakdown=False), frozen.measures(breakdown=False)
    assert thawed(after) == before
    assert all(row.state == "clos" for row in after)
    assert {row.indicator for row in after if row.frozen is not None} == {DMP, MSS}
    assert all(row.frozen is None for row in before)
    assert thawed(frozen.measures(version=1)) == whole.measures(version=1)


def test_what_dates_a_closed_version_stays(tmp_path: Path) -> None:
    """Closed early, it rests on a vector that ends among what would leave: how far time had gone is read there."""
    world = Aged(tmp_path / "gateway")
    world.write(*traffic())
    world.sign()
    [first] = world.close(utc("2027-02-10T09:00"))
    end = dict(first["vector"])[1]
    world.write(*(sent(f"<after{n}@dui>", "2028-05-20T10:00") for n in range(110)))
    world.close()
    world.sign()
    before = world.measures(version=1)
    assert world.retain()["entries"] == 300 - 98
    [(kept,)] = rows(world.folder, f"SELECT count(*) FROM entries WHERE (pos & 1048575) BETWEEN {end - 100} AND {end - 1}")
    assert kept == 100
    after = world.measures(version=1)
    assert thawed(after) == before
    assert {row.as_of for row in after} == {row.as_of for row in before} != {None}


def test_what_cannot_be_opened_is_counted_and_dated(whole: Aged, frozen: Aged) -> None:
    [grappe] = [row for row in frozen.measures() if row.level == "grappe" and row.indicator == MSS]
    assert grappe.frozen is not None
    assert (grappe.frozen.at[:10], grappe.frozen.events, grappe.frozen.beside) == (LATER.date().isoformat(), grappe.numerator, 0)
    assert "figée le 01/06/2028 par la conservation" in grappe.frozen.text
    [carmes] = [row for row in frozen.measures() if row.finess_et == CARMES and row.indicator == DMP]
    assert carmes.frozen is not None and carmes.frozen.beside == carmes.failures > 0
    assert carmes.item()["frozen"]["text"] == carmes.frozen.text


def test_every_form_says_so_and_shows_the_same_numbers(whole: Aged, frozen: Aged) -> None:
    before, after = whole.measures(breakdown=True), frozen.measures(breakdown=True)
    number = COLUMNS.index("numerateur")
    lines = [[line.split(";")[number] for line in rates_csv(found, LATER).decode("utf-8-sig").splitlines()[2:]]
             for found in (before, after)]  # fmt: skip
    assert lines[0] == lines[1]
    told = rates_csv(after, LATER).decode("utf-8-sig")
    assert told.count("figée le 01/06/2028") == sum(row.frozen is not None for row in after)
    assert "figé" in rates_table(after, 200) and "figé" not in rates_table(before, 200)
    with journal_of(frozen.folder) as journal:
        edition = assembled(journal, frozen.grappe, after)
    assert page(edition, [])["state"] == "clos, v1, figé le 01/06/2028"
    assert b"StructureDefinition/figee" in bundle(edition)
    assert rates_xlsx(edition)
    assert all(row.breakdown is None for row in after if row.frozen is not None)
    assert any(row.breakdown is not None for row in before)


def test_an_option_that_would_open_the_messages_is_refused(whole: Aged, frozen: Aged) -> None:
    assert whole.measures(options=Options(per="destinataire"))
    with pytest.raises(NoSuchOption, match="figée le 01/06/2028"):
        frozen.measures(options=Options(per="destinataire"))


def window(found: list[Measure]) -> Window:
    return found[0].window


def test_explain_lists_every_event_and_says_which_left(whole: Aged, frozen: Aged) -> None:
    told = []
    for one in (whole, frozen):
        with journal_of(one.folder) as journal, journal:
            counting = Counting(journal, ENVIRONMENT)
            found = explain(counting, one.folder, Slot(DMP, CARMES, window(one.measures())))
        told.append([(line.log, line.seq, line.event_time, line.outcome, line.why, line.unit_ref, line.first)
                     for line in found.lines if line.why in ("compte", "deja_compte")])  # fmt: skip
        left = [line.id is None for line in found.lines]
    assert told[0] == told[1]
    assert left.count(False) == 1, "the one that was in doubt stays"
    assert found.others == {}


def test_what_opens_entries_says_that_they_left(frozen: Aged) -> None:
    when = window(frozen.measures())
    with journal_of(frozen.folder) as journal, journal:
        counting = Counting(journal, ENVIRONMENT)
        assert signs(counting, Slot(MSS, CARMES, when)) is None
        with pytest.raises(EntryLeft, match="a été retirée par la conservation le 2028-06-01"):
            list(flows(journal, counting, CARMES, when.start, when.end))
        [carmes] = [one for one in ins_lines(frozen.folder, ENVIRONMENT, frozen.grappe, when, counting.vector)
                    if one.finess_et == CARMES]  # fmt: skip
    assert (carmes.left, carmes.calls) == (True, 0)
    assert "retirés par la conservation" in carmes.item()["note"]


# --- the recount ----------------------------------------------------------------------------------------------------------


def test_what_is_frozen_is_no_gap(whole: Aged, frozen: Aged) -> None:
    before, after = recount(whole.folder), recount(frozen.folder)
    assert (before.gap_count, after.gap_count) == (0, 0)
    assert (after.units, after.stored, after.beside) == (before.units, before.stored, before.beside)
    assert (before.frozen, said(before)) == (0, {DMP: "egale", MSS: "egale"})
    assert (after.frozen > 0, said(after)) == (True, {DMP: "figee", MSS: "figee"})
    counts = {one.indicator: one.units for one in after.measures if one.start == "01/11/2026"}
    assert counts == {row.indicator: row.numerator for row in whole.measures() if row.level == "grappe" and row.frozen is None
                      and row.indicator in (DMP, MSS)}  # fmt: skip


FROZEN_ROW = "SELECT unit_ref, log, seq FROM usage_units WHERE indicator = 'IND-DMP-01' AND seq < 250 ORDER BY seq LIMIT 1"
DAMAGES = {
    "a frozen row moved to another ESSMS": "UPDATE usage_units SET finess_et = '000000000' WHERE {row}",
    "a frozen row moved in time": "UPDATE usage_units SET event_time = '2026-12-30T10:00:00.000000Z' WHERE {row}",
    "a frozen row lost": "DELETE FROM usage_units WHERE {row}",
    "a row added where entries left":
        "INSERT INTO usage_units SELECT environment, indicator, finess_et, 'f', event_time, log, seq FROM usage_units"
        " WHERE {row}",
    "a frozen refusal lost": "DELETE FROM usage_beside WHERE seq = (SELECT min(seq) FROM usage_beside)",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_frozen_row_that_changed_is_a_gap(world: Aged, damage: str) -> None:
    [(ref, log, seq)] = rows(world.folder, FROZEN_ROW)
    rows(world.folder, DAMAGES[damage].format(row=f"unit_ref = '{ref}' AND log = {log} AND seq = {seq}"))
    found = recount(world.folder)
    assert found.gap_count == 1 and len(found.altered) == 1
    assert found.altered[0].expected - found.altered[0].found in (-1, 0, 1)


ADDED = "INSERT INTO usage_units VALUES ('bac_a_sable', 'IND-DMP-01', '{et}', 'f', '2026-12-01T10:00:00.000000Z', 1, {seq})"


@pytest.mark.parametrize("seq", [300, 301, 5000])
def test_a_true_gap_beside_frozen_rows_is_named(world: Aged, seq: int) -> None:
    """A row at an entry that stays, at one that is worth nothing, at none at all: none of them is frozen."""
    rows(world.folder, ADDED.format(et=CARMES, seq=seq))
    found = recount(world.folder)
    assert [gap.kind for gap in found.gaps] == ["en_trop"]
    assert (found.gap_count, said(found)) == (1, {DMP: "ecart", MSS: "figee"})


def test_a_leaf_that_no_act_covers_freezes_nothing(world: Aged) -> None:
    """Whoever removes an entry by hand, and keeps its leaf as retention does, is not believed."""
    [(act,)] = rows(world.folder, "SELECT act FROM departed")
    after = "SELECT pos & 1048575 FROM entries WHERE recorded_at >= '2028-05' AND kind = 'call' ORDER BY pos LIMIT 1"
    [(seq,)] = rows(world.folder, after)
    places = "".join("1" if n == seq else "0" for n in range(1024))
    for name in ("by hand", act[:-1]):
        tamper(world.folder, f"INSERT INTO departed VALUES (1, 0, '{name}', '', '', '{places}', x'{bytes(32).hex()}')")
        rows(world.folder, f"DELETE FROM entries WHERE pos & 1048575 = {seq}")
        [gap] = recount(world.folder).gaps
        assert (gap.kind, gap.found and gap.found.seq) == ("en_trop", seq)


def command(folder: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--data", str(folder.parent)])
    return result.exit_code, result.output


def test_the_command_says_it_measure_by_measure(world: Aged) -> None:
    code, text = command(world.folder, "recount")
    assert code == 0
    assert "marseille-hyeres, IND-MSS-01, du 01/11/2026 au 31/01/2027, v1 : figée, " in text
    assert "marseille-hyeres, IND-MSS-01, du 01/02/2027 au 28/02/2027, v1 : recomptée, égale (0 unité(s))" in text
    rows(world.folder, ADDED.format(et=CARMES, seq=300))
    code, text = command(world.folder, "recount", "--json")
    told: dict[str, Any] = orjson.loads(text)
    assert (code, told["holds"], told["gap_count"]) == (1, False, 1)
    assert {one["verdict"] for one in told["measures"]} == {"ecart", "figee", "egale"}


def test_rates_and_explain_say_frozen(frozen: Aged) -> None:
    month = FIRST_PERIOD.strftime("%Y-%m")
    code, text = command(frozen.folder, "rates", "--month", month)
    assert code == 0, text
    assert "IND-MSS-01 : figée le 01/06/2028" in text.replace("\n    ", " ")
    asked = ("explain", "--grappe", "marseille-hyeres", "--finess", CARMES, "--indicator", DMP, "--month", month)
    code, text = command(frozen.folder, *asked)
    assert code == 0 and "Mesure figée le 01/06/2028" in text and "(entrée retirée par la conservation)" in text


def test_a_later_version_of_a_frozen_window(frozen: Aged, tmp_path: Path) -> None:
    """What comes late makes version 2 over frozen rows; version 1 is still printed as it was."""
    world = copied(frozen, tmp_path)
    first = world.measures(version=1)
    world.write(fed("late", "2026-12-05T10:00"))
    now = [row for row in world.measures() if row.finess_et == CARMES and row.indicator == DMP]
    assert [row.version for row in now] == [2]
    world.close()
    assert world.measures(version=1) == first
    assert recount(world.folder).gap_count == 0

