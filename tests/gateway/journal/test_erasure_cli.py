"""`socle journal erase` and `retention`: through the console of a gateway that runs, or alone; the matricule read from stdin."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.wire.clock import SystemClock
from gateway.cli.main import app
from gateway.doors.console import Console
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Named
from tests.gateway.journal.world import ADMIN_KEY, feed, listening, open_journal, rows

MATRICULE = "275126322074974"


async def socle(*arguments: str, stdin: str = "") -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["journal", *arguments], stdin)


def last_entry(data: Path) -> dict[str, Any]:
    with JournalReader(data / "gateway") as reader:
        return reader.entries().entries[0]


@pytest.fixture
async def alone(tmp_path: Path) -> Path:
    """A journal that nobody has open."""
    journal = open_journal(tmp_path / "gateway")
    await journal.write(feed("ok", person=Named("person", MATRICULE)))
    await journal.close()
    return tmp_path


@pytest.fixture
async def held(alone: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Journal]:
    """The same, open behind a console that listens: its port is in run.json, its key in the manifest."""
    journal = open_journal(alone / "gateway")
    console = Console(journal, SystemClock(), "bac_a_sable", ADMIN_KEY, {}, lambda: 0)
    async with listening(alone, console.app(), monkeypatch):
        yield journal
    await journal.close()


async def test_alone_the_journal_is_opened_and_the_person_erased(alone: Path) -> None:
    said = await socle("erase", "--data", str(alone), "--by", "dpo", stdin=MATRICULE + "\n")
    assert (said.exit_code, "1 entrée(s)" in said.stdout) == (0, True), said.output
    assert last_entry(alone)["detail"]["by"] == "dpo"
    assert rows(alone / "gateway", "SELECT count(*) FROM refs WHERE kind = 'person'") == [(0,)]
    again = await socle("erase", "--data", str(alone), stdin=MATRICULE)
    assert (again.exit_code, "Aucune trace" in again.stdout) == (0, True)


async def test_a_gateway_that_runs_does_it_itself(held: Journal, alone: Path) -> None:
    said = await socle("erase", "--data", str(alone), "--by", "dpo", "--json", stdin=MATRICULE)
    assert said.exit_code == 0, said.output
    done = orjson.loads(said.stdout)
    assert (done["known"], done["entries"], done["wal_emptied"]) == (True, 1, True)
    assert await held.ref(Named("person", MATRICULE)) is None
    assert last_entry(alone)["boot_id"] == held.boot_id
    kept = await socle("retention", "--data", str(alone), "--json")
    assert kept.exit_code == 0, kept.output
    assert orjson.loads(kept.stdout)["bodies"] == 0
    assert last_entry(alone)["detail"]["action"] == "retention"


async def test_a_wrong_key_or_a_silent_console_erases_nothing(held: Journal, alone: Path) -> None:
    (alone / "sandbox" / "sandbox.json").write_bytes(orjson.dumps({"admin_key": "autre"}))
    refused = await socle("erase", "--data", str(alone), stdin=MATRICULE)
    assert (refused.exit_code, "Clé d'administration" in refused.output) == (2, True), refused.output
    (alone / "run.json").write_bytes(orjson.dumps({"ports": {"console": 1}}))
    silent = await socle("erase", "--data", str(alone), stdin=MATRICULE)
    assert (silent.exit_code, "ne répond pas" in silent.output) == (3, True), silent.output
    assert await held.ref(Named("person", MATRICULE)) is not None
    assert MATRICULE not in refused.output + silent.output


@pytest.mark.parametrize(
    ("stdin", "why"),
    [("", "0 car"), ("27512632207497", "14 caractères"), (MATRICULE[:13] + "75", "la clé est fausse"), ("x" * 15, "15 car")],
)
async def test_what_is_no_matricule_is_refused_without_being_repeated(alone: Path, stdin: str, why: str) -> None:
    said = await socle("erase", "--data", str(alone), stdin=stdin)
    assert (said.exit_code, why in said.output) == (2, True), said.output
    assert not stdin or stdin not in said.output
    assert last_entry(alone)["kind"] == "call"


async def test_the_matricule_is_no_argument(alone: Path) -> None:
    said = await socle("erase", MATRICULE, "--data", str(alone), stdin=MATRICULE)
    assert said.exit_code == 2
    assert last_entry(alone)["kind"] == "call"


async def test_a_folder_without_journal_and_an_odd_name_are_refused(alone: Path, tmp_path: Path) -> None:
    nothing = await socle("erase", "--data", str(tmp_path / "rien"), stdin=MATRICULE)
    assert (nothing.exit_code, "Aucun journal" in nothing.output) == (2, True)
    odd = await socle("erase", "--data", str(alone), "--by", "Mme Exemple", stdin=MATRICULE)
    assert (odd.exit_code, "--by" in odd.output) == (2, True)
    assert not (tmp_path / "rien").exists()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"matricule": 1, "by": "x"}', b'{"matricule": "275126322074975", "by": "x"}',
             b'{"matricule": "275126322074974"}', b'{"matricule": "275126322074974", "by": "Mme X"}'],
)  # fmt: skip
async def test_the_console_repeats_nothing_of_a_wrong_request(held: Journal, alone: Path, body: bytes) -> None:
    port = orjson.loads((alone / "run.json").read_bytes())["ports"]["console"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        answer = await http.post("/admin/erasure", content=body, headers={"X-Socle-Admin-Key": ADMIN_KEY})
        assert answer.status_code == 400
        assert b"27512632207497" not in answer.content
        without = await http.post("/admin/erasure", content=b'{"matricule": "275126322074974", "by": "x"}')
        assert without.status_code == 403
    assert await held.ref(Named("person", MATRICULE)) is not None
