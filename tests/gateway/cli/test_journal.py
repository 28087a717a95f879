"""`socle journal list|show|tail|export` as they are typed."""
from __future__ import annotations

import asyncio
import csv
import io
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.journal import _following
from gateway.cli.journal_text import NARROW, list_lines, meanings, sheet
from gateway.cli.main import app
from gateway.exports.journal_lines import COLUMNS, lines
from gateway.journal.query import Filters, JournalReader
from gateway.journal.record import Body, Dui, Named, Record
from gateway.usage.measure import SIMULATED
from tests.gateway.journal.world import feed, message, open_journal

MATRICULE = "279035121518989"
PERSON = Named("person", MATRICULE)
ASKED = {"how": "ask", "by": "x"}


def fill(data: Path, *records: Record, **settings: Any) -> None:
    async def write() -> None:
        journal = open_journal(data / "gateway", **settings)
        for record in records:
            await journal.write(record)
        await journal.close()

    asyncio.run(write())


def run(*arguments: str, stdin: str = "", columns: int | None = None) -> tuple[int, str, str]:
    environment = {"COLUMNS": str(columns)} if columns else {"COLUMNS": None}
    result = CliRunner().invoke(app, ["journal", *arguments], input=stdin, env=environment)
    return result.exit_code, result.stdout_bytes.decode(), result.stderr


def listed(data: Path, *arguments: str, stdin: str = "") -> list[str]:
    """Ids that `list --json` gives, the oldest first."""
    code, out, err = run("list", "--data", str(data), "--json", *arguments, stdin=stdin)
    assert code == 0, err
    return [entry["id"] for entry in orjson.loads(out)["entries"]][::-1]


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[tuple[Path, dict[str, Record]]]:
    """One of each: accepted feed, refused feed, message, call in doubt with its settlement, admin, gap."""
    doubt = feed("in_doubt", person=PERSON, bodies=[Body("request", 1234, b"d" * 32)])
    doubt.dui = Dui("NIL1", "Dossier", "4.2")
    doubt.flag("G-DELAI")
    refused = feed("refused")
    refused.service_code = "XDSDuplicateUniqueIdInRegistry"
    refused.flag("V-DOUBLON")
    refused.event_time = datetime(2026, 3, 3, 23, 30, tzinfo=UTC)  # the 4th in Paris
    records = {
        "ok": feed("ok"), "refused": refused, "message": message("ok", "<1@ehpad.test>"), "doubt": doubt,
        "settled": Record("DMP.TD2.1", kind="settlement", settles=doubt.id, outcome="succeeded", detail=ASKED),
        "admin": Record(None, kind="admin", tenant="passerelle", detail={"action": "clock", "by": "x", "offset_us": 0}),
        "gap": Record(None, kind="gap", tenant="passerelle", detail={"count": 3, "why": "G-PLEIN"}),
    }  # fmt: skip
    fill(tmp_path, *records.values())
    yield tmp_path, records


@pytest.mark.parametrize(("arguments", "names"), [
    (("--operation", "MSS.SOUMISSION"), ["message"]),
    (("--service", "DMP", "--kind", "call"), ["ok", "refused", "doubt"]),
    (("--outcome", "refused"), ["refused"]),
    (("--flag", "G-DELAI", "--flag", "V-DOUBLON"), ["refused", "doubt"]),
    (("--tenant", "passerelle"), ["admin", "gap"]),
    (("--from", "2026-03-04", "--to", "2026-03-04"), ["refused"]),
    (("--to", "2026-03-03"), ["ok", "message", "doubt", "settled"]),
    (("--recorded-to", "2020-01-01"), []),
    (("--environment", "production"), []),
])  # fmt: skip
def test_list_chooses(mixed: tuple[Path, dict[str, Record]], arguments: tuple[str, ...], names: list[str]) -> None:
    data, records = mixed
    assert listed(data, *arguments) == [records[name].id for name in names]


