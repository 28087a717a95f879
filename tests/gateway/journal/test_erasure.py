"""An erased person cannot be found again by any key, and nothing that was proved or counted changes (design §5.6)."""
from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest

from connectors.nomenclatures.identifiers import Matricule, matricule_key, parse_matricule
from gateway.journal import database, erasure
from gateway.journal.bodies import Keeper, Message
from gateway.journal.erasure import erase
from gateway.journal.journal import FILE_NAME, Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Body, Facts, Intent, Named, Record
from gateway.usage.recount import recount
from tests.gateway.journal.world import BORN, SENDER, feed, message, open_journal, rows

ERASED, KEPT = "275126322074974", "279035121518989"
CORSICAN = "180032B020401" + matricule_key("180032B020401")
PERSON = parse_matricule(ERASED)
KEEPER = Keeper({"DMP.TD2.1": "full", "INS.RECHERCHE_TRAITS": "full"})


def about(matricule: str, outcome: Any = "ok") -> Record:
    record = feed(outcome, person=Named("person", matricule))
    record.documents.append(Named("document", f"1.2.250.1.999.{matricule[-6:]}"))
    soap = f"<s:Envelope><nom>TRAITS {matricule[-3:]}</nom></s:Envelope>".encode()  # no number: the entry alone leads here
    record.bodies = KEEPER.keep(record, Message("request", "POST /x", [(b"content-type", b"application/soap+xml")], soap))
    return record


def entries_of(folder: Path) -> list[bytes]:
    with JournalReader(folder) as reader:
        return [entry.body for entry in reader.walk()]


def units_of(folder: Path) -> list[Any]:
    with JournalReader(folder) as reader:
        return list(reader.units())


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


async def test_what_is_left_is_a_name_that_no_key_links(journal: Journal) -> None:
    await journal.write(about(ERASED), about(KEPT))
    before, units = entries_of(journal.folder), units_of(journal.folder)
    old = await journal.ref(Named("person", ERASED))
    assert old is not None and old.encode() in before[0]

    erased = await erase(journal, PERSON, by="dpo")

    assert (erased.known, erased.entries, erased.wal_emptied) == (True, 1, True)
    if not journal.shared:
        assert (journal.folder / f"{FILE_NAME}-wal").stat().st_size == 0
    assert entries_of(journal.folder)[:2] == before  # every leaf is as it was
    assert units_of(journal.folder) == units
    assert await journal.ref(Named("person", ERASED)) is None
    assert await journal.ref(Named("person", KEPT)) is not None
    assert rows(journal.folder, f"SELECT count(*) FROM refs WHERE ref = '{old}'") == [(0,)]
    await journal.write(about(ERASED))
    new = await journal.ref(Named("person", ERASED))
    assert new is not None and new != old
    await journal.close()


async def test_a_person_is_erased_under_every_name_that_the_deployment_gave(tmp_path: Path) -> None:
    """Each environment names a person by a key of its own: an erasure asked in one must not leave those of another."""
    for environment in ("recette", "production"):
        journal = open_journal(tmp_path, environment=environment)
        await journal.write(about(ERASED), about(KEPT))
        if environment == "recette":
            await journal.close()
    assert rows(tmp_path, "SELECT count(*) FROM refs WHERE kind = 'person'") == [(4,)]
    erased = await erase(journal, PERSON, by="dpo")
    assert (erased.known, erased.entries) == (True, 2)
    left = [lookup for (lookup,) in rows(tmp_path, "SELECT lookup FROM refs WHERE kind = 'person'")]
    assert [vault.lookup("person", ERASED) in left for vault in journal.vault.everywhere()] == [False] * 4
    assert [vault.lookup("person", KEPT) in left for vault in journal.vault.everywhere()].count(True) == 2
    assert (await erase(journal, PERSON, by="dpo")).known is False
    await journal.close()


@pytest.mark.parametrize(
    "written", [ERASED[:13] + "75", ERASED[:13], CORSICAN.lower()], ids=["other key", "no key", "lower case"]
)
async def test_a_person_is_erased_however_a_dui_wrote_the_number(journal: Journal, written: str) -> None:
    """Some former INS have a wrong key (reference insi §5), under which the journal names the person all the same."""
    call, sent, told = about(written), message("ok", f"<{written}@dui.test>"), Record("INS.RECHERCHE_TRAITS", outcome="refused")
    told.bodies = KEEPER.keep(told, Message("request", "POST /lps", [], f"<x>{written}</x>".encode()))
    await journal.write(call, sent, told, about(KEPT))
    person = parse_matricule(CORSICAN if written.lower() == CORSICAN.lower() else ERASED)
    erased = await erase(journal, person, by="dpo")
    assert (erased.known, erased.entries, erased.messages, erased.sealed_values) == (True, 1, 1, 1)
    assert await journal.ref(Named("person", written)) is None
    assert await journal.ref(Named("person", KEPT)) is not None
    await journal.close()


