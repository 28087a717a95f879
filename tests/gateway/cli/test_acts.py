"""What is done beside the journal leaves an entry with its author, dated and placed as the gateway itself would."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.wire.clock import SystemClock
from gateway.cli.main import app
from gateway.doors.console import Console
from gateway.journal import backup as copies
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Named
from tests.gateway.journal.world import ADMIN_KEY, feed, listening, open_journal, rows

MATRICULE = "275126322074974"
PHRASE = "une phrase de passe de test\n"
OFFSET = timedelta(days=40)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_SCRYPT_N", 2**10)


async def socle(*arguments: str, stdin: str = "") -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["journal", *arguments], stdin)


def entries(data: Path) -> list[dict[str, Any]]:
    with JournalReader(data / "gateway") as reader:
        return [orjson.loads(entry.body) for entry in reader.walk()]


@pytest.fixture
async def alone(tmp_path: Path) -> Path:
    """A production journal that nobody has open, its business time forty days ahead."""
    journal = open_journal(tmp_path / "gateway", environment="production", clock=SystemClock(OFFSET, 3))
    doubt = feed("in_doubt", person=Named("person", MATRICULE))
    await journal.write(doubt, journal.admin({"action": "clock", "by": "test", "offset_us": OFFSET // timedelta(microseconds=1)}))
    await journal.close()
    return tmp_path


@pytest.fixture
async def held(alone: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Journal]:
    """The same, open behind a console that listens."""
    clock = SystemClock(OFFSET, 3)
    journal = open_journal(alone / "gateway", environment="production", clock=clock)
    console = Console(journal, clock, "production", ADMIN_KEY, {}, lambda: 0)
    async with listening(alone, console.app(), monkeypatch):
        yield journal
    await journal.close()


async def _copied_and_exported(data: Path, out: Path) -> list[dict[str, Any]]:
    before = len(entries(data))
    copy = ("backup", "-o", str(out / "copie.tar"), "--by", "exploitant", "--json")
    copied = await socle(*copy, "--data", str(data), stdin=PHRASE)
    assert copied.exit_code == 0, copied.output
    exported = await socle("export", "-o", str(out / "x.csv"), "--outcome", "in_doubt", "--by", "amoa", "--data", str(data))
    assert exported.exit_code == 0, exported.output
    noted = entries(data)[before:]
    said = orjson.loads(copied.stdout)
    assert [entry["detail"] for entry in noted] == [
        {"action": "backup", "by": "exploitant", "copy": said["sha256"], "made_at": said["made_at"], "entries": before},
        {"action": "export", "by": "amoa", "format": "csv", "filters": ["outcome"]},
    ]
    return noted


@pytest.mark.sqlite("its copies")
async def test_a_copy_and_an_export_made_alone_are_entries(alone: Path, tmp_path: Path) -> None:
    for entry in await _copied_and_exported(alone, tmp_path):
        assert (entry["kind"], entry["environment"], entry["clock_version"]) == ("admin", "production", 3)


@pytest.mark.sqlite("its copies")
async def test_a_copy_and_an_export_are_entries_of_the_gateway_that_runs(held: Journal, alone: Path, tmp_path: Path) -> None:
    for entry in await _copied_and_exported(alone, tmp_path):
        assert (entry["boot_id"], entry["clock_version"]) == (held.boot_id, 3)


async def test_nothing_is_given_that_could_not_be_noted(held: Journal, alone: Path, tmp_path: Path) -> None:
    (alone / "sandbox" / "sandbox.json").write_bytes(orjson.dumps({"admin_key": "autre"}))
    copied = await socle("backup", "-o", str(tmp_path / "copie.tar"), "--data", str(alone), stdin=PHRASE)
    exported = await socle("export", "-o", str(tmp_path / "x.csv"), "--data", str(alone))
    poured = await socle("export", "--data", str(alone))
    assert [one.exit_code for one in (copied, exported, poured)] == [2, 2, 2]
    assert poured.stdout == ""
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("copie", "x.csv"))] == []


async def test_an_act_without_a_gateway_is_of_the_journal_s_own_time_and_environment(alone: Path) -> None:
    """The shell of an operator says neither: looked up as in another environment, a person would not be found."""
    doubt = entries(alone)[0]["id"]
    settled = await socle("settle", doubt, "--outcome", "failed", "--by", "Mme A", "--reason", "vu au DMP", "--data", str(alone))
    assert settled.exit_code == 0, settled.output
    erased = await socle("erase", "--data", str(alone), stdin=MATRICULE)
    assert (erased.exit_code, "Aucune trace" in erased.stdout) == (0, False), erased.output
    for words in (("retention",), ("key", "add", "lecture", "--right", "metadata")):
        assert (await socle(*words, "--data", str(alone))).exit_code == 0
    acts = entries(alone)[2:]
    assert [(one["clock_version"], one["environment"]) for one in acts] == [(3, "production")] * 4
    assert all(one["event_time"] > one["recorded_at"] for one in acts[1:])  # business time is ahead
    assert rows(alone / "gateway", "SELECT count(*) FROM refs WHERE kind = 'person'") == [(0,)]


async def test_an_entry_is_settled_by_the_number_that_a_list_shows(alone: Path) -> None:
    doubt, words = entries(alone)[0]["id"], ("--outcome", "failed", "--by", "Mme A", "--reason", "vu", "--data", str(alone))
    absent = await socle("settle", "1/99", *words)
    assert (absent.exit_code, "Aucune entrée « 1/99 »" in absent.output, len(entries(alone))) == (2, True, 2), absent.output
    settled = await socle("settle", "1/0", *words)
    assert (settled.exit_code, entries(alone)[-1]["settles"]) == (0, doubt), settled.output
    again = await socle("settle", doubt[:-1], *words)
    assert (again.exit_code, f"L'entrée {doubt} est déjà réglée" in again.output) == (2, True), again.output


@pytest.mark.sqlite("its copies")
async def test_a_restored_journal_goes_on_from_its_own_time(alone: Path, tmp_path: Path) -> None:
    assert (await socle("backup", "-o", str(tmp_path / "copie.tar"), "--data", str(alone), stdin=PHRASE)).exit_code == 0
    back = ("restore", str(tmp_path / "copie.tar"), "--by", "dpo", "--data", str(tmp_path / "neuf"))
    assert (await socle(*back, stdin=PHRASE)).exit_code == 0
    last = entries(tmp_path / "neuf")[-1]
    assert (last["detail"]["action"], last["detail"]["by"]) == ("restore", "dpo")
    assert (last["clock_version"], last["environment"]) == (3, "production")


@pytest.mark.parametrize("words", [("backup", "-o", "x.tar"), ("restore", __file__), ("export",)])
async def test_an_author_is_a_short_name(alone: Path, words: tuple[str, ...]) -> None:
    said = await socle(*words, "--by", "Madame Exemple, 2 75 12", "--data", str(alone), stdin=PHRASE)
    assert (said.exit_code, "64 caractères au plus" in said.output) == (2, True), said.output
    assert "Exemple" not in said.output
    assert len(entries(alone)) == 2


async def test_the_sealing_key_changes_without_a_gateway(alone: Path) -> None:
    before = (alone / "gateway" / "keys" / "K2").read_bytes()
    first = await socle("reseal", "--by", "exploitant", "--json", "--data", str(alone))
    assert first.exit_code == 0, first.output
    assert (alone / "gateway" / "keys" / "K2").read_bytes() != before
    assert [one["detail"]["step"] for one in entries(alone)[2:]] == ["begun", "done"]
    assert orjson.loads(first.stdout)["key"] == entries(alone)[-1]["detail"]["key"]


async def test_the_sealing_key_changes_beside_a_gateway(held: Journal, alone: Path) -> None:
    before = (alone / "gateway" / "keys" / "K2").read_bytes()
    said = await socle("reseal", "--data", str(alone))
    assert (said.exit_code, "l'ancienne clé est détruite" in said.stdout) == (0, True), said.output
    assert (alone / "gateway" / "keys" / "K2").read_bytes() != before
    assert not held.vault.rotating and entries(alone)[-1]["boot_id"] == held.boot_id


@pytest.mark.sqlite("its file")
async def test_a_damaged_journal_is_said_in_one_line_and_left_as_it_is(alone: Path) -> None:
    file = alone / "gateway" / "journal.sqlite3"
    file.write_bytes(b"\xff" * len(file.read_bytes()))
    settle = ("settle", "x", "--outcome", "failed", "--by", "a", "--reason", "b")
    for words, stdin in ((("retention",), ""), (("reseal",), ""), (("export",), ""), (("erase",), MATRICULE), (settle, "")):
        said = await socle(*words, "--data", str(alone), stdin=stdin)
        assert (said.exit_code in (2, 4), said.output.count("\n")) == (True, 1), (words, said.output)
        assert "Traceback" not in said.output and said.exception.__class__ is SystemExit, (words, said.exception)


@pytest.mark.sqlite("its file")
async def test_an_emptied_journal_is_said_in_whole_sentences(alone: Path) -> None:
    (alone / "gateway" / "journal.sqlite3").write_bytes(b"")
    for words, stdin in ((("list",), ""), (("verify", "--local"), ""), (("backup", "-o", str(alone / "x.tar")), PHRASE)):
        said = await socle(*words, "--data", str(alone), stdin=stdin)
        assert (said.exit_code, ".." in said.output.strip()) == (2, False), (words, said.output)


async def test_without_its_key_a_journal_says_which(alone: Path) -> None:
    (alone / "gateway" / "keys" / "K2").unlink()
    said = await socle("retention", "--data", str(alone))
    assert (said.exit_code, "K2 manque : remettez la sienne" in said.output) == (4, True), said.output


async def test_an_act_is_shown_without_what_only_a_call_has(alone: Path) -> None:
    shown = (await socle("show", "1/1", "--data", str(alone))).stdout
    assert "clock" in shown and "Durées" not in shown and "réponse lue" not in shown
    call = (await socle("show", "1/0", "--data", str(alone))).stdout
    assert "Durées" in call and "réponse lue" in call