def test_a_person_is_asked_for_on_standard_input_only(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, records = mixed
    assert listed(data, "--person", stdin=f"{MATRICULE}\n") == [records["doubt"].id, records["settled"].id]
    assert listed(data, "--person", stdin="2 79 03 51 215189 90\n") == []
    [entry] = orjson.loads(run("list", "--data", str(data), "--flag", "G-DELAI", "--json")[1])["entries"]
    assert listed(data, "--person-ref", entry["person_ref"]) == [records["doubt"].id, records["settled"].id]
    code, out, err = run("list", "--data", str(data), "--person-ref", MATRICULE)
    assert (code, out) == (2, "")
    assert "--person, sur l'entrée standard" in err
    assert MATRICULE not in err
    code, out, err = run("list", "--data", str(data), "--person", stdin="12\n")
    assert (code, out, err) == (2, "", "Entrée standard : un matricule de 15 caractères est attendu, 2 lus.\n")


def test_a_person_is_not_looked_for_by_the_key_of_another_journal(tmp_path: Path) -> None:
    """« Aucune entrée » would be believed."""
    fill(tmp_path, message("ok", "<1@ehpad.test>"))
    (tmp_path / "gateway" / "keys" / "K").write_bytes(bytes(range(32)))
    code, out, err = run("list", "--data", str(tmp_path), "--person", stdin=f"{MATRICULE}\n")
    assert (code, out) == (2, "")
    assert "(keys/K)" in err and "n'est pas celle" in err
    assert run("list", "--data", str(tmp_path))[0] == 0  # the twin: what needs no key


def test_a_journal_that_nobody_indexed_is_indexed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.journal._LATE", 3)
    fill(tmp_path, *(feed("ok") for _ in range(5)))
    assert run("list", "--data", str(tmp_path), "--outcome", "ok")[2] == "Indexation de 5 entrées, une fois pour toutes …\n"
    assert run("list", "--data", str(tmp_path), "--outcome", "ok")[2] == ""
    with JournalReader(tmp_path / "gateway") as reader:
        assert reader.late == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "inconnue"), "Aucune entrée « inconnue »"),
        (("list", "--operation", "DMP.TD9"), "« DMP.TD9 » : opération inconnue"),
        (("list", "--kind", "appel"), "« appel » : nature inconnue"),
        (("list", "--cursor", "abc"), "« abc » n'est pas un curseur"),
        (("list", "--after", "-1"), "« -1 » n'est pas un curseur"),
        (("list", "--after", "1", "--cursor", "1"), "l'un ou l'autre"),
        (("list", "--from", "hier"), "« hier » : date attendue"),
        (("list", "--from", "2026-03-04", "--to", "2026-03-03"), "finit avant d'avoir commencé"),
        (("list", "--message-ref", "<1@ehpad.test>"), "--message-ref : une référence a 32 chiffres"),
        (("export", "--format", "xml"), "« xml » : format inconnu"),
        (("export", "-o", "/absent/ici.csv"), "/absent/ici.csv ne peut pas être écrit"),
        (("tail", "--service", "XXX"), "« XXX » : service inconnu"),
    ],
)
def test_bad_input_is_one_french_line_and_exit_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    fill(tmp_path, feed("ok"))
    code, out, err = run(*arguments, "--data", str(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.parametrize("command", ["list", "tail", "export"])
def test_a_folder_without_journal_is_one_french_line_and_exit_2(tmp_path: Path, command: str) -> None:
    code, out, err = run(command, "--data", str(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Aucun journal" in err


def test_pages_lead_to_each_other(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, records = mixed
    code, first, _ = run("list", "--data", str(data), "--limit", "2")
    assert code == 0
    cursor = first.split("--cursor ")[1].strip()
    assert listed(data, "--limit", "9", "--cursor", cursor) == [record.id for record in records.values()][:5]
    newer = orjson.loads(run("list", "--data", str(data), "--json", "--cursor", cursor)[1])["newer"]
    assert listed(data, "--after", newer) == [records["admin"].id, records["gap"].id]


# --- how it looks -------------------------------------------------------------------------------------------------------------


def test_a_list_keeps_to_eighty_columns_and_cuts_no_word(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, _ = mixed
    code, out, _ = run("list", "--data", str(data), columns=80)
    rows = out.splitlines()
    assert (code, rows[0]) == (0, f"{SIMULATED} (environnement bac_a_sable)")
    assert max(map(len, rows[1:])) <= 80
    assert "            V-DOUBLON XDSDuplicateUniqueIdInRegistry" in rows
    assert any(row.startswith("1/1       2026-03-04 00:30:00+0100 DMP.TD2.1            refusé       130784507") for row in rows)


def test_the_widest_line_fits(mixed: tuple[Path, dict[str, Record]]) -> None:
    """The longest operation and outcome, and millions of entries."""
    data, _ = mixed
    with JournalReader(data / "gateway") as reader:
        [entry] = reader.find("1/1")
    entry |= {"seq": 9_999_999, "operation": "INS.RECHERCHE_TRAITS", "outcome": "unauthorised"}
    entry["flags"] = ["V-MESSAGE-ID-REUTILISE"] * 5
    assert max(map(len, list_lines([entry], 80))) <= 80
    assert len(list(list_lines([entry], 80))) == 5
    assert len(list(list_lines([entry], NARROW))) == 2


def test_a_list_that_is_piped_has_one_line_for_each_entry_and_the_whole_id(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, records = mixed
    rows = run("list", "--data", str(data))[1].splitlines()[2:]
    assert [row for row, record in zip(rows, [*records.values()][::-1], strict=True) if record.id not in row] == []


def test_show_tells_what_became_of_a_call_in_doubt(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, records = mixed
    code, out, _ = run("show", records["doubt"].id, "--data", str(data), columns=100)
    assert code == 0
    for said in (
        SIMULATED, "Alimentation du DMP (DMP.TD2.1)", "éditeur editeur-a · Dossier 4.2 · NIL NIL1", "personne ",
        "ESSMS 130784507",
        "02/03/2026 10:00:00 (Europe/Paris, +0100) · 2026-03-02T09:00:00.000000Z",
        f"in_doubt : {meanings().outcomes['in_doubt']}", "G-DELAI : {}. Que faire : {}.".format(*meanings().flags["G-DELAI"]),
        "1 : Success en 1,2 ms", "request : 1234 octets", "oui par son règlement 1/4 : IND-DMP-01", "réussi (ask, x) · 1/4",
    ):  # fmt: skip
        assert said in " ".join(out.split()), said
    assert max(map(len, out.splitlines()[1:])) <= 100
    assert "règle l'entrée 1/3" in run("show", "1/4", "--data", str(data))[1]


@pytest.mark.parametrize(("name", "said"), [
    ("refused", "non : l'appel n'a pas réussi (refused)"), ("admin", "non : ce n'est pas un appel"),
    ("message", "oui : IND-MSS-01, ESSMS 130784507"), ("gap", '"why":"G-PLEIN"'),
])  # fmt: skip
def test_show_says_whether_it_is_counted_and_why(mixed: tuple[Path, dict[str, Record]], name: str, said: str) -> None:
    data, records = mixed
    assert said in run("show", records[name].id, "--data", str(data))[1]


def test_a_gap_says_how_many_where_and_why_and_what_to_do(tmp_path: Path) -> None:
    detail = {"listener": "insi", "why": "V-CERT-EXPIRE"}
    gaps = [Record(None, kind="gap", tenant="passerelle", detail={**detail, "count": count}) for count in (1, 2)]
    fill(tmp_path, *gaps)
    two, one = run("list", "--data", str(tmp_path))[1].splitlines()[2:4]
    assert ("2 appels" in two, "1 appel " in one, two.endswith("insi V-CERT-EXPIRE")) == (True, True, True)
    sheet = " ".join(run("show", gaps[0].id, "--data", str(tmp_path))[1].split())
    assert "V-CERT-EXPIRE : certificat expiré. Que faire : en émettre un neuf" in sheet


def test_a_message_sent_twice_is_counted_by_its_first_entry(tmp_path: Path) -> None:
    fill(tmp_path, message("ok", "<1@x>"), message("ok", "<1@x>"))
    assert "déjà comptée par une entrée antérieure" in " ".join(run("show", "1/1", "--data", str(tmp_path))[1].split())
    assert "oui : IND-MSS-01" in run("show", "1/0", "--data", str(tmp_path))[1]


def test_show_takes_an_id_its_beginning_or_a_place(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, records = mixed
    wanted = records["ok"].id
    for name in (wanted, wanted[:34], "1/0"):
        said = orjson.loads(run("show", name, "--data", str(data), "--json")[1])
        assert (said["entry"]["id"], said["simulated"], said["settlements"]) == (wanted, True, [])
    code, out, err = run("show", wanted[:8], "--data", str(data))
    assert (code, out) == (2, "")
    assert "plusieurs entrées" in err


def test_what_a_service_says_cannot_move_the_cursor(tmp_path: Path) -> None:
    record = feed("refused")
    record.service_code = "\x1b[2J\rok"
    fill(tmp_path, record)
    for arguments in (("list",), ("show", "1/0"), ("tail",)):
        out = run(*arguments, "--data", str(tmp_path))[1]
        assert "·[2J·ok" in out
        assert "\x1b" not in out


def test_every_documented_flag_and_outcome_is_understood() -> None:
    page = (Path(__file__).parents[3] / "docs" / "errors.md").read_text("utf-8")
    assert meanings().flags.keys() == {line.split()[1] for line in page.splitlines() if line[:4] in {f"| {x}-" for x in "VGNEF"}}
    assert {"ok", "refused", "invalid", "unauthorised", "failed", "cut", "in_doubt"} <= meanings().outcomes.keys()
    sense, todo = meanings().flags["V-DOUBLON"]
    assert sense.startswith("uniqueId déjà enregistré au DMP")
    assert todo.startswith("ne pas renvoyer")


def test_a_sheet_without_its_page_of_meanings_still_says_everything(
    mixed: tuple[Path, dict[str, Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = mixed
    monkeypatch.setattr("gateway.cli.journal_text._page", str)
    meanings.cache_clear()
    with JournalReader(data / "gateway") as reader:
        [entry] = reader.find("1/1")
        assert "V-DOUBLON : voir docs/errors.md" in sheet(entry, [], None, reader.counted, 80)
    meanings.cache_clear()


# --- tail ---------------------------------------------------------------------------------------------------------------------


def test_tail_shows_the_last_ones_in_order(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, records = mixed
    out = run("tail", "-n", "2", "--data", str(data))[1].splitlines()
    assert [records[name].id in row for name, row in zip(("admin", "gap"), out[1:], strict=True)] == [True, True]
    assert run("tail", "-n", "0", "--data", str(data))[1].splitlines() == out[:1]


def test_tail_follows_over_restarts_and_while_the_journal_is_away(tmp_path: Path) -> None:
    fill(tmp_path, feed("ok"))
    records = [feed("ok") for _ in range(7)]

    def restart_and_write() -> None:
        for record in records[:3]:
            time.sleep(0.1)
            fill(tmp_path, record, feed("refused"))  # each opens the journal and closes it again
        folder = tmp_path / "gateway"
        folder.rename(tmp_path / "away")
        time.sleep(0.5)
        (tmp_path / "away").rename(folder)
        fill(tmp_path, *records[3:])

    writer = threading.Thread(target=restart_and_write)
    writer.start()
    following = _following(tmp_path, Filters(outcome="ok"), str(1 + (1 << 40)), time.monotonic() + 60)
    seen = [entry["id"] for entry in islice(following, len(records))]
    following.close()
    writer.join()
    assert seen == [record.id for record in records]


def test_tail_ends_by_itself_after_what_it_has_seen(tmp_path: Path) -> None:
    record = feed("ok")
    fill(tmp_path, record)
    code, out, err = run("tail", "-f", "--for", "0.3", "--data", str(tmp_path), "--json")
    first, entry = (orjson.loads(line) for line in out.splitlines())
    assert (code, err, first["simulated"], entry["id"]) == (0, "", True, record.id)


# --- export -------------------------------------------------------------------------------------------------------------------


def test_csv_opens_in_a_french_spreadsheet(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, records = mixed
    code, out, _ = run("export", "--data", str(data), "--to", "2026-03-04")
    assert code == 0
    assert out.startswith(f"\ufeff{SIMULATED} (environnement bac_a_sable)\r\n")
    rows = list(csv.DictReader(io.StringIO(out.split("\r\n", 1)[1]), delimiter=";"))
    assert [row["event_id"] for row in rows] == [records[name].id for name in ("ok", "refused", "message", "doubt", "settled")]
    assert (rows[1]["horodatage_local"], rows[1]["horodatage_utc"]) == (
        "2026-03-04T00:30:00.000000+01:00", "2026-03-03T23:30:00.000000Z",
    )  # fmt: skip
    assert {row["simulation"] for row in rows} == {"oui"}
    assert (rows[0]["finess_et"], rows[0]["indicateurs_comptes"]) == ('="130784507"', "IND-DMP-01")
    assert (rows[1]["signalements"], rows[1]["code_retour"]) == ("V-DOUBLON", "XDSDuplicateUniqueIdInRegistry")


@pytest.mark.parametrize("text", ["=1+1", "+1", "@x", '1";=HYPERLINK("x")', "a\r\nb"])
def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    record = feed("ok")
    record.dui, record.service_code, record.finess_et, record.document_type = Dui(None, text, text), text, text, text
    fill(tmp_path, record)
    out = run("export", "--data", str(tmp_path))[1]
    [row] = csv.DictReader(io.StringIO(out.split("\r\n", 1)[1], newline=""), delimiter=";")
    for column in ("dui_produit", "code_retour", "finess_et", "type_document"):
        assert row[column].lstrip("'") == text
        assert not row[column].startswith(("=", "+", "@"))


def test_overseas_time_is_local_time_there(tmp_path: Path) -> None:
    record = feed("ok")
    record.finess_et = "970400000"
    fill(tmp_path, record)
    assert ";2026-03-02T13:00:00.000000+04:00;2026-03-02T09:00:00.000000Z;" in run("export", "--data", str(tmp_path))[1]


def test_ndjson_is_the_journal_byte_for_byte(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, _ = mixed
    out = run("export", "--format", "ndjson", "--data", str(data))[1].encode().splitlines()
    with JournalReader(data / "gateway") as reader:
        *before, exported = [entry.body for entry in reader.walk()]
    assert out[1:] == before
    assert orjson.loads(exported)["detail"]["action"] == "export"
    assert orjson.loads(out[0]) == {
        "socle": "journal", "version": 1, "simulated": True, "avertissement": f"{SIMULATED} (environnement bac_a_sable)",
        "snapshot": None,
    }  # fmt: skip


def test_production_says_nothing_of_simulation(tmp_path: Path) -> None:
    fill(tmp_path, feed("ok"), environment="production")
    as_json = (("list", "--json"), ("tail", "--json"), ("export", "--format", "ndjson"))
    for arguments in (("list",), ("show", "1/0"), ("tail",), ("export",), *as_json):
        assert "SIMUL" not in run(*arguments, "--data", str(tmp_path))[1]
    assert "production;non;" in run("export", "--data", str(tmp_path))[1]


def test_a_file_says_in_its_name_that_it_is_simulated(mixed: tuple[Path, dict[str, Record]], tmp_path: Path) -> None:
    data, _ = mixed
    folder = tmp_path / "exports"
    folder.mkdir()
    assert run("export", "-o", str(folder), "--data", str(data))[1] == f"{folder / 'journal-DONNEES-SIMULEES.csv'}\n"
    assert run("export", "-o", str(folder / "x.csv"), "--data", str(data))[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["journal-DONNEES-SIMULEES.csv", "x.csv"]
    again = run("export", "--data", str(data))[1].encode()
    assert again.startswith((folder / "x.csv").read_bytes())  # then the entry of that export


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_an_export_takes_the_same_memory_for_few_entries_and_for_many(tmp_path: Path, form: str) -> None:
    peaks = []
    for count in (2_000, 8_000):
        data = tmp_path / str(count)

        async def write(data: Path = data, count: int = count) -> None:
            journal = open_journal(data / "gateway")
            for _ in range(count // 1000):
                await journal.write(*(feed("ok") for _ in range(1000)))
            await journal.close()

        asyncio.run(write())
        with JournalReader(data / "gateway") as reader:
            tracemalloc.start()
            written = sum(piece.count(b"\n") for piece in lines(reader.select(), form, None))  # type: ignore[arg-type]
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert written == count + 1
    assert peaks[1] < 1.2 * peaks[0], peaks


def test_every_column_has_a_cell(mixed: tuple[Path, dict[str, Record]]) -> None:
    data, _ = mixed
    out = run("export", "--data", str(data))[1]
    rows = list(csv.reader(io.StringIO(out.split("\r\n", 1)[1]), delimiter=";"))
    assert {len(row) for row in rows} == {len(COLUMNS)}