async def test_a_damaged_copy_does_not_stop_an_erasure(journal: Journal) -> None:
    await journal.write(about(KEPT), about(ERASED))
    damage = "UPDATE blobs SET sealed = ? WHERE pos & 1023 = 0"
    await journal.change(lambda store: store.connection().execute(damage, (bytes(40),)).get)
    assert (await erase(journal, PERSON, by="dpo")).entries == 1
    await journal.close()


async def test_salts_messages_and_document_names_go_and_those_of_others_stay(journal: Journal) -> None:
    await journal.write(about(ERASED), about(KEPT))
    await erase(journal, PERSON, by="dpo")
    assert rows(journal.folder, "SELECT pos & 1023, n FROM bodies") == [(1, 0)]
    assert rows(journal.folder, "SELECT pos & 1023, n FROM blobs") == [(1, 0)]
    sealed = dict(rows(journal.folder, "SELECT sealed IS NULL, count(*) FROM refs WHERE kind = 'document' GROUP BY 1"))
    assert sealed == {1: 1, 0: 1}
    await journal.close()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("step", ["_refs_of", "find_trace"])
async def test_entries_that_come_while_the_journal_is_read_are_not_missed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, step: str, known: bool
) -> None:
    """Whether they come as soon as the person's names are read or when all is read, and even if it had no name until then."""
    await journal.write(about(KEPT), *([about(ERASED)] if known else []))
    done, loop = getattr(erasure, step), asyncio.get_running_loop()

    def slow(*asked: Any) -> Any:
        found = done(*asked)
        monkeypatch.setattr(erasure, step, done)
        asyncio.run_coroutine_threadsafe(journal.write(about(ERASED), about(KEPT)), loop).result()
        return found

    monkeypatch.setattr(erasure, step, slow)
    assert (await erase(journal, PERSON, by="dpo")).entries == 1 + known
    of_others = [(0,), (2 + known,)]
    assert rows(journal.folder, "SELECT pos & 1023 FROM bodies ORDER BY pos") == of_others
    assert rows(journal.folder, "SELECT pos & 1023 FROM blobs ORDER BY pos") == of_others
    assert rows(journal.folder, "SELECT count(*) FROM refs WHERE kind = 'document' AND sealed IS NOT NULL") == [(1,)]
    await journal.close()


async def test_recount_and_numerators_are_the_same(journal: Journal) -> None:
    await journal.write(about(ERASED), about(KEPT), about(ERASED))
    before = recount(journal.folder)
    await erase(journal, PERSON, by="dpo")
    after = recount(journal.folder)
    assert (before.gap_count, after.gap_count) == (0, 0)
    assert len({unit.unit_ref for unit in units_of(journal.folder)}) == 2
    await journal.close()


async def test_one_entry_says_it_without_naming_anybody(journal: Journal) -> None:
    await journal.write(about(ERASED))
    old = str(await journal.ref(Named("person", ERASED)))
    await erase(journal, PERSON, by="dpo")
    note = orjson.loads(entries_of(journal.folder)[-1])
    assert (note["kind"], note["detail"]["action"], note["detail"]["by"]) == ("admin", "erasure", "dpo")
    assert note["detail"]["entries"] == 1
    assert not any(secret in orjson.dumps(note).decode() for secret in (ERASED, ERASED[:13], old))
    await journal.close()


async def test_a_person_that_the_journal_never_met_is_said_so(journal: Journal) -> None:
    await journal.write(about(KEPT))
    erased = await erase(journal, PERSON, by="dpo")
    assert (erased.known, erased.entries, erased.messages) == (False, 0, 0)
    await journal.close()


async def test_questions_of_entries_in_doubt_and_of_calls_under_way_go(journal: Journal) -> None:
    lost, running, other = about(ERASED), about(ERASED), about(KEPT)
    for record in (lost, running, other):
        key = Named("submission", record.id)
        await journal.intend(record, Intent(key, 30.0, hashlib.sha256(b"document").digest(), ERASED.encode()))
    lost.outcome = "in_doubt"
    await journal.write(lost)
    erased = await erase(journal, PERSON, by="dpo")
    assert erased.questions == 2
    assert rows(journal.folder, "SELECT blob, commitment FROM doubts") == [(None, None)]
    assert rows(journal.folder, "SELECT count(*) FROM intents WHERE blob IS NULL") == [(1,)]
    running.outcome = "in_doubt"  # its question must not come back from memory
    await journal.write(running)
    assert rows(journal.folder, "SELECT blob FROM doubts") == [(None,), (None,)]
    assert rows(journal.folder, "SELECT count(*) FROM intents WHERE blob IS NOT NULL") == [(1,)]
    settled = Record("DMP.TD2.1", kind="settlement", settles=lost.id, outcome="succeeded")
    await journal.write(settled)  # a person may still decide
    await journal.close()


