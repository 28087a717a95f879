"""Another K2: everything sealed opens with the new key alone, whatever runs meanwhile and wherever the process dies."""
from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.exceptions import InvalidTag

from gateway.journal import resealing as module
from gateway.journal.backup import back_up, restore
from gateway.journal.erasure import erase
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Body, Claim, Intent, Named, Record
from gateway.journal.resealing import AlreadyResealing, KeyOpensNothing, Resealed, reseal, resume
from gateway.journal.vault import Vault
from tests import stores
from tests.gateway.journal.world import feed, message, open_journal, rows

PERSON = "275126322074974"
KEPT = b'{"v":1,"body":{"data":"corps"}}'


def call(journal: Journal, number: int) -> Record:
    record = feed(person=Named("person", PERSON), bodies=[Body("request", 4, b"\0" * 32, KEPT)])
    record.professional = Named("professional", f"801234567{number}")
    record.claim = Claim(journal.keyed("own-key", str(number)), b"body")
    return record


async def fill(journal: Journal) -> None:
    """Something sealed in each of the five places: refs, kept messages, a doubt, an intent, an answer under a key."""
    done, doubt, under_way = (call(journal, number) for number in range(3))
    for record in (done, doubt, under_way):
        assert record.claim is not None
        await journal.intend(record, Intent(Named("submission", record.id), 30.0, b"c", b"question"))
    assert done.claim is not None
    done.outcome, done.claim.answer = "ok", b"201\nreponse"
    doubt.outcome = "in_doubt"
    await journal.write(done)
    await journal.write(doubt)
    await journal.write(message("ok", "<1@dui.test>"))


def sealed(folder: Path) -> list[tuple[str, str, bytes]]:
    """(place, name, sealed) of every sealed value."""
    found = []
    for place, statement in {
        "refs": "SELECT ref, sealed FROM refs WHERE sealed IS NOT NULL",
        "blobs": "SELECT e.id || '|' || n, sealed_key FROM blobs JOIN entries e USING (pos)",
        "doubts": "SELECT entry_id, blob FROM doubts WHERE blob IS NOT NULL",
        "intents": "SELECT call_id, blob FROM intents WHERE blob IS NOT NULL",
        "own_keys": "SELECT 'own|' || call_id, answer FROM own_keys WHERE answer IS NOT NULL",
    }.items():
        found += [(place, name, value) for name, value in rows(folder, statement)]
    return found


def opened(folder: Path, vault: Vault | None = None) -> list[tuple[str, bytes]]:
    vault = vault or Vault.open(folder / "keys", "bac_a_sable", create=False)
    return sorted((place, vault.unseal(name, value)) for place, name, value in sealed(folder))


def told(folder: Path) -> list[tuple[str, str]]:
    with JournalReader(folder) as reader:
        details = [orjson.loads(one.body)["detail"] or {} for one in reader.walk()]
    return [(one["step"], one["by"]) for one in details if one.get("action") == "reseal"]


def only_the_new_key_opens(folder: Path, old: Vault, before: list[tuple[str, bytes]]) -> None:
    assert not (folder / "keys" / "K2.next").exists()
    assert {place for place, _, _ in sealed(folder)} == {"refs", "blobs", "doubts", "intents", "own_keys"}
    after = opened(folder)
    assert [one for one in after if one[0] != "blobs"] == [one for one in before if one[0] != "blobs"]
    assert len(after) == len(before)
    for _, name, value in sealed(folder):
        with pytest.raises(InvalidTag):
            old.unseal(name, value)


async def test_everything_is_sealed_again_and_the_old_key_opens_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await fill(journal)
    old, before = Vault.open(tmp_path / "keys", "bac_a_sable", create=False), opened(tmp_path)
    with JournalReader(tmp_path) as reader:
        entries = [one.body for one in reader.walk()]
    done = await reseal(journal, by="exploitant")
    # The intent under way is held in memory too; on a server it may have been read again from its table before.
    assert (done.values - len(before), done.unreadable) in {(1, 0), (0, 0)}
    only_the_new_key_opens(tmp_path, old, before)
    assert told(tmp_path) == [("begun", "exploitant"), ("done", "exploitant")]
    with JournalReader(tmp_path) as reader:
        assert [one.body for one in reader.walk()][: len(entries)] == entries
    assert (tmp_path / "keys" / "K2").stat().st_mode & 0o077 == 0
    await journal.close()


async def test_a_call_under_way_leaves_a_doubt_that_opens(tmp_path: Path) -> None:
    """Its question is held in memory from the intent on: written after the change, it must not be under the old key."""
    journal = open_journal(tmp_path)
    record = feed(person=Named("person", PERSON))
    await journal.intend(record, Intent(Named("submission", "1"), 0.0, b"c", b"question"))
    await reseal(journal, by="x")
    record.outcome = "in_doubt"
    await journal.write(record)
    [doubt] = await journal.doubts_to_ask(["DMP.TD2.1"], not_found=0, since=journal.clock.real())
    assert doubt.blob == b"question"
    await journal.close()


async def test_what_is_written_meanwhile_is_under_the_new_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 3)
    journal = open_journal(tmp_path)
    await fill(journal)
    old, before = Vault.open(tmp_path / "keys", "bac_a_sable", create=False), opened(tmp_path)
    resealing = asyncio.create_task(reseal(journal, by="x"))
    written = 0
    while not resealing.done():
        await journal.write(message("ok", f"<m{written}@dui.test>"))
        written += 1
    await resealing
    assert written > 3
    opened(tmp_path)
    assert len(sealed(tmp_path)) == len(before) + written
    for _, name, value in sealed(tmp_path):
        with pytest.raises(InvalidTag):
            old.unseal(name, value)
    await journal.close()


async def test_an_erasure_in_the_middle_stays_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.nomenclatures.identifiers import parse_matricule

    monkeypatch.setattr(module, "_CHUNK", 1)
    journal = open_journal(tmp_path)
    await fill(journal)
    await asyncio.gather(reseal(journal, by="x"), erase(journal, parse_matricule(PERSON), by="dpo"))
    assert {place for place, _, _ in sealed(tmp_path)} == {"refs"}
    opened(tmp_path)
    await journal.close()