async def test_the_number_is_found_in_what_clients_chose(journal: Journal) -> None:
    """A Message-ID and a kept message of another call hold it: they go too, whatever the name of the person in the entry."""
    chosen = Record("MSS.SOUMISSION", outcome="ok", event_time=BORN)
    chosen.message = Named("message", f"{SENDER}\n<{ERASED}@dui.test>")
    harmless = Record("MSS.SOUMISSION", outcome="ok", event_time=BORN)
    harmless.message = Named("message", f"{SENDER}\n<1@dui.test>")
    answer = Record("INS.RECHERCHE_TRAITS", outcome="refused", event_time=BORN)
    binary = b"\xff" + f"<NumIdentifiant>{ERASED[:13]}</NumIdentifiant>".encode()  # no UTF-8: kept in base64
    answer.bodies = KEEPER.keep(answer, Message("request", "POST /lps", [], b"rien"), Message("response", "200", [], binary))
    assert b"base64" in (answer.bodies[1].kept or b"")
    await journal.write(chosen, harmless, answer)
    erased = await erase(journal, PERSON, by="dpo")
    assert (erased.sealed_values, erased.messages, erased.known) == (1, 1, False)
    assert rows(journal.folder, "SELECT n FROM blobs") == [(0,)]
    assert await journal.ref(chosen.message) is None
    assert await journal.ref(harmless.message) is not None
    await journal.close()


async def test_facts_about_the_person_go_whatever_the_entry_names(journal: Journal) -> None:
    nobody = Record("INS.RECHERCHE_TRAITS", outcome="refused", facts=Facts({"n": 1}, (ERASED,)))
    named, other = about(ERASED), about(KEPT)
    named.facts, other.facts = Facts({"n": 2}), Facts({"n": 3}, (KEPT,))
    await journal.write(nobody, named, other)
    await erase(journal, PERSON, by="dpo")
    assert rows(journal.folder, "SELECT pos & 1023 FROM facts") == [(2,)]
    assert rows(journal.folder, "SELECT pos & 1023 FROM facts_about") == [(2,)]
    await journal.close()


@pytest.mark.sqlite("its files")
async def test_no_byte_of_the_person_is_left_in_the_file(journal: Journal) -> None:
    """secure_delete: the sealed bytes and the salt are gone from the pages, not only from the tables."""
    await journal.write(*(about(KEPT) for _ in range(20)), about(ERASED))
    [(lookup, salt, key, blob)] = rows(
        journal.folder,
        "SELECT lookup, salt, sealed_key, blobs.sealed FROM entries e JOIN refs r ON r.ref = e.person_ref JOIN bodies USING (pos)"
        " JOIN blobs USING (pos) ORDER BY pos DESC LIMIT 1",
    )
    assert lookup == journal.vault.lookup("person", ERASED)
    await erase(journal, PERSON, by="dpo")
    await journal.close()
    content = b"".join(path.read_bytes() for path in journal.folder.glob(f"{FILE_NAME}*"))
    assert [piece in content for piece in (lookup, salt, key, blob[-64:])] == [False] * 4


@pytest.mark.sqlite("its write-ahead log")
async def test_a_reader_that_holds_the_log_is_said(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_WAL_TRIES", 1)
    await journal.write(about(ERASED))
    reader = database.open_for_reading(journal.folder / FILE_NAME)
    reader.execute("BEGIN; SELECT count(*) FROM entries")
    assert (await erase(journal, PERSON, by="dpo")).wal_emptied is False
    reader.execute("COMMIT")
    reader.close()
    assert await erasure.empty_wal(journal.folder / FILE_NAME) is True
    await journal.close()


async def test_an_erasure_that_finds_no_room_erases_nothing(journal: Journal) -> None:
    await journal.write(about(ERASED))

    def broken(*_: Any) -> Any:
        raise apsw.FullError("disk full")

    note = Record(None, kind="admin", tenant="passerelle", detail={"action": "erasure", "by": "dpo"})
    trace = erasure.Trace([], [], [], {})

    def work(store: Any) -> Any:
        erasure.erase_rows(store, PERSON, trace, [store.vault])
        return broken()

    with pytest.raises(Exception, match="disk full"):
        await journal.act(note, work)
    assert await journal.ref(Named("person", ERASED)) is not None
    assert rows(journal.folder, "SELECT count(*) FROM bodies") == [(1,)]
    await journal.close()


def test_a_named_value_hides_itself() -> None:
    named = Named("person", ERASED)
    logged = orjson.dumps({"of": named, "in": [named]}, default=str).decode()  # as the log of a process writes it
    assert "person" in logged
    assert ERASED not in logged + repr(named) + f"{named}"


def test_the_matricule_hides_itself() -> None:
    assert ERASED not in repr(PERSON) + str(PERSON)
    assert isinstance(PERSON, Matricule)
    assert base64.b64encode(ERASED.encode()).decode() not in repr(Body("request", 1, b"", ERASED.encode()))