async def test_one_at_a_time(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await fill(journal)
    first, second = await asyncio.gather(reseal(journal, by="a"), reseal(journal, by="b"), return_exceptions=True)
    assert isinstance(first, Resealed) and isinstance(second, AlreadyResealing)
    assert isinstance(await reseal(journal, by="c"), Resealed)  # the twin: later, another change
    assert [by for _, by in told(tmp_path)] == ["a", "a", "c", "c"]
    await journal.close()


async def test_a_damaged_value_is_left_and_said(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await fill(journal)
    await journal.close()
    connection = stores.opened(tmp_path)
    connection.execute("UPDATE refs SET sealed = ? WHERE kind = 'message'", (bytes(40),))
    connection.close()
    journal = open_journal(tmp_path)
    assert (await reseal(journal, by="x")).unreadable == 1
    await journal.close()


async def test_the_key_of_another_journal_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that the opening of the journal did not tell from its own."""
    monkeypatch.setattr("gateway.journal.journal.insist_on_keys", lambda *_: None)
    journal = open_journal(tmp_path)
    await fill(journal)
    await journal.close()
    key, mine = tmp_path / "keys" / "K2", sealed(tmp_path)
    right = key.read_bytes()
    key.write_bytes(bytes(range(32)))
    journal = open_journal(tmp_path)
    with pytest.raises(KeyOpensNothing, match="n'ouvre aucune des valeurs scellées"):
        await reseal(journal, by="x")
    await journal.close()
    assert (key.read_bytes(), (tmp_path / "keys" / "K2.next").exists()) == (bytes(range(32)), False)
    assert {value for *_, value in sealed(tmp_path)} == {value for *_, value in mine}
    assert told(tmp_path) == []
    key.write_bytes(right)  # the twin: its own
    journal = open_journal(tmp_path)
    assert (await reseal(journal, by="x")).unreadable == 0
    await journal.close()


async def test_an_empty_journal_takes_another_key(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert (await reseal(journal, by="x")).values == 0
    await journal.close()


@pytest.mark.sqlite("its copies")
async def test_a_copy_made_in_the_middle_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys are read before the journal is copied: a change that begins between must not leave values without their key."""
    monkeypatch.setattr("gateway.journal.backup._SCRYPT_N", 2**10)
    journal = open_journal(tmp_path / "a")
    await fill(journal)
    copy_database, loop = module_copy(), asyncio.get_running_loop()
    arrived = [False]

    def late(source: Path, copy: Path) -> None:
        if not arrived[0]:
            arrived[0] = True
            asyncio.run_coroutine_threadsafe(reseal(journal, by="x"), loop).result(10)
        copy_database(source, copy)

    monkeypatch.setattr("gateway.journal.backup._copy_database", late)
    await asyncio.to_thread(back_up, tmp_path / "a", tmp_path / "copie", "une phrase de passe", journal.clock.real())
    await journal.close()
    restore(tmp_path / "copie", tmp_path / "b", "une phrase de passe")
    assert len(opened(tmp_path / "b")) == len(opened(tmp_path / "a"))


def module_copy() -> Callable[[Path, Path], None]:
    from gateway.journal import backup

    return backup._copy_database


# --- killed -----------------------------------------------------------------------------------------------------------

POINTS = ("key-drawn", "begun-noted", "first-chunk", "first-pass", "all-passed", "done-noted", "key-replaced")


def _die_at(point: str, patch: Any) -> None:
    """Patch the parts from outside, so that the process dies there."""
    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    begin, end, write, passed, page = Vault.begin, Vault.end, Journal.write, module._pass, module._page
    seen = {"writes": 0, "passes": 0}

    def killable_begin(vault: Vault) -> None:
        begin(vault)
        if point == "key-drawn":
            die()

    def killable_end(vault: Vault) -> None:
        end(vault)
        if point == "key-replaced":
            die()

    async def killable_write(journal: Journal, *records: Record) -> Any:
        result = await write(journal, *records)
        seen["writes"] += 1
        if point == ("", "begun-noted", "done-noted")[seen["writes"]]:
            die()
        return result

    async def killable_pass(journal: Journal) -> Any:
        result = await passed(journal)
        seen["passes"] += 1
        if point == ("", "first-pass", "all-passed")[min(seen["passes"], 2)]:
            die()
        return result

    def killable_page(*arguments: Any, **named: Any) -> Any:
        result = page(*arguments, **named)
        if point == "first-chunk" and result[1]:
            die()  # before the commit of what it moved
        return result

    patch(Vault, "begin", killable_begin)
    patch(Vault, "end", killable_end)
    patch(Journal, "write", killable_write)
    patch(module, "_pass", killable_pass)
    patch(module, "_page", killable_page)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")

    async def make() -> None:
        journal = open_journal(folder)
        await fill(journal)
        await journal.close()

    asyncio.run(make())
    return folder


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.sqlite("its folder, copied whole")
def test_killed_anywhere_nothing_is_lost_and_the_next_start_finishes(filled: Path, tmp_path: Path, point: str) -> None:
    folder = tmp_path / "gateway"
    shutil.copytree(filled, folder)
    old, before = Vault.open(folder / "keys", "bac_a_sable", create=False), opened(folder)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - killed
        try:
            _die_at(point, setattr)
            asyncio.run(_alone(folder))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert len(opened(folder)) == len(before)  # with whatever keys are there

    async def again() -> None:
        journal = open_journal(folder)
        await resume(journal)
        assert not journal.vault.rotating
        await journal.close()

    asyncio.run(again())
    assert not (folder / "keys" / "K2.next").exists()
    opened(folder)
    for _, name, value in sealed(folder):
        with pytest.raises(InvalidTag):
            old.unseal(name, value)
    assert [step for step, _ in told(folder)] == ["begun", "done"]
    assert told(folder)[0][1] == ("passerelle" if point == "key-drawn" else "exploitant")


async def _alone(folder: Path) -> None:
    journal = open_journal(folder)
    await reseal(journal, by="exploitant")
